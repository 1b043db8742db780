"""The channel that posts.

Each message is signed as Slack signs its own requests: `x-holdfast-signature` is `v1=` and the hex
HMAC-SHA256, under the shared secret, of `v1:<x-holdfast-timestamp>:<body>`.
"""

import hashlib
import hmac
import http.client
import ssl
from urllib.parse import urlsplit

import msgspec

from holdfast.backends.channels.tried import TIMEOUT_S, Say, Sent, TriedChannel
from holdfast.model.notices import Notice
from holdfast.ports.clock import Clock

_NS = 1_000_000_000
_LATER = (408, 429)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=<hex>`, for `x-holdfast-signature`."""
    signed = b"v1:" + timestamp.encode() + b":" + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class WebhookChannel(TriedChannel):
    """Posts notices to one address.

    `slack` sends Slack's `{"text": …}`; otherwise every field goes as JSON. The address itself is
    a secret where it is Slack's: it never stands in a log line, `name` does.
    """

    def __init__(
        self, name: str, url: str, secret: str, clock: Clock, say: Say, *, slack: bool
    ) -> None:
        self._url = urlsplit(url)
        self._secret = secret
        self._clock = clock
        self._slack = slack
        super().__init__(name, say)

    def send(self, notice: Notice) -> Sent:
        """Post it once."""
        body = msgspec.json.encode({"text": notice.text} if self._slack else notice)
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
        except (OSError, http.client.HTTPException) as fault:
            return Sent(ok=False, why=f"no answer ({type(fault).__name__})", again=True)
        finally:
            connection.close()
        asked = answer.headers.get("retry-after", "")
        return Sent(
            ok=200 <= answer.status < 300,
            why=f"it answered {answer.status}",
            again=not 400 <= answer.status < 500 or answer.status in _LATER,
            wait_s=float(asked) if asked.isdecimal() else 0.0,
        )

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, self._url.port, timeout=TIMEOUT_S, context=context
            )
        return http.client.HTTPConnection(host, self._url.port, timeout=TIMEOUT_S)
