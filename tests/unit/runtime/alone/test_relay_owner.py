"""The server's side of a relay: each word, each cut, each loss, over purses that only remember."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.cover import Cover
from holdfast.core.edits import Edits
from holdfast.core.endings import ABANDONED, COMPLETE, LOST
from holdfast.core.large import Requested
from holdfast.core.metering import Reading
from holdfast.core.stream import EmittedCall
from holdfast.errors import Denied, InternalError, SessionStopped, Unauthenticated, Unavailable
from holdfast.model.money import Usage
from holdfast.model.upstreams import Trouble
from holdfast.runtime.doors import Asker
from holdfast.runtime.reaching import Unreached
from holdfast.runtime.relays import owner as module
from holdfast.runtime.relays.owner import RelayDesk
from holdfast.runtime.relays.wire import (
    Answered,
    Call,
    Came,
    Confirmed,
    Count,
    Counted,
    CutCall,
    Cuts,
    Emitted,
    Extend,
    Extended,
    HandOn,
    Hello,
    Left,
    Listening,
    Noted,
    Passed,
    Priced,
    PriceThere,
    Refusal,
    Running,
    Send,
    Settle,
    Torn,
    WasCut,
    Welcome,
    decoded,
    encoded,
    wrote,
)
from tests.unit.runtime.alone.desk import Desk

PATH = "/v1/messages?beta=true"
INTERNAL = "holdfast could not handle the request; see its log"


@pytest.fixture(autouse=True, params=["holdfast.runtime.relays.owner"])
def about(request):
    """What these tests are about."""


class Purse:
    """Remembers what it was told; `cut` is what ends it."""

    def __init__(self, session="ses_1", stream=True, hold_id="hld_1", toll=True):
        self.told: list[Any] = []
        self.failures: list[int] = []
        self.live: Any = SimpleNamespace(
            session=SimpleNamespace(session_id=session),
            asker=Asker(session, "acme/ann"),
            unconfirmed={},
            progress=SimpleNamespace(failure=self.failures.append),
        )
        self.agains = 0
        tolls: Any = SimpleNamespace(again=self._again) if toll else None
        self.paid: Any = SimpleNamespace(
            hold_id=hold_id, toll=tolls, request=SimpleNamespace(stream=stream)
        )
        self.cover = Cover(held_tokens=10, in_flight_tokens=4, most_tokens=15)
        self.tried: list[str] = []
        self.again_most: Any = None
        self.timeout_s = 60.0
        self.cached_1h = True
        self.unseen = False
        self.settled = False
        self.stopped = False
        self.cut: Any = None

    @property
    def asker(self):
        return self.live.asker

    def failed(self, now_ns):
        self.live.progress.failure(now_ns)

    def _again(self):
        self.agains += 1

    def seconds_left(self):
        return 20.0

    def metering(self, metering):
        self.told.append(("metering", metering()))

    def opened(self, cut):
        self.cut = cut

    def closed(self):
        self.cut = None
        self.told.append("closed")

    async def extend(self, more):
        self.cover.held_tokens += more
        return "no room"

    def emitted(self, calls):
        self.told.append(("emitted", list(calls)))

    def void(self, call_id):
        self.told.append(("void", call_id))

    def note_cut(self, reading, reason):
        self.told.append(("cut", reading, reason))

    def settle(self, reading, *, ended):
        self.settled = True
        self.told.append(("settle", reading, ended))


class Calls:
    """`ModelCalls` as the desk knows it; `act` is what carrying does."""

    def __init__(self):
        self.carried: list[Any] = []
        self.counts: list[Any] = []
        self.fault: Exception | None = None
        self.act: Any = None

    async def carry(self, call):
        given = call.given
        self.carried.append((call.live, given.path, given.headers, given.body))
        await self.act(call)

    def free(self, live):
        if self.fault is not None:
            raise self.fault
        return SimpleNamespace(name=f"for {live}")

    async def counted(self, live, given):
        self.counts.append((live, given.headers, given.body))
        if self.fault is not None:
            raise self.fault
        return SimpleNamespace(name="main"), None, Edits(model="x")


class House(Desk):
    """A desk of relays, and one relay that said hello."""

    def __init__(self, *, hello=True):
        super().__init__()
        self.happened: list[Any] = []
        self.calls = Calls()
        doorkeeper: Any = SimpleNamespace(authenticate_model=self._who)
        services: Any = SimpleNamespace(journal=self.journal, clock=self.clock)
        calls: Any = self.calls
        self.relays: Any = RelayDesk("a-server", doorkeeper, services, calls, self._report)
        self.relays.changed = lambda: self.happened.append("changed")
        self.relays.silent = lambda pid: self.happened.append(("silent", pid))
        self.talk: Any = self.relays.talk(lambda: self.happened.append("drop"))
        self.provider: Any = SimpleNamespace(name="main", trouble=Trouble.OVERLOADED)
        self.purse = Purse()
        if hello:
            self.say("hello", Hello(server="a-server", pid=7))
            self.happened.clear()

    def _report(self, error):
        self.happened.append(error)

    async def _who(self, token):
        if token.startswith("bad"):
            raise Unauthenticated(f"no {token}")
        return f"live of {token}"

    def say(self, method, said=None) -> Any:
        body = said if isinstance(said, bytes) else encoded(said) if said is not None else b""
        return self.talk.handle(method, body)

    async def hear(self, method, said, kind) -> Any:
        return decoded(await self.say(method, said), kind)

    def carries(self, purse=None, then=None):
        """Let a call be paid for and sent; what came is in `came`."""
        self.came: list[Any] = []
        chosen: Any = purse or self.purse

        async def act(call):
            found = await self.reach(call, chosen, Edits(model="x"))
            self.came.append(found)
            if then is not None:
                await then(found)
            elif not isinstance(found, Unreached) and found.status == 200:
                call.payer = chosen

        self.calls.act = act

    async def reach(self, call, purse, edits) -> Any:
        """Have it taken to the provider: what came of it."""
        paid: Any = SimpleNamespace(provider=self.provider, purse=purse, edits=edits)
        await call.carrier.reach(paid)
        return paid.came

    async def sent(self, number=1, **more):
        asked = Call(call=number, token="tok", path=PATH, headers={"a": "1"}, body=b"{}")
        return await self.hear("call", asked, Answered)

    async def streaming(self, number=1, purse=None):
        self.carries(purse)
        await self.sent(number)
        self.say("arrived", Came(call=number, status=200))
        await spin()


async def spin():
    for _ in range(10):
        await asyncio.sleep(0)


def refusal(act) -> str:
    with pytest.raises(Unavailable) as refused:
        act()
    message: str = refused.value.message
    return message


SEND = Send(
    upstream="main",
    edits=Edits(model="x"),
    seconds_left=20.0,
    timeout_s=60.0,
    cached_1h=True,
    held_tokens=10,
    in_flight_tokens=4,
    most_tokens=15,
    session="ses_1",
    user="acme/ann",
    whole=False,
)


def test_relay_of_this_server_says_hello_first_and_once():
    async def main():
        house: Any = House(hello=False)
        assert refusal(lambda: house.say("cuts")) == "a relay says hello first"
        wrong = house.say("hello", Hello(server="other", pid=3))
        assert decoded(wrong, Welcome) == Welcome(known=False)
        assert (house.relays.pids, house.happened, house.talk.pid) == ((), [], 0)
        for pid in (9, 3):
            right = house.say("hello", Hello(server="a-server", pid=pid))
            assert decoded(right, Welcome) == Welcome(known=True)
        assert (house.relays.pids, house.happened) == ((9,), ["changed"])
        first, house.talk = house.talk, house.relays.talk(lambda: None)
        house.say("hello", Hello(server="a-server", pid=2))
        assert house.relays.pids == (2, 9)
        text = "the server does not know this word of a relay"
        assert refusal(lambda: house.say("nonsense")) == text
        first.gone()
        first.gone()
        assert (house.relays.pids, house.happened) == ((2,), ["changed"] * 3)

    asyncio.run(main())


def test_relay_that_says_nothing_for_seven_ticks_is_let_go():
    async def main():
        house: Any = House()
        for _ in range(6):
            house.relays.tick()
        assert house.happened == []
        house.say("noted", Noted(kind="upstream.opened", body={}))
        for _ in range(6):
            house.relays.tick()
        assert house.happened == []
        house.relays.tick()
        assert house.happened == ["changed", "drop", ("silent", 7)]
        assert house.relays.pids == ()
        assert (LOST.words, module.SILENCE_S) == ("lost: the relay that carried it is gone", 5.0)

    asyncio.run(main())


def test_tokens_lists_and_counts_are_judged_by_the_server():
    async def main():
        house: Any = House()
        either: Any = Passed | Refusal
        counted: Any = Counted | Refusal
        assert await house.hear("session", b"tok", either) == Passed()
        assert await house.hear("free", b"tok\xff", either) == Passed(
            upstream="for live of tok\ufffd"
        )
        no = Refusal(code="unauthenticated", message="no bad\ufffd")
        assert await house.hear("session", b"bad\xff", either) == no
        assert await house.hear("free", b"bad\xff", either) == no
        house.calls.fault = Denied("no")
        denied = Refusal(code="permission_denied", message="no")
        assert await house.hear("free", b"tok", either) == denied
        asked = Count(token="tok", headers={"a": "1"}, body=b"{}")
        assert await house.hear("count", asked, counted) == denied
        house.calls.fault = None
        assert await house.hear("count", asked, counted) == Counted(
            upstream="main", edits=Edits(model="x")
        )
        read = Requested(bad="x")
        await house.hear("count", Count(token="tok", headers={}, read=read), counted)
        assert house.calls.counts[1:] == [
            ("live of tok", {"a": "1"}, b"{}"),
            ("live of tok", {}, read),
        ]
        bad = Count(token="bad", headers={}, body=b"{}")
        assert await house.hear("count", bad, counted) == Refusal(
            code="unauthenticated", message="no bad"
        )

    asyncio.run(main())


def test_call_is_sent_as_it_was_paid_for_and_what_is_told_of_it_reaches_its_purse():
    async def main():
        house: Any = House()
        purse = house.purse
        house.carries()
        assert await house.sent() == SEND
        assert house.calls.carried == [("live of tok", PATH, {"a": "1"}, b"{}")]
        early = "nothing of this call is to be heard yet"
        settle = Settle(call=1, reading=Reading(), ended="complete")
        assert refusal(lambda: house.say("settle", settle)) == early
        with pytest.raises(Unavailable, match=early):
            await house.say("extend", Extend(call=1, more_tokens=3))
        assert house.say("arrived", Came(call=1, status=200, tried=("overloaded",))) == b""
        await spin()
        [found] = house.came
        assert (found.status, found.headers) == (200, {})
        with pytest.raises(InternalError, match="the body of this answer is in a relay"):
            await found.read(1)
        with pytest.raises(InternalError, match="the body of this answer is in a relay"):
            await anext(found.chunks())
        found.close()
        assert (purse.tried, purse.agains, purse.failures) == (["overloaded"], 1, [])
        again = refusal(lambda: house.say("arrived", Came(call=1, status=200)))
        assert again == "nothing was sent for this call"
        purse.told.clear()
        calls = [EmittedCall("c1", "look", {"a": 1}, at_server=False)]
        reading = Reading(ended=True)
        house.say("emitted", Emitted(call=1, calls=wrote(calls)))
        house.say("torn", Torn(call=1, call_id="c1"))
        house.say("was_cut", WasCut(call=1, reading=reading, reason="why"))
        assert await house.hear("extend", Extend(call=1, more_tokens=3), Extended) == Extended(
            held_tokens=13, reason="no room"
        )
        house.say("settle", Settle(call=1, reading=reading, ended="complete"))
        assert purse.told == [
            ("emitted", calls),
            ("void", "c1"),
            ("cut", reading, "why"),
            ("settle", reading, COMPLETE),
        ]
        # It is within reach of a kill until the relay's client has it.
        assert purse.cut is not None
        assert house.talk.has(1)
        house.say("left", Left(call=1))
        assert purse.told[4:] == ["closed"]
        assert not house.talk.has(1)
        assert house.say("left", Left(call=1)) == b""
        for method, said in (
            ("settle", settle),
            ("arrived", Came(call=1, status=200)),
            ("torn", Torn(call=1, call_id="c")),
            ("confirmed", Confirmed(call=1)),
        ):
            assert refusal(lambda method=method, said=said: house.say(method, said)) == (
                "this call is over"
            )
        for method, said in (
            ("came", Came(call=1)),
            ("priced", Priced(call=1)),
            ("extend", Extend(call=1, more_tokens=1)),
        ):
            with pytest.raises(Unavailable, match="this call is over"):
                await house.say(method, said)

    asyncio.run(main())


def test_short_answer_that_is_over_already_is_within_reach_of_no_kill():
    async def main():
        house: Any = House()
        house.carries()
        await house.sent()
        house.say("arrived", Came(call=1, status=200))
        house.say("settle", Settle(call=1, reading=Reading(), ended="complete"))
        house.say("left", Left(call=1))
        await spin()
        assert (house.came[0].status, house.purse.told[-1]) == (200, "closed")
        assert house.purse.cut is None

    asyncio.run(main())


def test_whole_answers_large_bodies_and_calls_without_a_toll_are_carried_too():
    async def main():
        house: Any = House()
        purse: Any = Purse(stream=False, toll=False)
        house.carries(purse)
        read = Requested(bad="x")
        asked = Call(call=1, token="tok", path="/p", headers={}, read=read)
        send = await house.hear("call", asked, Answered)
        assert send.whole
        assert house.calls.carried == [("live of tok", "/p", {}, read)]
        house.say("arrived", Came(call=1, status=200, tried=("upstream",), failures=2))
        await spin()
        now_ns = house.clock.now_ns()
        assert (purse.failures, purse.tried) == ([now_ns, now_ns], ["upstream"])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("came", "expected", "agains"),
    [
        (
            {"status": 529, "trouble": Trouble.OVERLOADED, "waits": {"retry-after": "7"},
             "tried": ("overloaded", "overloaded"), "failures": 2},
            (Trouble.OVERLOADED, 529, None),
            1,
        ),
        (
            {"trouble": Trouble.UPSTREAM, "tried": ("upstream",), "failures": 1,
             "error": Refusal(code="upstream_unavailable", message="gone", fields={"sent": True})},
            (Trouble.UPSTREAM, None, "gone"),
            0,
        ),
        (
            {"error": Refusal(code="unavailable", message="resting")},
            (Trouble.OVERLOADED, None, "resting"),
            0,
        ),
        (
            {"status": 529, "trouble": Trouble.OVERLOADED, "reading": Reading(opened=False)},
            (Trouble.OVERLOADED, 529, None),
            0,
        ),
        (
            {"status": 500, "trouble": Trouble.UPSTREAM,
             "error": Refusal(code="permission_denied", message="no")},
            (Trouble.UPSTREAM, 500, None),
            0,
        ),
    ],
)  # fmt: skip
def test_trouble_of_a_relay_is_the_servers_to_judge(came, expected, agains):
    async def main():
        house: Any = House()
        house.carries()
        await house.sent()
        told = Came(call=1, **came)
        assert await house.hear("came", told, Answered) == HandOn()
        [found] = house.came
        trouble, status, message = expected
        assert (found.upstream, found.trouble, found.reading) == ("main", trouble, told.reading)
        assert (found.answer.status if found.answer else None) == status
        assert (found.error.message if found.error else None) == message
        if status == 529:
            assert found.answer.headers == told.waits
        if message == "gone":
            assert found.sent
        assert len(house.purse.failures) == told.failures
        assert (house.purse.tried, house.purse.agains) == (list(told.tried), agains)
        # The relay hands on what it has, and the server has let go of the call.
        assert not house.talk.has(1)

    asyncio.run(main())


def test_relay_that_says_neither_what_came_nor_why_not_is_a_fault():
    async def main():
        for error in (None, Refusal(code="permission_denied", message="no")):
            house: Any = House()
            house.carries()
            await house.sent()
            answer = await house.hear("came", Came(call=1, error=error), Answered)
            assert answer == Refusal(
                code="internal_error",
                message="the relay said neither what the provider answered nor why not",
            )

    asyncio.run(main())


def test_status_that_is_handed_on_is_no_trouble():
    async def main():
        house: Any = House()
        house.carries()
        await house.sent()
        assert refusal(lambda: house.say("arrived", Came(call=1, status=404))) == (
            "nothing was sent for this call"
        )
        answer = await house.hear("came", Came(call=1, status=404, failures=1), Answered)
        assert answer == HandOn()
        assert (house.came[0].status, house.purse.agains) == (404, 0)

    asyncio.run(main())


def test_call_may_be_sent_again_and_refused_and_a_fault_is_a_sentence():
    async def main():
        house: Any = House()

        async def twice(call):
            await house.reach(call, house.purse, Edits())
            await house.reach(call, house.purse, Edits(model="y"))
            raise Denied("no more", rule="r")

        house.calls.act = twice
        assert (await house.sent()).edits == Edits()
        told = Came(call=1, status=529, trouble=Trouble.OVERLOADED)
        assert (await house.hear("came", told, Answered)).edits == Edits(model="y")
        assert await house.hear("came", told, Answered) == Refusal(
            code="permission_denied", message="no more", fields={"rule": "r"}
        )
        with pytest.raises(Unavailable, match="nothing was sent for this call"):
            await house.say("came", told)

        async def faulty(_):
            raise ValueError("secret")

        house.calls.act = faulty
        assert await house.sent(2) == Refusal(code="internal_error", message=INTERNAL)
        [fault] = house.happened
        assert (type(fault), str(fault)) == (ValueError, "secret")
        asked = Call(call=3, token="bad", path="/p", headers={}, body=b"")
        assert await house.hear("call", asked, Answered) == Refusal(
            code="unauthenticated", message="no bad"
        )
        with pytest.raises(Unavailable, match="nothing was sent for this call"):
            await house.say("came", Came(call=3))
        with pytest.raises(Unavailable, match="nothing was to be counted for this call"):
            await house.say("priced", Priced(call=3))

    asyncio.run(main())


def test_call_beyond_what_one_relay_may_have_open_is_refused(monkeypatch):
    async def main():
        monkeypatch.setattr(module, "OPEN_CALLS_MAX", 2)
        house: Any = House()
        house.carries()
        for number in (1, 2):
            assert isinstance(await house.sent(number), Send)
        assert await house.sent(3) == Refusal(
            code="unavailable",
            message="this relay has too many calls open",
            fields={"retry_after_s": 1},
        )
        assert not house.talk.has(3)
        house.talk.gone()

    asyncio.run(main())


def test_count_of_what_stayed_in_a_relay_is_asked_there_and_any_other_from_here():
    async def main():
        house: Any = House()
        given: list[Any] = []
        raw: list[Any] = []

        class Clearance:
            elsewhere = True

            def edits(self, fits):
                assert fits == "fits"
                return Edits(model="z")

            @contextlib.asynccontextmanager
            async def prices(self, fits):
                given.append(fits)
                yield "cleared"

        clearance = Clearance()

        async def counted(now_ns, cleared):
            given.append((now_ns, cleared))
            return b"9"

        house.provider.counted = counted

        async def act(call):
            call.provider, call.clearance, call.fits = house.provider, clearance, "fits"
            raw.append(await call.carrier.count(call))
            raise Denied("no")

        house.calls.act = act
        assert await house.sent() == PriceThere(upstream="main", edits=Edits(model="z"))
        answer = await house.hear("priced", Priced(call=1, raw=b"7"), Answered)
        assert (raw, answer.code, given) == ([b"7"], "permission_denied", [])
        with pytest.raises(Unavailable, match="nothing was to be counted"):
            await house.say("priced", Priced(call=1))
        clearance.elsewhere = False
        assert (await house.sent(2)).code == "permission_denied"
        assert raw == [b"7", b"9"]
        assert given == [
            "fits",
            (house.clock.now_ns(), "cleared"),
        ]

    asyncio.run(main())


def test_cuts_wait_for_the_relay_or_it_for_them_and_come_with_their_word(monkeypatch):
    async def main():
        monkeypatch.setattr(module, "HEARTBEAT_S", 0.01)
        house: Any = House()
        assert await house.hear("cuts", Listening(), Cuts) == Cuts()
        house.talk.cut(4, "a", stopped=True)
        house.talk.cut(5, "b", stopped=False)
        both = (
            CutCall(call=4, reason="a", stopped=True),
            CutCall(call=5, reason="b", stopped=False),
        )
        assert await house.hear("cuts", Listening(), Cuts) == Cuts(cuts=both)
        monkeypatch.setattr(module, "HEARTBEAT_S", 9.0)
        waiting = asyncio.ensure_future(house.hear("cuts", Listening(), Cuts))
        await spin()
        assert not waiting.done()
        house.talk.cut(4, "a", stopped=True)
        assert await asyncio.wait_for(waiting, 1) == Cuts(cuts=both[:1])

    asyncio.run(main())


def test_what_an_answer_used_so_far_comes_with_the_standing_question_and_is_no_claim(monkeypatch):
    async def main():
        monkeypatch.setattr(module, "HEARTBEAT_S", 0.01)
        house: Any = House()
        await house.streaming()
        usage = Usage(input_tokens=7)
        # One that is over already, and one of nobody, cost a relay nothing.
        running = (Running(1, usage, 5), Running(99, usage, 5))
        assert await house.hear("cuts", Listening(running=running), Cuts) == Cuts()
        assert house.purse.told[-1] == ("metering", (usage, 5))

    asyncio.run(main())


@pytest.mark.parametrize("stopped", [True, False])
def test_kill_cuts_a_stream_and_is_confirmed_by_the_relay(stopped):
    async def main():
        house: Any = House()
        purse = house.purse
        await house.streaming()
        purse.stopped = stopped
        purse.cut("stop")
        assert purse.live.unconfirmed == {"hld_1": house.talk.end}
        cut = CutCall(call=1, reason="stop", stopped=stopped)
        assert await house.hear("cuts", Listening(), Cuts) == Cuts(cuts=(cut,))
        house.say("confirmed", Confirmed(call=1))
        assert purse.live.unconfirmed == {}
        assert house.talk.has(1)
        house.say("left", Left(call=1))
        assert purse.told[-2:] == ["closed", ("settle", Reading(), ABANDONED)]

    asyncio.run(main())


def test_kill_before_the_provider_answered_ends_the_way_on_both_sides():
    async def main():
        house: Any = House()
        purse = house.purse
        house.carries()
        await house.sent()
        await spin()
        purse.cut("stop")
        told = Came(call=1, status=200)
        await spin()
        answer = await house.hear("came", told, Answered)
        assert answer == Refusal.of(SessionStopped("stop"))
        cut = CutCall(call=1, reason="stop", stopped=False)
        assert await house.hear("cuts", Listening(), Cuts) == Cuts(cuts=(cut,))
        assert purse.told == ["closed"]
        assert refusal(lambda: house.say("arrived", told)) == "nothing was sent for this call"

    asyncio.run(main())


def test_relay_that_is_gone_leaves_everything_settled_in_full_and_unseen():
    async def main():
        house: Any = House()
        one, other = house.purse, Purse("ses_0", hold_id="hld_0")
        await house.streaming(1)
        await house.streaming(2, other)
        one.live.unconfirmed["hld_1"] = house.talk.end
        one.told.clear()
        other.told.clear()
        house.carries(Purse("ses_2"))
        await house.sent(3)
        assert house.talk.end() == ("ses_0", "ses_1", "ses_2")
        assert house.happened == ["changed", "drop", ("silent", 7)]
        for purse in (one, other):
            assert purse.unseen
            assert purse.told == ["closed", ("settle", Reading(), LOST)]
            assert purse.live.unconfirmed == {}
        assert house.relays.pids == ()
        assert not any(house.talk.has(number) for number in (1, 2, 3))
        # What was told too late changes nothing, and a cut finds nobody to confirm it.
        house.talk._calls.clear()
        await spin()

    asyncio.run(main())


def test_call_whose_relay_left_before_the_answer_is_ended_with_its_task():
    async def main():
        house: Any = House()
        ended: list[str] = []

        async def act(call):
            try:
                await house.reach(call, house.purse, Edits())
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        house.calls.act = act
        await house.sent()
        house.say("left", Left(call=1))
        await spin()
        assert ended == ["cancelled"]
        assert house.purse.told == ["closed"]
        assert (house.purse.unseen, house.purse.settled) == (False, False)

    asyncio.run(main())


def test_cut_of_a_call_that_is_over_is_not_waited_for():
    async def main():
        house: Any = House()
        purse = house.purse
        await house.streaming()
        cut = purse.cut
        house.talk.over(1)
        house.talk.over(1)
        cut("late")
        assert purse.live.unconfirmed == {}
        expected = CutCall(call=1, reason="late", stopped=False)
        assert await house.hear("cuts", Listening(), Cuts) == Cuts(cuts=(expected,))

    asyncio.run(main())


def test_breakers_are_journalled_with_the_process_of_their_relay_and_nothing_else_is():
    async def main():
        house: Any = House()
        seq = house.seq
        closed = {"upstream": "main", "key": "key 1", "failures": 2}
        bodies = {"upstream.opened": closed | {"trouble": "overloaded"}, "upstream.closed": closed}
        for kind, body in bodies.items():
            house.say("noted", Noted(kind=kind, body=body | {"relay": 1}))
        await house.journal.commit(())
        assert house.since(seq) == [
            {"kind": kind, "body": body | {"relay": 7}} for kind, body in bodies.items()
        ]
        odd = Noted(kind="session.opened", body={})
        assert refusal(lambda: house.say("noted", odd)) == "a relay may not journal this"

    asyncio.run(main())
