"""An answer is judged by its first event; a provider is, by what distinct users saw of it."""

import asyncio
import json

import pytest

from holdfast.core.breaker import BreakerLimits, BreakerState
from holdfast.errors import UpstreamUnavailable
from holdfast.model.events import Kind
from holdfast.model.upstreams import Fallback, Retries, Trouble
from holdfast.runtime.doors import Asker, Door
from holdfast.runtime.opening import opened
from tests.unit.runtime.house import (
    JSON,
    SSE,
    USD,
    FakeAnswer,
    breath,
    event,
    limit,
    started,
    stopped,
    text_block,
    whole_answer,
)
from tests.unit.runtime.test_reaching import GOOD, Vendors


def error(kind):
    return event("error", error={"type": kind, "message": "no"})


def in_place(kind):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "no"}}).encode()
    return (200, JSON, [body[:9], body[9:]])


EARLY = [
    ((200, SSE, [error("overloaded_error")]), 529),
    ((200, SSE, [event("ping"), event("ping"), error("overloaded_error")]), 529),
    ((200, SSE, [error("rate_limit_error")[:20], error("rate_limit_error")[20:]]), 429),
    ((200, SSE, [error("api_error")]), 500),
    ((200, SSE, [error("never_heard_of")]), 500),
    ((200, SSE, [error("invalid_request_error")]), 400),
    (in_place("overloaded_error"), 529),
    (in_place("invalid_request_error"), 400),
]


@pytest.mark.parametrize(("made", "status"), EARLY)
def test_an_error_before_any_output_is_the_refusal_that_it_is_and_costs_nothing(
    monkeypatch, made, status
):
    async def main():
        house = Vendors(monkeypatch)
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [made]
        got, body = await house.said(live, stream=made[1] is SSE)
        assert got == status
        assert json.loads(body)["error"]["message"] == "no"
        assert house.account(live, USD).settled == 0
        assert house.upstream.answers[0].closed.is_set()
        house.nothing_held()

    asyncio.run(main())


@pytest.mark.parametrize(("made", "status"), [one for one in EARLY if one[1] != 400])
def test_such_an_error_is_tried_again_and_goes_to_the_fallback(monkeypatch, made, status):
    async def main():
        house = Vendors(monkeypatch, retries=Retries(attempts=1))
        live = await house.open(limit(USD, 10**9))
        sound = GOOD if made[1] is SSE else (200, JSON, [whole_answer()])
        house.upstream.script = [made, sound]
        assert (await house.said(live, stream=made[1] is SSE))[0] == 200
        await breath()
        [settled] = house.settled()
        assert settled["exact"]
        assert len(settled["retried"]) == 1
        house = Vendors(monkeypatch, fallbacks=[Fallback(on=tuple(Trouble), upstream="other")])
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [made]
        assert (await house.said(live))[0] == 200
        assert len(house.other.sent) == 1
        assert status

    asyncio.run(main())


def test_an_error_behind_a_start_that_counted_input_is_charged_for_that_and_no_more(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [(200, SSE, [started() + error("overloaded_error")]), GOOD]
        assert (await house.said(live))[0] == 529
        assert len(house.upstream.sent) == 1
        assert house.account(live, USD).settled == 10 * 1_000 + 1 * 5_000
        await breath()
        assert house.settled()[0]["exact"] is False
        house.nothing_held()

    asyncio.run(main())


def test_an_error_behind_output_is_an_event_as_before(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, retries=Retries())
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [(200, SSE, [started(), *text_block("a"), error("api_error")])]
        status, body = await house.said(live)
        assert status == 200
        assert body.endswith(error("api_error"))
        assert len(house.upstream.sent) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "pieces",
    [
        [started(), *text_block("hi"), *stopped()],
        [b"".join([started(), *text_block("hi"), *stopped()])],
        [event("ping"), started(), *stopped()],
        [event("vendor_note"), started(), *stopped()],
        [b"data: {nonsense\n\n"],
    ],
)
def test_what_was_read_to_judge_an_answer_is_handed_on_to_the_last_byte(pieces):
    async def main():
        begun = await opened(FakeAnswer(200, SSE, pieces), lambda: 5.0)
        assert begun.reading is None
        assert b"".join([c async for c in begun.answer.chunks()]) == b"".join(pieces)

    asyncio.run(main())


def test_an_answer_in_one_piece_that_only_speaks_of_errors_passes():
    async def main():
        body = whole_answer([{"type": "text", "text": '"error" {"type":"error"}'}])
        begun = await opened(FakeAnswer(200, JSON, [body[:30], body[30:]]), lambda: 5.0)
        assert begun.answer.status == 200
        assert await begun.answer.read(10**6) == body

    asyncio.run(main())


def test_an_answer_that_does_not_begin_in_its_turn_is_our_fault_and_one_that_ends_is_not():
    async def main():
        silent = FakeAnswer(200, SSE, [asyncio.Event()])
        with pytest.raises(UpstreamUnavailable) as late:
            await opened(silent, lambda: 0.01)
        assert late.value.fields == {"sent": True, "ours": True}
        assert silent.closed.is_set()
        with pytest.raises(UpstreamUnavailable) as gone:
            await opened(FakeAnswer(200, SSE, []), lambda: 5.0)
        assert gone.value.fields == {"sent": True}

    asyncio.run(main())


@pytest.mark.parametrize(
    "body",
    [b"x" * (2 * 1024 * 1024), b'{"type":"error","error":{"message":"' + b"y" * 5_000_000 + b'"}}'],
)
@pytest.mark.parametrize("status", [400, 413, 500])
def test_a_huge_refusal_keeps_its_status(monkeypatch, status, body):
    async def main():
        house = Vendors(monkeypatch)
        live = await house.open(limit(USD, 10**9))
        house.upstream.script = [(status, {**JSON, "x-kept": "1"}, [body])]
        answer = await house.call(live)
        said = await answer.whole()
        assert answer.status == status
        assert answer.headers["x-kept"] == "1"
        assert f"answered {status}" in json.loads(said)["error"]["message"]
        assert len(said) < 1_000
        assert house.account(live, USD).settled == 0

    asyncio.run(main())


LIMITS = BreakerLimits(failures=5, reset_ns=60)
UPSTREAM: object = object()


def door(failures=5):
    return Door("key 1", UPSTREAM, BreakerLimits(failures=failures, reset_ns=60))  # type: ignore[arg-type]


def fail(one, session, user, now=0):
    ticket = one.admit(now, Asker(session, user))
    assert ticket is not None, "it was left alone already"
    return one.failed(ticket, now)


def test_one_user_with_any_number_of_sessions_closes_a_provider_for_nobody_else():
    one = door()
    for number in range(4):
        assert fail(one, f"s{number}", "bad") == []
    changed = fail(one, "s4", "bad")
    assert [(c.user, c.failures) for c in changed] == [("bad", 5)]
    assert not one.admits(0, Asker("s9", "bad"))
    assert one.admits(0, Asker("t1", "good"))
    # The same over and over, as each rest ends.
    for now in range(60, 6_000, 60):
        fail(one, f"s{now}", "bad", now)
        assert one.admits(now, Asker("t1", "good"))


def test_distinct_sessions_of_more_than_one_user_close_it_for_all():
    one = door()
    for number in range(4):
        fail(one, f"s{number}", "ann")
    [changed] = fail(one, "t1", "bob")
    assert changed.user == ""
    assert one.state is BreakerState.OPEN
    assert not one.admits(0, Asker("u1", "eve"))


def test_one_session_counts_once_whatever_it_sees():
    one = door()
    fail(one, "t1", "bob")
    for _ in range(4):
        fail(one, "s1", "ann")
    assert one.admits(0, Asker("u1", "eve"))


def test_who_tried_in_vain_when_it_reopened_does_not_keep_it_closed_alone():
    one = door(failures=2)
    fail(one, "s1", "ann")
    fail(one, "t1", "bob")
    assert not one.admits(59, Asker("u1", "eve"))
    fail(one, "s2", "bad", 60)
    assert not one.admits(119, Asker("u1", "eve"))
    fail(one, "s3", "bad", 120)
    assert one.admits(120, Asker("u1", "eve"))
    ticket = one.admit(120, Asker("u1", "eve"))
    assert ticket is not None
    assert [c.user for c in one.completed(ticket)] == [""]
    assert one.admits(120, Asker("t1", "bob"))


def test_users_are_remembered_within_a_bound():
    one = door()
    for number in range(3_000):
        fail(one, f"s{number}", f"u{number}", number * 60)
    assert len(one._own) <= 1_000
    assert len(one._witnesses) <= 1_000


def test_a_fault_of_ours_is_not_the_provider_s(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, breaker=BreakerLimits(), retries=Retries(after_sent=True))
        late = UpstreamUnavailable("the turn's time was over", sent=True, ours=True)
        strange = (200, SSE, [started(), b"event: message_delta\ndata: {nonsense\n\n"])
        for number in range(12):
            live = await house.open(limit(USD, 10**9), user=f"u{number}")
            house.upstream.script = [late if number % 2 else strange]
            if number % 2:
                with pytest.raises(UpstreamUnavailable):
                    await house.said(live)
            else:
                assert b'"type":"error"' in (await house.said(live))[1]
        # Each was asked and paid for once.
        assert len(house.upstream.sent) == 12
        assert house.provider.doors[0].state is BreakerState.CLOSED
        assert not house.written(Kind.UPSTREAM_OPENED)

    asyncio.run(main())


def test_one_user_s_failures_leave_the_provider_to_others(monkeypatch):
    async def main():
        house = Vendors(monkeypatch, breaker=BreakerLimits())
        house.upstream.script = [(500, JSON, [b"{}"])]
        live = await house.open(limit(USD, 10**9), user="bad")
        for _ in range(4):
            more = await house.open(limit(USD, 10**9), user="bad")
            assert (await house.said(more))[0] == 500
        assert (await house.said(live))[0] == 500
        with pytest.raises(UpstreamUnavailable):
            await house.said(live)
        [told] = house.written(Kind.UPSTREAM_OPENED)
        assert told.body["for_user"] == "acme/bad"
        house.upstream.script = [GOOD]
        other = await house.open(limit(USD, 10**9), user="good")
        assert (await house.said(other))[0] == 200

    asyncio.run(main())


def test_a_refusal_behind_a_200_keeps_when_to_come_back_and_nothing_of_the_answer():
    async def main():
        kept = {"request-id": "r1", "Retry-After": "7", "retry-after-ms": "7000"}
        sent = {**SSE, **kept, "x-vendor": "1", "content-length": "9"}
        begun = await opened(FakeAnswer(200, sent, [error("overloaded_error")]), lambda: 5.0)
        assert begun.answer.status == 529
        assert begun.answer.headers == {**kept, **JSON}
        whole = await begun.answer.read(10**6)
        assert json.loads(whole)["error"]["type"] == "overloaded_error"
        assert await begun.answer.read(5) == whole[:5]

    asyncio.run(main())


def test_an_error_that_comes_together_with_output_does_not_take_it_back():
    async def main():
        piece = b"".join([started(), *text_block("a"), error("api_error")])
        begun = await opened(FakeAnswer(200, SSE, [piece]), lambda: 5.0)
        assert begun.answer.status == 200
        assert b"".join([c async for c in begun.answer.chunks()]) == piece

    asyncio.run(main())


@pytest.mark.parametrize(
    "pieces",
    [
        # So long before it is whole that it can be no error; the rest may take all its turn.
        [b'{"type": "message", "content": "' + b"x" * 300, asyncio.Event()],
        [b'{"type": "error", "error": "' + b"x" * 70_000, asyncio.Event()],
    ],
    ids=["no error is named", "far too large for one"],
)
def test_an_answer_in_one_piece_is_handed_on_as_soon_as_it_can_be_no_error(pieces):
    async def main():
        begun = await opened(FakeAnswer(200, JSON, pieces), lambda: 0.2)
        assert begun.answer.status == 200
        assert await anext(begun.answer.chunks()) == pieces[0]

    asyncio.run(main())


def test_an_answer_is_read_once_and_no_further_than_asked():
    async def main():
        pieces = [started(), *text_block("hi"), *stopped()]
        begun = await opened(FakeAnswer(200, SSE, pieces), lambda: 5.0)
        assert await begun.answer.read(10**6) == b"".join(pieces)
        assert await begun.answer.read(10**6) == b""
        made = FakeAnswer(200, SSE, pieces)
        begun = await opened(made, lambda: 5.0)
        with pytest.raises(UpstreamUnavailable):
            await begun.answer.read(50)
        assert made.closed.is_set()

    asyncio.run(main())


def test_a_time_out_of_the_provider_s_connection_is_not_the_turn_s():
    class Slow(FakeAnswer):
        async def chunks(self):
            raise TimeoutError
            yield b""

    async def main():
        made = Slow(200, SSE, [])
        with pytest.raises(TimeoutError):
            await opened(made, lambda: 5.0)
        assert made.closed.is_set()

    asyncio.run(main())


@pytest.mark.parametrize("status", [204, 400, 500])
def test_an_answer_that_is_no_200_is_not_looked_into(status):
    async def main():
        made = FakeAnswer(status, SSE, [asyncio.Event()])
        begun = await opened(made, lambda: 0.05)
        assert begun.answer is made
        assert not made.closed.is_set()

    asyncio.run(main())
