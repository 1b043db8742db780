"""Getting a provider to answer: each trouble, each key, each wait, and what is noted of it."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import json
from typing import Any

import msgspec
import pytest

from holdfast.core import endings
from holdfast.core.breaker import BreakerLimits, BreakerState
from holdfast.core.endings import Ending, How
from holdfast.core.metering import Reading
from holdfast.errors import RateLimited, Unavailable, UpstreamUnavailable
from holdfast.model.bodies import KINDS
from holdfast.model.upstreams import Retries, Trouble
from holdfast.runtime import reaching as module
from holdfast.runtime.doors import Asker
from holdfast.runtime.providers import Provider
from holdfast.runtime.reaching import (
    Reached,
    Reaching,
    Unreached,
    all_failed,
    resting,
    retry_after_s,
    trouble_of,
    unanswered,
)
from holdfast.testing.clock import FakeClock

ANN = Asker("s1", "acme/ann")
BOB = Asker("s2", "acme/bob")
ONCE = BreakerLimits(failures=1)
TWICE = BreakerLimits(failures=2)
GONE = UpstreamUnavailable("refused")
CUT_OFF = UpstreamUnavailable("broke off", sent=True)
OURS = UpstreamUnavailable("too late", sent=True, ours=True)


@pytest.fixture(autouse=True, params=["holdfast.runtime.reaching"])
def about(request):
    """What these tests are about."""


class Answer:
    """A provider's, with nothing in it."""

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


class Street(Reaching):
    """Keys that answer by a script, and what was waited, counted and noted."""

    def __init__(self, *script, keys=1, breaker=None, dice=0.5, seconds_left=60.0, **retries):
        self.script: list[Any] = list(script)
        self.noted: list[Any] = []
        self.asked: list[int] = []
        self.slept: list[float] = []
        self.failures = 0
        self.tried: list[Any] = []
        self.again_most: Any = None
        self.left_s = seconds_left
        self.fake = FakeClock()
        made: Any = [object() for _ in range(keys)]
        self.keys = made
        self.provider: Any = Provider(
            made[0],
            name="main",
            spare=made[1:],
            breaker=breaker,
            retries=Retries(**({"attempts": 2} | retries)),
        )
        super().__init__(
            lambda body: self.noted.append((str(KINDS[type(body)]), body.told())),
            self.fake,
            lambda: dice,
        )

    async def ask(self, upstream):
        self.asked.append(self.keys.index(upstream) + 1)
        made = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(made, BaseException):
            raise made
        return made

    def failed(self, now_ns):
        assert now_ns == self.fake.now_ns()
        self.failures += 1

    def seconds_left(self):
        return self.left_s

    async def go(self, asker=ANN) -> Any:
        self.asker = asker
        return await self.reach(self.provider, self.ask, self)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """What is waited for is written down, and time does not pass."""
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds, *rest):
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return slept


def test_answer_is_reached_by_the_door_it_came_through():
    async def main():
        good = Answer()
        street = Street(good)
        found = await street.go()
        assert isinstance(found, Reached)
        assert found.answer.status == 200
        assert found.door is street.provider.doors[0]
        assert (street.failures, street.tried, street.noted, good.closes) == (0, [], [], 0)
        # Any other answer that is handed on counts against the session, and is no try that failed.
        for status in (201, 400, 404, 499):
            street = Street(Answer(status))
            assert (await street.go()).answer.status == status
            assert (street.failures, street.tried) == (1, [])

    asyncio.run(main())


def test_statuses_mean_what_they_mean():
    found = {status: trouble_of(status) for status in range(200, 600)}
    odd = {status: trouble for status, trouble in found.items() if trouble is not None}
    assert odd == dict.fromkeys(range(500, 600), Trouble.UPSTREAM) | {
        401: Trouble.CREDENTIAL,
        403: Trouble.CREDENTIAL,
        429: Trouble.RATE_LIMITED,
        503: Trouble.OVERLOADED,
        529: Trouble.OVERLOADED,
    }


def test_wait_that_a_provider_asks_for_is_read_in_milliseconds_first_and_bounded():
    for headers, seconds in (
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-0.001"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after": "3601"}, 3600.0),
        ({"retry-after-ms": "3601000"}, 3600.0),
    ):
        assert retry_after_s(headers) == seconds, headers


def test_wait_is_what_is_asked_for_or_random_below_a_bound_that_doubles():
    retries = Retries(base_s=0.5, most_s=3.0)
    failed = Unreached(upstream="main", trouble=Trouble.UPSTREAM)
    for dice, waits in ((0.5, [0.25, 0.5, 1.0, 1.5, 1.5]), (0.0, [0.0] * 5)):
        street = Street(Answer(), dice=dice)
        assert [street.delay_s(failed, retries, again) for again in range(5)] == waits
    for asked, wait in (("7", 7.0), ("0", 0.0)):
        answer: Any = Answer(429, {"retry-after": asked})
        told = msgspec.structs.replace(failed, answer=answer)
        assert street.delay_s(told, retries, 0) == wait
    odd: Any = Answer(429, {"retry-after": "soon"})
    assert Street(Answer()).delay_s(msgspec.structs.replace(failed, answer=odd), retries, 0) == 0.25


def test_trouble_is_tried_again_after_growing_waits_until_it_is_over(no_waiting):
    async def main():
        for first, name in (
            (Answer(500), "upstream"),
            (Answer(503), "overloaded"),
            (Answer(529), "overloaded"),
            (Answer(429), "rate_limited"),
            (GONE, "upstream"),
        ):
            no_waiting.clear()
            street = Street(first, first, Answer())
            found = await street.go()
            assert isinstance(found, Reached)
            assert (street.failures, street.tried) == (2, [name, name])
            assert no_waiting == [0.25, 0.5]
            if isinstance(first, Answer):
                assert first.closes == 2
            last = Answer(529)
            street = Street(first, first, last)
            found = await street.go()
            assert (found.upstream, found.trouble, found.answer) == (
                "main",
                Trouble.OVERLOADED,
                last,
            )
            assert (len(street.asked), street.failures, last.closes) == (3, 3, 0)
            assert len(street.tried) == 3
        no_waiting.clear()
        street = Street(Answer(500), attempts=0)
        assert isinstance(await street.go(), Unreached)
        assert (street.asked, no_waiting) == ([1], [])

    asyncio.run(main())


def test_wait_as_long_as_what_is_left_of_the_turn_is_not_waited(no_waiting):
    async def main():
        for left_s, tries in ((7.0, 1), (7.1, 2)):
            no_waiting.clear()
            busy = Answer(429, {"retry-after": "7"})
            street = Street(busy, Answer(), seconds_left=left_s)
            found = await street.go()
            assert len(street.asked) == tries
            assert no_waiting == [7.0] * (tries - 1)
            assert (found.answer is busy) == (tries == 1)
            assert busy.closes == tries - 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "sent", "ours"), [(GONE, False, False), (CUT_OFF, True, False), (OURS, True, True)]
)
def test_what_may_have_been_billed_is_handed_back_at_once(no_waiting, error, sent, ours):
    async def main():
        street = Street(error, Answer(), keys=2, breaker=TWICE)
        found = await street.go()
        if sent:
            assert (found.sent, found.ours, found.error, found.why) == (
                True,
                ours,
                error,
                "upstream_unavailable",
            )
            assert (found.trouble, found.answer, found.reading) == (Trouble.UPSTREAM, None, None)
            assert (street.asked, street.tried, street.failures) == ([1], ["upstream"], 1)
        else:
            assert isinstance(found, Reached)
            assert street.asked == [1, 2]
        # What is our own fault says nothing of the key.
        assert street.provider.doors[0].failures == (0 if ours else 1)

    asyncio.run(main())


def test_what_the_key_alone_was_refused_for_is_asked_of_the_next_key_at_once(no_waiting):
    async def main():
        for status, name in ((401, "credential"), (403, "credential"), (429, "rate_limited")):
            no_waiting.clear()
            bad = Answer(status)
            street = Street(bad, bad, Answer(), keys=3)
            assert isinstance(await street.go(), Reached)
            assert (street.asked, street.tried, no_waiting) == ([1, 2, 3], [name] * 2, [])
            assert (street.failures, bad.closes) == (2, 2)
        # All keys refuse: a credential is not tried again, a rate is, by every key.
        street = Street(Answer(401), keys=2)
        found = await street.go()
        assert (found.trouble, street.asked, no_waiting) == (Trouble.CREDENTIAL, [1, 2], [])
        street = Street(Answer(429), keys=2, attempts=1)
        assert (await street.go()).trouble is Trouble.RATE_LIMITED
        assert street.asked == [1, 2, 1, 2]
        assert no_waiting == [0.25]
        # Other trouble is the provider's: whoever is next is asked after a wait.
        no_waiting.clear()
        street = Street(Answer(500), Answer(), keys=2)
        assert isinstance(await street.go(), Reached)
        assert (street.asked, no_waiting) == ([1, 2], [0.25])
        single = Street(Answer(401))
        assert (await single.go()).trouble is Trouble.CREDENTIAL
        assert single.asked == [1]

    asyncio.run(main())


def test_key_that_failed_too_often_is_noted_and_left_alone_and_noted_when_it_is_back(no_waiting):
    async def main():
        street = Street(Answer(529), breaker=TWICE, attempts=5)
        found = await street.go()
        # It opened under the second try, so that a third was no use.
        assert (street.asked, found.answer.status) == ([1, 1], 529)
        opened = {
            "upstream": "main",
            "key": "key 1",
            "failures": 2,
            "for_user": "acme/ann",
            "trouble": "overloaded",
        }
        assert street.noted == [("upstream.opened", opened)]
        street.fake.advance(12.3456)
        found = await street.go()
        assert (street.asked, found.answer, found.trouble) == ([1, 1], None, Trouble.OVERLOADED)
        assert found.error.message == (
            "the upstream `main` failed too often in a row and is left alone for 48 s"
        )
        assert found.error.fields == {"retry_after_s": 47.654}
        assert (found.why, found.sent, found.ours) == ("upstream_unavailable", False, False)
        # Another user is let through; what fails for both is closed for all.
        assert (await street.go(BOB)).answer.status == 529
        assert [body.get("for_user") for _, body in street.noted] == ["acme/ann", None]
        assert street.noted[1] == (
            "upstream.opened",
            {"upstream": "main", "key": "key 1", "failures": 2, "trouble": "overloaded"},
        )
        street.fake.advance(60)
        street.script = [Answer()]
        street.noted.clear()
        assert isinstance(await street.go(BOB), Reached)
        assert [(kind, body) for kind, body in street.noted if "for_user" not in body] == [
            ("upstream.closed", {"upstream": "main", "key": "key 1", "failures": 0})
        ]
        assert resting(street.provider, street.fake.now_ns(), BOB).error is not None
        soon = resting(street.provider, street.fake.now_ns(), BOB)
        assert soon.error is not None
        assert soon.error.message.endswith("left alone for 1 s")

    asyncio.run(main())


def test_credential_closes_a_key_beside_others_and_never_the_only_one():
    async def main():
        for keys, opened in ((1, 0), (2, 2)):
            street = Street(Answer(401), keys=keys, breaker=ONCE)
            await street.go()
            assert len(street.noted) == opened
            assert street.provider.trouble is Trouble.CREDENTIAL
            states = {door.state for door in street.provider.doors}
            assert states == {BreakerState.OPEN if opened else BreakerState.CLOSED}

    asyncio.run(main())


def test_call_that_is_ended_while_it_asks_says_nothing_of_the_key():
    async def main():
        street = Street(GONE, breaker=ONCE, attempts=0)
        await street.go()
        street.fake.advance(60)
        for fault in (asyncio.CancelledError(), KeyError("x")):
            street.script = [fault]
            with pytest.raises(type(fault)):
                await street.go()
            # Whoever comes next may try at once.
            assert street.provider.admits(street.fake.now_ns(), ANN)
        assert (street.failures, len(street.tried)) == (1, 1)

    asyncio.run(main())


def test_answer_that_broke_off_before_any_output_may_be_billed_by_what_it_had_counted():
    async def main():
        begin = {"type": "message_start", "message": {"usage": {"input_tokens": 7}}}
        error = {"type": "error", "error": {"type": "not_found_error", "message": "x"}}
        for kind, trouble, failures in (
            ("not_found_error", Trouble.UPSTREAM, 0),
            ("overloaded_error", Trouble.OVERLOADED, 1),
        ):
            error["error"] = {"type": kind, "message": "x"}
            body = "".join(
                f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in (begin, error)
            )
            answer = Answer(200, {"content-type": "text/event-stream"}, body.encode())
            street = Street(answer, breaker=TWICE)
            found = await street.go()
            assert isinstance(found, Unreached)
            assert (found.sent, found.trouble, found.upstream) == (True, trouble, "main")
            assert found.reading is not None
            assert found.reading.usage.input_tokens == 7
            assert found.answer is not None
            assert street.provider.doors[0].failures == failures
            assert (len(street.asked), street.tried) == (1, [str(trouble)])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("ended", "failures", "noted"),
    [
        (endings.COMPLETE, 0, 0),
        (endings.broken("gone"), 2, 1),
        (Ending(How.BROKEN), 2, 1),
        (endings.cut("session_stopped"), 1, 0),
        (Ending(How.UNREAD, "gone"), 1, 0),
        (endings.stopped("broken"), 1, 0),
        (endings.ABANDONED, 1, 0),
        (endings.LOST, 1, 0),
    ],
)
def test_end_of_an_answer_is_told_to_the_key_that_it_came_by(ended, failures, noted):
    async def main():
        street = Street(GONE, Answer(), breaker=TWICE, attempts=0)
        await street.go()
        reached = await street.go()
        assert isinstance(reached, Reached)
        street.ended(street.provider, reached, ended)
        assert street.provider.doors[0].failures == failures
        assert len(street.noted) == noted
        assert all(body["trouble"] == "upstream" for _, body in street.noted)

    asyncio.run(main())


def test_what_was_not_reached_says_why_and_lets_go_of_its_refusal():
    trouble = Trouble.OVERLOADED
    bare = Unreached(upstream="main", trouble=trouble)
    assert (bare.sent, bare.ours, bare.why) == (False, False, "overloaded")
    bare.close()
    assert (bare.answer, bare.error, bare.reading) == (None, None, None)
    answer: Any = Answer(529)
    refused = Unreached(upstream="main", trouble=trouble, answer=answer, error=GONE)
    assert (refused.sent, refused.ours, refused.why) == (False, False, "upstream_529")
    refused.close()
    assert answer.closes == 1
    billed = Unreached(upstream="main", trouble=trouble, error=GONE, reading=Reading())
    assert (billed.sent, billed.ours) == (True, False)
    assert not Unreached(
        upstream="x", trouble=trouble, error=UpstreamUnavailable("x", sent=False, ours=False)
    ).sent


def test_error_of_what_nobody_answered_is_a_new_one_that_says_the_same():
    error = unanswered(Unreached(upstream="main", trouble=Trouble.UPSTREAM))
    assert (type(error), error.message, error.fields) == (
        UpstreamUnavailable,
        "the provider cannot be reached",
        {},
    )
    for given in (UpstreamUnavailable("x", sent=True), Unavailable("y", retry_after_s=2)):
        error = unanswered(Unreached(upstream="m", trouble=Trouble.UPSTREAM, error=given))
        assert error is not given
        assert (type(error), error.message, error.fields) == (
            type(given),
            given.message,
            given.fields,
        )


def test_one_error_tells_of_all_upstreams_and_of_the_last_one_s_wait():
    busy: Any = Answer(429, {"retry-after": "12"})
    now: Any = Answer(529, {"retry-after": "0"})
    for trouble, answer, kind, more in (
        (Trouble.RATE_LIMITED, busy, RateLimited, {"retry_after_s": 12.0}),
        (Trouble.RATE_LIMITED, None, RateLimited, {}),
        (Trouble.OVERLOADED, busy, UpstreamUnavailable, {"retry_after_s": 12.0}),
        (Trouble.OVERLOADED, now, UpstreamUnavailable, {}),
        (Trouble.UPSTREAM, Answer(500), UpstreamUnavailable, {}),
    ):
        last = Unreached(upstream="other", trouble=trouble, answer=answer)
        error = all_failed(["main: upstream", "other: x"], last)
        assert type(error) is kind
        assert error.message == "no upstream answered: main: upstream; other: x"
        assert error.fields == {"failures": "main: upstream, other: x"} | more
