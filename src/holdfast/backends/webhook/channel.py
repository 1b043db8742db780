"""The channel that posts: one thread behind a bounded queue, nothing on the hot path.

Each message is signed as Slack signs its own requests: `x-holdfast-signature` is `v1=` and the hex
HMAC-SHA256, under the shared secret, of `v1:<x-holdfast-timestamp>:<body>`. A receiver that fails
is tried again with growing, jittered pauses, then the message is dropped with one line of log: the
journal has it all the same.
"""

import hashlib
import hmac
import http.client
import secrets
import ssl
import threading
from collections.abc import Callable
from queue import SimpleQueue
from urllib.parse import urlsplit

import msgspec

from holdfast.model.notices import Notice
from holdfast.ports.clock import Clock

TRIES = 5
_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_CLOSE_S = 2.0
_WAITING_MAX = 1_000
_NS = 1_000_000_000

Say = Callable[[str], None]


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=<hex>`, for `x-holdfast-signature`."""
    signed = b"v1:" + timestamp.encode() + b":" + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class WebhookChannel:
    """Posts notices to one address. `close` it from outside the event loop.

    `slack` sends Slack's `{"text": …}`; otherwise every field goes as JSON. The address itself is
    a secret where it is Slack's: it never stands in a log line, `name` does.
    """

    def __init__(
        self, name: str, url: str, secret: str, clock: Clock, say: Say, *, slack: bool
    ) -> None:
        self._name = name
        self._url = urlsplit(url)
        self._secret = secret
        self._clock = clock
        self._say = say
        self._slack = slack
        self._waiting: SimpleQueue[Notice | None] = SimpleQueue()
        self._closing = threading.Event()
        self.delivered = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="holdfast-alerts", daemon=True)
        self._thread.start()

    @property
    def undelivered(self) -> int:
        """Notices that did not fit, or that the receiver did not take."""
        return self.dropped

    def tell(self, notice: Notice) -> None:
        """Queue it; dropped and counted when too many wait."""
        if self._closing.is_set() or self._waiting.qsize() >= _WAITING_MAX:
            self.dropped += 1
        else:
            self._waiting.put(notice)

    def close(self) -> None:
        """Send what waits, within a few seconds, and let go; idempotent."""
        if self._closing.is_set():
            return
        self._waiting.put(None)
        self._thread.join(_CLOSE_S)
        self._closing.set()
        missing = self.dropped + self._waiting.qsize()
        if missing:
            self._say(f"{missing} alerts did not reach `{self._name}`; the journal has them")

    def _work(self) -> None:
        while True:
            notice = self._waiting.get()
            if notice is None:
                return
            if self._delivered(notice):
                self.delivered += 1
            else:
                self.dropped += 1
                self._say(f"an alert did not reach `{self._name}` in {TRIES} tries: {notice.kind}")

    def _delivered(self, notice: Notice) -> bool:
        body = msgspec.json.encode({"text": notice.text} if self._slack else notice)
        pause_s = _FIRST_PAUSE_S
        for attempt in range(TRIES):
            if attempt:
                # Between half of the pause and all of it: many servers must not return as one.
                jitter = 0.5 + secrets.randbelow(1000) / 2000
                if self._closing.wait(min(pause_s, _LONGEST_PAUSE_S) * jitter):
                    return False
                pause_s *= 2
            status, retry_after_s = self._post(body)
            if 200 <= status < 300:
                return True
            if 400 <= status < 500 and status not in (408, 429):
                return False  # It will say the same the next time.
            pause_s = max(pause_s, retry_after_s)
        return False

    def _post(self, body: bytes) -> tuple[int, float]:
        """Status (0 when there was none) and how long the receiver asks to wait, in seconds."""
        timestamp = str(self._clock.now_ns() // _NS)
        fields = {
            "content-type": "application/json",
            "x-holdfast-timestamp": timestamp,
            "x-holdfast-signature": signature(self._secret, timestamp, body),
        }
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        connection = self._connection()
        try:
            connection.request("POST", path, body, fields)
            answer = connection.getresponse()
            answer.read(64 * 1024)
            asked = answer.headers.get("retry-after", "")
            return answer.status, float(asked) if asked.isdecimal() else 0.0
        except (OSError, http.client.HTTPException):
            return 0, 0.0
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, self._url.port, timeout=_TIMEOUT_S, context=context
            )
        return http.client.HTTPConnection(host, self._url.port, timeout=_TIMEOUT_S)
