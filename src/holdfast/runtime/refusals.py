"""What is refused again and again is told a few times, then counted.

Whoever is refused could otherwise write the journal: a record for each request costs them nothing.
Of each kind, the first few of a session in a minute are records of their own; the rest of that
minute is one record with their number.
"""

import msgspec

from holdfast.model.events import Kind
from holdfast.model.principals import Principal

TOLD_MOST = 20
WINDOW_S = 60
_NS = 1_000_000_000
_WINDOWS_MAX = 10_000


class Untold(msgspec.Struct, frozen=True):
    """So many refusals of one kind, for one session, that have no records of their own."""

    kind: Kind
    who: Principal | None
    times: int


class _Window(msgspec.Struct):
    began_ns: int
    who: Principal | None
    told: int = 0
    untold: int = 0


class Refusals:
    """One window a session and kind; `most` in it have records of their own."""

    def __init__(self, most: int = TOLD_MOST) -> None:
        self._most = most
        self._windows: dict[tuple[Kind, str, str], _Window] = {}

    def tells(self, kind: Kind, who: Principal | None, now_ns: int) -> bool:
        """Whether this one gets a record of its own; counted if not."""
        key = (kind, who.tenant, who.session) if who is not None else (kind, "", "")
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= _WINDOWS_MAX:
                # More sessions than that are refused at once: theirs go to the server's own count.
                key, who = (kind, "", ""), None
            window = self._windows.setdefault(key, _Window(began_ns=now_ns, who=who))
        if window.told < self._most:
            window.told += 1
            return True
        window.untold += 1
        return False

    def due(self, now_ns: int, *, all_of_them: bool = False) -> list[Untold]:
        """What is to be told of windows that are over; they begin anew."""
        over = [
            key
            for key, window in self._windows.items()
            if all_of_them or now_ns - window.began_ns >= WINDOW_S * _NS
        ]
        found = []
        for key in over:
            window = self._windows.pop(key)
            if window.untold:
                found.append(Untold(key[0], window.who, window.untold))
        return found
