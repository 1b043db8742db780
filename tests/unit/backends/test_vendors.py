"""Bedrock and Vertex AI over a local server that answers in their documented shapes."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from holdfast.backends.anthropic.upstream import HttpUpstream
from holdfast.backends.bedrock.dialect import BedrockDialect
from holdfast.backends.bedrock.sigv4 import AwsKey
from holdfast.backends.vertex.dialect import TokenCommand, VertexDialect
from holdfast.core.vendors import in_path
from holdfast.errors import UpstreamUnavailable
from holdfast.testing.clock import FakeClock
from tests.cleared import cleared
from tests.unit.backends.bedrock_shapes import EVENTS, STREAM

BODY = b'{"model":"claude-haiku-4-5","max_tokens":10, "stream":%s,"messages":[{"role":"user","content":"h\\u00e9"}]}'
CLIENT = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "a-1,b-2",
    "user-agent": "x",
    "x-secret": "never",
}
SSE = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in EVENTS)
BEDROCK_ID = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
VERTEX_PATH = "/v1/projects/shop-1/locations/europe-west1/publishers/anthropic/models/"


@asynccontextmanager
async def vendor(answer):
    """A server that keeps what it got; `answer` maps a request to a response."""
    got = []

    async def take(request):
        fields = {name.lower(): value for name, value in request.headers.items()}
        got.append((request.raw_path, fields, await request.read()))
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site: Any = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", got
    finally:
        await runner.cleanup()


async def asked(upstream, body, path="/v1/messages?beta=true", method="POST"):
    answer = await upstream.send(cleared(method, path, CLIENT, body), timeout_s=5)
    try:
        return answer.status, dict(answer.headers), await answer.read(10**6)
    finally:
        answer.close()
        await upstream.close()


def bedrock(url, key=AwsKey("AKID", "secret")):  # noqa: B008 -- frozen
    dialect = BedrockDialect(
        url, key, region="us-east-1", models={"claude-haiku-4-5": BEDROCK_ID}, clock=FakeClock()
    )
    return HttpUpstream(url, "", dialect=dialect)


def vertex(url, credential="ya29.token"):
    dialect = VertexDialect(
        credential,
        project="shop-1",
        region="europe-west1",
        models={"claude-haiku-4-5": "claude-haiku-4-5@20251001"},
    )
    return HttpUpstream(url, "", dialect=dialect)


def test_bedrock_stream_is_signed_moved_and_read_as_events():
    async def main():
        def answer(request):
            kind = "application/vnd.amazon.eventstream"
            return web.Response(
                body=STREAM, headers={"content-type": kind, "x-amzn-requestid": "r1"}
            )

        async with vendor(answer) as (url, got):
            status, headers, body = await asked(bedrock(url), BODY % b"true")
        path, fields, sent = got[0]
        assert path == f"/model/{BEDROCK_ID.replace(':', '%3A')}/invoke-with-response-stream"
        assert (status, headers["content-type"][:17], headers["request-id"]) == (
            200,
            "text/event-stream",
            "r1",
        )
        assert [json.loads(p.split(b"data: ")[1]) for p in body.split(b"\n\n") if p] == EVENTS
        assert fields["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
        assert "us-east-1/bedrock/aws4_request" in fields["authorization"]
        assert not {"x-secret", "anthropic-version"} & set(fields)
        assert json.loads(sent) == {
            "max_tokens": 10,
            "messages": [{"role": "user", "content": "hé"}],
            "anthropic_version": "bedrock-2023-05-31",
            "anthropic_beta": ["a-1", "b-2"],
        }
        assert b'"h\\u00e9"' in sent  # What was not changed keeps its bytes.

    asyncio.run(main())


def test_bedrock_answer_in_one_piece_passes_and_a_bearer_key_is_sent_as_such():
    async def main():
        def answer(request):
            return web.json_response({"id": "msg", "type": "message", "content": []})

        async with vendor(answer) as (url, got):
            status, _, body = await asked(bedrock(url, "bedrock-key"), BODY % b"false")
        assert (status, json.loads(body)["id"]) == (200, "msg")
        assert got[0][0].endswith("/invoke")
        assert got[0][1]["authorization"] == "Bearer bedrock-key"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "rate_limit_error"), (503, "overloaded_error"), (403, "permission_error")],
)
def test_bedrock_errors_come_in_the_envelope(status, kind):
    async def main():
        def answer(request):
            return web.json_response(
                {"message": "Too many requests"}, status=status, headers={"retry-after": "3"}
            )

        async with vendor(answer) as (url, _):
            found, headers, body = await asked(bedrock(url), BODY % b"true")
        assert found == status
        assert headers["retry-after"] == "3"
        assert json.loads(body) == {
            "type": "error",
            "error": {"type": kind, "message": "Too many requests"},
        }

    asyncio.run(main())


def test_bedrock_counts_no_tokens_and_nothing_is_sent():
    async def main():
        async with vendor(lambda _: web.Response()) as (url, got):
            status, _, body = await asked(bedrock(url), b"{}", path="/v1/messages/count_tokens")
        assert (status, got) == (404, [])
        assert json.loads(body)["error"]["type"] == "not_found_error"

    asyncio.run(main())


def test_vertex_stream_passes_as_it_is():
    async def main():
        def answer(request):
            return web.Response(body=SSE, headers={"content-type": "text/event-stream"})

        async with vendor(answer) as (url, got):
            status, headers, body = await asked(vertex(url), BODY % b"true")
        path, fields, sent = got[0]
        assert path == f"{VERTEX_PATH}claude-haiku-4-5%4020251001:streamRawPredict"
        assert (status, headers["content-type"], body) == (200, "text/event-stream", SSE)
        assert fields["authorization"] == "Bearer ya29.token"
        assert fields["anthropic-beta"] == "a-1,b-2"
        assert "x-secret" not in fields
        assert json.loads(sent)["anthropic_version"] == "vertex-2023-10-16"
        assert json.loads(sent)["stream"] is True
        assert "model" not in json.loads(sent)

    asyncio.run(main())


def test_vertex_counts_tokens_at_its_own_path():
    async def main():
        def answer(request):
            return web.json_response({"input_tokens": 12})

        async with vendor(answer) as (url, got):
            body = b'{"model":"claude-haiku-4-5","messages":[]}'
            status, _, told = await asked(vertex(url), body, path="/v1/messages/count_tokens")
        assert (status, json.loads(told)) == (200, {"input_tokens": 12})
        assert got[0][0] == f"{VERTEX_PATH}count-tokens:rawPredict"
        assert json.loads(got[0][2])["model"] == "claude-haiku-4-5@20251001"

    asyncio.run(main())


def test_googles_own_errors_come_in_the_envelope_and_anthropics_stay():
    async def main():
        google = {
            "error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}
        }
        anthropic = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
        said = [google, [google], anthropic]

        def answer(request):
            return web.json_response(said.pop(0), status=429)

        async with vendor(answer) as (url, _):
            found = [json.loads((await asked(vertex(url), BODY % b"false"))[2]) for _ in range(3)]
        assert found[0] == found[1]
        assert found[0]["error"] == {"type": "rate_limit_error", "message": "Quota exceeded"}
        assert found[2] == anthropic

    asyncio.run(main())


def test_token_command_is_run_once_a_while_and_again_when_refused(tmp_path):
    async def main():
        script = (
            "import pathlib, sys; p = pathlib.Path(sys.argv[1]); n = int(p.read_text() or 0) + 1;"
            " p.write_text(str(n)); print(f'tok{n}')"
        )
        count, clock = tmp_path / "n", FakeClock()
        count.write_text("")
        command = TokenCommand([sys.executable, "-c", script, str(count)], clock)
        statuses = [200, 200, 401, 200, 200]

        def answer(request):
            return web.json_response({"id": "m"}, status=statuses.pop(0))

        async with vendor(answer) as (url, got):
            for number in range(5):
                if number == 4:
                    clock.advance(301)
                await asked(vertex(url, command), BODY % b"false")
        sent = [fields["authorization"].removeprefix("Bearer ") for _, fields, _ in got]
        assert sent == ["tok1", "tok1", "tok1", "tok2", "tok3"]

    asyncio.run(main())


@pytest.mark.parametrize(
    "command", [["/no/such/program"], ["false"], ["true"], ["echo", "two words"]]
)
def test_token_command_that_prints_no_token_sends_nothing(command):
    async def main():
        async with vendor(lambda _: web.Response()) as (url, got):
            with pytest.raises(UpstreamUnavailable):
                await asked(vertex(url, TokenCommand(command, FakeClock())), BODY % b"true")
        assert got == []

    asyncio.run(main())


@pytest.mark.parametrize("model", ["..", ".", "a/../../b", "m?x=1", "m#", "a;b", "é"])
def test_a_models_name_never_leaves_its_segment(model):
    segment = in_path(model)
    assert not set(segment) & set("/?#;")
    assert segment.strip(".")
