"""Files that sessions without a stranger's text left behind: own to their user, by digest.

What a call writes takes its session's taint at that moment. So a file that a session wrote before
it read or fetched anything else is as much the user's own as what it was made from: for this
session, for later ones of the same user, and over a restart. What stands there is looked at once
the call has reported, so that a file which somebody else changed since is not taken for it.

Not here: which files a call may write (`core/sources`, `core/workplace`), whose they are by a
commit (`ports/files`).
"""

import asyncio
import hashlib
from collections import ChainMap
from collections.abc import Mapping, Sequence

import msgspec

from holdfast.core.place import meet
from holdfast.core.sources import CODE, RUN, Rewrites
from holdfast.model import bodies
from holdfast.model.events import Kind, Record
from holdfast.ports.files import OwnFiles
from holdfast.ports.store import RecordFilter, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.left_running import LeftRunning, Whose
from holdfast.runtime.live import LiveSession, Writing
from holdfast.runtime.sessions import Sessions

KEPT_DAYS = 30
_DAY_NS = 86_400 * 1_000_000_000
# How often, and at what pace, it is asked whether the call that writes a file has reported.
LOOKS = 20
_LOOK_S = 0.05
_MOST_FILES = 20_000
_MOST_OF_ONE = 200
_PAGE = 1000
_LOG = ".log"


class OwnTexts:
    """What may be read without a taint, by the operator's word and by who wrote it."""

    def __init__(
        self, files: OwnFiles, sessions: Sessions, journal: Journal, left: LeftRunning
    ) -> None:
        self.files = files
        self._sessions = sessions
        self._journal = journal
        self.running = left
        # Of each user, paths with the digest that a session of theirs left there.
        self._written: dict[Whose, dict[str, str]] = {}

    async def load(self, store: Store, now_ns: int) -> None:
        """Take in what was left behind in the last days, as the journal has it."""
        after_seq = 0
        while True:
            where = RecordFilter(
                tenant="",
                of_server=True,
                kinds=(Kind.FILES_WRITTEN, Kind.FILES_UNSETTLED),
                from_ns=max(now_ns - KEPT_DAYS * _DAY_NS, 0),
                after_seq=after_seq,
                limit=_PAGE,
            )
            page = await store.records(where)
            for record in page:
                if record.kind is Kind.FILES_UNSETTLED:
                    self.running.taken_in(record)
                    continue
                body = bodies.FilesWritten.of(record)
                self._keep((body.tenant, body.user), body.files)
            if len(page) < _PAGE:
                return
            after_seq = page[-1].seq

    async def own(self, live: LiveSession, paths: Sequence[str]) -> bool:
        """Whether each of these is the operator's own, or was left so by this user's sessions.

        What code that this session left running prints is what that code has read: so all of that
        has to be own as well, by now. Of a file that another call is writing its report is awaited
        for a while: sub-agents work side by side, and what is own must not hang on who is heard
        first.
        """
        # Asked first: it may be over by the time that the files were looked at.
        under_way = self._under_way(live, paths)
        if await self._own(live, paths):
            return True
        if not under_way:
            return False
        for _ in range(LOOKS):
            if not self._under_way(live, paths):
                break
            await asyncio.sleep(_LOOK_S)
        return await self._own(live, paths)

    async def _own(self, live: LiveSession, paths: Sequence[str]) -> bool:
        grown = live.grows.keys() & set(paths)
        code = [f"{live.session.folder}/{CODE}"] if grown else []
        return await self.files.own([*paths, *code], await self._texts(live))

    def _under_way(self, live: LiveSession, paths: Sequence[str]) -> bool:
        """Whether a call of this user is seen to write one of these, and is not over."""
        named = {
            path
            for one in self._of_user(live)
            for writing in one.writing.values()
            for path in writing.named
        }
        # What stands for code stands for all below its folder.
        folders = [path.partition("/.git/")[0] for path in paths if path.endswith((CODE, RUN))]
        return any(meet(path, one) for one in named for path in (*paths, *folders))

    def _of_user(self, live: LiveSession) -> list[LiveSession]:
        """Sessions of the same user that heard nobody."""
        found = [
            one
            for one in self._sessions.in_memory()
            if (one.who.tenant, one.who.user) == (live.who.tenant, live.who.user)
        ]
        return [one for one in found if not one.vouched.tainted]

    async def begun(
        self, live: LiveSession, named: Sequence[str], rewrites: Rewrites, content: object = None
    ) -> Writing | None:
        """What a neutral call may be seen to write, as it is before; None where that is nothing.

        `content`: the whole text of the file that it writes, where its arguments tell that.
        """
        told = _blobs(content) if isinstance(content, str) else frozenset[str]()
        also, mixed = await self._texts(live), await self._mixed(live)
        if mixed is None and not told:
            return None
        kept = [path for path in named[:_MOST_OF_ONE] if await self.files.own([path], also)]
        before: Mapping[str, str] | None = None
        if rewrites is not Rewrites.NOTHING:
            before = await self.files.held([live.session.folder])
        known = frozenset(
            path for path, digest in (before or {}).items() if self.files.knows(path, digest, also)
        )
        news = rewrites is Rewrites.ANY and len(known) == len(before or {})
        if rewrites is Rewrites.ANY and not news:
            before = None  # Code that may read what is nobody's own may write that anywhere.
        if before is None and not kept:
            return None
        return Writing(
            named=tuple(kept), told=told, before=before, known=known, news=news, mixed=mixed
        )

    async def ended(self, live: LiveSession, call_id: str, *, ok: bool) -> list[Record]:
        """The record of what an allowed call left behind, now that it has reported; or none.

        One that failed did not surely write what it names: another's file may stand there.
        """
        writing = live.reported(call_id)
        if writing is None:
            return []
        if not ok:
            writing = msgspec.structs.replace(writing, named=())
        # For others it is under way until what it left is kept.
        live.writing[call_id] = writing
        try:
            return await self._kept_of(live, writing)
        finally:
            live.writing.pop(call_id, None)

    async def _kept_of(self, live: LiveSession, writing: Writing) -> list[Record]:
        left = await self._left(live, writing)
        mixed = await self._mixed(live)
        # A file whose whole text the call told may stand beside whatever others write.
        alone = mixed is not None and mixed == writing.mixed
        if not left or live.vouched.tainted or not (alone or writing.told):
            return []
        who = live.who
        self._keep((who.tenant, who.user), left)
        ours = bodies.FilesWritten(
            tenant=who.tenant, user=who.user, session=who.session, files=left
        )
        # Of the server, as what it trusts is: found again at its start without reading all else.
        return [self._journal.record_of_ours(ours, None)]

    async def _left(self, live: LiveSession, writing: Writing) -> dict[str, str]:
        """Paths and digests that the call changed, of those that it may."""
        folder = [live.session.folder] if writing.before is not None else []
        after = await self.files.held([*writing.named, *folder])
        if after is None:
            return {}
        before = writing.before or {}
        changed = {
            path: digest
            for path, digest in after.items()
            if digest
            and (
                (path in writing.named and (not writing.told or digest in writing.told))
                or (before.get(path) != digest and self._may_change(path, digest, writing))
            )
        }
        return changed if len(changed) <= _MOST_OF_ONE else {}

    def _may_change(self, path: str, digest: str, writing: Writing) -> bool:
        before = writing.before or {}
        if path in writing.known:
            return True
        if path in before:
            return False
        # A file that was moved, or one that own code made.
        moved = digest in {before[one] for one in writing.known}
        return moved or (writing.news and not path.endswith(_LOG))

    async def _mixed(self, live: LiveSession) -> int | None:
        """None where another's text could be written there now, else a number that tells when.

        By any session that works at the same files: one that wrote after it had read a stranger's
        text, a call that reads such text now, what either left running; and whatever sessions of
        other users write, since that is own to them alone.
        """
        if live.vouched.tainted or await self.running.may_write(live):
            return None
        folder, whose = live.session.folder, (live.who.tenant, live.who.user)
        there = [one for one in self._sessions.in_memory() if meet(one.session.folder, folder)]
        others = [one for one in there if (one.who.tenant, one.who.user) != whose]
        stale = (one for one in (*there, live) if self.running.goes_on(one.session))
        if any(one.stale for one in stale) or any(one.mixing for one in (*there, live)):
            return None
        if any(one.working for one in others):
            return None
        return sum(one.mixed for one in there) + sum(one.worked for one in others)

    async def _texts(self, live: LiveSession) -> Mapping[str, str]:
        """What its user's sessions left, with what code of this one has printed by now."""
        also = self._written.get((live.who.tenant, live.who.user), {})
        mixed = await self._mixed(live) if live.grows else None
        grown = [path for path, since in live.grows.items() if since == mixed]
        now = dict(await self.files.held(grown) or {}) if grown else {}
        now |= await self._unreported(live)
        return ChainMap(now, also) if now else also

    async def _unreported(self, live: LiveSession) -> dict[str, str]:
        """What calls of this user write whole that are not over, where it stands there as told.

        Sub-agents work side by side: one may look at a file before the call that wrote it for
        another has reported.
        """
        told: dict[str, frozenset[str]] = {}
        for one in self._of_user(live):
            for writing in one.writing.values():
                told |= {
                    path: told.get(path, writing.told) | writing.told for path in writing.named
                }
        held = await self.files.held([path for path, digests in told.items() if digests]) or {}
        return {path: digest for path, digest in held.items() if digest in told[path]}

    def _keep(self, whose: Whose, files: Mapping[str, str]) -> None:
        kept = self._written.setdefault(whose, {})
        for path, digest in files.items():
            kept.pop(path, None)
            kept[path] = digest
        for path in list(kept)[: max(len(kept) - _MOST_FILES, 0)]:
            del kept[path]


def _blobs(content: str) -> frozenset[str]:
    """The ids that git gives a file with this text, by either of its digests."""
    text = content.encode("utf-8", "surrogatepass")
    whole = b"blob %d\0" % len(text) + text
    # As git names it, which is no secret to keep.
    sha1 = hashlib.sha1(whole, usedforsecurity=False)
    return frozenset({sha1.hexdigest(), hashlib.sha256(whole).hexdigest()})
