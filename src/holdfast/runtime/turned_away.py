"""Who was turned away for asking too fast: counted, and told once a second for each tenant.

A record for each would let whoever is refused write the journal. Not here: who is (`turns`,
`rates`).
"""

import asyncio
from collections.abc import Callable

_TELL_S = 1.0

Tell = Callable[[str, int], None]
"""Takes a tenant, and how many of it were turned away since it was last told of."""


class TurnedAway:
    """Counts those of one door; `tell` hears of them."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._times: dict[str, int] = {}

    def count(self, tenant: str) -> None:
        """One more."""
        if tenant not in self._times:
            asyncio.get_running_loop().call_later(_TELL_S, self._told, tenant)
        self._times[tenant] = self._times.get(tenant, 0) + 1

    def _told(self, tenant: str) -> None:
        self._tell(tenant, self._times.pop(tenant))
