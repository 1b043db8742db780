"""The command tree of `holdfast`."""

import sys

import typer

from holdfast.apps.cli import (
    audit,
    batch,
    budgets,
    files,
    gc,
    local,
    operators,
    policies,
    project_files,
    run,
    runs,
    server,
    sessions,
    store,
    tools,
    upstreams,
)
from holdfast.apps.cli.verbs import guarded

app = typer.Typer(
    name="holdfast",
    help="Runtime control for agents: spend capped, tool calls decided, all of it journalled.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
server.register(app)
run.register(app)
app.add_typer(sessions.app, name="sessions")
runs.register(app)
app.add_typer(batch.app, name="batch")
app.add_typer(budgets.app, name="budget")
app.add_typer(operators.app, name="operators")
app.add_typer(files.app, name="files")
policies.register(local.policy)
app.add_typer(local.policy, name="policy")
app.add_typer(local.config, name="config")
app.add_typer(tools.app, name="tools")
app.add_typer(audit.app, name="audit")
app.add_typer(store.app, name="store")
upstreams.register(app)
gc.register(app)
project_files.register(app)
local.register(app)


def main() -> None:
    """Entry point of the command."""
    sys.exit(guarded(lambda: app(standalone_mode=True)))


if __name__ == "__main__":
    main()
