"""A relay and its server: whatever breaks between them, each hold ends once and no cap is passed.

Every behaviour of a model call is tested through a relay as well, in `test_model_calls`; here is
what only two processes have between them.
"""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.endings import LOST
from holdfast.core.stream import EmittedCall, Reading
from holdfast.errors import (
    HoldfastError,
    SessionStopped,
    Unauthenticated,
    Unavailable,
    UpstreamUnavailable,
    all_errors,
)
from holdfast.model.bodies import UpstreamOpened
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.model.tools import CallState
from holdfast.runtime.providers import Provider
from holdfast.runtime.relays.line import Line
from holdfast.runtime.relays.wire import (
    Cuts,
    Hello,
    Refusal,
    Settle,
    Welcome,
    decoded,
    emitted,
    encoded,
    wrote,
)
from tests.unit.runtime.house import (
    JSON,
    SSE,
    USD,
    FakeUpstream,
    breath,
    limit,
    soon,
    started,
    stopped,
    text_block,
    tool_block,
)
from tests.unit.runtime.relay_pair import MemoryFrames, RelayPair

GOOD = (200, SSE, [started(), *text_block("hi ", "there"), *stopped()])


def running(scene, **more):
    """Play one scene in a pair."""

    async def main():
        async with RelayPair(**more) as pair:
            await scene(pair)

    asyncio.run(main())


def slow(*gates, text="word "):
    """A stream that waits before each piece of its text."""
    opening, delta, ending = text_block(text)
    pieces = [started(), opening]
    for gate in gates:
        pieces += [gate, delta]
    return (200, SSE, [*pieces, ending, *stopped()])


async def first(events):
    return await events.__anext__()


async def rest(events):
    return b"".join([chunk async for chunk in events])


async def streaming(pair, *gates):
    """A stream that waits at `gates`: its session, its events, and the first of them."""
    live = await pair.open(limit(USD, 10**9))
    pair.upstream.script = [slow(*gates)]
    events = (await pair.asked()).events()
    return live, events, await first(events)


async def unanswered(pair):
    """A call that its provider has and does not answer: its session, and its task."""
    live = await pair.open(limit(USD, 10**9))
    pair.upstream.script = [asyncio.Event()]
    call = asyncio.create_task(pair.asked())
    await soon(lambda: pair.upstream.sent)
    return live, call


def ended_without_a_word(seen):
    """A client can read the stream to its end, and the model's text is not in it."""
    assert b"word" not in seen
    assert seen.endswith(b'data: {"type":"message_stop"}\n\n')


def endings(pair):
    return [record.body["ended"] for record in pair.written(Kind.MODEL_CALL_SETTLED)]


def test_a_tool_call_is_known_to_the_server_before_the_client_sees_it():
    async def scene(pair):
        live = await pair.open(limit(USD, 10**9))
        tool = tool_block("t1", "look", {"order": "7", "deep": [2**70, "\ud800", 1.5]})
        pair.upstream.script = [(200, SSE, [started(), *tool, *stopped(reason="tool_use")])]
        async for chunk in (await pair.asked()).events():
            if b"content_block_stop" in chunk:
                # Known, and never to be run: such arguments have no form to compare.
                assert live.calls["t1"].state is CallState.TORN
            if b"message_stop" in chunk:
                pair.nothing_held()

    running(scene)


def test_a_line_that_breaks_mid_stream_is_settled_in_full_and_ends_the_stream_well_formed():
    async def scene(pair):
        gate = asyncio.Event()
        live, events, seen = await streaming(pair, asyncio.Event(), gate)
        held = pair.account(live, USD).held
        pair.lose()
        assert pair.account(live, USD).settled == held
        gate.set()
        seen += await rest(events)
        ended_without_a_word(seen)
        assert seen.count(b"content_block_start") == seen.count(b"content_block_stop")
        assert endings(pair) == [LOST.words]
        assert pair.upstream.answers[0].closed.is_set()
        pair.nothing_held()
        assert live.streams == {}
        await pair.back()
        pair.upstream.script = [GOOD]
        assert await rest((await pair.asked()).events()) == b"".join(GOOD[2])
        pair.nothing_held()

    running(scene)


def test_a_line_that_breaks_before_the_provider_answered_is_settled_in_full():
    async def scene(pair):
        live, call = await unanswered(pair)
        held = pair.account(live, USD).held
        assert held
        pair.lose()
        with pytest.raises(Unavailable):
            await call
        await soon(lambda: not pair.account(live, USD).held)
        assert pair.account(live, USD).settled == held
        pair.nothing_held()
        assert live.streams == {}

    running(scene)


def test_a_line_that_breaks_while_a_call_waits_for_room_leaves_nothing_held():
    async def scene(pair):
        await pair.open(limit(USD, 5_000_000))
        gate = asyncio.Event()
        pair.upstream.script = [slow(gate), GOOD]
        events = (await pair.asked(max_tokens=400)).events()
        await first(events)
        waiting = asyncio.create_task(pair.asked(max_tokens=400))
        await breath(0.02)
        assert not waiting.done()
        assert len(pair.upstream.sent) == 1
        pair.lose()
        with pytest.raises(Unavailable):
            await waiting
        await rest(events)
        await breath(0.01)
        pair.nothing_held()
        pair.check_caps()

    running(scene)


def test_without_its_server_a_relay_sends_nothing_and_says_so():
    async def scene(pair):
        await pair.open(limit(USD, 10**9))
        pair.upstream.script = [GOOD]
        pair.frames.away = True
        pair.lose()
        await soon(lambda: not pair.line.up)
        with pytest.raises(Unavailable, match="away") as refused:
            await pair.asked()
        assert refused.value.http_status == 503
        assert refused.value.retryable
        with pytest.raises(Unavailable):
            await pair.relayed.authenticate_model(pair.token)
        with pytest.raises(Unavailable):
            await pair.relayed.count(pair.token, "/v1/messages/count_tokens", {}, b"{}")
        assert pair.upstream.sent == []
        pair.frames.away = False
        await pair.back()
        await rest((await pair.asked()).events())

    running(scene)


def test_a_call_of_a_lost_line_is_over_for_good():
    async def scene(pair):
        live = await pair.open(limit(USD, 10**9))
        pair.upstream.script = [slow(asyncio.Event())]
        answer = await pair.asked()
        held = pair.account(live, USD).held
        pair.lose()
        await pair.back()
        late = Settle(
            call=1, reading=Reading(final=True, saw_usage=True, ended=True), ended="complete"
        )
        with pytest.raises(Unavailable, match="over"):
            await pair.frames.call("settle", encoded(late), 1.0)
        assert pair.account(live, USD).settled == held
        answer.close()

    running(scene)


def test_a_kill_ends_the_stream_and_not_one_word_more_is_shown():
    async def scene(pair):
        gate = asyncio.Event()
        live, events, seen = await streaming(pair, asyncio.Event(), gate)
        await breath(0.01)  # Until the server knows that the provider answers.
        await pair.killer.kill(live, "a test", by="admin")
        gate.set()
        seen += await rest(events)
        ended_without_a_word(seen)
        await soon(lambda: endings(pair))
        assert endings(pair)[0].startswith("cut: ")
        assert pair.written(Kind.MODEL_CALL_CUT)
        pair.nothing_held()
        with pytest.raises(SessionStopped):
            await pair.asked()

    running(scene)


def test_a_kill_before_the_provider_answered_ends_the_call():
    async def scene(pair):
        live, call = await unanswered(pair)
        await pair.killer.kill(live, "a test", by="admin")
        with pytest.raises(SessionStopped):
            await call
        pair.nothing_held()
        assert live.streams == {}

    running(scene)


def test_a_client_that_leaves_before_the_provider_answered_pays_a_bound():
    async def scene(pair):
        live, call = await unanswered(pair)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await soon(lambda: not pair.account(live, USD).held)
        assert pair.account(live, USD).settled > 0
        await soon(lambda: endings(pair))
        assert endings(pair) == ["stopped before the provider answered"]
        pair.nothing_held()

    running(scene)


def test_a_relay_that_says_nothing_for_too_long_is_let_go():
    async def scene(pair):
        live, events, _ = await streaming(pair, asyncio.Event())
        held = pair.account(live, USD).held
        assert pair.desk.pids == (4711,)
        silent: list[int] = []
        pair.desk.silent = silent.append
        for _ in range(8):
            pair.desk.tick()
        assert pair.desk.pids == ()
        assert silent == [4711]
        assert pair.account(live, USD).settled == held
        await rest(events)

    running(scene)


def test_what_came_while_a_relay_stood_still_is_not_shown(monkeypatch):
    async def scene(pair):
        gate = asyncio.Event()
        _, events, seen = await streaming(pair, gate)
        # As after a stop of the whole process: the clock went on, nothing was heard.
        pair.line._heard_s -= 60
        gate.set()
        seen += await rest(events)
        ended_without_a_word(seen)

    running(scene)


def test_a_relay_of_another_server_is_sent_away_and_heard_no_further():
    async def scene(pair):
        stranger = Line(MemoryFrames(pair.desk), server="another", pid=1)
        await asyncio.wait_for(stranger.keep(60), 1)
        assert not stranger.up
        assert pair.desk.pids == (4711,)

    running(scene)


def test_a_line_that_did_not_say_hello_opens_nothing():
    async def scene(pair):
        other = MemoryFrames(pair.desk)
        for word in ("session", "call", "settle", "cuts", "nonsense"):
            with pytest.raises(Unavailable, match="hello"):
                await other.call(word, b"", 1.0)
        wrong = await other.call("hello", encoded(Hello(server="another", pid=1)), 1.0)
        assert decoded(wrong, Welcome) == Welcome(known=False)
        with pytest.raises(Unavailable, match="hello"):
            await other.call("cuts", b"", 1.0)

    running(scene)


@pytest.mark.parametrize("word", ["call", "came", "settle", "emitted", "noted", "left", "hello"])
def test_a_word_that_cannot_be_read_is_refused_and_changes_nothing(word):
    async def scene(pair):
        for body in (b"", b"\xff", b"\x80", encoded(Cuts()), b"\x93\x01\x02\x03"):
            with contextlib.suppress(Unavailable):
                await pair.frames.call(word, body, 1.0)
        assert pair.kinds() == []

    running(scene)


def test_a_token_of_nobody_is_refused_as_without_a_relay():
    async def scene(pair):
        with pytest.raises(Unauthenticated):
            await pair.relayed.authenticate_model("hfs_nobody")
        with pytest.raises(Unauthenticated):
            await pair.asked(token="hfs_nobody")

    running(scene)


def test_a_relay_that_does_not_know_the_upstream_leaves_nothing_held():
    async def scene(pair):
        await pair.open(limit(USD, 10**9))
        with pytest.raises(UpstreamUnavailable, match="knows no upstream"):
            await pair.asked()
        pair.nothing_held()

    running(scene, other={"elsewhere": Provider(FakeUpstream(), 512)})


def test_breakers_of_a_relay_are_journalled_with_its_process():
    async def scene(pair):
        await pair.open(limit(USD, 10**9))
        body = UpstreamOpened(upstream="main", key="key 1", failures=3, trouble="upstream")
        pair.relayed._note(body)
        await breath(0.01)
        [record] = pair.written(Kind.UPSTREAM_OPENED)
        assert record.body == {**body.told(), "relay": 4711}
        with pytest.raises(Unavailable):
            await pair.line.ask("noted", encoded({"kind": "admin.acted", "body": {}}), Cuts)

    running(scene)


def test_every_error_reads_the_same_at_the_other_end():
    for kind in all_errors():
        told = Refusal.of(kind("a \ud800 sentence", many=2**80, rule="x", wait_s=1.5, none=None))
        error = decoded(encoded(told), Refusal).error()
        assert type(error) is kind
        assert error.message == "a ? sentence"
        assert error.fields == {"many": str(2**80), "rule": "x", "wait_s": 1.5, "none": None}
    assert isinstance(Refusal(code="of tomorrow", message="x").error(), HoldfastError)


@given(
    st.dictionaries(
        st.text(), st.integers() | st.floats(allow_nan=False) | st.text() | st.none(), max_size=5
    )
)
def test_arguments_of_a_tool_call_arrive_as_the_model_wrote_them(arguments):
    call = EmittedCall("t1", "look", arguments, at_server=False)
    assert emitted(wrote([call])) == [call]


STEP = st.sampled_from(
    ["call", "call", "call", "piece", "piece", "piece", "read", "leave", "lose", "kill", "error"]
)


@settings(max_examples=120)
@given(st.lists(st.tuples(STEP, st.integers(0, 5)), max_size=40))
def test_any_interleaving_of_both_sides_ends_each_hold_once_and_passes_no_cap(steps):
    async def scene(pair):
        play = _Play(pair)
        play.live = await pair.open(limit(USD, 4_000_000))
        for step, number in steps:
            await play.step(step, number)
            pair.check_caps()
        await play.over()
        pair.check_caps()
        pair.nothing_held()
        holds = [
            r
            for r in pair.written(Kind.BUDGET_DECIDED)
            if r.body["purpose"] == "model" and r.verdict == "allow"
        ]
        ends = [*pair.written(Kind.MODEL_CALL_SETTLED), *pair.written(Kind.MODEL_CALL_REFUSED)]
        # A hold that nobody waited for any more is given back without a word.
        assert len(ends) <= len(holds)
        assert await pair.store.holds() == []
        spent = sum(r.cost_nusd for r in pair.written(Kind.MODEL_CALL_SETTLED))
        assert pair.account(play.live, USD).settled == spent
        assert play.live.streams == {}

    running(scene, wait_s=0.02)


class _Play:
    """Clients of one relay, each moved a step at a time."""

    def __init__(self, pair):
        self.pair = pair
        self.live: Any = None
        self.gates = []
        self.clients = []

    async def step(self, step, number):
        pair = self.pair
        if step == "call" and len(self.clients) < 6:
            gates = [asyncio.Event() for _ in range(3)]
            self.gates += gates
            made = [(500, JSON, [b"{}"])] if number == 5 else [slow(*gates, text="w" * 700)]
            pair.upstream.script = made
            self.clients.append(asyncio.create_task(self._client()))
        elif step == "piece" and self.gates:
            self.gates.pop(number % len(self.gates)).set()
        elif step == "leave" and self.clients:
            self.clients[number % len(self.clients)].cancel()
        elif step == "lose":
            pair.lose()
        elif step == "error":
            for answer in pair.upstream.answers[number : number + 1]:
                answer.close()
        elif step == "kill" and number == 0:
            await pair.killer.kill(self.live, "a test", by="admin")
        for _ in range(number + 1):
            await asyncio.sleep(0)

    async def _client(self):
        try:
            answer = await self.pair.asked(max_tokens=700)
            if answer.streams:
                await rest(answer.events())
            else:
                await answer.whole()
        except HoldfastError:
            pass

    async def over(self):
        for gate in self.gates:
            gate.set()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self.clients, return_exceptions=True), 5)
        await breath(0.03)
        assert all(client.done() for client in self.clients)
        assert self.live.session.state in (SessionState.ACTIVE, SessionState.KILLED)
