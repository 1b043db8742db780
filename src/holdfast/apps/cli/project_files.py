"""`holdfast init`: the files of a new project, copied from `template/`; nothing is overwritten.

`template_claude_code/` stands in place of some of them for Claude Code.
"""

import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, say
from holdfast.apps.cli.verbs import Json, verb
from holdfast.errors import ConfigInvalid, Conflict

_IGNORED_STATE = ".holdfast/\n"
_GITIGNORE = ".gitignore"


def register(app: typer.Typer) -> None:
    """Add `init`."""

    @verb(app, "init")
    def init(
        folder: Path = typer.Argument(Path(), metavar="[DIR]", help="Where; made if missing."),
        claude_code: bool = typer.Option(
            False, "--claude-code", help="For Claude Code: the tools that it offers, a day's caps."
        ),
        as_json: bool = Json,
    ) -> None:
        """Write a small project: settings, one agent, policies with their tests."""
        written = write_project(folder, claude_code=claude_code)
        if as_json:
            emit({"folder": str(folder), "written": written})
            return
        for name in written:
            say(f"wrote {Path(folder, name)}")
        where = "" if folder == Path() else f" {folder}"
        say(f"next: holdfast doctor{where}, then holdfast up")


def write_project(folder: Path, *, claude_code: bool = False) -> list[str]:
    """The names of the files written. Errors: Conflict when one exists, ConfigInvalid."""
    shipped = files("holdfast.apps.cli")
    wanted = dict(_walk(shipped / "template", ""))
    if claude_code:
        wanted |= dict(_walk(shipped / "template_claude_code", ""))
    taken = [name for name in wanted if Path(folder, name).exists()]
    if taken:
        raise Conflict(f"`{taken[0]}` exists already; nothing was written")
    try:
        for name, source in wanted.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(source.read_text(encoding="utf-8"))
        written = [*wanted, *_ignore_state(folder)]
    except OSError as fault:
        why = fault.strerror or type(fault).__name__
        raise ConfigInvalid(f"`{folder}` cannot be written: {why.lower()}") from None
    return written


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{name}/")
        elif not entry.name.startswith((".", "__")):
            found.append((name, entry))
    return found


def _ignore_state(folder: Path) -> list[str]:
    """Keep the journal and the keys out of version control; an existing file is left alone."""
    path = folder / _GITIGNORE
    if os.path.lexists(path):
        return []
    path.write_text(_IGNORED_STATE, encoding="utf-8")
    return [_GITIGNORE]
