"""What the bodies of requests that are not answered yet may hold in memory, by sender and in all.

A body is bounded by itself where it is read; many of one sender, left unfinished, would still fill
the memory. The sender is the credential as it was shown, right or wrong: nobody has to be known.
Room is given back when the answer begins or the request is over.

Large bodies come in at a pace, of each sender and of all together: whoever sends as fast as it can
must not be all that is done here. A request of ordinary size waits for nobody.
"""

import asyncio

from starlette.types import Message, Receive, Scope, Send

from holdfast.errors import RateLimited
from holdfast.ports.readers import LARGE_BYTES

MIB = 1024 * 1024
SENDER_BYTES_PER_S = 64 * MIB
ALL_BYTES_PER_S = 128 * MIB
"""Of large bodies; the first `LARGE_BYTES` of a body come in at once."""
SENDER_BYTES_MAX = 64 * MIB
ALL_BYTES_MAX = 256 * MIB

ANSWERING = "holdfast.answering"
"""In a request's state: to be called when its answer begins."""

_CREDENTIALS = (b"authorization", b"x-api-key")


class Bodies:
    """Counts bytes that were received and are not answered."""

    def __init__(
        self, *, sender_bytes_max: int = SENDER_BYTES_MAX, all_bytes_max: int = ALL_BYTES_MAX
    ) -> None:
        self._sender_bytes_max = sender_bytes_max
        self._all_bytes_max = all_bytes_max
        self._of: dict[bytes, int] = {}
        self._pace_of: dict[bytes, Pace] = {}
        self._pace = Pace(ALL_BYTES_PER_S)
        self.all_bytes = 0

    def room(self, scope: Scope) -> "Room":
        """Room for one request's body; give it back with `close`."""
        shown = dict(scope["headers"]) if scope["type"] == "http" else {}
        return Room(self, next((shown[name] for name in _CREDENTIALS if name in shown), b""))

    def take(self, sender: bytes, size: int) -> None:
        """Errors: RateLimited when the sender, or everybody together, has no more room."""
        of_sender = self._of.get(sender, 0) + size
        if of_sender > self._sender_bytes_max:
            text = "too many bytes of unanswered requests with this token; let some be answered"
            raise RateLimited(text, retry_after_s=1)
        if self.all_bytes + size > self._all_bytes_max:
            text = "too many bytes of unanswered requests at this server; try again in a moment"
            raise RateLimited(text, retry_after_s=1)
        self._of[sender] = of_sender
        self.all_bytes += size

    async def paced(self, sender: bytes, size: int) -> None:
        """Wait as long as so many bytes of a large body take."""
        now_s = asyncio.get_running_loop().time()
        own = self._pace_of.get(sender)
        if own is None:
            own = self._pace_of[sender] = Pace(SENDER_BYTES_PER_S)
        await asyncio.sleep(max(own.wait_s(now_s, size), self._pace.wait_s(now_s, size)))

    def give_back(self, sender: bytes, size: int) -> None:
        """What was taken is answered, or nobody waits for it."""
        self.all_bytes -= size
        left = self._of.get(sender, 0) - size
        if left > 0:
            self._of[sender] = left
        else:
            self._of.pop(sender, None)
            self._pace_of.pop(sender, None)


class Pace:
    """So many bytes a second."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_s = 0.0

    def wait_s(self, now_s: float, size: int) -> float:
        """Seconds until so many bytes more are within it; they count from now on."""
        self._free_s = max(self._free_s, now_s) + size / self._bytes_per_s
        return self._free_s - now_s


class Room:
    """One request's part of it."""

    def __init__(self, bodies: Bodies, sender: bytes) -> None:
        self._bodies = bodies
        self._sender = sender
        self._size = 0

    def receiving(self, receive: Receive) -> Receive:
        """`receive`, counted. It raises RateLimited in whoever reads the body."""

        async def counted() -> Message:
            message = await receive()
            if size := len(message.get("body", b"")):
                self._bodies.take(self._sender, size)
                self._size += size
                if self._size > LARGE_BYTES:
                    await self._bodies.paced(self._sender, size)
            return message

        return counted

    def sending(self, send: Send) -> Send:
        """`send`, which gives the room back when the answer begins."""

        async def answering(message: Message) -> None:
            self.close()
            await send(message)

        return answering

    def close(self) -> None:
        """Give the room back; idempotent."""
        if self._size:
            self._bodies.give_back(self._sender, self._size)
            self._size = 0
