"""`/v1/own-files/trust`: from now on, what stands in a commit is the operator's own."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from holdfast.apps.control.approvals import admin_alone
from holdfast.apps.control.deps import By, Deps
from holdfast.apps.control.wire import Asked, Shown, refusals
from holdfast.errors import InvalidRequest
from holdfast.model.events import Kind

router = APIRouter(prefix="/v1/own-files", tags=["files"], responses=refusals())


class Trust(Asked):
    """`ref` is a branch, a tag or a commit; `root` may be left out where only one is declared."""

    ref: Annotated[str, Field(min_length=1, max_length=128)] = "HEAD"
    root: Annotated[str, Field(max_length=4096)] = ""


class Trusted(Shown):
    """What is own from now on, until the server ends."""

    root: str
    ref: str
    commit: str


@router.post("/trust")
async def trust_files(asked: Trust, deps: Deps, by: By) -> Trusted:
    """Take the files of a commit for the operator's own; journalled."""
    roots = deps.files.roots if deps.files is not None else ()
    if deps.files is None or not roots:
        raise InvalidRequest("no checkout is declared: say `files: {own: [{root: .}]}`")
    if not asked.root and len(roots) > 1:
        raise InvalidRequest(f"which root? {', '.join(roots)}", field="root")
    root = asked.root or roots[0]
    await admin_alone(deps, by, "files.trust", "what is trusted binds whoever works here")
    commit = await deps.files.trust(root, asked.ref)
    body = {"root": root, "ref": asked.ref, "commit": commit, "by": by}
    await deps.journal.commit([deps.journal.record(Kind.FILES_TRUSTED, None, body)])
    return Trusted(root=root, ref=asked.ref, commit=commit)
