"""The command tree of `holdfast`: which verbs and nouns there are, and the module of each.

A module is loaded when its command is used, so that no command waits for the others.
"""

import importlib
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any, NamedTuple

import typer
import typer.core
import typer.main

from holdfast.apps.cli.verbs import guarded


class Place(NamedTuple):
    """The module that registers a command, and its line in the help."""

    module: str
    help: str


COMMANDS = {
    "up": Place("up", "Start the server in the foreground: gateway, control API,..."),
    "run": Place("run", "Run an agent under control; the exit code says what stopped it."),
    "submit": Place("runs", "Queue a run for the workers and print its id; it goes on..."),
    "worker": Place("runs", "Work at runs in the foreground, one of any number of workers."),
    "upstreams": Place(
        "upstreams", "List upstreams: the breaker of each key, failures in a row,..."
    ),
    "gc": Place("gc", "Delete calls, runs, effects and conversations that are old;..."),
    "init": Place("project_files", "Write a small project: settings, one agent, policies with..."),
    "doctor": Place("local", "Which of the five week-one controls stand here? Exit code 1..."),
    "demo": Place("local", "Play a support desk under control: fourteen scenes, the real..."),
    "version": Place("local", "Print the version."),
    "sessions": Place("sessions", "Sessions: look at them, stop them."),
    "stops": Place("stops", "Stops: what holds a part of the fleet."),
    "runs": Place("runs", "Durable runs: look at them, do them again."),
    "dlq": Place("dlq", "What waits for a person, of runs and of sessions."),
    "effects": Place("runs", "What runs did to the world outside."),
    "alerts": Place("alerts", "Alerts: who is told, and whether it arrives."),
    "approvals": Place("approvals", "Calls that wait for a person."),
    "batch": Place("batch", "Many records, in chunks that are checked."),
    "budget": Place("budgets", "Budgets: what is spent, held and allowed."),
    "costs": Place("costs", "Costs: what was spent, and for whom."),
    "operators": Place("operators", "Operators by name, beside the admin."),
    "keys": Place("keys", "Keys that can only spend."),
    "login": Place("login", "Sign this terminal in: prints where to go and a code, and..."),
    "logout": Place("login", "Sign this terminal out, at the server too."),
    "console": Place("console", "The console: a link that signs a browser in, who is signed in."),
    "files": Place("files", "Files: which are the operator's own."),
    "policy": Place("local", "Policies, tried without a server."),
    "config": Place("local", "Settings."),
    "tools": Place("tools", "Tools, looked at without a server."),
    "hooks": Place("hooks", "Hooks, tried without a server."),
    "clock": Place("clock", "The server's clock, moved by hand in a project of tests."),
    "audit": Place("audit", "Questions to the journal."),
    "store": Place("store", "Where journal and states are kept."),
}


class Loaded(MutableMapping[str, Any]):
    """The commands by name; looking at one loads its module."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            module = importlib.import_module(f"holdfast.apps.cli.{COMMANDS[name].module}")
            registered = typer.Typer(rich_markup_mode=None)
            module.register(registered)
            self._known |= typer.main.get_group(registered).commands
        return self._known[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Tree(typer.core.TyperGroup):
    """A group that loads a command when it is used, and none to list them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Loaded()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with a line each."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in COMMANDS.items()])


app = typer.Typer(
    name="holdfast",
    cls=Tree,
    help="Runtime control for agents: spend capped, tool calls decided, all of it journalled.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _tree() -> None:
    """Nothing before a command."""


def main() -> None:
    """Entry point of the command."""
    sys.exit(guarded(lambda: app(standalone_mode=True)))


if __name__ == "__main__":
    main()
