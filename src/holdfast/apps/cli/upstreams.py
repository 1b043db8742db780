"""`holdfast upstreams`: which providers' keys are in use, and which are left alone."""

from collections.abc import Iterator
from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, table
from holdfast.apps.cli.reaching import connected
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.client import UpstreamStatus


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "upstreams")(upstreams)


async def upstreams(project: Path | None = Project, as_json: bool = Json) -> None:
    """List upstreams: the breaker of each key, failures in a row, where calls go in trouble."""
    async with connected(project) as client:
        found = await client.upstreams.list()
    if as_json:
        for one in found:
            emit(one)
        return
    columns = ("upstream", "vendor", "key", "state", "failures", "again in", "fallbacks")
    table(columns, [row for one in found for row in _rows(one)], empty="no upstreams")


def _rows(one: UpstreamStatus) -> Iterator[tuple[str, ...]]:
    for key in one.keys:
        again = f"{key.retry_in_s:.0f} s" if key.retry_in_s else ""
        falls = ", ".join(one.fallbacks)
        yield (one.upstream, one.vendor, key.key, key.state, str(key.failures), again, falls)
