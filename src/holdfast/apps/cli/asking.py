"""`[y/N]`: what a person has to answer is asked in the terminal that runs the agent.

No is what everything but a yes means. Whoever answers elsewhere first is heard; a terminal that is
closed leaves the question to others. Not here: how a question is shown (`approvals`).
"""

import asyncio
import os
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from holdfast.apps.cli.approvals import show_question
from holdfast.apps.cli.printing import note
from holdfast.apps.cli.tasks import beside
from holdfast.client import Client
from holdfast.errors import HoldfastError
from holdfast.model import bodies
from holdfast.model.approvals import Approval, ApprovalState
from holdfast.model.events import Kind, Record

_YES = ("y", "yes")
Heard = Callable[[Record], None]


@asynccontextmanager
async def answered_here(
    client: Client, *, asks: bool | None, as_json: bool
) -> AsyncIterator[Heard]:
    """Ask about calls whose records are handed to what this yields.

    `asks` None: where standard input is a terminal and the output is for people.
    """
    # A program that was started without standard input has none here.
    stdin = sys.stdin if sys.stdin is not None and not sys.stdin.closed else None
    here = asks if asks is not None else not as_json and stdin is not None and stdin.isatty()
    if here and stdin is not None:
        terminal = Terminal(client, Typed(stdin.fileno()))
        async with beside(terminal.serve()):
            yield terminal.heard
    else:
        yield lambda _: None


class Typed:
    """Lines of standard input, read as they come; none that was typed before it was asked for."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._kept = b""

    async def line(self, over: asyncio.Event) -> str | None:
        """The next line, empty at the end; None where the question is over before there is one."""
        if os.isatty(self._fd):
            # Somebody who types ahead has not seen the question.
            termios.tcflush(self._fd, termios.TCIFLUSH)
            self._kept = b""
        while b"\n" not in self._kept:
            if not await self._readable(over):
                return None
            more = os.read(self._fd, 4096)
            self._kept += more
            if not more:
                break
        line, end, self._kept = self._kept.partition(b"\n")
        return (line + end).decode(errors="replace")

    async def _readable(self, over: asyncio.Event) -> bool:
        """Whether there is something to read, or the end; not where the question is over first."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(self._fd, ready.set)
        except PermissionError:
            return True  # A file, or no device at all: it never keeps anybody waiting.
        try:
            async with beside(_told(over, ready)):
                await ready.wait()
        finally:
            loop.remove_reader(self._fd)
        return not over.is_set()


async def _told(over: asyncio.Event, ready: asyncio.Event) -> None:
    await over.wait()
    ready.set()


class Terminal:
    """Asks one question after the other."""

    def __init__(self, client: Client, typed: Typed) -> None:
        self._client = client
        self._typed = typed
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        self._over: dict[str, asyncio.Event] = {}

    def heard(self, record: Record) -> None:
        """A record of the session: a question, or that one is over."""
        if record.kind is Kind.APPROVAL_ASKED:
            name = bodies.ApprovalAsked.of(record).approval_id
            self._over[name] = asyncio.Event()
            self._asked.put_nowait(name)
        elif record.kind is Kind.APPROVAL_ANSWERED:
            answered = bodies.ApprovalAnswered.of(record)
            if not answered.missing:
                self._end(answered.approval_id)
        elif record.kind is Kind.APPROVAL_EXPIRED:
            self._end(bodies.ApprovalExpired.of(record).approval_id)

    async def serve(self) -> None:
        """Ask, until standard input is closed."""
        while True:
            name = await self._asked.get()
            try:
                found = await self._client.approvals.show(name)
                if found.state is ApprovalState.PENDING and not await self._ask(found):
                    return
            except HoldfastError as fault:
                note(fault.message, style="yellow")

    def _end(self, name: str) -> None:
        if name in self._over:
            self._over[name].set()

    async def _ask(self, found: Approval) -> bool:
        """Whether somebody is here, still."""
        show_question(found)
        sys.stderr.write("Let it run? [y/N] ")
        sys.stderr.flush()
        line = await self._typed.line(self._over[found.approval_id])
        if line is None:
            note("\nit was answered elsewhere")
        elif not line:
            note(
                "\nnobody answers here: `holdfast approvals approve` or `deny` does", style="yellow"
            )
            return False
        elif line.strip().lower() in _YES:
            await self._client.approvals.approve(found)
        else:
            await self._client.approvals.deny(found, "no at the terminal")
        return True
