"""`holdfast hooks`: which hooks stand where, and what they say of a moment that is made up.

Needs no server of ours; what reads the settings is a process of its own (`local`).
"""

import sys
from pathlib import Path

import typer

from holdfast.apps.cli.local import DOCTOR_MODULE, passed_through
from holdfast.apps.cli.project import project_dir
from holdfast.apps.cli.verbs import Json, Project, verb
from holdfast.errors import InvalidRequest

app = typer.Typer(help="Hooks, tried without a server.", no_args_is_help=True)
_POINTS = ("pre_tool", "post_tool", "on_context_overflow", "on_error")


@verb(app, "list")
def show(project: Path | None = Project, as_json: bool = Json) -> int:
    """Every hook: agent, point, function; and what doors make of moments they do not own."""
    return passed_through(DOCTOR_MODULE, ["hooks-list", str(project_dir(project))], as_json=as_json)


@verb(app, "try")
def attempt(
    point: str = typer.Argument(help=f"One of {', '.join(_POINTS)}."),
    agent: str = typer.Option(..., "--agent", help="Whose hooks."),
    given: str = typer.Option(
        "{}",
        "--given",
        help='What they see, as JSON (`{"tool": …, "arguments": {…}}`); - reads it.',
    ),
    project: Path | None = Project,
    as_json: bool = Json,
) -> int:
    """Run an agent's hooks of a point, as a server does, on what they are given."""
    if point not in _POINTS:
        raise InvalidRequest(f"`{point}` is no hook point; there are {', '.join(_POINTS)}")
    try:
        moment = sys.stdin.buffer.read().decode() if given == "-" else given
    except UnicodeDecodeError:
        raise InvalidRequest("what the hooks see is not UTF-8") from None
    arguments = ["hooks-try", str(project_dir(project))]
    arguments += [f"--point={point}", f"--agent={agent}"]
    return passed_through(DOCTOR_MODULE, arguments, as_json=as_json, given=moment)


def register(tree: typer.Typer) -> None:
    """Add `hooks`."""
    tree.add_typer(app, name="hooks")
