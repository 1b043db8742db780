"""`python -m holdfast.backends.hook_host.process FOLDER PARENT BYTES`: runs one agent's hooks.

Questions and answers are JSON lines over two pipes that the hooks never see: their prints go to
standard error. Whatever a hook does to itself (raising, exiting, answering nonsense) ends in a
fault, or in this process's death; one that hangs is ended from outside, with all that it started.
A child that a hook forks ends at once. This process ends with the server PARENT that started it,
by a keeper that it leaves in between, and gets no more than BYTES of address space.
"""

import asyncio
import contextlib
import ctypes
import importlib
import inspect
import os
import resource
import signal
import sys
import threading
from typing import Any, BinaryIO

import msgspec

from holdfast.backends.hook_host.keeper import keep
from holdfast.backends.hook_host.wire import MOST_ANSWER_BYTES, Ask, Said
from holdfast.model.hooks import HookAnswer
from holdfast.ports.hooks import Hook, HookFault

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NICE = 5


class Host:
    """Answers questions on one loop, as many at a time as its hooks wait for something."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._hooks: dict[str, Hook] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, questions: BinaryIO) -> None:
        """Until the server closes its end, which ends this process."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            decoder = msgspec.json.Decoder(Ask)
            for line in questions:
                loop.call_soon_threadsafe(self._begin, decoder.decode(line))
            os._exit(0)

        threading.Thread(target=read, daemon=True).start()
        await loop.create_future()

    def _begin(self, asked: Ask) -> None:
        task = asyncio.get_running_loop().create_task(self._one(asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _one(self, asked: Ask) -> None:
        raw = msgspec.json.encode(await self._said(asked))
        if len(raw) > MOST_ANSWER_BYTES:
            fault = f"answered with more than {MOST_ANSWER_BYTES} bytes"
            raw = msgspec.json.encode(Said(id=asked.id, fault=fault))
        self._out.write(raw + b"\n")
        self._out.flush()

    async def _said(self, asked: Ask) -> Said:
        try:
            hook = self._found(asked.target)
            if asked.given is None:
                return Said(id=asked.id)
            return Said(id=asked.id, answer=_checked(await hook(asked.given)))
        except HookFault as fault:
            return Said(id=asked.id, fault=str(fault))
        except BaseException as error:  # noqa: BLE001 - a hook may end in any way
            return Said(id=asked.id, fault=f"raised {type(error).__name__}")

    def _found(self, target: str) -> Hook:
        found = self._hooks.get(target)
        if found is not None:
            return found
        module_name, _, name = target.partition(":")
        try:
            hook: Any = getattr(importlib.import_module(module_name), name)
        except BaseException as error:
            raise HookFault(f"cannot be loaded: {type(error).__name__}") from error
        if not inspect.iscoroutinefunction(hook):
            raise HookFault("must be an `async def` function")
        self._hooks[target] = hook
        return self._hooks[target]


def _checked(answer: object) -> HookAnswer | None:
    if answer is None:
        return None
    if not isinstance(answer, HookAnswer):
        raise HookFault(f"answered {type(answer).__name__} instead of HookAnswer")
    try:
        # Fields of a struct are not checked when it is made.
        return msgspec.convert(msgspec.to_builtins(answer), HookAnswer)
    except Exception as error:
        raise HookFault("answered with fields of the wrong kind") from error


def main(arguments: list[str]) -> None:
    """The pipes are standard input and output, taken away from the hooks first."""
    folder, parent, most_bytes = arguments[0], int(arguments[1]), int(arguments[2])
    if os.getppid() != parent:
        os._exit(0)
    if sys.platform == "linux":
        _kept(parent)
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    questions = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.register_at_fork(after_in_child=lambda: os._exit(0))
    sys.path.insert(0, folder)
    asyncio.run(Host(out).serve(questions))


def _kept(server: int) -> None:
    """Go on as the child of a keeper, which stays what the server started."""
    prctl = ctypes.CDLL(None).prctl
    # Orphans of what hooks start come to the keeper, by which they are found and ended.
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    if host := os.fork():
        keep(host, server)
    # From here on the system ends it with its keeper, even where it gets no turn to look.
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
