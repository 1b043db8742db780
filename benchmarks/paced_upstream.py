"""A provider that only streams: 50 events a second to each of many clients, at little cost.

The scripted model would need more than a core for 750 streams at this pace, on a machine that has
two. This sends the scripted model's own frames, ready-made, from one timer. The connections stand
at 20 phases of a tick of 20 ms, so that events do not come in one clump.

Run: `python -m benchmarks.paced_upstream SECONDS [TICK_S]`; the first line says where it listens.
"""

import asyncio
import sys
from typing import cast

import uvloop

from holdfast.testing.scripted_model.sse import MESSAGE_STOP, frame

TICK_S = 0.02
_PHASES = 20
_MESSAGE: dict[str, object] = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
}
_USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 1,
}
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _opening() -> bytes:
    started = frame({"type": "message_start", "message": {**_MESSAGE, "usage": _USAGE}})
    block = {"type": "text", "text": ""}
    return started + frame({"type": "content_block_start", "index": 0, "content_block": block})


def _ending(events: int) -> bytes:
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"output_tokens": events * 2}
    stop = frame({"type": "content_block_stop", "index": 0})
    return stop + frame({"type": "message_delta", "delta": delta, "usage": usage}) + MESSAGE_STOP


_DELTA = _chunk(
    frame(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "a few words"},
        }
    )
)


class _Clock:
    """Gives each of its clients one event a tick."""

    def __init__(self, events: int, tick_s: float) -> None:
        self.events = events
        self._tick_s = tick_s
        self.phases: list[dict[_Client, int]] = [{} for _ in range(_PHASES)]
        self._next = 0
        self.ending = _chunk(_ending(events)) + b"0\r\n\r\n"

    def join(self, client: "_Client") -> None:
        """Start streaming to a client, at the next phase in turn."""
        self.phases[self._next][client] = self.events
        self._next = (self._next + 1) % _PHASES

    async def run(self) -> None:
        """Tick for ever."""
        loop, step_s = asyncio.get_running_loop(), self._tick_s / _PHASES
        due, number = loop.time(), 0
        while True:
            due += step_s
            await asyncio.sleep(max(0.0, due - loop.time()))
            phase = self.phases[number % _PHASES]
            number += 1
            for client, left in list(phase.items()):
                if left:
                    client.write(_DELTA)
                    phase[client] = left - 1
                else:
                    client.write(self.ending)
                    del phase[client]

    def leave(self, client: "_Client") -> None:
        """A client that went."""
        for phase in self.phases:
            phase.pop(client, None)


class _Client(asyncio.Protocol):
    """One connection: any request is answered by a stream."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self._received = body[length:]
        self.write(_HEAD + _chunk(_opening()))
        self._clock.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._transport = None
        self._clock.leave(self)

    def write(self, data: bytes) -> None:
        """Send, unless it went."""
        if self._transport is not None:
            self._transport.write(data)


async def _serve(seconds: float, tick_s: float = TICK_S) -> None:
    clock = _Clock(int(seconds / tick_s), tick_s)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(clock), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await clock.run()


if __name__ == "__main__":
    uvloop.run(_serve(*map(float, sys.argv[1:])))
