"""What somebody asked of the fleet's page: filter, order, stretch; as it stands in an address."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

ROWS = 100
STATES = ("live", "active", "paused", "over")
SORTS = ("opened", "last", "spent", "used", "turns", "context", "agent", "user", "task", "state")
_BY_NAME = ("agent", "user", "task", "state")
_WORDS_MOST = 400
_ROWS_MOST = 1_000_000


class Asked(NamedTuple):
    """One way to look at the fleet."""

    words: str = ""
    states: str = "live"
    sort: str = "opened"
    order: str = "falling"
    start: int = 0

    @property
    def query(self) -> str:
        """For an address, without what goes without saying."""
        usual = Asked()._replace(order=usual_order(self.sort))
        pairs = zip(self._fields, self, usual, strict=True)
        return urlencode([(name, value) for name, value, other in pairs if value != other])

    @property
    def before(self) -> "Asked":
        """The stretch before."""
        return self._replace(start=max(self.start - ROWS, 0))

    @property
    def after(self) -> "Asked":
        """The stretch after."""
        return self._replace(start=self.start + ROWS)

    def sorted_by(self, sort: str) -> "Asked":
        """The same in another order; the other way round where it is that order already."""
        order = usual_order(sort)
        if sort == self.sort:
            order = "rising" if self.order == "falling" else "falling"
        return self._replace(sort=sort, order=order, start=0)


def usual_order(sort: str) -> str:
    """Names from the first letter on, numbers from the largest down."""
    return "rising" if sort in _BY_NAME else "falling"


def asked_of(given: Mapping[str, str]) -> Asked:
    """What an address or a form asks for; what it says that means nothing says nothing."""
    sort = given.get("sort", "")
    sort = sort if sort in SORTS else "opened"
    order, states = given.get("order", ""), given.get("states", "")
    start = given.get("start", "")
    return Asked(
        words=" ".join(given.get("words", "")[:_WORDS_MOST].split()),
        states=states if states in STATES else "live",
        sort=sort,
        order=order if order in {"falling", "rising"} else usual_order(sort),
        start=min(int(start[:9]), _ROWS_MOST) if start.isascii() and start.isdecimal() else 0,
    )
