"""`[y/N]`: what a person has to answer is asked in the terminal that runs the agent.

No is what everything but a yes means. Whoever answers elsewhere first is heard; a terminal that is
closed leaves the question to others. Not here: how a question is shown (`approvals`).
"""

import asyncio
import sys
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
    if asks or (asks is None and not as_json and sys.stdin.isatty()):
        terminal = Terminal(client)
        async with beside(terminal.serve()):
            yield terminal.heard
    else:
        yield lambda _: None


class Terminal:
    """Asks one question after the other."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        self._over: dict[str, asyncio.Event] = {}

    def heard(self, record: Record) -> None:
        """A record of the session: a question, or that one is over."""
        if record.kind is Kind.APPROVAL_ASKED:
            name = bodies.ApprovalAsked.of(record).approval_id
            self._over[name] = asyncio.Event()
            self._asked.put_nowait(name)
        elif record.kind is Kind.APPROVAL_ANSWERED:
            self._end(bodies.ApprovalAnswered.of(record).approval_id)
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
        line = await _line(self._over[found.approval_id])
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


async def _line(over: asyncio.Event) -> str | None:
    """The next line of standard input, empty at its end; None where the question is over first."""
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()
    typed: asyncio.Future[str] = loop.create_future()

    def readable() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    loop.add_reader(stdin, readable)
    try:
        async with beside(_cancelled_by(over, typed)):
            return await typed
    except asyncio.CancelledError:
        if over.is_set() and typed.cancelled():
            return None
        raise
    finally:
        loop.remove_reader(stdin)


async def _cancelled_by(over: asyncio.Event, typed: asyncio.Future[str]) -> None:
    await over.wait()
    typed.cancel()
