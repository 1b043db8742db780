"""`holdfast policy apply`: rules come into force by an act of an operator."""

from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, say
from holdfast.apps.cli.project import connected
from holdfast.apps.cli.verbs import Json, Project, verb


def register(policy: typer.Typer) -> None:
    """Add the verb to those that need no server."""
    verb(policy, "apply")(apply)


async def apply(project: Path | None = Project, as_json: bool = Json) -> None:
    """Put the policy folder in force on the running server, journalled with what it changes."""
    async with connected(project) as client:
        done = await client.policy.apply()
    if as_json:
        emit(done)
        return
    for word, rules in (("+", done.added), ("-", done.removed), ("~", done.changed)):
        for rule in rules:
            say(f"{word} {rule}")
    say(f"in force: {done.version}")
