"""The admin's view of operators: who acts beside the admin, by name."""

from collections.abc import Sequence
from urllib.parse import quote

from holdfast.errors import InvalidRequest
from holdfast.model.operators import Role
from holdfast.model.views.server import NewOperator, OperatorList, OperatorRecord

from .wire import Door


class Operators:
    """Who operates; adding and removing are the admin's alone."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[OperatorRecord, ...]:
        """Everyone but the admin, by name."""
        return (await self._door.get("/v1/operators", OperatorList)).operators

    async def add(
        self,
        name: str,
        *,
        role: Role | str = Role.OPERATOR,
        within: Sequence[str] = (),
        identity: str = "",
        token: bool = False,
    ) -> NewOperator:
        """`within` are tenants, or `tenant/project`; everywhere where there are none.

        `identity` is by whom they sign in, `email:ann@acme.example` or `sub:…`; with one, they get
        a `token` only where it is asked for.

        Errors: Conflict for a name or an identity that is taken, NotFound for a place that is
        none, Denied for anybody but the admin.
        """
        asked = {
            "name": name,
            "role": str(role),
            "within": list(within),
            "identity": identity,
            "token": token,
        }
        return await self._door.post("/v1/operators", NewOperator, asked)

    async def remove(self, name: str) -> None:
        """Errors: NotFound, Denied for anybody but the admin."""
        if name in ("", ".", ".."):
            raise InvalidRequest("that is no operator's name")
        path = f"/v1/operators/{quote(name, safe='')}/remove"
        await self._door.post(path, OperatorList, {})
