"""The admin's view of the model providers."""

import msgspec

from .wire import Door


class UpstreamKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key: `closed`, `open` or `half_open`, failures in a row, seconds until it is tried."""

    key: str
    state: str
    failures: int
    retry_in_s: float


class UpstreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream, its keys and its fallbacks (`upstream` or `upstream/model`)."""

    upstream: str
    vendor: str
    keys: tuple[UpstreamKey, ...]
    fallbacks: tuple[str, ...]


class _UpstreamList(msgspec.Struct, frozen=True):
    upstreams: tuple[UpstreamStatus, ...]


class Upstreams:
    """Which providers are in use, and which are left alone."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[UpstreamStatus, ...]:
        """Every upstream, in the order of the file."""
        return (await self._door.get("/v1/upstreams", _UpstreamList)).upstreams
