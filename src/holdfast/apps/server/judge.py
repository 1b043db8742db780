"""What judges shell commands (`core/risk/shell`), loaded once a session may come to need it.

It is thirty modules of tables and grammars, of which a server needs none to answer. A session's
first command follows its first model call, which takes longer than loading beside it.
"""

from collections.abc import Mapping
from threading import Thread

from holdfast.model.tools import Contract
from holdfast.runtime.live import LiveSession


class JudgeOnDemand:
    """To be called with each session that comes into memory."""

    def __init__(self, tools: Mapping[str, Contract]) -> None:
        self._shells = frozenset(name for name, contract in tools.items() if contract.shell)
        self._begun = False

    def __call__(self, live: LiveSession) -> None:
        """Begin to load it, the first time that a session may run commands."""
        if not self._begun and not self._shells.isdisjoint(live.session.allowed_tools):
            self._begun = True
            Thread(target=_load, name="load", daemon=True).start()


def _load() -> None:
    import holdfast.core.risk.shell  # noqa: F401, PLC0415
