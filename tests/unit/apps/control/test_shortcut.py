"""What is posted to a hot path is answered by its route; everything else is the router's."""

import asyncio

import pytest
from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.control.shortcut import Shortcut


async def hot(request):
    return Response(f"hot {(await request.body()).decode()}", status_code=201)


async def both(request):
    return Response("both")


async def rest(scope, receive, send):
    await Response("rest")(scope, receive, send)


APP = Shortcut(
    [Route("/hot", hot, methods=["POST"]), Route("/both", both, methods=["GET", "POST"])], rest
)


def asked(method, path, kind="http"):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"body"}

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": method, "path": path, "headers": []}
    asyncio.run(APP(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_what_is_posted_to_a_hot_path_is_answered_by_its_route():
    assert asked("POST", "/hot") == (201, b"hot body")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/hot"), ("OPTIONS", "/hot"), ("POST", "/hot/"), ("POST", "/"), ("POST", "/both")],
)
def test_everything_else_is_the_routers(method, path):
    assert asked(method, path) == (200, b"rest")


def test_what_is_no_request_is_the_routers():
    assert asked("POST", "/hot", kind="websocket")[1] == b"rest"
