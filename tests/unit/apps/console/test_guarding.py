"""Hosts and origins: who may ask, who may change, and what every answer says of itself."""

import asyncio

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from holdfast.apps.console.guarding import CONTENT_SECURITY, MAX_FORM_BYTES, Guarded

URL = "http://127.0.0.1:8787"
PUBLIC = "https://holdfast.example"


async def reached(_):
    return PlainTextResponse("reached")


def asked(method: str = "GET", urls: tuple[str, ...] = (URL, ""), **headers: str):
    app = Guarded(Starlette(routes=[Route("/", reached, methods=["GET", "POST"])]), urls)
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    async def run():
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
            return await http.request(method, "/", headers=given)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8787", "localhost:8787", "[::1]:8787", "LOCALHOST:8787", "10.0.0.7:8787"]
)
def test_the_server_is_known_by_its_own_names_and_by_bare_addresses(host):
    assert asked(host=host).text == "reached"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8787", "127.0.0.1.evil.example:8787", "localhost", ""),
        *("127.0.0.1:9999", "localhost:8787@evil.example", "holdfast.example", "127.0.0.1:x"),
    ],
)
def test_no_name_of_a_strangers_reaches_a_page(host):
    found = asked(host=host)
    assert found.status_code == 403
    assert "public_url" in found.text


def test_a_public_address_is_known_where_it_is_said():
    assert asked(urls=(URL, PUBLIC), host="holdfast.example").status_code == 200
    assert "strict-transport-security" in asked(urls=(URL, PUBLIC), host="holdfast.example").headers
    assert "strict-transport-security" not in asked().headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": URL}, 200),
        ({"origin": "https://127.0.0.1:8787"}, 200),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:8787"}, 403),
        ({"origin": "http://127.0.0.1:8787.evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "file://127.0.0.1:8787"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"origin": "http://evil.example", "sec_fetch_site": "same-origin"}, 403),
    ],
)
def test_a_change_comes_from_a_page_of_ours_alone(headers, status):
    assert asked("POST", content_length="0", **headers).status_code == status


def test_a_form_is_bounded_before_it_is_read():
    over = str(MAX_FORM_BYTES + 1)
    assert asked("POST", origin=URL, content_length=over).status_code == 403


def test_every_answer_says_that_nothing_of_others_runs_and_nobody_frames_it():
    for found in (asked(), asked(host="evil.example")):
        assert found.headers["content-security-policy"] == CONTENT_SECURITY
        assert found.headers["x-frame-options"] == "DENY"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cache-control"] == "no-store"
        assert found.headers["referrer-policy"] == "same-origin"
    assert "unsafe" not in CONTENT_SECURITY
