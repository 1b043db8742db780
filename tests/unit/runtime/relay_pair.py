"""A server and a relay in one loop: the words between them are real, the socket is not.

As with `backends/frames`: what is told is done before the next word is read, a lost line cancels
what the server was still at, and a relay may take the line up again.
"""

import asyncio
import json
import random
from collections.abc import Awaitable
from typing import Any

from holdfast.errors import HoldfastError, Unavailable
from holdfast.runtime.providers import Provider
from holdfast.runtime.relays.calls import RelayedCalls
from holdfast.runtime.relays.line import Line
from holdfast.runtime.relays.owner import RelayDesk, RelayTalk
from tests.unit.runtime.house import House, asking

SERVER = "a-server"


class MemoryFrames:
    """`runtime/relays/line.Frames` without a socket. `away`: nobody answers where it dials."""

    def __init__(self, desk: RelayDesk) -> None:
        self._desk = desk
        self.talk: RelayTalk | None = None
        self.away = False
        self.mute = False
        self._running: set[asyncio.Task[bytes]] = set()

    def drop(self) -> None:
        """The line breaks: both sides see it at once."""
        talk, self.talk = self.talk, None
        if talk is not None:
            talk.gone()
        for task in self._running:
            task.cancel()

    async def call(self, method: str, body: bytes, timeout_s: float) -> bytes:
        if self.talk is None:
            if self.away:
                raise Unavailable("nobody answers on the socket")
            self.talk = self._desk.talk(self.drop)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._sent(method, body)
        except TimeoutError:
            raise Unavailable("no answer in time") from None

    def tell(self, method: str, body: bytes) -> "asyncio.Future[bytes]":
        if self.talk is None:
            raise Unavailable("there is no connection")
        told = asyncio.ensure_future(self._sent(method, body, self._handled(method, body)))
        told.add_done_callback(lambda one: one.cancelled() or one.exception())
        return told

    def _handled(self, method: str, body: bytes) -> bytes | Awaitable[bytes] | HoldfastError:
        assert self.talk is not None
        try:
            return self.talk.handle(method, body)
        except HoldfastError as error:
            return error

    async def _sent(
        self,
        method: str,
        body: bytes,
        found: bytes | Awaitable[bytes] | HoldfastError | None = None,
    ) -> bytes:
        outcome = self._handled(method, body) if found is None else found
        if self.mute:
            await asyncio.Event().wait()
        if isinstance(outcome, HoldfastError):
            raise Unavailable(outcome.message, fault=outcome.code)
        if isinstance(outcome, bytes):
            return outcome
        task, talk = asyncio.ensure_future(outcome), self.talk
        self._running.add(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and self.talk is not talk:
                raise Unavailable("the connection broke") from None
            raise
        except HoldfastError as error:
            raise Unavailable(error.message, fault=error.code) from None
        finally:
            self._running.discard(task)


class RelayPair(House):
    """A house whose model calls come through a relay."""

    def __init__(self, *, provider=None, other=None, **more):
        super().__init__(**more)
        self.faults: list[BaseException] = []
        self.desk = RelayDesk(SERVER, self.doorkeeper, self.house, self.calls, self.faults.append)
        self.frames = MemoryFrames(self.desk)
        self.line = Line(self.frames, server=SERVER, pid=4711)
        providers = provider or {"main": Provider(self.upstream, 512, name="main")}
        self.calls.providers = {**self.calls.providers, **providers}
        dice = random.Random(1).random
        self.relayed = RelayedCalls(self.line, other or providers, self.clock, dice)
        self._keeping: asyncio.Task[None] | None = None
        self._losses = 0

    async def __aenter__(self):
        self._keeping = asyncio.ensure_future(self.line.keep(3600))
        await self.back()
        return self

    async def __aexit__(self, *given):
        if self._keeping is not None:
            self._keeping.cancel()
        self.frames.drop()
        await asyncio.sleep(0)
        assert self.faults == []

    async def back(self):
        """Until the relay has its server again."""
        for _ in range(5_000):
            if self.line.up and self.line.turn >= self._losses:
                return
            await asyncio.sleep(0.001)
        raise AssertionError("the relay never found its server again")

    def lose(self):
        """The line breaks; the relay hears of it where it waits for cuts."""
        self._losses = self.line.turn + 1
        self.frames.drop()

    async def asked(self, request=None, headers=None, *, token="", **fields):
        """One call through the relay."""
        body = json.dumps(asking(**fields) if request is None else request).encode()
        return await self.relayed.call(token or self.token, "/v1/messages", headers or {}, body)


class Relayed(RelayPair):
    """A `House` to which every test of it can be put, though each call goes through a relay."""

    def __init__(self, **more):
        super().__init__(**more)
        self.tokens = {}
        self.decided = self.calls
        self.calls: Any = _ThroughRelay(self)

    async def open(self, *limits, **more):
        live = await super().open(*limits, **more)
        self.tokens[live.session.session_id] = self.token
        return live


class _ThroughRelay:
    """`ModelCalls` as the tests know it."""

    def __init__(self, house):
        object.__setattr__(self, "_house", house)

    def __getattr__(self, name):
        return getattr(self._house.decided, name)

    def __setattr__(self, name, value):
        setattr(self._house.decided, name, value)

    async def call(self, live, path, headers, body):
        house = self._house
        if house._keeping is None:
            await house.__aenter__()
        await house.back()
        return await house.relayed.call(house.tokens[live.session.session_id], path, headers, body)
