"""The channel that posts and the one in memory pass the shipped suite."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from holdfast.backends.webhook.channel import WebhookChannel
from holdfast.model.notices import Notice
from holdfast.ports.notify import Channel
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.notify import ChannelConformance
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
