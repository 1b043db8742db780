"""The operator's own files, as settings and journal say when the server starts.

A commit that the settings name in full holds while they do; one that was trusted by command holds
until it is forgotten by command. Always the commit that the ref named then: a ref that moved since
trusts nothing more, and is told.
"""

import os
import re
from collections.abc import Callable, Mapping

from holdfast.compose.config import Config
from holdfast.compose.house import House
from holdfast.errors import InvalidRequest
from holdfast.model.bodies import FilesForgotten, FilesTrusted
from holdfast.model.events import Kind, Record
from holdfast.ports.files import OwnFiles
from holdfast.ports.store import RecordFilter, Store
from holdfast.runtime.journal import Journal

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PAGE = 1000

Say = Callable[[str], None]


def own_files(config: Config) -> OwnFiles | None:
    """The checkouts that are declared, none of their commits trusted yet; None without any."""
    if not config.files.own:
        return None
    from holdfast.backends.system.own_files import GitOwnFiles  # noqa: PLC0415 -- where asked for

    return GitOwnFiles(tuple(_roots(config)))


async def trust(config: Config, files: OwnFiles, house: House, say: Say) -> None:
    """Trust what settings and journal say. Errors: StoreUnavailable."""
    await _as_settings_say(config, files, house.journal, say)
    for (root, commit), ref in (await _by_command(house.store, files.roots)).items():
        await _again(files, root, commit, ref, say)


def pinned(config: Config, root: str) -> frozenset[str]:
    """Commits of a root that the settings name in full."""
    return frozenset(ref for ref in _roots(config).get(root, ()) if _COMMIT.fullmatch(ref))


def _roots(config: Config) -> dict[str, tuple[str, ...]]:
    return {os.path.realpath(config.path.parent / one.root): one.refs for one in config.files.own}


async def _as_settings_say(config: Config, files: OwnFiles, journal: Journal, say: Say) -> None:
    trusted: list[Record] = []
    for root in files.roots:
        for ref in sorted(pinned(config, root)):
            try:
                commit = await files.trust(root, ref)
            except InvalidRequest as fault:
                say(f"nothing of {root} is trusted as own: {fault.message}")
                continue
            body = FilesTrusted(root=root, ref=ref, commit=commit)
            trusted.append(journal.record(body, None))
    await journal.commit(trusted)


async def _by_command(store: Store, roots: tuple[str, ...]) -> Mapping[tuple[str, str], str]:
    """Roots and commits that somebody trusted by command and nobody forgot, with the ref."""
    found: dict[tuple[str, str], str] = {}
    after_seq = 0
    while True:
        where = RecordFilter(
            tenant="",
            of_server=True,
            kinds=(Kind.FILES_TRUSTED, Kind.FILES_FORGOTTEN),
            after_seq=after_seq,
            limit=_PAGE,
        )
        page = await store.records(where)
        for record in page:
            if record.kind is Kind.FILES_FORGOTTEN:
                gone = FilesForgotten.of(record)
                found.pop((gone.root, gone.commit), None)
                continue
            body = FilesTrusted.of(record)
            if body.kept and body.root in roots and _COMMIT.fullmatch(body.commit):
                found[body.root, body.commit] = body.ref
        if len(page) < _PAGE:
            return found
        after_seq = page[-1].seq


async def _again(files: OwnFiles, root: str, commit: str, ref: str, say: Say) -> None:
    """Trust a commit as it was trusted before, and tell where its ref says another by now."""
    try:
        await files.trust(root, commit)
    except InvalidRequest as fault:
        say(f"{commit[:12]} of {root} is no longer trusted as own: {fault.message}")
        return
    try:
        now = await files.resolved(root, ref)
    except InvalidRequest:
        now = ""
    if now != commit:
        say(
            f"`{ref}` of {root} names another commit by now: {commit[:12]} stays your own, for the"
            f" newer one say `holdfast files trust {ref}`"
        )
