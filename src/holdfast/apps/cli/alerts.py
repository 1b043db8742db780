"""`holdfast alerts`: who is told, what did not arrive, and one notice to try it."""

from pathlib import Path

import typer

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import clock, emit, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb

alerts = typer.Typer(help="Alerts: who is told, and whether it arrives.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(alerts, name="alerts")


@verb(alerts, "list")
async def list_alerts(project: Path | None = Project, as_json: bool = Json) -> None:
    """List who is told, and the last that did not arrive since the server started."""
    async with connected(project) as client:
        found = await client.alerts.list()
    if as_json:
        for one in found:
            emit(one)
        return
    columns = ("receiver", "format", "arrived", "waiting", "given up", "quiet hours")
    rows = (
        (one.name, one.format, one.delivered, one.waiting, one.given_up, one.quiet) for one in found
    )
    table(columns, rows, empty="nobody is told: name a receiver under `alerts` in holdfast.yaml")
    for one in found:
        for lost in one.last:
            at = clock(lost.at_ns)
            say(f"{one.name} did not take {lost.kind} of {at} UTC: {lost.why}")


@verb(alerts, "test")
async def try_out(
    receiver: str = typer.Argument("", help="Only this one."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> int:
    """Send a notice now, and show what came back; exit code 9 if one did not take it."""
    async with connected(project) as client:
        found = await client.alerts.test(receiver)
    for one in found:
        if as_json:
            emit(one)
        else:
            mark, style = ("✓", "green") if one.ok else ("✗", "bold red")
            say(f"{mark} {one.receiver}: {one.said}", style=style)
    return ExitCode.DONE if all(one.ok for one in found) else ExitCode.UNAVAILABLE
