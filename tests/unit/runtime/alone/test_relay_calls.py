"""A relay's door to providers: what it asks its server, what it sends, and what it says came of it."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core.breaker import BreakerLimits
from holdfast.core.edits import Edits
from holdfast.core.endings import ABANDONED
from holdfast.core.large import Requested
from holdfast.core.metering import Reading
from holdfast.errors import (
    Denied,
    InternalError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamUnavailable,
)
from holdfast.model.bodies import UpstreamClosed
from holdfast.model.upstreams import Retries, Trouble
from holdfast.runtime.doors import Asker
from holdfast.runtime.providers import Provider
from holdfast.runtime.relays import calls as module
from holdfast.runtime.relays.calls import RelayedCalls
from holdfast.runtime.relays.wire import (
    Answered,
    Call,
    Came,
    Count,
    Counted,
    HandOn,
    Left,
    Noted,
    Passed,
    Priced,
    PriceThere,
    Refusal,
    Send,
)
from holdfast.testing.clock import FakeClock

BODY = b'{"model":"m","max_tokens":9,"messages":[]}'
PATH = "/v1/messages?beta=true"


@pytest.fixture(autouse=True, params=["holdfast.runtime.relays.calls"])
def about(request):
    """What these tests are about."""


class Wire:
    """A line whose server answers what a test says."""

    def __init__(self, *answers):
        self.answers: list[Any] = list(answers)
        self.asked: list[Any] = []
        self.told: list[Any] = []
        self.turn = 0
        self.up = True
        self.holding = True
        self.ended: list[int] = []

    def begin(self, call):
        return 1

    def end(self, number):
        self.ended.append(number)

    def holds(self, turn):
        return self.holding

    async def ask(self, method, said, kind):
        self.asked.append((method, said, kind))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tell(self, method, said):
        self.told.append((method, said))
        future = asyncio.get_running_loop().create_future()
        future.set_result(b"")
        return future

    def mention(self, method, said):
        self.told.append((method, said))


class Answer:
    def __init__(self, status=200, headers=None, body=b'{"type":"message"}'):
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.closes = 0

    async def chunks(self):
        yield self.body

    async def read(self, limit_bytes):
        return self.body

    def taking(self, take):
        self.take = take

    def close(self):
        self.closes += 1


class Key:
    def __init__(self, *script):
        self.script: list[Any] = list(script)
        self.sent: list[Any] = []

    async def send(self, cleared, *, timeout_s, whole=False):
        headers = dict(cleared.headers)
        self.sent.append(
            (cleared.method, cleared.path, headers, bytes(cleared.body), round(timeout_s, 1), whole)
        )
        made = self.script.pop(0)
        if isinstance(made, Exception):
            raise made
        return made


class Large:
    """A body that stays here."""


class Reader:
    """Of large bodies: answers what a test says."""

    def __init__(self, read=None, fault=None):
        from holdfast.core.wire.admitted import NOTHING

        self.admitted = NOTHING
        self.found = read
        self.fault = fault
        self.asked: list[Any] = []

    async def read_elsewhere(self, body, *, counting=False):
        self.asked.append(counting)
        return self.found

    def edited(self, body, edits):
        return _Sent(self.fault)

    def counted(self, body, edits):
        return _Sent(self.fault)


class _Sent:
    def __init__(self, fault):
        self.fault = fault

    async def __aenter__(self):
        if self.fault is not None:
            raise self.fault
        return b"edited"

    async def __aexit__(self, *given):
        pass


def send(**more) -> Send:
    given: dict[str, Any] = {
        "upstream": "main",
        "edits": Edits(),
        "seconds_left": 20.0,
        "timeout_s": 60.0,
        "cached_1h": False,
        "held_tokens": 10,
        "in_flight_tokens": 4,
        "most_tokens": 15,
        "session": "s1",
        "user": "acme/ann",
    }
    return Send(**(given | more))


def relay(*answers, script=(), reader=None, **provider):
    line: Any = Wire(*answers)
    key: Any = Key(*script)
    main: Any = Provider(key, name="main", **provider)
    made: Any = RelayedCalls(line, {"main": main}, FakeClock(), lambda: 0.0, reader)
    return made, line, key, main


def called(line):
    """What was asked, without the kinds."""
    return [(method, said) for method, said, _ in line.asked]


async def call(made, body: Any = BODY, headers=None):
    return await made.call("tok", PATH, headers or {}, body)


def test_token_is_asked_about_once_in_half_a_minute(monkeypatch):
    async def main():
        made, line, *_ = relay(*[Passed()] * 9)
        assert await made.authenticate_model("tok\ud800") == "tok\ud800"
        assert line.asked == [("session", b"tok?", Passed | Refusal)]
        now_s = asyncio.get_running_loop().time()
        left_s = made._good_until_s["tok\ud800"] - now_s
        assert 29.9 < left_s <= 30.0
        await made.authenticate_model("tok\ud800")
        assert len(line.asked) == 1
        line.up = False
        await made.authenticate_model("tok\ud800")
        assert len(line.asked) == 2
        line.up = True
        made._good_until_s["tok\ud800"] = now_s
        await made.authenticate_model("tok\ud800")
        assert len(line.asked) == 3
        await made.authenticate_model("other")
        assert len(line.asked) == 4
        # What is remembered has an end.
        made._good_until_s = {str(n): 0.0 for n in range(9_999)}
        await made.authenticate_model("a")
        assert len(made._good_until_s) == 10_000
        await made.authenticate_model("b")
        assert list(made._good_until_s) == ["b"]

    asyncio.run(main())


def test_token_of_nobody_is_refused_as_the_server_says_and_asked_about_again():
    async def main():
        no = Refusal.of(Unauthenticated("no", why="x"))
        made, line, *_ = relay(no, no)
        for _ in range(2):
            with pytest.raises(Unauthenticated) as refused:
                await made.authenticate_model("t")
            assert (refused.value.message, refused.value.fields) == ("no", {"why": "x"})
        assert len(line.asked) == 2

    asyncio.run(main())


def test_call_goes_as_its_server_says_and_is_told_of_before_it_streams():
    async def main():
        good = Answer(200)
        made, line, key, main_ = relay(send(whole=True, edits=Edits(model="x")), script=[good])
        headers = {"X-A": "1", "x-a": "2", "B": "3"}
        answer = await call(made, headers=headers)
        asked = Call(
            call=1, token="tok", path=PATH, headers={"x-a": "1, 2", "b": "3"}, body=BODY, read=None
        )
        assert line.asked == [("call", asked, Answered)]
        [(method, path, sent_headers, body, timeout_s, whole)] = key.sent
        assert (method, path, sent_headers, timeout_s, whole) == ("POST", PATH, headers, 20.0, True)
        assert body == BODY.replace(b'"m"', b'"x"')
        assert line.told == [("arrived", Came(call=1, status=200))]
        assert answer.status == 200
        assert b"".join([chunk async for chunk in good.chunks()]) == good.body
        # How it ends is told to the key that it came by.
        ends: list[Any] = []
        made._reaching.ended = lambda *given: ends.append(given)
        answer.close()
        assert [(one[0], one[2]) for one in ends] == [(main_, ABANDONED)]
        assert good.closes == 1

    asyncio.run(main())


def test_call_that_was_tried_again_says_how_often():
    async def main():
        made, line, key, _ = relay(
            send(), script=[Answer(529), Answer(200)], retries=Retries(attempts=1)
        )
        answer = await call(made)
        assert line.told == [
            ("arrived", Came(call=1, status=200, tried=("overloaded",), failures=1))
        ]
        assert [one[5] for one in key.sent] == [False, False]
        answer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("made", "came"),
    [
        (
            Answer(429, {"retry-after": "7", "retry-after-ms": "", "x": "y"}),
            {
                "status": 429,
                "trouble": Trouble.RATE_LIMITED,
                "tried": ("rate_limited",),
                "failures": 1,
                "waits": {"retry-after": "7"},
                "said": b'{"type":"message"}',
            },
        ),
        (
            Answer(529, {"retry-after": "\u00e9", "retry-after-ms": "9"}),
            {
                "status": 529,
                "trouble": Trouble.OVERLOADED,
                "tried": ("overloaded",),
                "failures": 1,
                "waits": {"retry-after-ms": "9"},
                "said": b'{"type":"message"}',
            },
        ),
        (Answer(400), {"status": 400, "failures": 1, "said": b'{"type":"message"}'}),
        (
            UpstreamUnavailable("gone", sent=True),
            {
                "error": Refusal(
                    code="upstream_unavailable", message="gone", fields={"sent": True}
                ),
                "trouble": Trouble.UPSTREAM,
                "tried": ("upstream",),
                "failures": 1,
            },
        ),
    ],
)
def test_what_is_no_answer_to_be_paid_for_is_told_whole_and_its_server_says_what_then(made, came):
    async def main():
        relayed, line, *_ = relay(send(), HandOn(), script=[made])
        if isinstance(made, Answer):
            made.closes = 0
            answer = await call(relayed)
            assert (answer.status, await answer.whole()) == (made.status, made.body)
            assert made.closes <= 1
            assert line.told == []
        else:
            with pytest.raises(InternalError) as nothing:
                await call(relayed)
            text = "the server hands on an answer that is no refusal"
            assert nothing.value.message == text
            assert line.told == [("left", Left(call=1))]
        assert called(line)[1:] == [("came", Came(call=1, **came))]
        assert [kind for _, _, kind in line.asked] == [Answered, Answered]
        assert line.ended == [1]

    asyncio.run(main())


def test_answer_is_let_go_of_where_the_server_says_to_try_elsewhere_or_refuses():
    async def main():
        first, second = Answer(529), Answer(529)
        no = Refusal.of(Denied("no"))
        made, line, key, _ = relay(send(), send(edits=Edits(model="y")), no, script=[first, second])
        with pytest.raises(Denied, match="no"):
            await call(made)
        assert (first.closes, second.closes) == (1, 1)
        assert b'"y"' in key.sent[1][3]
        assert line.told == [("left", Left(call=1))]
        assert line.ended == [1]

    asyncio.run(main())


def test_reading_of_what_broke_off_before_any_output_goes_to_the_server():
    async def main():
        begin = (
            b'event: message_start\ndata: {"type":"message_start",'
            b'"message":{"usage":{"input_tokens":7}}}\n\n'
        )
        error = (
            b'event: error\ndata: {"type":"error",'
            b'"error":{"type":"overloaded_error","message":"x"}}\n\n'
        )
        broken = Answer(200, {"content-type": "text/event-stream"}, begin + error)
        made, line, *_ = relay(send(), HandOn(), script=[broken])
        await call(made)
        came = line.asked[1][1]
        assert (came.status, came.trouble) == (529, Trouble.OVERLOADED)
        assert isinstance(came.reading, Reading)
        assert came.reading.usage.input_tokens == 7

    asyncio.run(main())


def test_upstream_that_the_relay_does_not_know_is_said_to_the_server():
    async def main():
        no = Refusal.of(Denied("no"))
        made, line, key, _ = relay(send(upstream="else"), no)
        with pytest.raises(Denied):
            await call(made)
        text = "this relay knows no upstream `else`"
        assert line.asked[1][1] == Came(
            call=1,
            error=Refusal(code="upstream_unavailable", message=text),
            trouble=Trouble.UPSTREAM,
            failures=1,
        )
        assert key.sent == []
        made, *_ = relay(Passed(upstream="else"))
        with pytest.raises(UpstreamUnavailable) as refused:
            await made.models("tok", "/v1/models", {})
        assert refused.value.message == text

    asyncio.run(main())


def test_lost_line_ends_a_call_before_it_streams():
    async def main():
        good = Answer(200)
        made, line, *_ = relay(send(), script=[good])
        line.holding = False
        with pytest.raises(Unavailable, match="away"):
            await call(made)
        assert good.closes == 1
        made, line, *_ = relay(Unavailable("gone"))
        with pytest.raises(Unavailable, match="gone"):
            await call(made)
        assert line.told == [("left", Left(call=1))]

    asyncio.run(main())


def test_large_body_stays_here_and_what_was_read_of_it_goes():
    async def main():
        read = Requested(bad="no")
        reader: Any = Reader(read)
        made, line, key, _ = relay(send(), script=[Answer(200)], reader=reader)
        answer = await call(made, Large())
        asked = line.asked[0][1]
        assert (asked.body, asked.read) == (b"", read)
        assert key.sent[0][3] == b"edited"
        answer.close()
        made, line, key, _ = relay(
            Counted(upstream="main", edits=Edits()), script=[Answer(200)], reader=reader
        )
        await made.count("tok", "/c", {"A": "1"}, Large())
        assert line.asked == [
            ("count", Count(token="tok", headers={"a": "1"}, read=read), Counted | Refusal)
        ]
        assert reader.asked == [False, True]

    asyncio.run(main())


@pytest.mark.parametrize("fault", [Unavailable("no room"), TooLarge("too much")])
def test_large_body_that_cannot_be_written_is_not_sent(fault):
    async def main():
        reader: Any = Reader(Requested(bad="no"), fault)
        no = Refusal.of(Denied("no"))
        made, line, key, _ = relay(send(), no, reader=reader)
        with pytest.raises(Denied):
            await call(made, Large())
        text = f"the request was not sent: {fault.message}"
        assert line.asked[1][1] == Came(
            call=1,
            error=Refusal(code="upstream_unavailable", message=text),
            trouble=Trouble.UPSTREAM,
        )
        assert key.sent == []
        made, line, key, _ = relay(
            PriceThere(upstream="main", edits=Edits()), no, reader=reader, script=[Answer(200)]
        )
        with pytest.raises(Denied):
            await call(made, Large())
        assert line.asked[1][:2] == ("priced", Priced(call=1))

    asyncio.run(main())


def test_count_that_prices_a_call_is_asked_from_here_and_told():
    async def main():
        no = Refusal.of(Denied("no"))
        price = PriceThere(upstream="main", edits=Edits(model="x"))
        made, line, key, _ = relay(price, no, script=[Answer(200, body=b'{"input_tokens":4}')])
        with pytest.raises(Denied):
            await call(made, headers={"A": "1"})
        assert line.asked[1] == ("priced", Priced(call=1, raw=b'{"input_tokens":4}'), Answered)
        [(_, path, headers, body, timeout_s, _)] = key.sent
        assert (path, headers, timeout_s) == (
            "/v1/messages/count_tokens?beta=true",
            {"A": "1"},
            10.0,
        )
        assert body == b'{"model":"x","messages":[]}'
        for asked, script in (
            (price, [UpstreamUnavailable("gone")]),
            (PriceThere(upstream="else", edits=Edits()), []),
        ):
            made, line, *_ = relay(asked, no, script=script)
            with pytest.raises(Denied):
                await call(made)
            assert line.asked[1][1] == Priced(call=1)

    asyncio.run(main())


def test_count_and_list_go_where_the_server_says_once_it_has_let_them():
    async def main():
        good = Answer(200)
        made, line, key, _ = relay(Counted(upstream="main", edits=Edits(model="x")), script=[good])
        assert await made.count("tok", "/c", {"A": "1", "a": "2"}, BODY) is good
        assert line.asked == [
            ("count", Count(token="tok", headers={"a": "1, 2"}, body=BODY), Counted | Refusal)
        ]
        assert key.sent == [
            ("POST", "/c", {"A": "1", "a": "2"}, BODY.replace(b'"m"', b'"x"'), 60.0, False)
        ]
        made, line, key, _ = relay(Passed(upstream="main"), script=[good])
        assert await made.models("t\ud800", "/v1/models", {}) is good
        assert line.asked == [("free", b"t?", Passed | Refusal)]
        assert key.sent[0][:2] == ("GET", "/v1/models")
        no = Refusal.of(Denied("no"))
        made, line, key, _ = relay(no, no)
        with pytest.raises(Denied):
            await made.count("tok", "/c", {}, BODY)
        with pytest.raises(Denied):
            await made.models("tok", "/v1/models", {})
        assert key.sent == []

    asyncio.run(main())


def test_breakers_here_know_whose_call_it_is_and_are_told_of():
    async def main():
        made, line, _, main_ = relay(
            send(),
            HandOn(),
            script=[Answer(529)],
            breaker=BreakerLimits(failures=1),
        )
        await call(made)
        body = {
            "upstream": "main",
            "key": "key 1",
            "failures": 1,
            "for_user": "acme/ann",
            "trouble": "overloaded",
        }
        assert line.told[0] == ("noted", Noted(kind="upstream.opened", body=body))
        now_ns = FakeClock().now_ns()
        assert not main_.admits(now_ns, Asker("s9", "acme/ann"))
        assert main_.admits(now_ns, Asker("s1", "acme/bob"))
        line.told.clear()
        made._note(UpstreamClosed(upstream="main", key="key 1", failures=0))
        plain = {"upstream": "main", "key": "key 1", "failures": 0}
        assert line.told == [("noted", Noted(kind="upstream.closed", body=plain))]
        assert module._GOOD_TOKENS == 10_000

    asyncio.run(main())
