"""What every Store must do, as a suite that a backend's tests inherit.

    class TestMyStore(StoreConformance):
        async def open_store(self) -> Store: ...
        async def reopened(self, store: Store) -> Store: ...

Each test opens a store of its own. Not here: crashes and full disks, which need a real backend.
"""

import abc
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from holdfast.errors import Conflict, HoldfastError, InvalidRequest, StoreUnavailable, TooLarge
from holdfast.model.budgets import AccountKey, AccountState, Dimension, HoldState, Scope, Window
from holdfast.model.events import Kind, Record
from holdfast.model.principals import Principal
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.model.tools import CallRecord, CallState
from holdfast.ports.store import HoldClosed, RecordFilter, SessionFilter, Store
from holdfast.ports.store_refusals import MAX_JSON_BYTES

USD = AccountKey(Scope.TENANT, "acme", Dimension.USD, Window.LIFE)
TOKENS = AccountKey(Scope.TENANT, "acme", Dimension.TOKENS, Window.DAY)


def a_record(at_ns: int = 1, **fields: Any) -> Record:
    """A record of tenant acme, changed by `fields`."""
    standing: dict[str, Any] = {"kind": Kind.TOOL_CALL_DECIDED, "at_ns": at_ns, "tenant": "acme"}
    return Record(**standing | fields)


def a_session(session_id: str = "ses_1", *, tenant: str = "acme", **fields: Any) -> Session:
    """An active session with a token digest of its own, changed by `fields`."""
    principal = Principal(
        tenant=tenant, project="desk", user="ann", agent="bot", session=session_id, task="t"
    )
    standing: dict[str, Any] = {
        "session_id": session_id,
        "principal": principal,
        "state": SessionState.ACTIVE,
        "opened_at_ns": 1,
        "expires_at_ns": 2,
        "token_digest": f"digest of {session_id}",
        "limits": (),
        "loop": LoopLimits(),
        "found": ("ses_before", "ses_long_before"),
    }
    return Session(**standing | fields)


def a_call(call_id: str, session: str = "ses_1", **fields: Any) -> CallRecord:
    """An emitted call of one session, changed by `fields`."""
    standing: dict[str, Any] = {
        "tool": "Bash",
        "digest": "sha256:0",
        "state": CallState.EMITTED,
        "shown": ("sha256:1/20", "sha256:2/20"),
        "answered": ("sha256:3/7",),
    }
    return CallRecord(session=session, call_id=call_id, **standing | fields)


def a_hold(hold_id: str, nusd: int = 5, tokens: int = 7, at_ns: int = 1) -> HoldState:
    """A hold on both accounts of tenant acme."""
    amounts = {Dimension.USD: nusd, Dimension.TOKENS: tokens}
    return HoldState(
        hold_id=hold_id,
        session="ses_1",
        purpose="model_call",
        keys=(USD, TOKENS),
        amounts=amounts,
        opened_at_ns=at_ns,
    )


class StoreConformance(abc.ABC):
    """The suite; a subclass says how a store is opened, and opened again over what it kept."""

    @abc.abstractmethod
    async def open_store(self) -> Store:
        """A new, empty store."""

    @abc.abstractmethod
    async def reopened(self, store: Store) -> Store:
        """Close `store` and open what it kept."""

    def run(self, body: Callable[[Store], Awaitable[None]]) -> None:
        """Run `body` on a store of its own."""

        async def whole() -> None:
            store = await self.open_store()
            try:
                await body(store)
            finally:
                await store.close()

        asyncio.run(whole())

    async def _refuses(
        self, wanted: type[HoldfastError], attempt: Callable[[], Awaitable[object]]
    ) -> None:
        try:
            await attempt()
        except wanted:
            return
        raise AssertionError(f"{wanted.__name__} was not raised")

    # --- journal -----------------------------------------------------------------------------
    def test_records_come_back_whole_and_numbered_in_the_order_of_the_calls(self) -> None:
        """Every field survives, and `seq` has no gap."""

        async def body(store: Store) -> None:
            whole = Record(
                kind=Kind.MODEL_CALL_SETTLED,
                at_ns=2**62,
                tenant="acme",
                project="p",
                user="u",
                agent="a",
                session="s",
                task="t",
                turn=3,
                call_id="c",
                decision_id="d",
                tool="Bash",
                verdict="deny",
                risk="HIGH",
                cost_nusd=-(2**60),
                body={"nested": [1, 2.5, None, True, {"ä": "\U0001f600"}], "big": 2**70},
            )
            await store.commit([whole, a_record(1)])
            await asyncio.gather(*(store.commit([a_record(n, turn=n)]) for n in range(2, 50)))
            found = await store.records(RecordFilter(tenant="acme"))
            assert [record.seq for record in found] == list(range(1, 51))
            assert [record.turn for record in found[2:]] == list(range(2, 50))
            assert {f: getattr(found[0], f) for f in whole.__struct_fields__ if f != "seq"} == {
                f: getattr(whole, f) for f in whole.__struct_fields__ if f != "seq"
            }
            assert await store.last_at_ns() == 49

        self.run(body)

    def test_an_empty_store_answers_empty(self) -> None:
        """Nothing is made up."""

        async def body(store: Store) -> None:
            assert await store.records(RecordFilter(tenant="acme")) == []
            assert await store.sessions(SessionFilter()) == []
            assert await store.session("ses_1") is None
            assert await store.session_by_token("x") is None
            assert await store.session_by_token("") is None
            assert await store.calls("ses_1") == []
            assert await store.accounts() == []
            assert await store.holds() == []
            assert await store.last_at_ns() == 0

        self.run(body)

    def test_filters_keep_exactly_what_they_name(self) -> None:
        """Each field, alone and together with the others."""

        async def body(store: Store) -> None:
            names = {"user": "u", "session": "s", "agent": "a", "tool": "t", "call_id": "c"}
            await store.commit([a_record(n) for n in range(10)])
            await store.commit([a_record(20, **names)])
            await store.commit([a_record(30, tenant="other", **names)])
            for field, value in names.items():
                found = await store.records(RecordFilter(tenant="acme", **{field: value}))  # type: ignore[arg-type]
                assert [r.at_ns for r in found] == [20], field
            found = await store.records(RecordFilter(tenant="acme", **names))  # type: ignore[arg-type]
            assert [r.at_ns for r in found] == [20]
            found = await store.records(RecordFilter(tenant="acme", from_ns=3, until_ns=6))
            assert [r.at_ns for r in found] == [3, 4, 5]
            kinds = RecordFilter(tenant="acme", kinds=(Kind.SESSION_KILLED,))
            assert await store.records(kinds) == []

        self.run(body)

    def test_reading_in_pages_misses_nothing(self) -> None:
        """`after_seq` and `limit` walk the whole; so does `before_seq`, from its end."""

        async def body(store: Store) -> None:
            await store.commit(
                [a_record(n % 7, tenant="acme" if n % 3 else "b") for n in range(40)]
            )
            seen: list[int] = []
            while page := await store.records(
                RecordFilter(tenant="acme", after_seq=seen[-1] if seen else 0, limit=4)
            ):
                seen += [record.seq for record in page]
            assert seen == [n + 1 for n in range(40) if n % 3]
            assert await store.records(RecordFilter(tenant="acme", limit=0)) == []
            back: list[int] = []
            while page := await store.records(
                RecordFilter(tenant="acme", before_seq=back[0] if back else 0, latest=True, limit=4)
            ):
                back[:0] = [record.seq for record in page]
            assert back == seen
            none = RecordFilter(tenant="acme", latest=True, limit=0)
            assert await store.records(none) == []

        self.run(body)

    def test_no_read_crosses_a_tenant(self) -> None:
        """A session id or call id of another tenant finds nothing; no tenant is refused."""

        async def body(store: Store) -> None:
            await store.commit([a_record(1, tenant="b", session="s", call_id="c", user="u")])
            for where in (
                RecordFilter(tenant="acme"),
                RecordFilter(tenant="acme", session="s"),
                RecordFilter(tenant="acme", call_id="c"),
                RecordFilter(tenant="acme", user="u", session="s", call_id="c"),
                RecordFilter(tenant="b' OR '1'='1"),
                RecordFilter(tenant="B"),
                RecordFilter(tenant="%"),
            ):
                assert await store.records(where) == []
            await self._refuses(InvalidRequest, lambda: store.records(RecordFilter(tenant="")))

        self.run(body)

    def test_what_is_of_no_tenant_is_read_only_by_who_asks_for_it(self) -> None:
        """And nothing of a tenant with it."""

        async def body(store: Store) -> None:
            started = a_record(at_ns=5, tenant="", kind=Kind.SERVER_STARTED)
            jumped = a_record(at_ns=7, tenant="", kind=Kind.CLOCK_JUMPED)
            await store.commit([started, a_record(at_ns=6), jumped])
            own = RecordFilter(tenant="", of_server=True)

            async def seqs(where: RecordFilter) -> list[int]:
                return [record.seq for record in await store.records(where)]

            assert await seqs(own) == [1, 3]
            assert await seqs(msgspec.structs.replace(own, kinds=(Kind.CLOCK_JUMPED,))) == [3]
            assert await seqs(msgspec.structs.replace(own, from_ns=6, until_ns=8)) == [3]
            assert await seqs(msgspec.structs.replace(own, after_seq=1, limit=1)) == [3]
            assert await seqs(RecordFilter(tenant="acme")) == [2]
            both = RecordFilter(tenant="acme", of_server=True)
            await self._refuses(InvalidRequest, lambda: store.records(both))

        self.run(body)

    def test_awkward_text_survives_or_is_refused(self) -> None:
        """NUL, quotes and every plane round-trip; lone surrogates are refused, and harm nobody."""

        async def body(store: Store) -> None:
            for text in (
                "a\0b",
                "'; DROP TABLE journal; --",
                "\u202etxet",
                "\U0010ffff",
                "é",
                "e\u0301",
            ):
                await store.commit([a_record(user=text, body={text: text})])
                found = await store.records(RecordFilter(tenant="acme", user=text))
                assert [(r.user, r.body) for r in found] == [(text, {text: text})], repr(text)
            for bad in (a_record(user="\ud800"), a_record(body={"x": "\udfff"})):
                await self._refuses(InvalidRequest, lambda bad=bad: store.commit([bad]))  # type: ignore[misc]
            bad_filter = RecordFilter(tenant="acme", user="\ud800")
            await self._refuses(InvalidRequest, lambda: store.records(bad_filter))
            await store.commit([a_record(user="still here")])

        self.run(body)

    def test_what_json_cannot_say_is_refused_at_the_call(self) -> None:
        """And nothing of the commit is kept."""

        async def body(store: Store) -> None:
            deep: Any = []
            for _ in range(5_000):
                deep = [deep]
            shallow: Any = []
            for _ in range(200):
                shallow = [shallow]
            for value in (float("nan"), float("inf"), object(), 1j, deep, shallow, {(1, 2): 3}):
                bad = a_record(body={"x": value})
                await self._refuses(
                    InvalidRequest,
                    lambda bad=bad: store.commit([a_record(), bad]),  # type: ignore[misc]
                )
            for bad in (
                a_record(at_ns=2**63),
                a_record(at_ns=-1),
                a_record(cost_nusd=2**63),
                a_record(turn="one"),
                a_record(seq=4),
                a_record(kind="unheard.of"),
                a_record(tool=7),
            ):
                await self._refuses(InvalidRequest, lambda bad=bad: store.commit([bad]))  # type: ignore[misc]
            await store.commit()
            assert await store.records(RecordFilter(tenant="acme")) == []

        self.run(body)

    def test_a_body_of_a_megabyte_is_kept_and_a_larger_one_refused(self) -> None:
        """The limit is on the JSON."""

        async def body(store: Store) -> None:
            room = MAX_JSON_BYTES - len('{"x":""}')
            await store.commit([a_record(body={"x": "y" * room})])
            too_large = a_record(body={"x": "y" * (room + 1)})
            await self._refuses(TooLarge, lambda: store.commit([too_large]))
            found = await store.records(RecordFilter(tenant="acme"))
            assert [len(record.body["x"]) for record in found] == [room]

        self.run(body)

    def test_a_read_out_of_range_is_refused(self) -> None:
        """A negative limit is no way to ask for everything."""

        async def body(store: Store) -> None:
            for where in (
                RecordFilter(tenant="acme", limit=-1),
                RecordFilter(tenant="acme", limit=10**9),
                RecordFilter(tenant="acme", from_ns=-(2**64)),
                RecordFilter(tenant="acme", after_seq=2**64),
            ):
                await self._refuses(InvalidRequest, lambda where=where: store.records(where))  # type: ignore[misc]
            await self._refuses(InvalidRequest, lambda: store.sessions(SessionFilter(limit=-1)))
            far = SessionFilter(before=(2**64, "ses_1"))
            await self._refuses(InvalidRequest, lambda: store.sessions(far))

        self.run(body)

    def test_what_the_caller_changes_afterwards_changes_nothing(self) -> None:
        """A body is taken as it was at the call."""

        async def body(store: Store) -> None:
            content = {"x": 1}
            waiting = store.commit([a_record(body=content)])
            content["x"] = 2
            await waiting
            assert (await store.records(RecordFilter(tenant="acme")))[0].body == {"x": 1}

        self.run(body)

    # --- states ------------------------------------------------------------------------------
    def test_a_session_is_found_by_id_by_token_and_by_filter(self) -> None:
        """And a later commit replaces it."""

        async def body(store: Store) -> None:
            first, second = a_session("ses_1"), a_session("ses_2", tenant="b", opened_at_ns=9)
            await store.commit(changes=[first, second])
            assert await store.session("ses_1") == first
            assert await store.session_by_token("digest of ses_2") == second
            assert await store.sessions(SessionFilter()) == [second, first]
            assert await store.sessions(SessionFilter(tenant="acme")) == [first]
            assert await store.sessions(SessionFilter(limit=1)) == [second]
            assert await store.sessions(SessionFilter(project="desk", user="bob")) == []
            killed = a_session("ses_1", state=SessionState.KILLED, token_digest="new")  # noqa: S106
            await store.commit(changes=[killed])
            assert await store.session("ses_1") == killed
            assert await store.session_by_token("digest of ses_1") is None
            assert await store.sessions(SessionFilter(states=(SessionState.KILLED,))) == [killed]

        self.run(body)

    def test_sessions_are_listed_a_page_at_a_time_newest_first(self) -> None:
        """Those opened at the same time stand by falling id."""
        opened = (("ses_a", 2), ("ses_b", 2), ("ses_c", 1), ("ses_d", 3), ("ses_é", 2))

        async def body(store: Store) -> None:
            await store.commit(
                changes=[
                    a_session(name, opened_at_ns=at_ns, tenant="b" if at_ns == 3 else "acme")
                    for name, at_ns in opened
                ]
            )

            async def ids(**where: Any) -> str:
                found = await store.sessions(SessionFilter(**where))
                return "".join(session.session_id[-1] for session in found)

            assert await ids() == "débac"
            assert await ids(before=(3, "ses_d")) == "ébac"
            assert await ids(before=(2, "ses_b"), limit=1) == "a"
            assert await ids(before=(2, "ses_é"), tenant="acme") == "bac"
            assert await ids(before=(2, "ses_a"), states=(SessionState.ACTIVE,)) == "c"
            assert await ids(before=(1, "ses_c")) == ""

        self.run(body)

    def test_a_token_belongs_to_one_session(self) -> None:
        """The commit that brings it a second time is left out whole; its neighbours are kept."""

        async def body(store: Store) -> None:
            await store.commit(changes=[a_session("ses_1", token_digest="same")])  # noqa: S106
            before = store.commit([a_record(1)])
            thief = store.commit(
                [a_record(2)],
                [a_session("ses_3"), a_session("ses_2", token_digest="same"), a_call("c")],  # noqa: S106
            )
            after = store.commit([a_record(3)], [a_session("ses_4", token_digest="")])
            await before
            await self._refuses(Conflict, lambda: thief)
            await after
            await store.commit(changes=[a_session("ses_5", token_digest="")])
            assert [r.at_ns for r in await store.records(RecordFilter(tenant="acme"))] == [1, 3]
            assert await store.session("ses_2") is None
            assert await store.session("ses_3") is None
            assert await store.calls("ses_1") == []
            assert (await store.session_by_token("same")) == await store.session("ses_1")

        self.run(body)

    def test_calls_keep_the_order_in_which_they_were_first_seen(self) -> None:
        """However often they change."""

        async def body(store: Store) -> None:
            await store.commit(changes=[a_call("b"), a_call("a"), a_call("x", session="other")])
            await store.commit(changes=[a_call("c")])
            await store.commit(changes=[a_call("b", state=CallState.BEGUN)])
            found = await store.calls("ses_1")
            assert [call.call_id for call in found] == ["b", "a", "c"]
            assert found[0].state is CallState.BEGUN

        self.run(body)

    def test_what_is_held_is_counted_from_open_holds_only(self) -> None:
        """Whatever the state said when it was stored."""

        async def body(store: Store) -> None:
            told: dict[str, Any] = {"alerted": (50,), "told_at_ns": {50: 2**62}}
            usd = AccountState(key=USD, limit=100, settled=3, held=999, buckets={5: 3}, **told)
            tokens = AccountState(key=TOKENS, limit=None, settled=0)
            await store.commit(changes=[usd, tokens, a_hold("h1"), a_hold("h2", at_ns=0)])
            assert [h.hold_id for h in await store.holds()] == ["h2", "h1"]
            held = {state.key: state.held for state in await store.accounts()}
            assert held == {USD: 10, TOKENS: 14}
            await store.commit(changes=[a_hold("h1", nusd=6), HoldClosed("h2"), HoldClosed("none")])
            by_key = {state.key: state for state in await store.accounts()}
            assert (by_key[USD].held, by_key[USD].settled) == (6, 3)
            assert (by_key[USD].buckets, by_key[USD].alerted) == ({5: 3}, (50,))
            assert by_key[USD].told_at_ns == {50: 2**62}
            assert await store.holds() == [a_hold("h1", nusd=6)]

        self.run(body)

    def test_accounts_are_found_by_their_keys_and_no_others_come_along(self) -> None:
        """However many are asked for; one that was never stored is left out, not made up."""

        async def body(store: Store) -> None:
            owners = ["acme", "acme/a", "acme/a:b", "acme/\0x", *(f"acme/{n}" for n in range(150))]
            keys = [AccountKey(Scope.USER, o, Dimension.USD, Window.DAY) for o in owners]
            states = [AccountState(key=key, limit=n, settled=n) for n, key in enumerate(keys)]
            await store.commit(changes=[*states, AccountState(key=USD, limit=1, settled=1)])
            await store.commit(changes=[a_hold("h")])
            assert await store.accounts([]) == []
            assert await store.accounts([TOKENS]) == []
            assert [(s.key, s.held) for s in await store.accounts([USD, TOKENS])] == [(USD, 5)]
            found = await store.accounts([*keys, keys[0]])
            assert found == sorted(states, key=lambda state: str(state.key).encode())
            longer = msgspec.structs.replace(keys[1], window=Window.HOUR)
            assert await store.accounts([longer, keys[2]]) == [states[2]]
            every = await store.accounts()
            assert [s for s in every if s.key != USD] == found
            bad = msgspec.structs.replace(USD, owner="\ud800")
            await self._refuses(InvalidRequest, lambda: store.accounts([bad]))

        self.run(body)

    def test_accounts_of_a_scope_are_walked_in_pages_and_no_tenant_sees_anothers(self) -> None:
        """Names that begin alike are told apart."""

        async def body(store: Store) -> None:
            owners = ["acme/a", "acme/b:c", "acme-2/a", "acme/ü", "b/a"]
            keys = [AccountKey(Scope.USER, o, Dimension.USD, Window.DAY) for o in owners]
            tenants = [
                AccountKey(Scope.TENANT, o, Dimension.USD, Window.DAY) for o in ("acme", "b")
            ]
            await store.commit(
                changes=[AccountState(key=key, limit=1, settled=1) for key in (*keys, *tenants)]
            )
            mine = sorted((k for k in keys if k.owner.startswith("acme/")), key=str)
            assert await store.account_keys(Scope.USER, "acme", "", 10) == mine
            assert await store.account_keys(Scope.USER, "", "", 10) == sorted(keys, key=str)
            assert await store.account_keys(Scope.TENANT, "acme", "", 10) == tenants[:1]
            assert await store.account_keys(Scope.KEY, "", "", 10) == []
            seen: list[AccountKey] = []
            while page := await store.account_keys(
                Scope.USER, "acme", str(seen[-1]) if seen else "", 2
            ):
                seen += page
            assert seen == mine

        self.run(body)

    def test_the_last_of_many_states_at_once_is_the_one_kept(self) -> None:
        """Commits in one batch count in the order of the calls."""

        async def body(store: Store) -> None:
            waiting = [
                store.commit(
                    [a_record(n)],
                    [
                        AccountState(key=USD, limit=1000, settled=n),
                        a_hold(f"h{n}"),
                        *([HoldClosed(f"h{n - 1}")] if n else []),
                        a_session(state_reason=str(n)),
                        a_call("c", turn=n),
                    ],
                )
                for n in range(700)
            ]
            await asyncio.gather(*waiting)
            assert [state.settled for state in await store.accounts()] == [699]
            assert [hold.hold_id for hold in await store.holds()] == ["h699"]
            session = await store.session("ses_1")
            assert session is not None
            assert session.state_reason == "699"
            assert [call.turn for call in await store.calls("ses_1")] == [699]
            await store.commit(changes=[a_hold("x"), HoldClosed("x"), a_hold("x", nusd=1)])
            assert [h.amounts[Dimension.USD] for h in await store.holds()] == [5, 1]

        self.run(body)

    # --- life --------------------------------------------------------------------------------
    def test_a_finished_commit_is_seen_by_the_next_read(self) -> None:
        """Every time."""

        async def body(store: Store) -> None:
            for n in range(1, 30):
                await store.commit([a_record(n)])
                assert await store.last_at_ns() == n

        self.run(body)

    def test_an_empty_commit_waits_for_those_before_it(self) -> None:
        """A barrier that writes nothing."""

        async def body(store: Store) -> None:
            first = asyncio.ensure_future(_wait(store.commit([a_record(1)])))  # noqa: TID251
            await store.commit()
            assert await store.last_at_ns() == 1
            await first

        self.run(body)

    def test_a_caller_that_stops_waiting_does_not_take_its_commit_back(self) -> None:
        """And disturbs no other."""

        async def body(store: Store) -> None:
            waiting = asyncio.ensure_future(_wait(store.commit([a_record(1)])))  # noqa: TID251
            waiting.cancel()
            await store.commit([a_record(2)])
            assert [r.at_ns for r in await store.records(RecordFilter(tenant="acme"))] == [1, 2]

        self.run(body)

    def test_closing_finishes_what_was_queued_and_refuses_the_rest(self) -> None:
        """Also when asked twice."""

        async def body(store: Store) -> None:
            waiting = [store.commit([a_record(n)], [a_hold(f"h{n}")]) for n in range(300)]
            await store.close()
            await asyncio.gather(*waiting)
            await store.close()
            await self._refuses(StoreUnavailable, lambda: store.commit([a_record()]))
            await self._refuses(StoreUnavailable, lambda: store.records(RecordFilter(tenant="a")))

        self.run(body)

    def test_what_was_committed_is_there_after_opening_again(self) -> None:
        """Journal and every state; and numbering goes on."""

        async def body(store: Store) -> None:
            await store.commit(
                [a_record(5)],
                [a_session(), a_call("c"), a_hold("h"), AccountState(key=USD, limit=9, settled=1)],
            )
            again = await self.reopened(store)
            try:
                assert await again.session("ses_1") == a_session()
                assert await again.calls("ses_1") == [a_call("c")]
                assert await again.holds() == [a_hold("h")]
                assert [(s.settled, s.held) for s in await again.accounts()] == [(1, 5)]
                await again.commit([a_record(6)])
                found = await again.records(RecordFilter(tenant="acme"))
                assert [(r.seq, r.at_ns) for r in found] == [(1, 5), (2, 6)]
            finally:
                await again.close()

        self.run(body)


async def _wait(awaitable: Awaitable[None]) -> None:
    await awaitable
