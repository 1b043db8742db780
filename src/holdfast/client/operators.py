"""The admin's view of operators: who acts beside the admin, by name."""

from urllib.parse import quote

import msgspec

from holdfast.errors import InvalidRequest

from .wire import Door


class OperatorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One operator; the time is UTC nanoseconds. `users` are whom they are in `tenants`."""

    name: str
    added_at_ns: int
    users: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()


class NewOperator(msgspec.Struct, frozen=True, kw_only=True):
    """A new operator's token, shown this once."""

    name: str
    token: str


class _OperatorList(msgspec.Struct, frozen=True):
    operators: tuple[OperatorRecord, ...]


class Operators:
    """Who operates; adding and removing are the admin's alone."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[OperatorRecord, ...]:
        """Everyone but the admin, by name."""
        return (await self._door.get("/v1/operators", _OperatorList)).operators

    async def add(self, name: str) -> NewOperator:
        """Errors: Conflict for a name that is taken, Denied for anybody but the admin."""
        return await self._door.post("/v1/operators", NewOperator, {"name": name})

    async def remove(self, name: str) -> None:
        """Errors: NotFound, Denied for anybody but the admin."""
        if name in ("", ".", ".."):
            raise InvalidRequest("that is no operator's name")
        path = f"/v1/operators/{quote(name, safe='')}/remove"
        await self._door.post(path, _OperatorList, {})
