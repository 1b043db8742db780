"""The operators' view of spending keys: handing them out, taking them back."""

from collections.abc import Sequence
from urllib.parse import quote

from holdfast.errors import InvalidRequest
from holdfast.model.views.keys import KeyList, KeyView, NewKey, RevokedKey

from .wire import Door


class Keys:
    """Spending keys: each opens capped sessions of one agent, and nothing else."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def add(  # noqa: PLR0913 -- each is an option
        self,
        name: str,
        *,
        agent: str,
        budget: Sequence[str],
        tenant: str = "",
        project: str = "",
        users: Sequence[str] = (),
        task: str = "",
        ttl_s: int | None = None,
        identity: str = "",
        token: bool = False,
    ) -> NewKey:
        """A key whose sessions together never spend more than `budget`: `usd=5.00`, `usd=5.00/day`.

        `users` are those whom its holder may work for: by default the one of the key's own name;
        `*` is whomever the holder names. It ends after `ttl_s`, 30 days where that is None. The
        token is in the answer and nowhere else. With an `identity` of the identity provider
        (`email:ann@acme.example` or `sub:…`), whoever signs in there by it acts as its holder, and
        there is a `token` only where it is asked for.

        Errors: Conflict for a name that is or was taken; Denied for users whom the operator is
        not; NotFound; InvalidRequest.
        """
        given = {"tenant": tenant, "project": project, "task": task, "ttl_s": ttl_s}
        given |= {"identity": identity, "token": token or None}
        body = {name: value for name, value in given.items() if value not in ("", None)}
        asked = {"name": name, "agent": agent, "budget": list(budget), "users": list(users)}
        return await self._door.post("/v1/keys", NewKey, asked | body)

    async def list(self, *, tenant: str = "") -> tuple[KeyView, ...]:
        """Every key by name, those that are over too."""
        return (await self._door.get("/v1/keys", KeyList, {"tenant": tenant})).keys

    async def show(self, name: str) -> KeyView:
        """One key. Errors: NotFound."""
        return await self._door.get(_path(name), KeyView)

    async def rotate(self, name: str) -> NewKey:
        """Another token; the old one opens nothing from now on. Errors: NotFound, Conflict."""
        return await self._door.post(_path(name, "/rotate"), NewKey, {})

    async def revoke(self, name: str, reason: str = "") -> RevokedKey:
        """Take it back: what it opened stops at once. Twice is harmless. Errors: NotFound."""
        return await self._door.post(_path(name, "/revoke"), RevokedKey, {"reason": reason})


def _path(name: str, verb: str = "") -> str:
    if name in ("", ".", ".."):
        raise InvalidRequest("that is no key's name")
    return f"/v1/keys/{quote(name, safe='')}{verb}"
