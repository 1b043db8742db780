"""What every Store must do with conversations, and with what retention deletes.

    class TestMyStore(StoreRetentionConformance):
        async def open_store(self) -> Store: ...
        async def reopened(self, store: Store) -> Store: ...

Not here: when anything is deleted (`runtime/retention`).
"""

import asyncio
import hashlib
from functools import partial
from typing import Any

import msgspec

from holdfast.errors import Conflict, InvalidRequest, StoreUnavailable, TooLarge
from holdfast.model.conversations import Conversation, ConversationClosed
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.retention import Cuts, PurgeCounts, Purged
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.model.sessions import Session, SessionState
from holdfast.model.tools import Idempotency
from holdfast.ports.store import Change, ConversationFilter, RecordFilter, Store
from holdfast.ports.store_refusals import MAX_CONVERSATION_BYTES, MAX_PURGED_ROWS
from holdfast.testing.conformance.store import StoreConformance, a_call, a_record, a_session

ALL = Cuts(sessions_ns=100, effects_ns=100, saved_ns=100, expired_ns=100)
"""Whatever happened before 100."""


def a_conversation(name: str = "chat", version: int = 1, **fields: Any) -> Conversation:
    """A conversation of ann at acme that ends at 1,000, changed by `fields`."""
    standing: dict[str, Any] = {
        "tenant": "acme",
        "user": "ann",
        "messages": b'[{"role": "user"}]',
        "metadata": b"{}",
        "saved_at_ns": 1,
        "expires_at_ns": 1000,
        "replaces": version - 1,
    }
    given = standing | fields
    digest = hashlib.sha256(given["messages"] + given["metadata"]).hexdigest()
    return Conversation(name=name, version=version, digest=digest, **given)


def an_ended_session(session_id: str, **fields: Any) -> Session:
    """A session that ended at 50, changed by `fields`."""
    standing: dict[str, Any] = {"state": SessionState.ENDED, "state_changed_at_ns": 50}
    return a_session(session_id, **standing | fields)


def an_old_effect(key: str, session: str, **fields: Any) -> EffectEntry:
    """An effect that was done at 40, changed by `fields`."""
    standing: dict[str, Any] = {
        "tenant": "acme",
        "call_id": f"call of {key}",
        "tool": "refund",
        "idempotency": Idempotency.KEYED,
        "state": EffectState.DONE,
        "intended_at_ns": 30,
        "changed_at_ns": 40,
    }
    return EffectEntry(key=key, session=session, **standing | fields)


def an_old_run(run_id: str, session: str, **fields: Any) -> Run:
    """A run that was done at 40, changed by `fields`."""
    standing: dict[str, Any] = {
        "tenant": "acme",
        "project": "desk",
        "user": "ann",
        "agent": "bot",
        "state": RunState.DONE,
        "prompt": "go",
        "plan": RunPlan(model="m"),
        "submitted_at_ns": 30,
        "changed_at_ns": 40,
    }
    return Run(run_id=run_id, session=session, **standing | fields)


async def purged_to_the_end(store: Store, cuts: Cuts, *, limit: int = 3) -> list[Purged]:
    """Every step until nothing is left."""
    steps = []
    while not (step := await store.purge(cuts, now_ns=7, limit=limit)).nothing:
        steps.append(step)
    return steps


def counts_of(steps: list[Purged]) -> PurgeCounts:
    """What steps deleted in all."""
    return PurgeCounts(
        sessions=sum(len(step.sessions) for step in steps),
        calls=sum(step.calls for step in steps),
        runs=sum(len(step.runs) for step in steps),
        effects=sum(len(step.effects) for step in steps),
        conversations=sum(step.conversations for step in steps),
    )


async def _awaited(committed: asyncio.Future[None]) -> None:
    await committed


class StoreRetentionConformance(StoreConformance):
    """The suite of a store, with conversations and purges."""

    # --- conversations -----------------------------------------------------------------------
    def test_a_conversation_comes_back_byte_for_byte(self) -> None:
        """Spaces, order, escapes and zero bytes are the user's."""

        async def body(store: Store) -> None:
            odd = '[ {"b":1,"a":1.0e2, "t":"\\u0000\\ud83d é"} ]\n'.encode()
            whole = a_conversation("a/b c", 2**50, replaces=0, messages=odd, metadata=b' {"k": 1}')
            await store.commit([], [whole, a_conversation("z", user="bob")])
            assert await store.conversation("acme", "ann", "a/b c") == whole
            again = await self.reopened(store)
            try:
                assert await again.conversation("acme", "ann", "a/b c") == whole
                assert await again.conversation("acme", "bob", "a/b c") is None
                assert await again.conversation("other", "ann", "a/b c") is None
                assert await again.conversation("acme", "ann", "A/b c") is None
            finally:
                await again.close()

        self.run(body)

    def test_only_the_version_that_is_replaced_is_replaced(self) -> None:
        """A stale save is a conflict, and what was committed with it is not kept."""

        async def body(store: Store) -> None:
            await store.commit([], [a_conversation(version=5, replaces=0)])
            for stale in (
                a_conversation(version=6, replaces=0),
                a_conversation(version=6, replaces=4),
                a_conversation("new", version=6, replaces=5),
                ConversationClosed(tenant="acme", user="ann", name="chat", replaces=4),
                ConversationClosed(tenant="acme", user="ann", name="new", replaces=0),
            ):
                refused = store.commit([a_record()], [stale])
                other = store.commit([], [a_call("c1")])
                await self._refuses(Conflict, partial(_awaited, refused))
                await other
            assert await store.records(RecordFilter(tenant="acme")) == []
            await store.commit([], [a_conversation(version=6, replaces=5, messages=b"[6]")])
            found = await store.conversation("acme", "ann", "chat")
            assert found is not None
            assert (found.version, found.messages) == (6, b"[6]")
            closed = ConversationClosed(tenant="acme", user="ann", name="chat", replaces=6)
            await store.commit([a_record()], [closed])
            assert await store.conversation("acme", "ann", "chat") is None
            assert len(await store.records(RecordFilter(tenant="acme"))) == 1

        self.run(body)

    def test_of_many_savers_at_once_one_wins_each_version(self) -> None:
        """Compare-and-set holds among commits that are queued together."""

        async def body(store: Store) -> None:
            async def save(version: int, saver: int) -> int:
                text = b"[%d]" % saver
                try:
                    await store.commit([], [a_conversation(version=version, messages=text)])
                except Conflict:
                    return 0
                return 1

            for version in range(1, 5):
                assert sum(await asyncio.gather(*(save(version, n) for n in range(8)))) == 1
            found = await store.conversation("acme", "ann", "chat")
            assert found is not None
            assert found.version == 4

        self.run(body)

    def test_an_expired_conversation_counts_as_absent_to_a_save(self) -> None:
        """A new one takes its place; the old version can no longer be replaced."""

        async def body(store: Store) -> None:
            await store.commit([], [a_conversation(version=1)])
            late: dict[str, Any] = {"saved_at_ns": 1000, "expires_at_ns": 2000}
            stale = a_conversation(version=2, **late)
            await self._refuses(Conflict, lambda: store.commit([], [stale]))
            await store.commit([], [a_conversation(version=3, **late | {"replaces": 0})])
            found = await store.conversation("acme", "ann", "chat")
            assert found is not None
            assert found.version == 3

        self.run(body)

    def test_conversations_are_listed_by_name_for_one_user(self) -> None:
        """Prefix, paging and expiry; never another user's or tenant's."""

        async def body(store: Store) -> None:
            names = ["a", "a/1", "a/2", "aé", "b", "%", "A", "_1"]
            mine = [a_conversation(name) for name in names]
            others = [a_conversation("a/3", user="bob"), a_conversation("a/4", tenant="b")]
            gone = a_conversation("a/5", expires_at_ns=10)
            await store.commit([], [*mine, *others, gone])

            async def listed(**fields: Any) -> list[str]:
                where = ConversationFilter(tenant="acme", user="ann", live_at_ns=10, **fields)
                return [head.name for head in await store.conversations(where)]

            ordered = sorted(names, key=str.encode)
            assert await listed() == ordered
            assert await listed(limit=3) == ordered[:3]
            assert await listed(after=ordered[2], limit=3) == ordered[3:6]
            assert await listed(prefix="a/") == ["a/1", "a/2"]
            assert await listed(prefix="a") == [n for n in ordered if n.startswith("a")]
            assert await listed(prefix="%") == ["%"]
            assert await listed(prefix="_") == ["_1"]
            assert await listed(prefix="a/", after="a/1") == ["a/2"]
            (head,) = await store.conversations(
                ConversationFilter(tenant="acme", user="ann", prefix="b")
            )
            assert (head.size_bytes, head.version) == (len(b'[{"role": "user"}]{}'), 1)

        self.run(body)

    def test_a_conversation_that_cannot_be_kept_is_refused_at_the_call(self) -> None:
        """The largest is kept; one byte more is not, nor what has no name."""

        async def body(store: Store) -> None:
            async def commit(change: Any) -> None:
                await store.commit([a_record()], [change])

            largest = b"x" * (MAX_CONVERSATION_BYTES - 2)
            await store.commit([], [a_conversation("large", messages=largest)])
            await self._refuses(
                TooLarge, lambda: commit(a_conversation("larger", messages=largest + b"x"))
            )
            for wrong in (
                a_conversation(""),
                a_conversation(user=""),
                a_conversation(tenant=""),
                a_conversation("\ud800"),
                a_conversation(version=2**63),
                a_conversation(version=3, replaces=3),
                ConversationClosed(tenant="acme", user="ann", name="", replaces=1),
            ):
                await self._refuses(InvalidRequest, partial(commit, wrong))
            for where in (
                ConversationFilter(tenant="", user="ann"),
                ConversationFilter(tenant="acme", user=""),
                ConversationFilter(tenant="acme", user="ann", limit=-1),
            ):
                await self._refuses(InvalidRequest, partial(store.conversations, where))
            assert await store.last_at_ns() == 0

        self.run(body)

    # --- purge -------------------------------------------------------------------------------
    def test_what_is_old_and_needed_by_nothing_goes(self) -> None:
        """Calls, runs, effects and conversations; sessions, accounts and the journal stay."""

        async def body(store: Store) -> None:
            await store.commit(
                [a_record()],
                [
                    an_ended_session("s1"),
                    *(a_call(f"c{n}", "s1") for n in range(5)),
                    an_old_run("r1", "s1"),
                    an_old_effect("k1", "s1"),
                    an_old_effect("k2", "s1", state=EffectState.FAILED),
                    a_conversation("old", saved_at_ns=99),
                    a_conversation("expired", saved_at_ns=200, expires_at_ns=100),
                    a_conversation("new", saved_at_ns=100),
                ],
            )
            tried = await store.purgeable(ALL)
            assert tried == PurgeCounts(sessions=1, calls=5, runs=1, effects=2, conversations=2)
            assert len(await store.calls("s1")) == 5
            assert counts_of(await purged_to_the_end(store, ALL)) == tried
            assert await store.calls("s1") == []
            assert await store.run("r1") is None
            assert await store.effects("s1") == []
            assert await store.conversation("acme", "ann", "old") is None
            assert await store.conversation("acme", "ann", "expired") is None
            assert await store.conversation("acme", "ann", "new") is not None
            kept = await store.session("s1")
            assert kept is not None
            assert (kept.purged_at_ns, kept.state) == (7, SessionState.ENDED)
            assert len(await store.records(RecordFilter(tenant="acme"))) == 1
            assert await store.purgeable(ALL) == PurgeCounts()
            again = await self.reopened(store)
            try:
                assert await again.calls("s1") == []
                found = await again.session("s1")
                assert found is not None
                assert found.purged_at_ns == 7
            finally:
                await again.close()

        self.run(body)

    def test_without_a_cut_nothing_goes(self) -> None:
        """Each cut is for its own sort alone."""

        async def body(store: Store) -> None:
            await store.commit(
                [],
                [
                    an_ended_session("s1"),
                    a_call("c1", "s1"),
                    an_old_effect("k1", "s1"),
                    an_ended_session("s2"),
                    an_old_run("r2", "s2"),
                    a_conversation(expires_at_ns=2),
                ],
            )
            assert await store.purgeable(Cuts()) == PurgeCounts()
            assert (await store.purge(Cuts(), now_ns=7, limit=9)).nothing
            assert await store.purgeable(Cuts(effects_ns=100)) == PurgeCounts(effects=1)
            assert await store.purgeable(Cuts(expired_ns=2)) == PurgeCounts(conversations=1)
            assert await store.purgeable(Cuts(expired_ns=1)) == PurgeCounts()
            counted = await store.purgeable(Cuts(sessions_ns=100))
            assert counted == PurgeCounts(sessions=2, calls=1, runs=1)
            assert (await store.purgeable(Cuts(sessions_ns=50))) == PurgeCounts(runs=1)

        self.run(body)

    def test_what_is_live_open_or_unknown_stays(self) -> None:
        """With all that it needs: the session continued, the run branched from, the effects."""

        async def body(store: Store) -> None:
            changes: list[Change] = [
                # Live, paused, or ended at the cut.
                an_ended_session("active", state=SessionState.ACTIVE),
                an_ended_session("paused", state=SessionState.PAUSED),
                an_ended_session("young", state_changed_at_ns=100),
                # With an effect that nobody knows.
                an_ended_session("unknown"),
                an_old_effect("k1", "unknown", state=EffectState.UNKNOWN),
                an_old_effect("k2", "unknown", state=EffectState.INTENDED),
                # Continued by one that is live, through one that is not.
                an_ended_session("first"),
                an_ended_session("second", parent="first"),
                an_ended_session("third", parent="second", state=SessionState.ACTIVE),
                # Runs that wait, and the one that such a run branched from.
                *(an_ended_session(f"s{n}") for n in range(6)),
                an_old_run("dead", "s0", state=RunState.DEAD),
                an_old_run("parked", "s1", state=RunState.PARKED),
                an_old_run("source", "s2"),
                an_old_run("fork", "s3", state=RunState.DELAYED, retry_of="source"),
                # Of a batch that goes on.
                an_old_run("chunk1", "s4", batch="b"),
                an_old_run("chunk2", "s5", batch="b", changed_at_ns=100),
                # A done effect of a task that something live works at.
                an_old_effect("k3", "first"),
                an_old_effect("k4", "s0"),
                an_old_effect("k5", "nobody"),
            ]
            names = {change.session_id for change in changes if isinstance(change, Session)}
            calls: list[Change] = [a_call("c", name) for name in sorted(names)]
            await store.commit([], [*changes, *calls])
            assert await store.purgeable(ALL) == PurgeCounts()
            assert await purged_to_the_end(store, ALL) == []
            for name in names:
                assert len(await store.calls(name)) == 1, name
            for change in changes:
                if isinstance(change, Run):
                    assert await store.run(change.run_id) == change

        self.run(body)

    def test_the_effects_of_a_task_stay_while_one_of_its_sessions_is_live(self) -> None:
        """Another session of the task may ask for the same effect; other tasks do not matter."""

        async def body(store: Store) -> None:
            def of(task: str, name: str, tenant: str = "acme", **fields: Any) -> Session:
                session = an_ended_session(name, tenant=tenant, **fields)
                who = msgspec.structs.replace(session.principal, task=task)
                return msgspec.structs.replace(session, principal=who)

            active = {"state": SessionState.ACTIVE}
            await store.commit(
                [],
                [
                    of("t1", "s1"),
                    of("t1", "s2", **active),
                    an_old_effect("k1", "s1"),
                    of("t2", "s3"),
                    of("t2", "s4", "other", **active),
                    an_old_effect("k2", "s3"),
                    of("t3", "s5"),
                    of("t3", "s6"),
                    an_old_run("r6", "s6", state=RunState.PARKED),
                    an_old_effect("k3", "s5"),
                ],
            )
            step = await store.purge(Cuts(effects_ns=100), now_ns=7, limit=9)
            assert step == Purged(effects=(("acme", "k2"),))

        self.run(body)

    def test_a_chain_goes_from_its_end(self) -> None:
        """Sessions that continue each other, runs done again: last one first, over steps."""

        async def body(store: Store) -> None:
            sessions: list[Change] = [
                an_ended_session(f"s{n}", parent=f"s{n - 1}") for n in range(1, 5)
            ]
            runs = [an_old_run(f"r{n}", f"s{n}", retry_of=f"r{n - 1}") for n in range(1, 5)]
            await store.commit([], [*sessions, *runs])
            tried = await store.purgeable(ALL)
            steps = await purged_to_the_end(store, ALL)
            assert tried == counts_of(steps) == PurgeCounts(sessions=4, runs=4)
            assert [name for step in steps for name in step.runs] == ["r4", "r3", "r2", "r1"]
            assert [name for step in steps for name in step.sessions] == ["s4", "s3", "s2", "s1"]

        self.run(body)

    def test_a_step_deletes_so_much_and_no_more(self) -> None:
        """Oldest first; the number of steps follows from the limit."""

        async def body(store: Store) -> None:
            sessions: list[Change] = [
                an_ended_session(f"s{n}", state_changed_at_ns=n) for n in range(9, 0, -1)
            ]
            await store.commit([], [*sessions, *(a_call("c", f"s{n}") for n in range(1, 10))])
            steps = await purged_to_the_end(store, ALL, limit=4)
            assert [step.calls for step in steps] == [4, 4, 1]
            assert steps[0].sessions == ("s1", "s2", "s3", "s4")
            for limit in (0, MAX_PURGED_ROWS + 1):
                await self._refuses(
                    InvalidRequest, partial(store.purge, ALL, now_ns=1, limit=limit)
                )
            await self._refuses(InvalidRequest, lambda: store.purgeable(Cuts(sessions_ns=2**63)))

        self.run(body)

    def test_a_purge_keeps_its_place_among_the_commits(self) -> None:
        """It sees those queued before, and what is queued after is written after."""

        async def body(store: Store) -> None:
            before = store.commit([], [an_ended_session("s1"), an_old_effect("k1", "s1")])
            async with asyncio.TaskGroup() as group:
                purging = group.create_task(store.purge(ALL, now_ns=7, limit=9))
                await asyncio.sleep(0)
                await store.commit([], [an_old_effect("k1", "s2", changed_at_ns=90)])
            await before
            assert purging.result().effects == (("acme", "k1"),)
            found = await store.effect("acme", "k1")
            assert found is not None
            assert found.session == "s2"
            compacted = await store.compact(1024 * 1024)
            assert compacted.freed_bytes >= 0

        self.run(body)

    def test_a_closed_store_purges_nothing(self) -> None:
        """As it commits nothing."""

        async def body(store: Store) -> None:
            await store.close()
            await self._refuses(StoreUnavailable, lambda: store.purge(ALL, now_ns=1, limit=1))
            await self._refuses(StoreUnavailable, lambda: store.purgeable(ALL))
            await self._refuses(StoreUnavailable, lambda: store.compact(1))

        self.run(body)
