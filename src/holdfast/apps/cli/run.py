"""`holdfast run`: one governed session of the real Claude Agent SDK, watched as it goes.

The journal is what is shown and what decides the exit code; the agent's own account of itself is
only its final text. Not here: what makes a session governed (`integrations/claude_agent_sdk`).
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import typer

from holdfast.apps.cli.agent_process import Spoken, agent_options, drive
from holdfast.apps.cli.budgets import parsed_limit
from holdfast.apps.cli.lines import line_of
from holdfast.apps.cli.outcomes import ExitCode, Outcome, outcome_of
from holdfast.apps.cli.printing import complain, emit, note, plain, say
from holdfast.apps.cli.project import agent_of, login, project_dir
from holdfast.apps.cli.server import serving
from holdfast.apps.cli.verbs import Json, Project, Tenant, verb
from holdfast.client import Client, Session
from holdfast.errors import ConfigInvalid, HoldfastError, InvalidRequest
from holdfast.model.budgets import Dimension
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd

POLL_S = 0.2
_PAGE = 200
_PROMPT_BYTES = 4_000_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    agent: str
    agent_file: Path | None
    prompt: str
    user: str
    tenant: str
    project_name: str
    task: str
    limits: dict[str, str | int]
    cwd: Path


def register(app: typer.Typer) -> None:
    """Add `run`."""

    @verb(app, "run")
    async def run(  # noqa: PLR0913, PLR0917 - each is an option
        prompt: str = typer.Argument(help="What to do; `-` reads it from standard input."),
        agent: str = typer.Option(..., help="An agent of holdfast.yaml, or its agent file."),
        project: Path | None = Project,
        tenant: str = Tenant,
        project_name: str = typer.Option("", help="The tenant's project, where it has several."),
        user: str = typer.Option("", help="For whom it works; your login name if not given."),
        task: str = typer.Option("", help="A kind of work, or `kind/instance`."),
        limit: list[str] = typer.Option([], help="Tighten a cap: `usd=0.50`, `tool_calls=5`."),
        cwd: Path | None = typer.Option(None, help="Where the agent works; the project's folder."),
        as_json: bool = Json,
    ) -> int:
        """Run an agent under control; the exit code says what stopped it."""
        folder = project_dir(project)
        place = (cwd or folder).resolve()
        if not place.is_dir():
            raise ConfigInvalid(f"`{cwd}` is no folder")
        named, file = agent_of(agent)
        asked = Asked(
            agent=named,
            agent_file=file,
            prompt=_prompt(prompt),
            user=user or login(),
            tenant=tenant,
            project_name=project_name,
            task=task,
            limits=parsed_limits(limit),
            cwd=place,
        )
        _stop_on_sigterm()
        async with serving(folder, quiet=as_json) as client:
            return await _governed(client, asked, as_json=as_json)


def _stop_on_sigterm() -> None:
    """Told to end, do as at Ctrl-C: the session is killed and a server of ours stopped."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def parsed_limits(given: Sequence[str]) -> dict[str, str | int]:
    """`usd=0.50` and the like, by dimension. Errors: InvalidRequest."""
    found: dict[str, str | int] = {}
    known = [str(dimension) for dimension in Dimension]
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise InvalidRequest(
                f"`{text}` is no limit; expected one of {', '.join(known)}, as usd=0.50"
            )
        amount = parsed_limit(Dimension(name), value)
        if amount is None:
            raise InvalidRequest(f"`{text}` would lift a cap; a run may only tighten one")
        found[name] = value.removeprefix("$") if name.startswith("usd") else amount
    return found


def _prompt(given: str) -> str:
    text = sys.stdin.read(_PROMPT_BYTES) if given == "-" else given
    if not text.strip():
        raise InvalidRequest("the prompt is empty")
    return text


async def _governed(client: Client, asked: Asked, *, as_json: bool) -> int:
    session = await client.sessions.open(
        agent=asked.agent,
        agent_file=asked.agent_file,
        user=asked.user,
        tenant=asked.tenant,
        project=asked.project_name,
        task=asked.task,
        limits=asked.limits,
    )
    async with session:
        watch = Watch(client, session.session_id, as_json=as_json)

        async def interrupted() -> None:
            await client.sessions.kill(session.session_id, "interrupted on the command line")

        try:
            options = await agent_options(session, asked.cwd)
            spoken = await _watched(watch, lambda: drive(asked.prompt, options, interrupted))
        except asyncio.CancelledError:
            await interrupted()
            raise
        except HoldfastError as fault:
            await client.sessions.kill(session.session_id, f"it did not start: {fault.message}")
            raise
        await watch.catch_up()
        view = await client.sessions.show(session.session_id)
        outcome = outcome_of(view, watch.records, fault=spoken.fault)
        if view.state == "active":
            await session.end()
        _print_end(session, outcome, spoken, watch.spent_nusd, as_json=as_json)
        return outcome.code


async def _watched(watch: "Watch", work: Callable[[], Awaitable[Spoken]]) -> Spoken:
    async with asyncio.TaskGroup() as tasks:
        done = asyncio.Event()
        tasks.create_task(watch.follow(done))
        try:
            ended: Spoken | HoldfastError = await work()
        except HoldfastError as fault:
            ended = fault
        finally:
            done.set()
    if isinstance(ended, HoldfastError):
        raise ended
    return ended


def _print_end(
    session: Session, outcome: Outcome, spoken: Spoken, spent_nusd: int, *, as_json: bool
) -> None:
    if as_json:
        emit(
            {
                "event": "result",
                "session_id": session.session_id,
                "outcome": outcome.code.name.lower(),
                "exit_code": int(outcome.code),
                "why": outcome.why,
                "text": spoken.text,
                "cost_nusd": spent_nusd,
            }
        )
        return
    if spoken.text and outcome.code is ExitCode.DONE:
        say(spoken.text)
    if outcome.code is not ExitCode.DONE:
        complain(f"{outcome.code.name.lower()}: {outcome.why}")
    note(f"session {session.session_id}: {format_usd(spent_nusd)} in all", style="bold")


class Watch:
    """The session's journal, followed and shown as it grows."""

    def __init__(self, client: Client, session_id: str, *, as_json: bool) -> None:
        self.records: list[Record] = []
        self.spent_nusd = 0
        self._client = client
        self._session_id = session_id
        self._as_json = as_json

    async def follow(self, done: asyncio.Event) -> None:
        """Show new records until told to stop; a server out of reach is asked again."""
        while not done.is_set():
            try:
                await self.catch_up()
            except HoldfastError as fault:
                note(plain(fault.message), style="yellow")
            try:
                await asyncio.wait_for(done.wait(), POLL_S)
            except TimeoutError:
                continue

    async def catch_up(self) -> None:
        """Show every record that was not shown before."""
        while True:
            after_seq = self.records[-1].seq if self.records else 0
            page = await self._client.records(
                session=self._session_id, after_seq=after_seq, limit=_PAGE
            )
            for record in page:
                self.records.append(record)
                self._show(record)
            if len(page) < _PAGE:
                return

    def _show(self, record: Record) -> None:
        if record.kind is Kind.MODEL_CALL_SETTLED:
            self.spent_nusd += record.cost_nusd
        if self._as_json:
            emit({"event": "record", "record": record, "spent_nusd": self.spent_nusd})
            return
        line = line_of(record, self.spent_nusd)
        if line is not None:
            note(line.text, style=line.style)
