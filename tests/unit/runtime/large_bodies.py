"""Houses where every body is taken for a large one: held elsewhere, and read there."""

from typing import Any

import msgspec

from holdfast.core.large import Answer, Job, done
from holdfast.errors import Unavailable
from holdfast.runtime.request_reading import RequestReader
from tests.unit.runtime.house import House
from tests.unit.runtime.relay_pair import Relayed


class MemoryHeld:
    """`ports.readers.Held` in memory."""

    def __init__(self, content=b""):
        self.content = bytearray(content)
        self.closed = False

    @property
    def size_bytes(self):
        return len(self.content)

    def append(self, piece):
        self.content += piece

    def view(self):
        assert not self.closed
        return memoryview(bytes(self.content))

    def close(self):
        self.closed = True


class MemoryReaders:
    """`ports.readers.Readers` in this process; jobs and answers go over the wire's bytes.

    `down` lists kinds of jobs that are not done.
    """

    def __init__(self):
        self.jobs: list[Any] = []
        self.written: list[MemoryHeld] = []
        self.down: set[type] = set()

    def hold(self):
        return MemoryHeld()

    async def ask(self, job, body):
        job = msgspec.msgpack.decode(msgspec.msgpack.encode(job), type=Job)
        self.jobs.append(job)
        if type(job) in self.down:
            raise Unavailable("the reader is down", retry_after_s=1)
        answer, written = done(job, bytes(body.view()))
        answer = msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=Answer)
        if written is None:
            return answer, None
        self.written.append(MemoryHeld(written))
        return answer, self.written[-1]


class _Holding:
    """`ModelCalls` as the tests know it; each body is held."""

    def __init__(self, calls):
        object.__setattr__(self, "_calls", calls)

    def __getattr__(self, name):
        return getattr(self._calls, name)

    def __setattr__(self, name, value):
        setattr(self._calls, name, value)

    async def call(self, live, path, headers, body):
        return await self._calls.call(live, path, headers, MemoryHeld(body))


class ReadElsewhere(House):
    """A `House` to which every test of it can be put."""

    def __init__(self, **more):
        super().__init__(**more)
        self.readers = MemoryReaders()
        self.calls.reader = self.calls.clearing._reader = RequestReader(readers=self.readers)
        self.calls: Any = _Holding(self.calls)


class ReadInRelay(Relayed):
    """The same, where the relay has the body, and keeps it."""

    def __init__(self, **more):
        super().__init__(**more)
        self.readers = MemoryReaders()
        self.relayed._reader = RequestReader(readers=self.readers)
        self.calls = _Holding(self.calls)
