"""`holdfast clock`: what time it is for a server, and what it is to be in a project of tests."""

from datetime import UTC, datetime
from pathlib import Path

import typer

from holdfast.apps.cli.audit import span_s
from holdfast.apps.cli.printing import emit, say
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.client import ClockView
from holdfast.errors import InvalidRequest

app = typer.Typer(help="The server's clock, moved by hand in a project of tests.")
_NS = 1_000_000_000


@verb(app, "show")
async def show(project: Path | None = Project, as_json: bool = Json) -> None:
    """Say what time it is for the server."""
    async with connected(project) as client:
        _told(await client.clock(), as_json=as_json)


@verb(app, "advance")
async def advance(
    span: str = typer.Argument(help="How long passes at once: 90s, 30m, 2h, 1d."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Let time pass at once. Only the admin may."""
    async with connected(project) as client:
        _told(await client.move_clock(advance_s=span_s(span)), as_json=as_json)


@verb(app, "set")
async def set_to(
    moment: str = typer.Argument(help="Such as 2026-12-31T23:59:50; UTC unless it says otherwise."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Let time pass until a moment; never back. Only the admin may."""
    to_ns = _moment_ns(moment)
    async with connected(project) as client:
        _told(await client.move_clock(to_ns=to_ns), as_json=as_json)


def _moment_ns(text: str) -> int:
    """UTC nanoseconds of a date and time of ISO 8601. Errors: InvalidRequest."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidRequest(f"`{text}` is no moment such as 2026-12-31T23:59:50") from None
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return int(aware.timestamp()) * _NS


def _told(clock: ClockView, *, as_json: bool) -> None:
    if as_json:
        emit(clock)
        return
    at = datetime.fromtimestamp(clock.now_ns // _NS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ahead = f", {clock.ahead_ns // _NS} s moved by hand" if clock.test else ", the machine's own"
    say(f"{at}{ahead}")


def register(tree: typer.Typer) -> None:
    """Add `clock`."""
    tree.add_typer(app, name="clock")
