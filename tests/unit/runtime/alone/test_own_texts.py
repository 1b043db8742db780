"""Whose files are whose, over files in memory: what begins, what is left, what is remembered."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import hashlib
from typing import Any, cast

import msgspec
import pytest

from holdfast.core.sources import Rewrites
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.ports.store import RecordFilter
from holdfast.runtime import left_running, own_texts
from holdfast.runtime.live import Writing
from tests.unit.runtime.alone.desk import Desk, S

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.own_texts"])
RUNNING = pytest.mark.parametrize("module", ["holdfast.runtime.left_running"])
DAY = 86_400 * S


class Files:
    """Digests by path; `mine` are the operator's own as they stand. `asked` tells what was asked."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.mine: set[str] = set()
        self.asked: list[Any] = []
        self.too_many = False

    async def own(self, paths, also):
        self.asked.append((list(paths), dict(also)))
        return all(self.knows(path, self.there.get(path, ""), also) for path in paths)

    def knows(self, path, digest, also):
        return path in self.mine or (path in also and also[path] == digest)

    async def held(self, paths):
        if self.too_many:
            return None
        return {
            one: digest
            for one, digest in self.there.items()
            if any(one == path or one.startswith(f"{path}/") for path in paths)
        }


class Processes:
    """Those of these sessions are seen to live."""

    def __init__(self) -> None:
        self.live: set[str] = set()
        self.asked: list[str] = []

    async def seen(self, session_id):
        self.asked.append(session_id)
        return session_id in self.live


class Yard(Desk):
    """A desk beside a folder of files."""

    def __init__(self, *below) -> None:
        self.files = cast("Any", Files())
        super().__init__(*below, processes=Processes(), files=self.files)
        self.texts = cast("Any", self.house.files)
        self.running = self.texts.running

    async def seat(self, folder="/w", **fields):
        return await self.open(folder=folder, **fields)

    async def ended(self, live, call_id="c1", *, ok=True, **writing):
        live.writing[call_id] = Writing(**writing)
        return await self.texts.ended(live, call_id, ok=ok)


def blobs(text):
    whole = b"blob %d\0" % len(text) + text
    return {hashlib.sha1(whole).hexdigest(), hashlib.sha256(whole).hexdigest()}


def files_of(records):
    return [one.body["files"] for one in records]


@ABOUT
def test_call_begins_with_what_is_its_own_there_as_it_stands(module):
    assert module == own_texts.__name__

    async def main():
        yard: Any = Yard()
        live = await yard.seat()
        yard.files.there = {"/w/a": "1", "/w/b": "2", "/x": "3"}
        yard.files.mine = {"/w/a", "/w/n"}
        whole = {"/w/a": "1", "/w/b": "2"}
        known = frozenset({"/w/a"})
        rows = (
            # named, rewrites, content, what is begun
            (["/w/n", "/w/b"], Rewrites.NOTHING, None, Writing(named=("/w/n",))),
            (["/w/b"], Rewrites.NOTHING, None, None),
            ([], Rewrites.NOTHING, None, None),
            (["/w/n"], Rewrites.NOTHING, 7, Writing(named=("/w/n",))),
            (
                ["/w/n"],
                Rewrites.NOTHING,
                "text é",
                Writing(named=("/w/n",), told=frozenset(blobs("text é".encode()))),
            ),
            (["/w/b"], Rewrites.EACH, None, Writing(before=whole, known=known)),
            # Code that may read what is nobody's own may write that anywhere.
            (["/w/b"], Rewrites.ANY, None, None),
            (["/w/n"], Rewrites.ANY, None, Writing(named=("/w/n",), known=known)),
        )
        for named, rewrites, content, found in rows:
            begun = await yard.texts.begun(live, named, rewrites, content)
            assert begun == found, (named, rewrites)
        yard.files.mine.add("/w/b")
        own = frozenset(whole)
        begun = await yard.texts.begun(live, [], Rewrites.ANY)
        assert begun == Writing(before=whole, known=own, news=True)
        begun = await yard.texts.begun(live, [], Rewrites.EACH)
        assert begun == Writing(before=whole, known=own)
        # Nothing there at all, or too much to look at.
        yard.files.there.clear()
        assert await yard.texts.begun(live, [], Rewrites.ANY) == Writing(before={}, news=True)
        yard.files.too_many = True
        begun = await yard.texts.begun(live, ["/w/a"], Rewrites.ANY)
        assert begun == Writing(named=("/w/a",), news=True)
        assert await yard.texts.begun(live, [], Rewrites.EACH) is None
        # Two hundred that a call names are looked at.
        yard.files.mine |= {f"/w/{n}" for n in range(300)}
        begun = await yard.texts.begun(live, [f"/w/{n}" for n in range(300)], Rewrites.NOTHING)
        assert begun == Writing(named=tuple(f"/w/{n}" for n in range(200)))
        # Where others may write, only a file whose whole text is told may still be own.
        live.vouched.taint("fetch")
        assert await yard.texts.begun(live, ["/w/a"], Rewrites.NOTHING) is None
        begun = await yard.texts.begun(live, ["/w/a"], Rewrites.NOTHING, "")
        assert begun == Writing(named=("/w/a",), told=frozenset(blobs(b"")), mixed=None)
        surrogate = await yard.texts.begun(live, ["/w/a"], Rewrites.NOTHING, "\ud800")
        assert surrogate is not None
        assert surrogate.told == blobs("\ud800".encode("utf-8", "surrogatepass"))

    asyncio.run(main())


BEFORE = {"/w/a": "1", "/w/b": "2", "/w/c": "3"}
AB = frozenset({"/w/a", "/w/b"})
MANY = {f"/w/{n}": "9" for n in range(201)}


@ABOUT
def test_call_that_ended_left_behind_what_changed_and_what_it_may_have_changed(module):
    assert module == own_texts.__name__

    async def main():
        rows = (
            # writing, what stands there after, what is left
            (
                {"named": ("/w/a", "/v")},
                {"/w/a": "1", "/v": "7", "/w/b": "8"},
                {"/w/a": "1", "/v": "7"},
            ),
            ({"named": ("/w/a",)}, {"/w/a": ""}, None),
            ({"named": ("/w/a",), "told": frozenset("7")}, {"/w/a": "7"}, {"/w/a": "7"}),
            ({"named": ("/w/a",), "told": frozenset("7")}, {"/w/a": "8"}, None),
            # All in the folder: what was own and is another by now, what was moved, nothing else.
            ({"before": BEFORE, "known": AB}, BEFORE, None),
            ({"before": BEFORE, "known": AB}, BEFORE | {"/w/a": "5"}, {"/w/a": "5"}),
            ({"before": BEFORE, "known": AB}, BEFORE | {"/w/c": "5"}, None),
            ({"before": BEFORE, "known": AB}, BEFORE | {"/w/d": "5"}, None),
            ({"before": BEFORE, "known": AB}, BEFORE | {"/w/d": "2"}, {"/w/d": "2"}),
            ({"before": BEFORE, "known": AB}, BEFORE | {"/w/d": "3"}, None),
            ({"before": BEFORE, "known": AB}, {"/w/a": "", "/x": "5"}, None),
            # Own code makes what is own, but what is told by others: a log.
            (
                {"before": BEFORE, "known": AB, "news": True},
                BEFORE | {"/w/d": "5", "/w/e.log": "5", "/w/f.log": "1", "/w/c": "6"},
                {"/w/d": "5", "/w/f.log": "1"},
            ),
            ({"before": {}, "news": True}, dict(list(MANY.items())[:200]), MANY.copy()),
            ({"before": {}, "news": True}, MANY, None),
        )
        for writing, after, left in rows:
            yard: Any = Yard()
            live = await yard.seat()
            live.working, live.mixing = {"c1"}, {"c1"}
            yard.files.there = after
            told = await yard.ended(live, **writing)
            if left is not None and len(left) > 200:
                del left["/w/200"]
            assert files_of(told) == ([left] if left else []), writing
            assert (live.working, live.mixing, live.writing) == (set(), set(), {})
            assert yard.texts._written == ({("acme", "ann"): left} if left else {})
        [record] = await yard.ended(live, named=("/w/0",))
        assert (record.kind, record.tenant, record.session) == (Kind.FILES_WRITTEN, "", "")
        assert record.body == {
            "tenant": "acme",
            "user": "ann",
            "session": live.session.session_id,
            "files": {"/w/0": "9"},
        }
        assert await yard.texts.ended(live, "c9", ok=True) == []
        yard.files.too_many = True
        assert await yard.ended(live, named=("/w/0",)) == []
        yard.files.too_many = False
        # What failed did not surely write what it names; what it changed, it did.
        assert await yard.ended(live, ok=False, named=("/w/0",)) == []
        [record] = await yard.ended(
            live, ok=False, named=("/w/1",), before={"/w/0": "1"}, news=True
        )
        assert record.body["files"].keys() == MANY.keys() - {"/w/0"}

    asyncio.run(main())


@ABOUT
def test_what_others_wrote_meanwhile_makes_it_nobody_s_unless_its_whole_text_was_told(module):
    assert module == own_texts.__name__

    async def main():
        yard: Any = Yard()
        live, peer = await yard.seat(), await yard.seat("/w/sub")
        far, other = await yard.seat("/x"), await yard.seat("/w", user="bob")
        yard.files.there = {"/w/a": "7"}

        async def left(mixed=0, told=()):
            records = await yard.ended(live, named=("/w/a",), mixed=mixed, told=frozenset(told))
            return bool(records)

        async def mixed():
            begun = await yard.texts.begun(live, ["/w/a"], Rewrites.NOTHING)
            return begun.mixed if begun is not None else None

        yard.files.mine = {"/w/a"}
        assert (await mixed(), await left(), await left(1), await left(None)) == (0, 1, 0, 0)
        assert await left(1, "7")
        assert await left(None, "7")
        assert not await left(1, "8")
        # How often sessions wrote there what was not theirs: ours of any, others' of other users.
        peer.mixed, live.mixed, far.mixed, other.mixed = 10, 1, 100, 1_000
        peer.worked, live.worked, far.worked, other.worked = 3, 3, 3, 20_000
        assert await mixed() == 21_011
        assert (await left(21_011), await left(21_010)) == (True, False)
        for one, flag, name in (
            (peer, True, "mixing"),
            (live, True, "mixing"),
            (other, True, "mixing"),
            (far, False, "mixing"),
            (other, True, "working"),
            (peer, False, "working"),
            (far, False, "working"),
        ):
            getattr(one, name).add("c9")
            assert (await mixed() is None) is flag, (one.who, name)
            getattr(one, name).clear()
        for one, flag in ((peer, True), (live, True), (other, True), (far, False)):
            one.stale = True
            assert (await mixed() is None) is flag
            one.stale = False
        # A session that is over wrote what it wrote.
        peer.stale = True
        yard.clock.advance(3600)
        assert await mixed() == 21_011
        live.vouched.taint("fetch")
        assert await mixed() is None
        assert not await left(21_011, "7")

    asyncio.run(main())


@ABOUT
def test_own_is_what_its_user_s_sessions_left_and_what_code_prints_while_it_stays_own(module):
    assert module == own_texts.__name__

    async def main():
        yard: Any = Yard()
        live, peer = await yard.seat(), await yard.seat(user="bob")
        yard.files.there = {"/w/a": "7", "/w/out": "8"}
        await yard.ended(live, named=("/w/a",))
        assert await yard.texts.own(live, ["/w/a"])
        assert not await yard.texts.own(peer, ["/w/a"])
        assert yard.files.asked[-2:] == [(["/w/a"], {"/w/a": "7"}), (["/w/a"], {})]
        # What it left running prints: own while all code is, and nobody else wrote meanwhile.
        live.grows = {"/w/out": 0, "/w/late": 1}
        assert not await yard.texts.own(live, ["/w/out"])
        assert yard.files.asked[-1] == (
            ["/w/out", "/w/.git/index"],
            {"/w/a": "7", "/w/out": "8"},
        )
        yard.files.mine = {"/w/.git/index"}
        assert await yard.texts.own(live, ["/w/out", "/w/a"])
        assert await yard.texts.own(live, ["/w/a"])
        assert yard.files.asked[-1] == (["/w/a"], {"/w/a": "7", "/w/out": "8"})
        live.mixed = 1
        assert not await yard.texts.own(live, ["/w/out"])
        yard.files.there["/w/late"] = "9"
        assert await yard.texts.own(live, ["/w/late"])
        yard.files.too_many = True
        assert not await yard.texts.own(live, ["/w/late"])

    asyncio.run(main())


@ABOUT
def test_start_takes_in_what_thirty_days_left_page_by_page(module, monkeypatch):
    assert module == own_texts.__name__

    async def main():
        yard: Any = Yard()
        live = await yard.seat(ttl_s=40 * 86_400)
        yard.files.there = {"/w/old": "0"}
        old = await yard.ended(live, named=("/w/old",))
        await yard.journal.commit(old)
        began = yard.clock.now_ns()
        for number in range(5):
            yard.clock.advance(1)
            yard.files.there = {f"/w/{number}": str(number), "/w/a": str(number)}
            records = await yard.ended(live, named=tuple(yard.files.there))
            records += yard.running.left(live, heard=True) if number == 2 else []
            await yard.journal.commit(records)
        assert own_texts.KEPT_DAYS == 30
        wanted = {"/w/0": "0", "/w/1": "1", "/w/2": "2", "/w/3": "3", "/w/4": "4", "/w/a": "4"}
        for page in (1, 2, 3, 1000):
            monkeypatch.setattr(own_texts, "_PAGE", page)
            after: Any = Yard(yard.store)
            asked: list[Any] = []
            records_of = after.store.records

            async def told(where, asked=asked, records_of=records_of):
                asked.append(where)
                return await records_of(where)

            after.store.records = told
            await after.texts.load(after.store, began + 30 * DAY + 1)
            after.store.records = records_of
            assert list(after.texts._written) == [("acme", "ann")]
            assert after.texts._written["acme", "ann"] == wanted
            assert list(after.running._left) == [live.session.session_id]
            assert asked[0] == RecordFilter(
                tenant="",
                of_server=True,
                kinds=(Kind.FILES_WRITTEN, Kind.FILES_UNSETTLED),
                from_ns=began + 1,
                after_seq=0,
                limit=page,
            )
            assert len(asked) == 6 // page + 1
        after = Yard(yard.store)
        await after.texts.load(after.store, began + 30 * DAY)
        assert len(after.texts._written["acme", "ann"]) == 7
        await Yard(yard.store).texts.load(yard.store, 5)

    asyncio.run(main())


@ABOUT
def test_twenty_thousand_files_of_a_user_are_remembered_those_left_last(module, monkeypatch):
    assert module == own_texts.__name__
    assert own_texts._MOST_FILES == 20_000
    assert own_texts._PAGE == 1000
    monkeypatch.setattr(own_texts, "_MOST_FILES", 3)
    yard: Any = Yard()
    whose = ("acme", "ann")
    for files in ({"a": "1", "b": "1"}, {"c": "1"}, {"a": "2"}, {"d": "1"}):
        yard.texts._keep(whose, files)
    assert list(yard.texts._written[whose].items()) == [("c", "1"), ("a", "2"), ("d", "1")]


@RUNNING
def test_who_left_something_is_told_once_and_known_until_nothing_of_it_lives(module):
    assert module == left_running.__name__

    async def main():
        yard: Any = Yard()
        live, peer = await yard.seat(), await yard.seat("/w/sub")
        [own] = yard.running.left(live, heard=False)
        assert (own.kind, own.tenant) == (Kind.FILES_UNSETTLED, "")
        body = {
            "tenant": "acme",
            "user": "ann",
            "heard": False,
            "session": live.session.session_id,
            "folder": "/w",
        }
        assert own.body == body
        assert yard.running.left(live, heard=False) == []
        [heard] = yard.running.left(live, heard=True)
        assert heard.body == body | {"heard": True}
        assert yard.running.left(live, heard=False) == yard.running.left(live, heard=True) == []
        # A start knows the same of the records; what one does not say is taken at its worst.
        for records, known in (
            ([own], (False, "acme", "ann", "/w")),
            ([own, heard], (True, "acme", "ann", "/w")),
            ([heard, own], (True, "acme", "ann", "/w")),
        ):
            after = Yard(yard.store).running
            for one in records:
                after.taken_in(one)
            [(session_id, left)] = after._left.items()
            assert session_id == live.session.session_id
            assert (left.heard, *left.whose, left.folder) == known
        after = Yard(yard.store).running
        after.taken_in(yard.journal.record_as_told(Kind.FILES_UNSETTLED, None, {}))
        [(session_id, left)] = after._left.items()
        assert (session_id, left.heard, left.whose, left.folder) == ("", True, ("", ""), "")
        assert peer.session.folder == "/w/sub"

    asyncio.run(main())


@RUNNING
def test_what_may_live_writes_where_it_works_what_is_not_that_user_s_own(module):
    assert module == left_running.__name__

    async def main():
        rows = (
            # heard, folder, user of who asks, whether it may write
            (True, "/w", "ann", True),
            (True, "/w/sub", "ann", True),
            (True, "/x", "ann", False),
            (False, "/w", "ann", False),
            (False, "/w", "bob", True),
            (True, "/w", "bob", True),
            (False, "/x", "bob", False),
        )
        for heard, folder, user, may in rows:
            yard: Any = Yard()
            live, asks = await yard.seat(), await yard.seat(folder, user=user)
            yard.running.left(live, heard=heard)
            assert await yard.running.may_write(asks) is may
            assert await yard.running.may_write(live) is False
            assert yard.processes.asked == []
        # By its state and its wall clock, then by what is seen of it; then it is forgotten.
        yard = Yard()
        live, asks = await yard.seat(ttl_s=10), await yard.seat()
        for number in range(2):
            yard.running.left(live, heard=True)
            yard.clock.advance(10 - number if number == 0 else 0)
            yard.processes.live = {live.session.session_id}
            assert await yard.running.may_write(asks) is True
            yard.processes.live = set()
            assert await yard.running.may_write(asks) is False
            assert yard.running._left == {}
            assert yard.processes.asked[-1] == live.session.session_id
        # Of two, the one that is over hides none that lives; one that no store knows is over.
        later = await yard.seat()
        yard.running.left(live, heard=True)
        yard.running.left(later, heard=True)
        assert await yard.running.may_write(asks) is True
        assert list(yard.running._left) == [later.session.session_id]
        gone = yard.journal.record_as_told(
            Kind.FILES_UNSETTLED, None, {"session": "ses_gone", "folder": "/w"}
        )
        after: Any = Yard(yard.store, yard.clock)
        after.running.taken_in(gone)
        assert await after.running.may_write(asks) is False
        # One that is not in memory is looked up.
        after.running.left(later, heard=True)
        assert after.sessions.loaded(later.session.session_id) is None
        assert await after.running.may_write(asks) is True
        assert after.processes.asked == ["ses_gone"]

    asyncio.run(main())


@RUNNING
def test_session_goes_on_while_it_is_active_or_paused_until_its_last_nanosecond(module):
    assert module == left_running.__name__

    async def main():
        yard: Any = Yard()
        live = await yard.seat(ttl_s=10)
        on = {
            str(state)
            for state in SessionState
            if yard.running.goes_on(msgspec.structs.replace(live.session, state=state))
        }
        assert on == {"active", "paused"}
        now = yard.clock.now_ns()
        for ends_ns, goes in ((now + 1, True), (now, False), (now - 1, False)):
            session = msgspec.structs.replace(live.session, expires_at_ns=ends_ns)
            assert yard.running.goes_on(session) is goes

    asyncio.run(main())
