"""Whether a request is Slack's, and comes for the first time.

Slack signs `v0:<timestamp>:<body>` with HMAC-SHA256 under the app's signing secret. What was signed
longer ago than `WINDOW_S`, or as far ahead, is refused, and so is a signature that was taken once.
What a server of before may have taken is refused by its time. Not here: what was sent (`payloads`).
"""

import hashlib
import hmac
import re
from collections import deque

from holdfast.errors import Unauthenticated, Unavailable

WINDOW_S = 300
_MOST_REMEMBERED = 100_000
_SECONDS = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_REFUSED = "the request is not signed by Slack, or not for now"


class Signatures:
    """Takes each signed request once. Times are UTC seconds; `began_s` is when this server did."""

    def __init__(self, secret: str, began_s: int) -> None:
        self._secret = secret.encode()
        self._began_s = began_s
        self._taken: set[str] = set()
        self._by_time: deque[tuple[int, str]] = deque()

    def check_time(self, timestamp: str, signature: str, now_s: int) -> None:
        """What can be said before a body is read. Errors: Unauthenticated."""
        if not _SECONDS.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            raise Unauthenticated(_REFUSED)
        signed_s = int(timestamp)
        if abs(now_s - signed_s) > WINDOW_S or signed_s <= self._began_s:
            raise Unauthenticated(_REFUSED)

    def take(self, timestamp: str, signature: str, body: bytes, now_s: int) -> None:
        """Pass what Slack signed, once.

        Errors: Unauthenticated; Unavailable where more came than is remembered.
        """
        self.check_time(timestamp, signature, now_s)
        signed = b"v0:" + timestamp.encode() + b":" + body
        right = "v0=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            raise Unauthenticated(_REFUSED)
        self._forget(now_s)
        if signature in self._taken:
            raise Unauthenticated(_REFUSED)
        if len(self._taken) >= _MOST_REMEMBERED:
            raise Unavailable("more requests of Slack than are remembered")
        self._taken.add(signature)
        # One that was signed ahead of our clock may be shown for twice the window.
        self._by_time.append((now_s + 2 * WINDOW_S, signature))

    def _forget(self, now_s: int) -> None:
        while self._by_time and self._by_time[0][0] < now_s:
            self._taken.discard(self._by_time.popleft()[1])
