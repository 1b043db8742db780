"""`holdfast gc`: delete working state that is old and needed by nothing."""

from pathlib import Path

import typer

from holdfast.apps.cli.audit import span_s
from holdfast.apps.cli.printing import emit, say, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb

_SORTS = (
    ("sessions", "ended sessions, whose calls go", "sessions_before_ns"),
    ("calls", "their calls", "sessions_before_ns"),
    ("runs", "runs that are over", "sessions_before_ns"),
    ("effects", "effects that are done or failed", "effects_before_ns"),
    ("conversations", "conversations that are old or expired", ""),
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "gc")(gc)


async def gc(
    older_than: str = typer.Option(
        "",
        help="How long ago sessions and runs ended: 30d, 12h; otherwise `retention` says it.",
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would go; delete nothing."),
    project: Path | None = Project,
    as_json: bool = Json,
) -> None:
    """Delete calls, runs, effects and conversations that are old; never the journal."""
    age_s = span_s(older_than) if older_than else None
    async with connected(project) as client:
        done = await client.gc(older_than_s=age_s, dry_run=dry_run)
    if as_json:
        emit(done)
        return
    rows = [
        (what, "kept" if cut and not getattr(done, cut) else str(getattr(done, name)))
        for name, what, cut in _SORTS
    ]
    table(("what", "would go" if dry_run else "deleted"), rows, empty="")
    if not dry_run:
        say(f"{done.freed_bytes} bytes given back to the disk", style="dim")
