"""What the upstream path answers. Never a key, nor the name of the variable that holds it."""

from holdfast.apps.control.wire import Shown
from holdfast.core.breaker import BreakerState


class KeyView(Shown):
    """One key: where its breaker stands, failures in a row, seconds until it is tried again."""

    key: str
    state: BreakerState
    failures: int
    retry_in_s: float


class UpstreamView(Shown):
    """One upstream: who carries it, its keys in order, where its calls go in trouble."""

    upstream: str
    vendor: str
    keys: list[KeyView]
    fallbacks: list[str]


class UpstreamList(Shown):
    """In the order of the file."""

    upstreams: list[UpstreamView]
