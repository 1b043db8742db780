"""Servers that are not the operator's: none of them is given a token, or a request to answer."""

import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from holdfast.apps.control.proving import Proving
from holdfast.client import connect
from holdfast.client.discovery import locate, locate_worker
from holdfast.client.exchange import Asked
from holdfast.client.runs import Work
from holdfast.core.proofs import header_of
from holdfast.errors import (
    ConfigInvalid,
    HoldfastError,
    OutcomeUnknown,
    Unauthenticated,
    Unavailable,
)
from tests.unit.client.api_double import ApiDouble, announced

TOKEN = "hfa_1"


class Planted:
    """A server that writes down all it is sent, and answers `reply` or what `onward` says."""

    def __init__(self, reply=(200, {}, b"{}"), onward: str = "", change=None) -> None:
        self.heard: list[tuple[str, str, dict[str, str], bytes]] = []
        planted = self

        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size)
                head = {name.lower(): value for name, value in self.headers.items()}
                planted.heard.append((self.command, self.path, head, body))
                status, headers, content = reply
                if onward:
                    status, headers, content = passed_on(
                        onward, self.command, self.path, head, body
                    )
                if change is not None:
                    content = change(content)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def all_text(self) -> str:
        return repr(self.heard)


def passed_on(url, method, path, head, body):
    kept = {n: v for n, v in head.items() if n in ("authorization", "content-type", "accept")}
    asked = Request(url + path, data=body or None, headers=kept, method=method)
    try:
        with urlopen(asked) as got:
            return got.status, _told(got.headers), got.read()
    except HTTPError as refused:
        return refused.code, _told(refused.headers), refused.read()


def _told(headers):
    return {n: v for n, v in headers.items() if n.lower() in ("x-holdfast-proof", "content-type")}


def with_double(scenario):
    async def main():
        async with ApiDouble().running() as api:
            await scenario(api)

    asyncio.run(main())


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, b'{"challenge": "x", "proof": "00"}'),
        (200, {}, b'{"sessions": []}'),
        (200, {}, b""),
        (401, {}, b'{"error": {"code": "unauthenticated", "message": "show it", "fields": {}}}'),
        (404, {}, b"not here"),
        (302, {"location": "http://127.0.0.1:1/"}, b""),
    ],
)
def test_a_server_that_does_not_know_the_token_gets_neither_it_nor_a_request(reply):
    with Planted(reply) as planted:
        client = connect(planted.url, token=TOKEN)
        with pytest.raises(Unauthenticated, match="token was not sent"):
            asyncio.run(client.sessions.kill("ses_secret", "because"))
    assert [path for _, path, *_ in planted.heard] == ["/v1/proof"]
    assert TOKEN not in planted.all_text
    assert "ses_secret" not in planted.all_text


def test_a_workers_token_is_not_sent_either():
    with Planted() as planted, pytest.raises(HoldfastError):
        asyncio.run(Work(planted.url, "hfw_secret", "w").claim(0.0))
    assert "hfw_secret" not in planted.all_text


def test_a_server_file_that_another_wrote_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch
):
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    state = tmp_path / ".holdfast"
    announced(state, "http://127.0.0.1:8787", TOKEN)
    told = json.loads((state / "server.json").read_text())
    with Planted() as planted:
        for forged in (
            {"url": planted.url},
            {"url": planted.url, "seal": ""},
            {"url": planted.url, "seal": "00" * 32},
            {"pid": 7},
        ):
            (state / "server.json").write_text(json.dumps({**told, **forged}))
            with pytest.raises(ConfigInvalid, match="was not written by the server"):
                connect(project_dir=tmp_path)
    assert not planted.heard


def test_a_file_in_a_folder_below_cannot_name_the_token_of_the_one_above(tmp_path: Path):
    announced(tmp_path / ".holdfast", "http://127.0.0.1:8787", TOKEN)
    inner = tmp_path / "sub"
    inner.mkdir()
    with Planted() as planted:
        told = {"admin_token_file": str(tmp_path / ".holdfast" / "admin.token")}
        announced(inner / ".holdfast", planted.url, "hfa_of_somebody", **told)
        with pytest.raises(ConfigInvalid, match="was not written by the server"):
            connect(project_dir=inner)
        # The whole file of the true server, copied below: it is at another place.
        copied = (tmp_path / ".holdfast" / "server.json").read_bytes()
        (inner / ".holdfast" / "server.json").write_bytes(copied)
        with pytest.raises(ConfigInvalid, match="was not written by the server"):
            connect(project_dir=inner)
    assert not planted.heard


@pytest.mark.parametrize("name", ["", "server.json", "admin.token", "worker.token"])
def test_what_others_can_write_names_no_server(tmp_path: Path, monkeypatch, name):
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    state = tmp_path / ".holdfast"
    announced(state, "http://127.0.0.1:8787", TOKEN)
    (state / "worker.token").write_text("hfw_1")
    find = locate_worker if name == "worker.token" else lambda at: locate(None, None, at)
    assert find(tmp_path).found
    (state / name).chmod(0o777 if not name else 0o666)
    with pytest.raises(ConfigInvalid, match=r"others|cannot be read"):
        find(tmp_path)


@pytest.mark.parametrize("planted", [".holdfast", "server.json", "admin.token"])
def test_what_another_user_made_names_no_server(tmp_path: Path, monkeypatch, planted):
    announced(tmp_path / ".holdfast", "http://127.0.0.1:8787", TOKEN)
    seen = Path.stat

    def owned(path, **how):
        whose = 4712 if path.name == planted else 4711
        return os.stat_result([*seen(path, **how)[:4], whose, whose, *seen(path, **how)[6:10]])

    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    monkeypatch.setattr(Path, "stat", owned)
    with pytest.raises(ConfigInvalid, match="belongs to another user"):
        locate(None, None, tmp_path, {})
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(ConfigInvalid, match=rf"{planted}` belongs to another user"):
        locate(None, None, tmp_path, {})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert locate(None, None, tmp_path, {}).found


def test_a_relay_in_between_gets_nothing_where_a_file_named_the_address(tmp_path: Path):
    async def scenario(api):
        with Planted(onward=api.url) as between:
            announced(tmp_path / ".holdfast", between.url, TOKEN)
            client = connect(project_dir=tmp_path)
            with pytest.raises(Unauthenticated, match="another one than was asked for"):
                await asyncio.wait_for(client.sessions.list(), 10)
            assert {path for _, path, *_ in between.heard} == {"/v1/proof"}
            await client.close()

    with_double(scenario)


def test_a_relay_at_an_address_that_was_named_cannot_change_an_answer_or_ask_twice():
    async def scenario(api):
        def lied(content: bytes) -> bytes:
            return content.replace(b'"killed"', b'"active"')

        with Planted(onward=api.url, change=lied) as between:
            client = connect(between.url, token=TOKEN)
            with pytest.raises(OutcomeUnknown, match="not the server of this token"):
                await client.sessions.kill("ses_1", "enough")
            await client.close()
            heard = [one for one in between.heard if one[1].endswith("/kill")]
            assert len(heard) == 1
            assert TOKEN not in between.all_text
            count = len(api.asked)
            again = await asyncio.to_thread(passed_on, api.url, *heard[0])
            assert again[0] == 401
            method, path, head, body = heard[0]
            for altered in (
                ("PUT", path, head, body),
                (method, path.replace("kill", "resume"), head, body),
                (method, path + "?x=1", head, body),
            ):
                assert (await asyncio.to_thread(passed_on, api.url, *altered))[0] == 401
            assert len(api.asked) == count

    with_double(scenario)


@pytest.mark.parametrize(
    ("status", "code", "error", "asks"),
    [
        (503, "unavailable", Unavailable, 1),
        (401, "unauthenticated", Unauthenticated, 2),
        (500, "internal_error", OutcomeUnknown, 1),
    ],
)
def test_a_refusal_that_nobody_signed_is_told_apart_from_an_answer_that_nobody_signed(
    monkeypatch, status, code, error, asks
):
    through = passed_on

    def refused(url, method, path, head, body):
        if path == "/v1/proof":
            return through(url, method, path, head, body)
        return status, {}, json.dumps({"error": {"code": code, "message": "no"}}).encode()

    async def scenario(api):
        monkeypatch.setattr("tests.unit.client.test_planted.passed_on", refused)
        with Planted(onward=api.url) as between:
            client = connect(between.url, token=TOKEN)
            with pytest.raises(HoldfastError) as told:
                await client.sessions.kill("ses_1", "enough")
            await client.close()
            assert type(told.value) is error
            assert [one[1] for one in between.heard].count("/v1/sessions/ses_1/kill") == asks

    with_double(scenario)


def test_headers_that_were_changed_on_the_way_change_nothing(monkeypatch):
    def meddled(url, method, path, head, body):
        junk = {"x-api-key": "hfs_other", "cookie": "who=admin", "x-forwarded-host": "evil.example"}
        kept = {name: head[name] for name in ("authorization", "content-type") if name in head}
        asked = Request(url + path, data=body or None, headers=kept | junk, method=method)
        with urlopen(asked) as got:
            told = {"x-holdfast-proof": got.headers.get("x-holdfast-proof") or ""}
            lies = {"location": "http://127.0.0.1:1/", "retry-after": "9", "set-cookie": "a=b"}
            return got.status, told | lies | {"content-type": "text/html"}, got.read()

    async def scenario(api):
        direct = connect(api.url, token=TOKEN)
        seen = await direct.sessions.list()
        await direct.close()
        monkeypatch.setattr("tests.unit.client.test_planted.passed_on", meddled)
        with Planted(onward=api.url) as between:
            client = connect(between.url, token=TOKEN)
            assert await client.sessions.list() == seen
            assert (await client.sessions.kill("ses_1", "enough")).session_id == "ses_1"
            await client.close()
        assert not any("cookie" in head for _, _, head, _ in between.heard)

    with_double(scenario)


def test_a_body_that_was_not_signed_is_acted_on_by_nobody():
    async def scenario(api):
        client = connect(api.url, token=TOKEN)
        assert (await client.sessions.kill("ses_1", "enough")).session_id == "ses_1"
        await client.close()
        with Planted(onward=api.url) as between:
            client = connect(between.url, token=TOKEN)
            await client.sessions.list()
            signer = client._door._signer
            assert signer is not None
            head = signer.sign(Asked("POST", "/v1/sessions/ses_1/kill", b'{"reason": "enough"}'))
            count = len(api.asked)
            told = {"authorization": header_of(head), "content-type": "application/json"}
            got = await asyncio.to_thread(
                passed_on, api.url, "POST", "/v1/sessions/ses_1/kill", told, b'{"reason": "other"}'
            )
            assert got[0] >= 400
            assert len(api.asked) == count
            await client.close()

    with_double(scenario)


def test_honest_requests_pass_in_parallel_and_after_the_server_began_again(monkeypatch):
    async def main():
        async with ApiDouble().running() as api:
            client = connect(api.url, token=TOKEN)
            asks = [client.sessions.list(user=f"ü/{n} &", limit=3) for n in range(40)]
            await asyncio.gather(*asks, client.audit.ask(user="a b", at="last tuesday 14:42"))
            port = int(api.url.rpartition(":")[2])
        secrets_seen = []
        kept = Proving.__init__

        def with_new_secret(self, app, known):
            known._secret = b"n" * 32
            secrets_seen.append(known)
            kept(self, app, known)

        monkeypatch.setattr(Proving, "__init__", with_new_secret)
        async with ApiDouble().running(port) as api:
            assert (await client.sessions.kill("ses_1", "again")).session_id == "ses_1"
            kills = [path for _, path, *_ in api.asked if path.endswith("kill")]
            assert len(kills) == 1
            await client.close()
        assert secrets_seen

    asyncio.run(main())
