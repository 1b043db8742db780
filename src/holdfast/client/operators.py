"""The admin's view of operators: who acts beside the admin, by name."""

from urllib.parse import quote

from holdfast.errors import InvalidRequest
from holdfast.model.views.server import NewOperator, OperatorList, OperatorRecord

from .wire import Door


class Operators:
    """Who operates; adding and removing are the admin's alone."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[OperatorRecord, ...]:
        """Everyone but the admin, by name."""
        return (await self._door.get("/v1/operators", OperatorList)).operators

    async def add(self, name: str) -> NewOperator:
        """Errors: Conflict for a name that is taken, Denied for anybody but the admin."""
        return await self._door.post("/v1/operators", NewOperator, {"name": name})

    async def remove(self, name: str) -> None:
        """Errors: NotFound, Denied for anybody but the admin."""
        if name in ("", ".", ".."):
            raise InvalidRequest("that is no operator's name")
        path = f"/v1/operators/{quote(name, safe='')}/remove"
        await self._door.post(path, OperatorList, {})
