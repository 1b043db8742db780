"""The way to the provider, against one that misbehaves."""

import asyncio
import gc
import json
import socket
import weakref

import pytest

from holdfast.backends.anthropic.upstream import HttpUpstream
from holdfast.core.wire.admitted import Admission, Admitted, Sort
from holdfast.errors import UpstreamUnavailable
from holdfast.testing.scripted_model import ScriptedModel
from tests.cleared import cleared

pytestmark = pytest.mark.usefixtures("loops")

BODY = json.dumps(
    {
        "model": "claude-opus-5-5",
        "max_tokens": 500,
        "stream": True,
        "messages": [{"role": "user", "content": "x"}],
    }
).encode()
CLIENT = {
    "Content-Type": "application/json",
    "Anthropic-Version": "2023-06-01",
    "Anthropic-Beta": "one,two",
    "X-Api-Key": "hfs_client",
    "Authorization": "Bearer hfs_client",
    "Cookie": "a=b",
    "Proxy-Authorization": "Basic eDp5",
    "Accept-Encoding": "gzip, br",
    "Host": "elsewhere.example",
    "X-Forwarded-For": "10.0.0.1",
    "User-Agent": "claude-cli/2",
}


def against(script, act, **options):
    async def main(server):
        upstream = HttpUpstream(server.url, "the-key", **options)
        try:
            async with asyncio.timeout(60):
                return await act(upstream)
        finally:
            await upstream.close()

    with ScriptedModel(script) as server:
        return asyncio.run(main(server)), server


async def post(upstream, timeout_s=20.0, headers=CLIENT):
    request = cleared("POST", "/v1/messages", headers, BODY)
    return await upstream.send(request, timeout_s=timeout_s)


@pytest.mark.parametrize("auth", ["x_api_key", "bearer"])
def test_our_credential_goes_in_the_clients_stays_out_and_the_rest_passes(auth):
    async def act(upstream):
        answer = await post(upstream)
        return answer.status, await answer.read(10**6)

    (status, body), server = against([{"text": "hello"}], act, auth=auth)
    assert status == 200
    assert b"message_stop" in body
    sent = server.message_requests[0]
    seen = {name.lower(): value for name, value in sent.headers.items()}
    ours = {"x_api_key": ("x-api-key", "the-key"), "bearer": ("authorization", "Bearer the-key")}
    assert seen[ours[auth][0]] == ours[auth][1]
    assert "hfs_client" not in str(seen)
    for gone in ("cookie", "proxy-authorization", "x-forwarded-for"):
        assert gone not in seen
    assert seen["accept-encoding"] == "identity"
    assert seen["anthropic-beta"] == "one,two"
    assert seen["user-agent"] == "claude-cli/2"
    assert seen["host"] == server.url.removeprefix("http://")
    assert sent.raw == BODY


def test_refused_connection_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def main():
        upstream = HttpUpstream(f"http://127.0.0.1:{port}", "k")
        with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
            await post(upstream)
        await upstream.close()

    asyncio.run(main())


def test_provider_that_hangs_before_headers_is_given_up_in_time():
    async def act(upstream):
        with pytest.raises(UpstreamUnavailable, match="turn's time") as late:
            await post(upstream, timeout_s=0.1)
        assert late.value.fields == {"sent": True, "ours": True}

    against([{"text": "x", "fault": {"hang_before_headers_s": 30}}], act)


def test_provider_that_falls_silent_in_the_stream_is_given_up_in_time():
    async def act(upstream):
        answer = await post(upstream)
        with pytest.raises(UpstreamUnavailable, match="in time"):
            await answer.read(10**6)

    script = [{"text": "hello", "fault": {"hang_after_events": 2}}]
    against(script, act, silence_timeout_s=0.2)


def test_provider_that_closes_in_an_event_has_broken_off():
    async def act(upstream):
        answer = await post(upstream)
        with pytest.raises(UpstreamUnavailable, match="broke off"):
            await answer.read(10**6)

    against([{"text": "hello", "fault": {"close_after_events": 2}}], act)


def test_answer_that_is_too_large_is_refused():
    async def act(upstream):
        with pytest.raises(UpstreamUnavailable, match="too large"):
            await (await post(upstream)).read(50)

    against([{"text": "hello"}], act)


def test_closing_an_answer_wakes_its_reader_and_the_provider_sees_it_go():
    async def act(upstream):
        answer = await post(upstream)
        first = asyncio.Event()

        async def reading():
            async for _ in answer.chunks():
                first.set()

        task = asyncio.create_task(reading())
        await asyncio.wait_for(first.wait(), 30)
        answer.close()
        answer.close()
        with pytest.raises(UpstreamUnavailable):
            await asyncio.wait_for(task, 30)
        await asyncio.to_thread(
            server.log.wait_for, lambda log: log[0].client_disconnected_at is not None
        )

    async def main():
        upstream = HttpUpstream(server.url, "k")
        try:
            await act(upstream)
        finally:
            await upstream.close()

    with ScriptedModel([{"text": "hello", "fault": {"hang_after_events": 2}}]) as server:
        asyncio.run(main())


@pytest.mark.parametrize("status", [400, 429, 500, 529])
def test_error_of_the_provider_is_an_answer(status):
    async def act(upstream):
        answer = await post(upstream)
        return answer.status, json.loads(await answer.read(10**6))["type"]

    got, _ = against([{"text": "x", "fault": {"status": status}}], act)
    assert got == (status, "error")


def test_answers_that_were_closed_while_they_were_read_are_let_go_of():
    async def act(upstream):
        kept = []
        for _ in range(3):
            answer = await post(upstream)
            kept.append(weakref.ref(answer))
            reading = asyncio.create_task(read_on(answer))
            await asyncio.sleep(0.05)
            answer.close()
            # Only its name: the error itself would keep what it went through.
            assert await reading == "UpstreamUnavailable"
            del answer, reading
        gc.collect()
        return [one() for one in kept]

    async def read_on(answer):
        try:
            async for _ in answer.chunks():
                pass
        except UpstreamUnavailable as error:
            return type(error).__name__
        return ""

    left, _ = against([{"words": 500, "pacing": {"event_interval_ms": 20}}], act)
    assert left == [None, None, None]


@pytest.mark.parametrize("odd", ["a\r\nx-api-key: theirs", "a\nb", "a\0b", "a\x7f"])
def test_a_header_that_would_begin_another_is_not_sent(odd):
    async def act(upstream):
        with pytest.raises(UpstreamUnavailable, match="cannot be written") as refused:
            await post(upstream, headers={**CLIENT, "User-Agent": odd})
        assert refused.value.fields == {"sent": False}

    _, server = against([{"text": "hello"}], act)
    assert server.message_requests == []


def test_text_beyond_ascii_in_a_header_arrives_as_the_client_sent_it():
    async def act(upstream):
        await (
            await post(upstream, headers={"user-agent": "h\u00e9".encode().decode("latin-1")})
        ).read(10**6)

    _, server = against([{"text": "hello"}], act)
    (sent,) = server.message_requests
    assert {n.lower(): v for n, v in sent.headers.items()}["user-agent"].encode("latin-1") == (
        "h\u00e9".encode()
    )


def test_what_frames_a_request_is_ours_to_say_whatever_is_admitted():
    names = ("transfer-encoding", "content-length", "connection", "accept-encoding", "expect")
    admitted = Admitted(
        Admission(sort=Sort.HEADER, name=name, dropped=False, nusd=0, calls=0, tokens=0)
        for name in names
    )

    async def act(upstream):
        odd = {
            **CLIENT,
            "Transfer-Encoding": "chunked",
            "Content-Length": "3",
            "Expect": "100-continue",
        }
        return (await post(upstream, headers={**odd, "Connection": "close"})).status

    status, server = against([{"text": "hello"}], act, admitted=admitted)
    seen = {name.lower(): value for name, value in server.message_requests[0].headers.items()}
    assert status == 200
    assert seen["content-length"] == str(len(BODY))
    assert seen["accept-encoding"] == "identity"
    assert not {"transfer-encoding", "connection", "expect"} & set(seen)
