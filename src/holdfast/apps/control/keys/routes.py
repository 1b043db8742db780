"""`/v1/keys`: spending keys, which open capped sessions and nothing else."""

from typing import Annotated

from msgspec import Meta

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.keys import service
from holdfast.apps.control.keys.schemas import AddKey, RevokeKey, WhichKeys
from holdfast.apps.control.operations import By, Operations
from holdfast.model.views.keys import KeyList, KeyView, NewKey, RevokedKey

operations = Operations("/v1/keys", "keys")
KeyName = Annotated[str, Meta(max_length=64)]
_UNSAID = RevokeKey()


@operations.get("")
async def list_keys(which: WhichKeys, deps: ControlDeps) -> KeyList:
    """Every key, with what its sessions spent and when it was used last."""
    return await service.listed(deps, which)


@operations.get("/{name}", 404)
async def show_key(name: KeyName, deps: ControlDeps) -> KeyView:
    """One key as it stands."""
    return await service.shown(deps, deps.house.keys.get(name))


@operations.post("", 404, 409, 422)
async def add_key(asked: AddKey, deps: ControlDeps, by: By) -> NewKey:
    """Hand out a key; its token is in this answer and nowhere else."""
    return await service.add(deps, asked, by)


@operations.post("/{name}/rotate", 404, 409)
async def rotate_key(name: KeyName, deps: ControlDeps, by: By) -> NewKey:
    """Another token in place of the old, which opens nothing from now on; its sessions go on."""
    return await service.rotate(deps, name, by)


@operations.post("/{name}/revoke", 404)
async def revoke_key(
    name: KeyName, deps: ControlDeps, by: By, why: RevokeKey = _UNSAID
) -> RevokedKey:
    """Take a key back: it opens nothing any more, and what it opened stops."""
    return await service.revoke(deps, name, why.reason, by)
