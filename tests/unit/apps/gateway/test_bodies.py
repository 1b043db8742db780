"""Room for bodies: by sender, in all, and given back whichever way a request ends."""

import asyncio

import pytest

from holdfast.apps.gateway.bodies import (
    ALL_BYTES_PER_S,
    ANSWERING,
    MIB,
    SENDER_BYTES_PER_S,
    Bodies,
    Pace,
)
from holdfast.apps.gateway.front import Front
from holdfast.errors import RateLimited
from holdfast.ports.readers import LARGE_BYTES


def scope(token, path="/rest"):
    return {"type": "http", "path": path, "headers": [(b"x-api-key", token)]}


def receiving(*parts):
    messages = [
        {"type": "http.request", "body": part, "more_body": n < len(parts) - 1}
        for n, part in enumerate(parts)
    ]

    async def receive():
        return messages.pop(0)

    return receive


async def swallowed(message):
    assert message


def served(bodies, app, token=b"a", parts=(b"x" * 60,), path="/rest"):
    direct = {"/direct": app}
    front = Front(direct, app, bodies)
    asyncio.run(front(scope(token, path), receiving(*parts), swallowed))


def bounded():
    return Bodies(sender_bytes_max=100, all_bytes_max=150)


async def reads_all(_, receive, __):
    while (await receive())["more_body"]:
        pass


@pytest.mark.parametrize("path", ["/rest", "/direct"])
def test_a_sender_has_so_much_room_and_gets_it_back_when_a_request_is_over(path):
    bodies = bounded()
    served(bodies, reads_all, parts=(b"x" * 60, b"x" * 40), path=path)
    assert bodies.all_bytes == 0
    with pytest.raises(RateLimited, match="with this token"):
        served(bodies, reads_all, parts=(b"x" * 60, b"x" * 41), path=path)
    assert bodies.all_bytes == 0
    served(bodies, reads_all, parts=(b"x" * 100,), path=path)


def test_everybody_together_has_so_much_room_and_one_senders_excess_is_not_anothers():
    bodies = bounded()

    async def within(_, receive, __):
        await receive()
        served_inside = [b"b", b"c"]
        with pytest.raises(RateLimited, match="at this server"):
            await Front({}, reads_all, bodies)(
                scope(served_inside[0]), receiving(b"x" * 91), swallowed
            )
        await Front({}, reads_all, bodies)(scope(served_inside[1]), receiving(b"x" * 90), swallowed)

    served(bodies, within)
    assert bodies.all_bytes == 0


def test_a_request_that_fails_or_is_cancelled_gives_its_room_back():
    bodies = bounded()

    async def fails(_, receive, __):
        await receive()
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        served(bodies, fails)
    assert bodies.all_bytes == 0


def test_room_is_given_back_when_the_answer_begins():
    bodies = bounded()

    async def answers(_, receive, send):
        await receive()
        assert bodies.all_bytes == 60
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert bodies.all_bytes == 0

    async def streams(within, receive, _):
        await receive()
        assert bodies.all_bytes == 60
        within["state"][ANSWERING]()
        assert bodies.all_bytes == 0

    served(bodies, answers)
    served(bodies, streams, path="/direct")


def test_a_pace_counts_what_came_at_once_and_gives_no_credit_for_idle_time():
    pace = Pace(100)
    assert [pace.wait_s(5.0, 50), pace.wait_s(5.0, 50), pace.wait_s(5.5, 100)] == [0.5, 1.0, 1.5]
    assert pace.wait_s(1000.0, 50) == 0.5


@pytest.fixture
def waits(monkeypatch):
    """Every wait that is asked for in `bodies`, in seconds; none of them is waited."""
    told: list[float] = []

    async def sleep(seconds):
        told.append(seconds)

    monkeypatch.setattr("holdfast.apps.gateway.bodies.asyncio.sleep", sleep)
    return told


@pytest.mark.parametrize("path", ["/rest", "/direct"])
def test_a_body_waits_for_nobody_while_it_is_small_and_then_as_long_as_its_bytes_take(waits, path):
    served(Bodies(), reads_all, parts=(b"x" * LARGE_BYTES,), path=path)
    assert waits == []
    piece = b"x" * MIB
    served(Bodies(), reads_all, parts=(piece,) * 4, path=path)
    assert waits[0] >= MIB / SENDER_BYTES_PER_S
    assert waits[-1] == pytest.approx(4 * MIB / SENDER_BYTES_PER_S, rel=0.2)


def test_many_senders_together_have_a_pace_too(waits):
    bodies, piece = Bodies(), b"x" * MIB

    async def begun_by_many():
        rooms = [bodies.room(scope(b"%d" % n)) for n in range(16)]
        for room in rooms:
            await room.receiving(receiving(piece))()

    asyncio.run(begun_by_many())
    assert waits[0] == pytest.approx(MIB / SENDER_BYTES_PER_S, rel=0.1)
    assert waits[-1] == pytest.approx(16 * MIB / ALL_BYTES_PER_S, rel=0.2)
