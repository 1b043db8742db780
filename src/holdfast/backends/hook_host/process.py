"""What runs in a host: one agent's hooks.

Questions and answers are JSON lines over two pipes that the hooks never see: their prints go to
standard error. Whatever a hook does to itself (raising, exiting, answering nonsense) ends in a
fault, or in this process's death; one that hangs is ended from outside, with all that it started.
A child that a hook forks ends at once. This process ends with its keeper (`keeper`), and gets no
more than so many bytes of address space.
"""

import asyncio
import contextlib
import importlib
import inspect
import os
import resource
import sys
from typing import Any, BinaryIO, NoReturn

import msgspec

from holdfast.backends.hook_host.wire import MOST_ANSWER_BYTES, Ask, Lines, Said, line
from holdfast.model.hooks import HookAnswer
from holdfast.ports.hooks import Hook, HookFault

NICE = 5
_READ_BYTES = 256 * 1024


class Host:
    """Answers questions on one loop, as many at a time as its hooks wait for something."""

    def __init__(self, number: int, out: BinaryIO) -> None:
        self._number = number
        self._out = out
        self._asked = Lines(Ask)
        self._hooks: dict[str, Hook] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, questions: int) -> None:
        """Until the server closes its end, which ends this process."""
        asyncio.get_running_loop().add_reader(questions, self._read, questions)
        await asyncio.get_running_loop().create_future()

    def _read(self, questions: int) -> None:
        data = os.read(questions, _READ_BYTES)
        if not data:
            os._exit(0)
        for asked in self._asked.read(data):
            # What the host before this one did not read is over.
            if asked.host == self._number:
                self._begin(asked)

    def _begin(self, asked: Ask) -> None:
        task = asyncio.get_running_loop().create_task(self._one(asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _one(self, asked: Ask) -> None:
        raw = _spelled(await self._said(asked))
        if len(raw) > MOST_ANSWER_BYTES:
            fault = f"answered with more than {MOST_ANSWER_BYTES} bytes"
            raw = line(Said(id=asked.id, fault=fault))
        self._out.write(raw)
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


def _spelled(said: Said) -> bytes:
    try:
        return line(said)
    except (TypeError, ValueError, RecursionError):
        return line(Said(id=said.id, fault="answered what has no json form"))


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


def serve(number: int, folder: str, most_bytes: int) -> NoReturn:
    """Be host `number`. The pipes are standard input and output, taken from the hooks first."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    questions, out = os.dup(0), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.register_at_fork(after_in_child=lambda: os._exit(0))
    sys.path.insert(0, folder)
    try:
        asyncio.run(Host(number, out).serve(questions))
    finally:
        os._exit(1)
