"""An answer on its way, by a payer that only remembers: what is shown, cut, told and settled."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import endings
from holdfast.core.cover import Cover
from holdfast.core.endings import ABANDONED, COMPLETE, Ending, How
from holdfast.errors import DeadlineExceeded, SessionStopped, UpstreamUnavailable
from holdfast.runtime.answers import Answer
from tests.skipped_time import run
from tests.unit.runtime.house import (
    JSON,
    SSE,
    event,
    started,
    stopped,
    text_block,
    tool_block,
    whole_answer,
)


class Upstream:
    """What a provider answered, piece by piece; an exception is raised, a callable called."""

    def __init__(self, pieces, status=200, headers=None):
        self.status = status
        self.headers = headers or SSE
        self._pieces = pieces
        self.closes = 0
        self.limit_bytes = 0

    async def chunks(self):
        for piece in self._pieces:
            await asyncio.sleep(0)
            if isinstance(piece, Exception):
                raise piece
            if callable(piece):
                piece()
                continue
            yield piece

    async def read(self, limit_bytes):
        self.limit_bytes = limit_bytes
        return b"".join([piece async for piece in self.chunks()])

    def taking(self, take):
        self.take = take

    def close(self):
        self.closes += 1


class Payer:
    """Remembers all that it is told, in order."""

    def __init__(self, held=900, most=900, in_flight=0, seconds=60.0):
        self.cover = Cover(held_tokens=held, in_flight_tokens=in_flight, most_tokens=most)
        self.cached_1h = False
        self.timeout_s = 60.0
        self.stopped = False
        self.lapsed = ""
        self.late = ""
        self.refused = ""
        self.seconds = seconds
        self.told: list[Any] = []
        self.readings: list[Any] = []
        self.cut: Any = None

    def seconds_left(self):
        return self.seconds

    def metering(self, metering):
        self.used = metering

    def opened(self, cut):
        self.cut = cut
        self.told.append("opened")

    def closed(self):
        self.told.append("closed")

    async def extend(self, more_tokens):
        self.told.append(("extend", more_tokens))
        if not self.refused:
            self.cover.held_tokens += more_tokens
        return self.refused

    def emitted(self, calls):
        self.told += [("emitted", call.call_id, call.arguments) for call in calls]

    def void(self, call_id):
        self.told.append(("void", call_id))

    async def caught_up(self):
        self.told.append("caught up")
        return self.late

    def note_cut(self, reading, reason):
        self.told.append(("cut", reason))

    def settle(self, reading, *, ended):
        self.told.append(("settle", ended))
        self.readings.append(reading)

    def abandon(self, ended):
        self.told.append(("abandon", ended))

    def refusal(self, reason):
        return SessionStopped(reason) if self.stopped else DeadlineExceeded(reason)

    @property
    def said(self):
        """What was told, but for opening and closing."""
        return [one for one in self.told if one not in ("opened", "closed")]


class Client:
    """Whom an answer goes to."""

    def __init__(self):
        self.told = []
        self.got = []
        self.full = False

    def write(self, piece):
        if not self.full:
            self.got.append(piece)
        return not self.full

    def reset(self):
        self.told.append("reset")

    async def delivered(self):
        self.told.append("delivered")


def answer(pieces, payer=None, **more):
    upstream: Any = Upstream(pieces, **more)
    made: Any = Answer(upstream, payer)
    made.client = Client()
    return made, upstream


async def read(made):
    return [piece async for piece in made.events()]


WHOLE = [started(), *text_block("hello"), *stopped()]


def test_whole_stream_is_shown_as_it_came_settled_before_its_end_and_delivered():
    async def main():
        payer = Payer()
        made, upstream = answer(WHOLE, payer)
        assert made.streams
        assert made.status == 200
        assert payer.told == ["opened"]
        assert b"".join(await read(made)) == b"".join(WHOLE)
        assert payer.said == [
            ("settle", COMPLETE),
            "caught up",
            ("settle", endings.broken("")),
            ("abandon", ABANDONED),
        ]
        assert payer.told[-1] == "closed"
        assert made.client.told == ["delivered"]
        assert upstream.closes == 1
        assert payer.readings[0].usage.output_tokens == 5
        assert payer.readings[0].ended
        assert made._timer.cancelled()

    run(main)


@pytest.mark.parametrize(
    ("status", "headers", "streams"),
    [
        (200, SSE, True),
        (200, {"content-type": "text/event-stream; charset=utf-8"}, True),
        (200, JSON, False),
        (200, {"x": "y"}, False),
        (400, SSE, False),
    ],
)
def test_only_a_well_answered_event_stream_streams(status, headers, streams):
    async def main():
        made, _ = answer([], Payer(), status=status, headers=headers)
        assert made.streams == streams
        made.close()

    run(main)


def test_call_is_remembered_before_it_is_shown():
    async def main():
        payer = Payer()
        pieces = [started(), *tool_block("c1", "look", {"a": 1}), *stopped(9, "tool_use")]
        made, _ = answer(pieces, payer)
        shown = b""
        async for piece in made.events():
            shown += piece
            if b"content_block_stop" in shown:
                assert ("emitted", "c1", {"a": 1}) in payer.told
        assert shown == b"".join(pieces)
        assert payer.said[:2] == [("emitted", "c1", {"a": 1}), "caught up"]

    run(main)


def test_answer_that_the_payer_cannot_keep_up_with_is_cut_and_ended_well_formed():
    async def main():
        payer = Payer()
        payer.late = "store_unavailable: full"
        pieces = [started(), *tool_block("c1", "look", {}), b"event: never\n\n"]
        made, upstream = answer(pieces, payer)
        shown = await read(made)
        assert ("cut", "store_unavailable: full") in payer.told
        assert ("settle", endings.cut("store_unavailable: full")) in payer.told
        last = shown[-1].decode()
        assert "message_stop" in last
        assert '"stop_reason":"max_tokens"' in last
        assert b"never" not in b"".join(shown)
        assert made.client.told == []
        assert upstream.closes >= 2

    run(main)


def test_hold_grows_ahead_of_what_is_written_and_where_it_cannot_the_answer_is_cut():
    async def main():
        payer = Payer(held=10, most=100, in_flight=8)
        pieces = [started(), *text_block("a" * 5, "b" * 30)]
        made, _ = answer(pieces, payer)
        shown = [piece async for piece in made.events()]
        assert [one for one in payer.told if one[0] == "extend"] == [("extend", 8), ("extend", 25)]
        assert payer.cover.held_tokens == 43
        assert b"api_error" in shown[-1]
        refused = Payer(held=10, most=100, in_flight=8)
        refused.refused = "budget_exceeded: full"
        made, _ = answer(pieces, refused)
        shown = await read(made)
        # What came is shown even so; what comes after it is not.
        assert b"aaaaa" in b"".join(shown)
        assert b"bbbbb" not in b"".join(shown)
        assert ("cut", "budget_exceeded: full") in refused.told

    run(main)


def test_provider_that_writes_more_than_it_was_given_is_cut():
    async def main():
        payer = Payer(held=2, most=2)
        made, _ = answer([started(), *text_block("a", "b", "c")], payer)
        await read(made)
        assert ("cut", "the provider wrote more than the `max_tokens` it was given") in payer.told

    run(main)


@pytest.mark.parametrize("stopped_too", [True, False])
def test_cut_from_outside_ends_the_stream_and_after_a_stop_nothing_more_is_shown(stopped_too):
    async def main():
        payer = Payer()

        def kill():
            payer.stopped = stopped_too
            payer.cut("session_stopped: bad")
            payer.cut("later")

        pieces = [started(), *text_block("hello"), kill, *text_block("secret", index=1)]
        made, upstream = answer(pieces, payer)
        shown = b"".join(await read(made))
        assert (b'"index": 1, "content_block"' in shown) != stopped_too
        assert b"secret" not in shown
        assert b"max_tokens" in shown
        assert b"message_stop" in shown
        assert payer.said[0] == ("cut", "session_stopped: bad")
        assert payer.said[1] == ("settle", endings.cut("session_stopped: bad"))
        assert made.client.told == (["reset"] if stopped_too else [])
        assert upstream.closes == 2

    run(main)


def test_answer_that_is_cut_before_its_first_event_is_an_error_event():
    async def main():
        payer = Payer()

        def kill():
            payer.stopped = True
            payer.cut("session_stopped: bad")

        made, _ = answer([kill, started()], payer)
        [only] = await read(made)
        assert only.startswith(b"event: error\ndata: ")
        assert json.loads(only.split(b"data: ")[1]) == {
            "type": "error",
            "error": {"type": "permission_error", "message": "session_stopped: bad"},
        }

    run(main)


def test_answer_that_nobody_came_for_is_charged_when_it_is_cut_and_one_that_is_read_is_not():
    async def main():
        payer = Payer()
        made, upstream = answer(WHOLE, payer)
        payer.cut("bad")
        assert payer.said == [("abandon", endings.cut("bad"))]
        assert upstream.closes == 1
        made.close()
        made.close()
        assert payer.said[1:] == [("abandon", ABANDONED)] * 2

    run(main)


def test_turn_that_takes_too_long_is_cut_and_its_client_reset():
    async def main():
        payer = Payer(seconds=0.01)
        made, _ = answer(WHOLE, payer)
        await asyncio.sleep(0.03)
        text = "deadline_exceeded: the turn took longer than 60 s"
        assert payer.said == [("abandon", endings.cut(text))]
        assert made.client.told == ["reset"]
        assert payer.cut == made.cut

    run(main)


@pytest.mark.parametrize("ours", [True, False])
def test_stream_that_breaks_is_told_so_that_the_client_may_try_again(ours):
    async def main():
        payer = Payer()
        pieces = [
            started(),
            *tool_block("c1", "look", {})[:2],
            UpstreamUnavailable("gone", **({"ours": True} if ours else {})),
        ]
        made, _ = answer(pieces, payer)
        shown = await read(made)
        assert json.loads(shown[-1].split(b"data: ")[1])["error"] == {
            "type": "api_error",
            "message": "upstream_unavailable: gone",
        }
        ended = Ending(How.UNREAD if ours else How.BROKEN, "gone")
        assert payer.said[:2] == [("emitted", "c1", None), ("settle", ended)]
        assert payer.readings[0].ended is False

    run(main)


def test_stream_that_ends_early_and_one_of_nonsense_are_faults_of_the_provider():
    async def main():
        early = Payer()
        made, _ = answer(WHOLE[:-1], early)
        shown = await read(made)
        assert b"the provider ended the stream early" in shown[-1]
        ended = Ending(How.BROKEN, "the provider ended the stream early")
        assert early.said[0] == ("settle", ended)
        nonsense = Payer()
        made, _ = answer([b"event: message_start\ndata: nonsense\n\n"], nonsense)
        shown = await read(made)
        assert b"api_error" in shown[-1]
        assert nonsense.said[0][1].how is How.UNREAD

    run(main)


def test_error_event_of_the_provider_is_shown_and_named():
    async def main():
        payer = Payer()
        error = {"type": "overloaded_error", "message": "busy"}
        made, _ = answer([started(), event("error", error=error)], payer)
        shown = await read(made)
        assert b"overloaded_error" in shown[-1]
        assert payer.said[0] == ("settle", endings.broken("overloaded_error"))

    run(main)


def test_call_that_was_torn_by_the_end_of_its_tokens_gets_no_permit():
    async def main():
        payer = Payer()
        pieces = [started(), *tool_block("c1", "look", {}), *stopped(9, "max_tokens")]
        made, _ = answer(pieces, payer)
        await read(made)
        assert ("void", "c1") in payer.told
        assert payer.told.index(("void", "c1")) < payer.told.index(("settle", COMPLETE))

    run(main)


def test_payer_that_lapsed_takes_nothing_more():
    async def main():
        payer = Payer()
        payer.lapsed = "lapsed: nobody pays"
        made, _ = answer(WHOLE, payer)
        [only] = await read(made)
        assert b"lapsed: nobody pays" in only
        assert payer.said[0] == ("cut", "lapsed: nobody pays")

    run(main)


def test_client_that_leaves_closes_the_providers_connection():
    async def main():
        payer = Payer()
        made, upstream = answer(WHOLE, payer)
        events = made.events()
        await anext(events)
        await events.aclose()
        assert upstream.closes == 1
        assert payer.said[0] == ("settle", ABANDONED)
        assert payer.told[-1] == "closed"

    run(main)


def test_answer_in_one_piece_is_settled_before_it_is_handed_on_and_stays_within_reach():
    async def main():
        payer = Payer()
        call = {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}
        body = whole_answer([call], reason="tool_use")
        made, upstream = answer([body], payer, headers=JSON)
        assert await made.whole() == body
        assert payer.said == [("emitted", "c1", {"a": 1}), ("settle", COMPLETE), "caught up"]
        assert payer.readings[0].usage.output_tokens == 5
        assert (upstream.closes, upstream.limit_bytes) == (0, 64 * 1024 * 1024)
        made.close()

    run(main)


@pytest.mark.parametrize("stopped_too", [True, False])
def test_answer_in_one_piece_that_is_cut_is_not_handed_on(stopped_too):
    async def main():
        payer = Payer()

        def kill():
            payer.stopped = stopped_too
            payer.cut("bad")

        made, upstream = answer([kill, whole_answer()], payer, headers=JSON)
        with pytest.raises(SessionStopped if stopped_too else DeadlineExceeded) as refused:
            await made.whole()
        assert refused.value.message == "bad"
        assert payer.said == [("settle", COMPLETE), "caught up", ("abandon", ABANDONED)]
        assert upstream.closes == 2
        late = Payer()
        late.late = "the store is gone"
        made, _ = answer([whole_answer()], late, headers=JSON)
        with pytest.raises(DeadlineExceeded) as refused:
            await made.whole()
        assert refused.value.message == "the store is gone"

    run(main)


@pytest.mark.parametrize("cut", [True, False])
def test_answer_in_one_piece_that_breaks_is_charged_by_why(cut):
    async def main():
        payer = Payer()
        steps = [lambda: payer.cut("bad")] if cut else []
        made, _ = answer([*steps, UpstreamUnavailable("gone")], payer, headers=JSON)
        with pytest.raises(DeadlineExceeded if cut else UpstreamUnavailable):
            await made.whole()
        assert payer.said[0] == (
            "abandon",
            endings.stopped("bad") if cut else Ending(How.BROKEN, "gone"),
        )
        unread = Payer()
        made, _ = answer([b"nonsense"], unread, headers=JSON)
        with pytest.raises(UpstreamUnavailable) as refused:
            await made.whole()
        assert refused.value.fields["ours"] is True
        assert unread.said[0][1] == endings.failed(refused.value)

    run(main)


def test_refusal_that_nobody_pays_for_is_the_providers_own_words():
    async def main():
        made, upstream = answer([b"busy"], status=529, headers=JSON)
        assert await made.whole() == b"busy"
        assert (made.status, made.headers, upstream.limit_bytes) == (529, JSON, 1024 * 1024)
        with pytest.raises(RuntimeError):
            await read(made)
        made.cut("so")
        made.close()
        assert upstream.closes == 3

    run(main)


class Straight(Upstream):
    """Offers each piece before it comes in turn."""

    async def chunks(self):
        async for piece in super().chunks():
            if self.take is None or not self.take(piece):
                yield piece


TALKING = [
    started(),
    *text_block("hello", "w\u00f6rld", ", ", "dear"),
    *tool_block("c1", "look", {"a": 1}, index=1),
    *text_block("bye", index=2),
    *stopped(9, "tool_use"),
]


def told_of(pieces, full, *, straight, **payer):
    """What the client got in the end, and what the payer was told, in order."""

    async def main():
        paid = Payer(**payer)
        upstream: Any = (Straight if straight else Upstream)(pieces)
        made: Any = Answer(upstream, paid)
        client = made.client = Client()
        steps = iter(full)
        client_write = client.write

        def write(piece):
            client.full = next(steps, False)
            return client_write(piece)

        client.write = write
        taken = 0
        async for piece in made.events():
            taken += 1
            client.got.append(piece)
        return b"".join(client.got), paid.told, paid.readings, taken

    return asyncio.run(main())


@given(
    st.lists(st.integers(0, 2000), max_size=12),
    st.lists(st.booleans(), max_size=12),
    st.sampled_from([(900, 900, 0), (10, 100, 8), (2, 2, 0)]),
    st.sampled_from([b"", b"data: {\n\n", b"event: error\ndata: {}\n\n"]),
)
def test_straight_or_in_turn_the_client_and_the_payer_hear_the_same(places, full, holds, odd):
    data = b"".join(TALKING)
    at = places[0] if odd and places else len(data)
    data = data[:at] + odd + data[at:]
    cuts = sorted({0, len(data), *(place for place in places if place < len(data))})
    pieces = [data[a:b] for a, b in pairwise(cuts)]
    held, most, in_flight = holds
    sizes = {"held": held, "most": most, "in_flight": in_flight}
    straight = told_of(pieces, full, straight=True, **sizes)
    assert straight[:3] == told_of(pieces, (), straight=False, **sizes)[:3]


def test_what_only_has_to_be_counted_goes_straight_and_the_rest_in_turn():
    _, told, _, taken = told_of(TALKING, (), straight=True)
    assert ("emitted", "c1", {"a": 1}) in told
    # The end of the call, why the model stopped, and the end.
    assert taken == 3
    assert told_of(TALKING, [True] * 4, straight=True)[3] == 7


@pytest.mark.parametrize("why", ["cut", "lapsed"])
def test_nothing_goes_straight_once_the_answer_is_cut_or_nobody_may_go_on(why):
    async def main():
        payer = Payer()

        def stop():
            if why == "cut":
                payer.stopped = True
                made.cut("session_stopped: killed")
            else:
                payer.lapsed = "unavailable: away"

        upstream: Any = Straight([*TALKING[:3], stop, *TALKING[3:]])
        made: Any = Answer(upstream, payer)
        made.client = client = Client()
        rest = await read(made)
        assert b"".join(client.got) == b"".join(TALKING[:3])
        assert TALKING[3] not in rest
        if why == "cut":
            # What went straight is ended as well-formed as the rest.
            assert rest[0].startswith(b"event: content_block_stop")
            assert b"message_stop" in rest[0]
        assert any(one[0] == "cut" for one in payer.told)

    run(main)
