"""`/v1/own-files`: what stands in a commit is the operator's own from now on, or no longer."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.approvers import admin_alone
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operations import By, Operations
from holdfast.compose.own_files import pinned
from holdfast.errors import InvalidRequest
from holdfast.model.bodies import FilesForgotten, FilesTrusted
from holdfast.model.views.server import TrustedFiles
from holdfast.ports.files import OwnFiles

operations = Operations("/v1/own-files", "files")


class Trust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ref` is a branch, a tag or a commit; `root` may be left out where only one is declared."""

    ref: Annotated[str, Meta(min_length=1, max_length=128)] = "HEAD"
    root: Annotated[str, Meta(max_length=4096)] = ""


@operations.post("/trust")
async def trust_files(asked: Trust, deps: ControlDeps, by: By) -> TrustedFiles:
    """Take the files of a commit for the operator's own, until they are forgotten; journalled."""
    files, root = _root(asked, deps)
    await admin_alone(deps, by, "files.trust", "what is trusted binds whoever works here")
    commit = await files.trust(root, asked.ref)
    # What was trusted is this commit, whatever the ref names later.
    body = FilesTrusted(root=root, ref=asked.ref, by=by, commit=commit, kept=True)
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
    return TrustedFiles(root=root, ref=asked.ref, commit=commit)


@operations.post("/forget")
async def forget_files(asked: Trust, deps: ControlDeps, by: By) -> TrustedFiles:
    """The files of a commit are no longer the operator's own for its sake; journalled."""
    files, root = _root(asked, deps)
    await admin_alone(deps, by, "files.forget", "what is trusted binds whoever works here")
    known = files.commits(root)
    commit = asked.ref if asked.ref in known else await files.resolved(root, asked.ref)
    if commit in pinned(deps.config, root):
        raise InvalidRequest(
            f"the settings name {commit[:12]} under `files.own`: take it out there"
        )
    if not files.distrust(root, commit):
        told = ", ".join(one[:12] for one in known) or "none"
        raise InvalidRequest(f"{commit[:12]} is not trusted; of {root} these are: {told}")
    body = FilesForgotten(root=root, ref=asked.ref, by=by, commit=commit)
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
    return TrustedFiles(root=root, ref=asked.ref, commit=commit)


def _root(asked: Trust, deps: ControlDeps) -> tuple[OwnFiles, str]:
    """The declared checkout that is meant. Errors: InvalidRequest."""
    known = deps.house.files
    roots = known.files.roots if known is not None else ()
    if known is None or not roots:
        raise InvalidRequest("no checkout is declared: say `files: {own: [{root: .}]}`")
    if not asked.root and len(roots) > 1:
        raise InvalidRequest(f"which root? {', '.join(roots)}", field="root")
    return known.files, asked.root or roots[0]
