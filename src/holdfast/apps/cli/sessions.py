"""`holdfast sessions`: open, list, show; with `stopping` kill, pause and resume, one or many."""

import os
import shlex
from pathlib import Path

import typer

from holdfast.apps.cli.audit import span_s
from holdfast.apps.cli.budgets import parsed_limits
from holdfast.apps.cli.printing import clock, emit, note, plain, say, table
from holdfast.apps.cli.project import agent_of, login
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.runs import cost_so_far, parsed_scope
from holdfast.apps.cli.stopping import add_verbs
from holdfast.apps.cli.verbs import Json, Project, Reason, Tenant, verb
from holdfast.client import SessionView, TurnRecord
from holdfast.client.discovery import KEY_VARIABLE
from holdfast.errors import InvalidRequest
from holdfast.integrations.claude_code import (
    environment,
    own_folder,
    sandbox_holds,
    why_unvouched,
    write_settings,
)
from holdfast.model.money import format_usd
from holdfast.model.sessions import SessionProfile, SessionState

app = typer.Typer(help="Sessions: look at them, stop them.", no_args_is_help=True)

_Id = typer.Argument(metavar="SESSION", help="The session's id.")
_SHOWN = 120
_STOP_SHOWN = 400
_HELD = "commands run in Claude Code's own sandbox"
_UNHELD = (
    "no sandbox: bubblewrap and socat do not both work here, so commands act as you, and once a"
    " stranger's text was read, what was written since does not run unasked"
)

_VOUCHED = "what you type vouches, once the model is asked with it and no tool's process is alive"
_OUTSIDE = "its MCP servers run outside of the sandbox, where the token of its hooks can be read"
_UNVOUCHED = "what you type is recorded and vouches for nothing"


@verb(app, "open")
async def open_session(  # noqa: PLR0913, PLR0917 - each is an option
    agent: str = typer.Option(..., help="An agent of holdfast.yaml, or an agent file."),
    project: Path | None = Project,
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="The tenant's project, where it has several."),
    user: str = typer.Option(
        "", help="For whom it works; if not given your login name, or the one of HOLDFAST_KEY."
    ),
    task: str = typer.Option("", help="A kind of work, or `kind/instance`."),
    parent: str = typer.Option(
        "", metavar="SESSION", help="The session of the same user whose conversation goes on."
    ),
    claude_code: Path | None = typer.Option(
        None, metavar="DIR", help="Write Claude Code's settings for it into this folder."
    ),
    folder: Path | None = typer.Option(None, help="Where it works; else -C, or this folder."),
    scope: list[str] = typer.Option([], help="Files it may name: `path=src/**`, `tool=Bash`."),
    limit: list[str] = typer.Option([], help="Tighten a cap: `usd=0.50`, `tool_calls=5`."),
    as_json: bool = Json,
) -> None:
    """Open a session for a client of your own: what it prints is set in that client's environment.

    The printed token opens the model's door alone; with `--json` the session's own token, for a
    program that asks for permits, comes too. With `--claude-code` Claude Code itself asks for
    permits, through the hooks of the settings file. No token is shown again. Where HOLDFAST_KEY is
    set, it is the key that opens it.
    """
    named, file = agent_of(agent)
    _check_folder(folder)
    place = own_folder(claude_code) if claude_code is not None else None
    held = place is not None and sandbox_holds()
    unvouched = why_unvouched(sandboxed=held) if place is not None else ""
    spends = bool(os.environ.get(KEY_VARIABLE))
    async with connected(project, spends=True) as client:
        session = await client.sessions.open(
            agent=named,
            agent_file=file,
            user=user or ("" if spends else login()),
            tenant=tenant,
            project=project_name,
            task=task,
            parent=parent,
            scope=parsed_scope(scope),
            limits=parsed_limits(limit),
            profile=SessionProfile.INTERACTIVE if place is not None else "",
            folder=folder or project,
            sandboxed=held,
            sealed=place is not None and not unvouched,
        )
    async with session:
        start = write_settings(session, place, sandboxed=held) if place is not None else []
        if as_json:
            opened = {
                "session_id": session.session_id,
                "base_url": session.base_url,
                "model_url": session.model_url,
                "model_token": session.model_token,
                "token": session.token,
            }
            emit(opened | ({"hook_token": session.hook_token, "start": start} if start else {}))
            return
        note(f"opened {session.session_id}")
        for name, value in environment(session).items():
            if start or name.startswith("ANTHROPIC_"):
                say(f"export {name}={value}")
        if start:
            note(_HELD if held else _UNHELD)
            unvouched = unvouched or (_OUTSIDE if session.plan.mcp_servers else "")
            note(f"{_UNVOUCHED}: {unvouched}" if unvouched else _VOUCHED)
            note(f"then start: {shlex.join(start)}")


@verb(app, "list")
async def list_sessions(
    project: Path | None = Project,
    tenant: str = Tenant,
    project_name: str = typer.Option("", help="A project of the tenant."),
    user: str = typer.Option("", help="Sessions of this user."),
    state: SessionState | None = typer.Option(None, help="Sessions in this state."),
    limit: int = typer.Option(50, min=1, help="At most so many."),
    as_json: bool = Json,
) -> None:
    """List sessions, latest first."""
    async with connected(project) as client:
        found = await client.sessions.list(
            tenant=tenant, project=project_name, user=user, state=state or "", limit=limit
        )
    if as_json:
        for view in found:
            emit(view)
        return
    columns = (
        "session",
        "agent",
        "user",
        "state",
        "opened (UTC)",
        "turns",
        "calls",
        "context",
        "cost",
    )
    rows = [
        (
            view.session_id,
            view.agent,
            f"{view.tenant}/{view.user}",
            view.state,
            clock(view.opened_at_ns),
            view.turn,
            view.tool_calls,
            f"{view.context_percent} %",
            cost_so_far(view),
        )
        for view in found
    ]
    table(columns, rows, empty="no sessions")


@verb(app, "extend")
async def extend(
    session: str = typer.Argument(help="Its id."),
    longer: str = typer.Argument(metavar="TIME", help="How much longer: 30m, 2h, 1d."),
    reason: str = Reason,
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Let a session act for longer, before its time is over; who raises its caps may."""
    async with connected(project) as client:
        view = await client.sessions.extend(session, span_s(longer), reason)
    if as_json:
        emit(view)
    else:
        say(f"{session} may act until {clock(view.expires_at_ns)} UTC")


@verb(app, "show")
async def show(
    session: str = _Id,
    turns: bool = typer.Option(False, "--turns", help="What it did, turn by turn."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Show one session."""
    async with connected(project) as client:
        if not turns:
            print_view(await client.sessions.show(session), as_json=as_json)
            return
        rows = await client.sessions.turns(session)
    if as_json:
        for row in rows:
            emit(row)
        return
    columns = ("turn", "call", "input", "output", "risk", "approved", "ms", "cost", "outcome")
    table(columns, (_turn_cells(row) for row in rows), empty="no turns")


def _turn_cells(row: TurnRecord) -> tuple[object, ...]:
    rule = f" (rule {row.rule})" if row.rule else ""
    used = f"{row.input_tokens:,} in, {row.output_tokens:,} out"
    return (
        row.turn,
        row.tool or row.model,
        plain(row.input, _SHOWN),
        plain(row.output, _SHOWN) if row.kind == "tool" else used,
        row.risk,
        "yes" if row.approved else "no",
        f"{row.ms:,}",
        format_usd(row.cost_nusd),
        plain(row.outcome, _SHOWN) + rule,
    )


def _check_folder(folder: Path | None) -> None:
    if folder is not None and not folder.is_dir():
        raise InvalidRequest(f"`{folder}` is no folder")


def print_view(view: SessionView, *, as_json: bool) -> None:
    """One session in words, or as JSON."""
    if as_json:
        emit(view)
        return
    reason = f" ({view.state_reason})" if view.state_reason else ""
    say(f"{view.session_id} is {view.state}{reason}")
    say(f"  agent    {view.agent}, trust {view.trust}" + (", tainted" if view.tainted else ""))
    task = f", task {view.task}" if view.task else ""
    say(f"  for      {view.tenant}/{view.project}, user {view.user}{task}")
    if view.key:
        say(f"  by key   {view.key}")
    say(f"  opened   {clock(view.opened_at_ns)} UTC, until {clock(view.expires_at_ns)} UTC")
    if view.life_left_ns:
        left_s = view.life_left_ns // 1_000_000_000
        say(f"  paused   its clock stands still, {left_s:,} s are left once it is resumed")
    for stop in view.stops:
        say(f"  held     {plain(stop, _STOP_SHOWN)}")
    if view.delegated_by:
        say(f"  child of {view.delegated_by}")
    if view.resources:
        say(f"  touches  {plain(', '.join(view.resources), _SHOWN)}")
    for scope in view.scopes:
        told = "; ".join(f"{name}={', '.join(given)}" for name, given in scope.items())
        say(f"  within   {plain(told, _SHOWN)}")
    for child in view.children:
        say(f"  parent of {child}")
    if view.context_percent:
        say(f"  context  {view.context_percent} % full after the last answer")
    if view.query_bytes:
        carried = f"{view.query_bytes} of {view.query_bytes_limit} bytes"
        say(f"  queries  carried {carried} that nobody typed to search providers")
    say(f"  so far   {view.turn} turns, {view.tool_calls} calls, {format_usd(view.cost_nusd)}")
    if view.reserved_nusd:
        held = f"{format_usd(view.reserved_nusd)} reserved for it"
        say(f"  running  about {format_usd(view.estimated_nusd)} by now, {held}")


def register(tree: typer.Typer) -> None:
    """Add `sessions`."""
    add_verbs(app, print_view)
    tree.add_typer(app, name="sessions")
