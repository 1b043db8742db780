"""What every Store must do with runs, effects and keys; a backend's tests inherit it with the rest.

Not here: what a state may become (`core/runs`, `core/effects`).
"""

from functools import partial
from typing import Any

from holdfast.errors import InvalidRequest, TooLarge
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.keys import SpendingKey
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.model.sessions import SessionState
from holdfast.model.tools import Idempotency
from holdfast.ports.store import EffectFilter, RunFilter, Store
from holdfast.ports.store_refusals import MAX_JSON_BYTES, MAX_ROWS
from holdfast.testing.conformance.store import StoreConformance, a_record, a_session


def a_run(run_id: str = "run_1", **fields: Any) -> Run:
    """A queued run of tenant acme, changed by `fields`."""
    standing: dict[str, Any] = {
        "session": f"session of {run_id}",
        "tenant": "acme",
        "project": "desk",
        "user": "ann",
        "agent": "bot",
        "state": RunState.QUEUED,
        "prompt": "go",
        "plan": RunPlan(model="m", tools={"refund": {"timeout_s": 1.5}}),
        "submitted_at_ns": 1,
        "changed_at_ns": 1,
    }
    return Run(run_id=run_id, **standing | fields)


def an_effect(key: str = "k1", **fields: Any) -> EffectEntry:
    """An intended effect of tenant acme, changed by `fields`."""
    standing: dict[str, Any] = {
        "tenant": "acme",
        "session": "ses_1",
        "call_id": "toolu_1",
        "tool": "refund",
        "idempotency": Idempotency.KEYED,
        "state": EffectState.INTENDED,
        "intended_at_ns": 1,
        "changed_at_ns": 1,
    }
    return EffectEntry(key=key, **standing | fields)


def a_key(name: str = "ci", **fields: Any) -> SpendingKey:
    """A spending key of tenant acme, changed by `fields`."""
    cap = Limit(scope=Scope.KEY, dimension=Dimension.USD, window=Window.DAY, amount=5)
    standing: dict[str, Any] = {
        "digest": f"digest of {name}",
        "tenant": "acme",
        "project": "desk",
        "agent": "bot",
        "users": ("ann",),
        "limits": (cap,),
        "added_at_ns": 1,
        "added_by": "admin",
        "expires_at_ns": 2**62,
    }
    return SpendingKey(name=name, **standing | fields)


class StoreRunsConformance(StoreConformance):
    """The whole suite of a store, with runs and effects."""

    def test_a_run_comes_back_whole_and_its_last_state_is_the_one_kept(self) -> None:
        """Every field survives, through a new opening, too."""
        whole = a_run(
            state=RunState.DONE,
            priority=-3,
            deadline_ns=2**62,
            not_before_ns=5,
            life_left_ns=7,
            epoch=2**40,
            worker="w",
            lease_until_ns=9,
            activations=3,
            failures=1,
            reason="é\U0001f600",
            result={"deep": [1, None, {"big": 2**60}]},
            retry_of="run_0",
            fork_turn=4,
            batch="b",
        )

        async def body(store: Store) -> None:
            await store.commit([], [a_run()])
            await store.commit([a_record()], [whole])
            assert await store.run("run_1") == whole
            again = await self.reopened(store)
            try:
                assert await again.run("run_1") == whole
                assert await again.run("run_2") is None
                assert await again.runs(RunFilter()) == [whole]
            finally:
                await again.close()

        self.run(body)

    def test_runs_are_listed_newest_first_by_what_a_filter_names(self) -> None:
        """Fields are held together; those of the same instant stand by falling id."""
        runs = [
            a_run("run_a", submitted_at_ns=2),
            a_run("run_b", submitted_at_ns=2, user="bob", batch="nightly"),
            a_run("run_c", submitted_at_ns=1, state=RunState.PARKED, batch="nightly"),
            a_run("run_d", submitted_at_ns=3, tenant="other", state=RunState.PARKED),
            a_run("run_e", submitted_at_ns=4, project="shop", session="ses_e"),
        ]

        async def body(store: Store) -> None:
            await store.commit([], runs)

            async def ids(**where: Any) -> str:
                found = await store.runs(RunFilter(**where))
                return "".join(run.run_id[-1] for run in found)

            assert await ids() == "edbac"
            assert await ids(tenant="acme") == "ebac"
            assert await ids(before=(2, "run_b")) == "ac"
            assert await ids(before=(2, "run_a"), states=(RunState.PARKED,)) == "c"
            assert await ids(before=(3, "run_d"), limit=2) == "ba"
            assert await ids(before=(1, "run_c")) == ""
            assert await ids(tenant="acme", user="ann") == "eac"
            assert await ids(project="shop") == "e"
            assert await ids(session="ses_e") == "e"
            assert await ids(batch="nightly") == "bc"
            assert await ids(batch="nightly", user="ann") == "c"
            assert await ids(states=(RunState.PARKED,)) == "dc"
            assert await ids(states=(RunState.PARKED, RunState.QUEUED), tenant="acme") == "ebac"
            assert await ids(states=(RunState.DEAD,)) == ""
            assert await ids(limit=2) == "ed"
            assert await ids(limit=0) == ""
            assert await ids(tenant="nobody") == ""

        self.run(body)

    def test_effects_are_known_by_tenant_and_key(self) -> None:
        """The same key of another tenant is another effect."""

        async def body(store: Store) -> None:
            ours, theirs = an_effect(output={"n": 1.5}), an_effect(tenant="other", attempt=2)
            await store.commit([], [ours, theirs])
            assert await store.effect("acme", "k1") == ours
            assert await store.effect("other", "k1") == theirs
            assert await store.effect("acme", "k2") is None
            assert await store.effect("", "k1") is None
            done = an_effect(state=EffectState.DONE, output=["ä", None], changed_at_ns=5)
            await store.commit([a_record()], [done])
            assert await store.effect("acme", "k1") == done
            again = await self.reopened(store)
            try:
                assert await again.effect("acme", "k1") == done
                assert await again.effect("other", "k1") == theirs
            finally:
                await again.close()

        self.run(body)

    def test_effects_of_a_session_stand_by_intent_and_follow_the_last_attempt(self) -> None:
        """An effect that another session tried last is that session's."""

        async def body(store: Store) -> None:
            entries = [
                an_effect("b", intended_at_ns=2),
                an_effect("a", intended_at_ns=2),
                an_effect("c", intended_at_ns=1),
                an_effect("d", session="ses_2"),
            ]
            await store.commit([], entries)
            assert [e.key for e in await store.effects("ses_1")] == ["c", "a", "b"]
            await store.commit([], [an_effect("a", session="ses_2", intended_at_ns=2, attempt=2)])
            assert [e.key for e in await store.effects("ses_1")] == ["c", "b"]
            assert [e.key for e in await store.effects("ses_2")] == ["d", "a"]
            assert await store.effects("ses_3") == []

        self.run(body)

    def test_unknown_effects_come_newest_first_a_page_at_a_time(self) -> None:
        """Of one tenant or of all, whatever session; what is settled is not among them."""

        async def body(store: Store) -> None:
            entries = [
                an_effect(f"k{n}", state=EffectState.UNKNOWN, changed_at_ns=n // 2, session=f"s{n}")
                for n in range(7)
            ]
            other = an_effect("k9", tenant="other", state=EffectState.UNKNOWN, changed_at_ns=9)
            settled = (EffectState.DONE, EffectState.FAILED, EffectState.INTENDED)
            known = [an_effect(f"z{state}", state=state, changed_at_ns=8) for state in settled]
            await store.commit([], [*entries, other, *known])
            everything = await store.unknown_effects(EffectFilter())
            assert [e.key for e in everything] == ["k9", "k6", "k5", "k4", "k3", "k2", "k1", "k0"]
            assert everything[0] == other
            paged: list[str] = []
            before: tuple[int, str] | None = None
            while page := await store.unknown_effects(
                EffectFilter(tenant="acme", before=before, limit=3)
            ):
                paged += [entry.key for entry in page]
                before = (page[-1].changed_at_ns, page[-1].key)
            assert paged == ["k6", "k5", "k4", "k3", "k2", "k1", "k0"]
            await store.commit([], [an_effect("k6", state=EffectState.DONE, changed_at_ns=10)])
            (newest,) = await store.unknown_effects(EffectFilter(tenant="acme", limit=1))
            assert newest.key == "k5"
            too_many = EffectFilter(limit=MAX_ROWS + 1)
            await self._refuses(InvalidRequest, lambda: store.unknown_effects(too_many))

        self.run(body)

    def test_sessions_that_left_an_effect_open_are_named(self) -> None:
        """Those that may still act: of the others nothing is open."""

        async def body(store: Store) -> None:
            sessions = [
                a_session("active"),
                a_session("paused", state=SessionState.PAUSED),
                a_session("ended", state=SessionState.ENDED),
                a_session("settled"),
            ]
            entries = [an_effect(f"k{n}", session=s.session_id) for n, s in enumerate(sessions[:3])]
            entries += [an_effect("k8", session="active")]
            entries += [an_effect("k9", session="settled", state=EffectState.DONE)]
            await store.commit([], [*sessions, *entries])
            assert sorted(await store.sessions_left_open(9)) == ["active", "paused"]
            assert len(await store.sessions_left_open(1)) == 1

        self.run(body)

    def test_the_last_of_many_states_of_a_run_and_an_effect_is_kept(self) -> None:
        """Commits that go to the disk together count one by one."""

        async def body(store: Store) -> None:
            waits = [
                store.commit([a_record(n)], [a_run(epoch=n), an_effect(attempt=n)])
                for n in range(1, 120)
            ]
            for wait in waits:
                await wait
            run, effect = await store.run("run_1"), await store.effect("acme", "k1")
            assert run is not None
            assert run.epoch == 119
            assert effect is not None
            assert effect.attempt == 119

        self.run(body)

    def test_runs_effects_and_keys_that_cannot_be_kept_are_refused_at_the_call(self) -> None:
        """Nothing of the commit is stored then, and the store goes on."""

        async def body(store: Store) -> None:
            async def commit(*changes: Any) -> None:
                await store.commit([a_record()], changes)

            big = "x" * MAX_JSON_BYTES
            runs = (a_run(epoch=2**63), a_run("\ud800"), a_run(result=object()))
            effects = (an_effect("\ud800"), an_effect(output=float("nan")))
            keys = (a_key("\ud800"), a_key(expires_at_ns=2**63), a_key(opened="one"))
            for wrong in (*runs, *effects, *keys):
                await self._refuses(InvalidRequest, partial(commit, wrong))
            await self._refuses(TooLarge, lambda: commit(a_run(), an_effect(output=big)))
            await self._refuses(TooLarge, lambda: commit(a_run(prompt=big)))
            await self._refuses(InvalidRequest, lambda: store.runs(RunFilter(limit=MAX_ROWS + 1)))
            await self._refuses(InvalidRequest, lambda: store.effect("acme", "\ud800"))
            assert await store.runs(RunFilter()) == []
            assert await store.spending_keys() == []
            assert await store.last_at_ns() == 0
            await commit(a_run(), an_effect())
            assert await store.run("run_1") == a_run()

        self.run(body)

    def test_spending_keys_come_by_name_each_as_it_was_written_last(self) -> None:
        """Also written with a session, in one commit, and through a new opening."""

        async def body(store: Store) -> None:
            assert await store.spending_keys() == []
            await store.commit([], [a_key("b"), a_key("a"), a_key("é\0")])
            used = a_key("b", used_at_ns=7, opened=1)
            await store.commit([a_record(3)], [a_session(), used])
            wanted = [a_key("a"), used, a_key("é\0")]
            assert await store.spending_keys() == wanted
            again = await self.reopened(store)
            try:
                assert await again.spending_keys() == wanted
            finally:
                await again.close()

        self.run(body)

    def test_awkward_names_of_runs_and_effects_survive(self) -> None:
        """What JSON can say, a column can hold."""

        async def body(store: Store) -> None:
            for name in (
                "\0",
                "\x01",
                "\x01\x02",
                "a\0b\x01\x01",
                "é'\"\\",
                "$1 {} %s",
                "\U0001f600",
            ):
                run = a_run(f"run {name}", session=name, batch=name, user=name)
                await store.commit([], [run, an_effect(name, session=name)])
                assert await store.run(f"run {name}") == run
                assert await store.runs(RunFilter(session=name, batch=name, user=name)) == [run]
                assert await store.effect("acme", name) == an_effect(name, session=name)
                assert await store.effects(name) == [an_effect(name, session=name)]

        self.run(body)
