"""Hostile clients, in a process of their own: `python -m benchmarks.foes N SERVER MODEL TOKEN S`.

A stranger has no token; the others hold the token of one session, and do with it what they like.
The process says when it is ready, begins when it is told to, goes on for so many seconds, and says
how much it sent. It is of low priority: a client elsewhere takes none of this machine's processors.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvloop

from benchmarks.sse_client import post
from benchmarks.worlds import MODEL

_MIB = 1024 * 1024
_NICE = 10


class Sent(msgspec.Struct):
    """What a hostile client got rid of: connections that were answered or ended, megabytes."""

    connections: int = 0
    mb: float = 0.0


class _Foe(msgspec.Struct, frozen=True):
    """Where a hostile client sends what, until when (of the loop's clock)."""

    url: str
    model_url: str
    token: str
    until_s: float
    sent: Sent

    @property
    def over(self) -> bool:
        """Whether it has had its time."""
        return asyncio.get_running_loop().time() >= self.until_s

    async def raw(self, *pieces: bytes, url: str = "") -> None:
        """One connection: the pieces one after the other, then whatever is answered."""
        place = (url or self.model_url).rsplit("/", 1)[-1]
        host, _, port = place.partition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(max(0.1, self.until_s - asyncio.get_running_loop().time())):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    self.sent.mb += len(piece) / _MIB
                while await reader.read(65536):
                    pass
        self.sent.connections += 1
        writer.close()

    async def post(self, path: str, body: bytes, url: str = "") -> None:
        """One request with the session's token."""
        await self.raw(post(path, body, self.token), url=url)


_Attack = Callable[[_Foe], Awaitable[None]]


async def _again(foe: _Foe, act: Callable[[], Awaitable[None]], at_once: int = 4) -> None:
    async def one() -> None:
        while not foe.over:
            await act()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(at_once)))


def _messages(content: Any, **fields: Any) -> bytes:
    body = {"model": MODEL, "max_tokens": 16, "messages": [{"role": "user", "content": content}]}
    return msgspec.json.encode(body | fields)


async def _endless_head(foe: _Foe) -> None:
    await _again(foe, lambda: foe.raw(b"GET / HTTP/1.1\r\nx: ", *[b"a" * _MIB] * 64))


async def _many_fields(foe: _Foe) -> None:
    pieces = [b"x: y\r\n" * 100_000] * 64
    await _again(foe, lambda: foe.raw(b"GET / HTTP/1.1\r\n", *pieces))


async def _silent(foe: _Foe) -> None:
    await asyncio.gather(*(foe.raw() for _ in range(300)))


async def _pipelined(foe: _Foe) -> None:
    await _again(foe, lambda: foe.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 20_000))


async def _unfinished(foe: _Foe) -> None:
    whole = post("/v1/messages", b"x" * 31 * _MIB, foe.token)
    pieces = [whole[at : at + _MIB] for at in range(0, 30 * _MIB, _MIB)]
    await asyncio.gather(*(foe.raw(*pieces) for _ in range(40)))


async def _lists(foe: _Foe) -> None:
    body = b'{"model":"x","max_tokens":1,"messages":[' + b"[]," * (10 * _MIB) + b"[]]}"
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _numbers(foe: _Foe) -> None:
    body = _messages([{"type": "text", "text": "x"}], metadata={"n": [1] * 150_000})
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _error_results(foe: _Foe) -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "x"}
    many = [{**block, "tool_use_id": f"t{n}"} for n in range(12_000)]
    body = _messages(many)
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _long_text(foe: _Foe) -> None:
    body = _messages("word [a], {b}; " * 1_900_000)
    await _again(foe, lambda: foe.post("/v1/messages", body), 2)


async def _big_outcome(foe: _Foe) -> None:
    content = "token=abcdefghijklmnop " * 900_000
    body = msgspec.json.encode({"call_id": "toolu_x", "ok": True, "content": content})
    await _again(foe, lambda: foe.post("/v1/guard/finish", body, foe.url), 2)


async def _forged_decides(foe: _Foe) -> None:
    asked = {"call_id": "toolu_x", "tool": "Read", "arguments": {}, "door": "x"}
    body = msgspec.json.encode(asked)
    await _again(foe, lambda: foe.post("/v1/guard/decide", body, foe.url), 8)


async def _prompt_and_command(foe: _Foe) -> None:
    prompt = msgspec.json.encode({"text": "abcd efgh " * 40_000})
    command = {"command": "echo " + "abcdefgh " * 6_500}
    asked = {"call_id": "toolu_x", "tool": "Bash", "arguments": command, "door": "x"}
    body = msgspec.json.encode(asked)

    async def both() -> None:
        await foe.post("/v1/guard/prompt", prompt, foe.url)
        await foe.post("/v1/guard/decide", body, foe.url)

    await _again(foe, both, 2)


async def _nobody(foe: _Foe) -> None:
    await asyncio.sleep(foe.until_s - asyncio.get_running_loop().time())


ATTACKS: dict[str, _Attack] = {
    "quiet": _nobody,
    "a stranger's head of 64 MB": _endless_head,
    "a stranger's 6.4 M header fields": _many_fields,
    "300 silent strangers": _silent,
    "20,000 pipelined requests of strangers": _pipelined,
    "40 unfinished bodies of one session": _unfinished,
    "31 MB of empty lists": _lists,
    "150,000 numbers": _numbers,
    "12,000 error results in one body": _error_results,
    "28 MB of text": _long_text,
    "20 MB outcome": _big_outcome,
    "forged decisions": _forged_decides,
    "400 KB prompts and 60 KB commands": _prompt_and_command,
}


def main(arguments: list[str]) -> int:
    """One input, by its number in `ATTACKS`."""
    number, url, model_url, token, seconds = arguments
    attack = list(ATTACKS.values())[int(number)]
    os.nice(_NICE)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sent = Sent()
    uvloop.run(_one(attack, url, model_url, token, float(seconds), sent))
    sys.stdout.write(msgspec.json.encode(sent).decode() + "\n")
    return 0


async def _one(
    attack: _Attack, url: str, model_url: str, token: str, seconds: float, sent: Sent
) -> None:
    until_s = asyncio.get_running_loop().time() + seconds
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + 5):
            await attack(_Foe(url, model_url, token, until_s, sent))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
