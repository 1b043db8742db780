"""Room for bodies: by sender, in all, and given back whichever way a request ends."""

import asyncio

import pytest

from holdfast.apps.gateway.bodies import ANSWERING, Bodies
from holdfast.apps.gateway.front import Front
from holdfast.errors import RateLimited


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
