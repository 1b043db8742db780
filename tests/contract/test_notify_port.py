"""The channel that posts and the one in memory pass the shipped suite."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller

from holdfast.backends.channels.mail import MailChannel
from holdfast.backends.channels.webhook import WebhookChannel
from holdfast.model.notices import Notice
from holdfast.ports.notify import Channel
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.notify import ChannelConformance, notice
from holdfast.testing.memory_channel import MemoryChannel


class TestWebhookChannel(ChannelConformance):
    slack = False

    @pytest.fixture(autouse=True)
    def _receiver(self) -> Iterator[None]:
        bodies = self.bodies = list[Any]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(410 if self.path == "/gone" else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The test's output stays readable."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as self.silent:
            yield
        server.shutdown()
        server.server_close()

    def _to(self, url: str) -> Channel:
        return WebhookChannel(
            "oncall", url, "secret", FakeClock(), lambda line: None, slack=self.slack
        )

    def open_channel(self) -> Channel:
        return self._to(f"{self.url}/all")

    def refused(self) -> Channel:
        return self._to(f"{self.url}/gone")

    def hanging(self) -> Channel:
        return self._to(f"http://127.0.0.1:{self.silent.getsockname()[1]}/")

    def heard(self) -> Sequence[str]:
        return [body["text"] for body in self.bodies]


class TestSlackChannel(TestWebhookChannel):
    slack = True


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Letters:
    """What a mail server does with letters: takes them, or not."""

    def __init__(self) -> None:
        self.came: list[EmailMessage] = []
        self.code = ""

    async def handle_DATA(  # noqa: N802 - the server calls it so
        self, _: Any, __: Any, envelope: Any
    ) -> str:
        if self.code:
            return self.code
        self.came.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


class TestMailChannel(ChannelConformance):
    @pytest.fixture(autouse=True)
    def _servers(self) -> Iterator[None]:
        self.letters, self.wants_none = Letters(), Letters()
        self.wants_none.code = "554 no"
        takes, refuses = (
            Controller(one, hostname="127.0.0.1", port=free_port())
            for one in (self.letters, self.wants_none)
        )
        takes.start()
        refuses.start()
        with socket.create_server(("127.0.0.1", 0)) as self.silent:
            self.ports = [takes.port, refuses.port]
            yield
        takes.stop()
        refuses.stop()

    def _to(self, port: int) -> Channel:
        url = f"smtp://127.0.0.1:{port}"
        return MailChannel("post", url, "holdfast@acme.example", ["o@acme.example"], lambda _: None)

    def open_channel(self) -> Channel:
        return self._to(self.ports[0])

    def refused(self) -> Channel:
        return self._to(self.ports[1])

    def hanging(self) -> Channel:
        return self._to(self.silent.getsockname()[1])

    def heard(self) -> Sequence[str]:
        bodies = [one.get_content().replace("\r\n", "\n") for one in self.letters.came]
        return [one.split("\n\ntenant: ")[0] for one in bodies]

    @pytest.mark.parametrize(
        "hostile",
        [
            "x\r\nBcc: eve@evil.example\r\n\r\nhello",
            "=?utf-8?q?x=0D=0ABcc:_eve=40evil.example?=",
            "=?utf-8?b?eA0KQmNjOiBldmVAZXZpbC5leGFtcGxl?=",
            "x\u2028Bcc: eve@evil.example",
        ],
    )
    def test_no_notice_writes_a_header_of_its_own(self, hostile: str) -> None:
        channel = self.open_channel()
        told = notice(hostile)
        channel.tell(msgspec.structs.replace(told, agent=hostile, kind=hostile, user=hostile))
        channel.close()
        [letter] = self.letters.came
        assert letter["to"] == "o@acme.example"
        assert "bcc" not in letter
        assert letter["auto-submitted"] == "auto-generated"
        names = {name.lower() for name in letter}
        own = {"subject", "from", "to", "date", "auto-submitted", "mime-version"}
        assert names <= own | {"content-type", "content-transfer-encoding"}

    def test_what_the_mail_server_says_is_told(self) -> None:
        for port, ok, said in (
            (self.ports[0], True, "the mail server took it"),
            (self.ports[1], False, "the mail server answered 554"),
            (1, False, "no answer (ConnectionRefusedError)"),
        ):
            channel: Any = self._to(port)
            tried = channel.attempt(notice("a"))
            channel.close()
            assert (tried.ok, tried.said) == (ok, said)


class Refusing(MemoryChannel):
    """Takes nothing."""

    def tell(self, notice: Notice) -> None:
        self.undelivered += 1


class TestMemoryChannel(ChannelConformance):
    def open_channel(self) -> Channel:
        self.channel = MemoryChannel()
        return self.channel

    def refused(self) -> Channel:
        return Refusing()

    def hanging(self) -> Channel:
        return MemoryChannel()

    def heard(self) -> Sequence[str]:
        return [notice.text for notice in self.channel.told]
