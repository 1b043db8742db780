"""`holdfast audit`: questions to the journal."""

import re
from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, say
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, Tenant, verb
from holdfast.errors import InvalidRequest

app = typer.Typer(help="Questions to the journal.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,6})([smhd]?)")
_MOST_SPAN_S = 366 * 86_400
_PAGE = 1000


@app.callback()
def _group() -> None:
    """Questions to the journal."""


@verb(app, "ask")
async def ask(
    user: str = typer.Option(..., help="For whom the agent worked."),
    at: str = typer.Option(..., help="When: `last tuesday 14:42`, `yesterday 09:00`, ISO 8601, …"),
    tenant: str = Tenant,
    window: str = typer.Option("30m", help="How much around that time: 90s, 30m, 2h, 1d."),
    tz: str = typer.Option("", help="The time zone that --at is in; UTC where none is given."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """What did the agent do for this user at that time?"""
    window_s = span_s(window)
    async with connected(project) as client:
        answer = await client.audit.ask(user=user, at=at, tenant=tenant, window_s=window_s, tz=tz)
    if as_json:
        emit(answer)
        return
    for line in answer.lines:
        say(line)
    say(f"{len(answer.records)} records in {answer.took_ms:.1f} ms", style="dim")


@verb(app, "server")
async def server(
    last: str = typer.Option("7d", help="How far back: 90s, 30m, 2h, 30d."),
    kind: str = typer.Option("", help="Only this kind: server.started, upstream.opened, …"),
    tz: str = typer.Option("", help="The time zone to show times in; UTC where none is given."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """What did the server do itself: starts, clock, upstreams, operators, retention?"""
    last_s = span_s(last)
    after = shown = 0
    async with connected(project) as client:
        while True:
            page = await client.audit.server(
                kind=kind, last_s=last_s, after_seq=after, limit=_PAGE, tz=tz
            )
            for record, line in zip(page.records, page.lines, strict=True):
                if as_json:
                    emit(record)
                else:
                    say(line)
            shown += len(page.records)
            if len(page.records) < _PAGE:
                break
            after = page.records[-1].seq
    if not as_json:
        say(f"{shown} records of the last {last}", style="dim")


def span_s(text: str) -> int:
    """Seconds of `90s`, `30m`, `2h`, `1d`. Errors: InvalidRequest."""
    found = _SPAN.fullmatch(text.strip())
    seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else 0
    if not 0 < seconds <= _MOST_SPAN_S:
        raise InvalidRequest(f"`{text}` is no span of time such as 90s, 30m, 2h or 1d")
    return seconds


def register(tree: typer.Typer) -> None:
    """Add `audit`."""
    tree.add_typer(app, name="audit")
