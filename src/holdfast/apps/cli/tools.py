"""`holdfast tools`: which tools a project has, and whether they meet the organisation's standard.

Needs no server of ours; what reads the settings is a process of its own (`local`).
"""

from pathlib import Path

import typer

from holdfast.apps.cli.local import DOCTOR_MODULE, passed_through
from holdfast.apps.cli.project import project_dir
from holdfast.apps.cli.verbs import Imports, Json, Project, importing, verb

app = typer.Typer(help="Tools, looked at without a server.", no_args_is_help=True)


@verb(app, "list")
def show(project: Path | None = Project, as_json: bool = Json, imports: bool = Imports) -> int:
    """Every tool: effect, class, what runs it, risk, and the agents that are granted it."""
    arguments = ["tools-list", str(project_dir(project)), *importing(imports)]
    return passed_through(DOCTOR_MODULE, arguments, as_json=as_json)


@verb(app, "lint")
def lint(
    mcp: list[str] = typer.Option([], help="Start this MCP server and lint what it lists, too."),
    mcp_all: bool = typer.Option(False, "--mcp-all", help="Every MCP server of the agents."),
    project: Path | None = Project,
    as_json: bool = Json,
    imports: bool = Imports,
) -> int:
    """Hold every tool to the standard in holdfast.yaml. Exit code 1 when a rule is broken."""
    arguments = ["tools-lint", str(project_dir(project))]
    arguments += importing(imports)
    arguments += [f"--mcp={name}" for name in mcp]
    arguments += ["--mcp-all"] if mcp_all else []
    return passed_through(DOCTOR_MODULE, arguments, as_json=as_json)


def register(tree: typer.Typer) -> None:
    """Add `tools`."""
    tree.add_typer(app, name="tools")
