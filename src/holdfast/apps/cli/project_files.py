"""`holdfast init`: the files of a new project, copied from `template/`; nothing is overwritten.

`template_claude_code/` stands in place of some of them for Claude Code.
"""

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import typer

from holdfast.apps.cli.printing import emit, say
from holdfast.apps.cli.verbs import Json, verb
from holdfast.errors import ConfigInvalid, Conflict

_IGNORED_STATE = ".holdfast/\n"
_GITIGNORE = ".gitignore"
_SETTINGS = "holdfast.yaml"
_GIT_S = 30
_OWN = """
# Whose files lie here: at this commit they are the operator's own. `holdfast files trust` takes a
# later one.
files:
  own: [{{root: ., refs: ["{commit}"]}}]
"""


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
        own = _own_commit(folder) if claude_code else ""
        written = write_project(folder, claude_code=claude_code, own=own)
        if as_json:
            emit({"folder": str(folder), "written": written})
            return
        for name in written:
            say(f"wrote {Path(folder, name)}")
        where = "" if folder == Path() else f" {folder}"
        say(f"next: holdfast doctor{where}, then holdfast up")


def _own_commit(folder: Path) -> str:
    """The commit that is checked out, where somebody at a terminal says that it is their own."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists() or not sys.stdin.isatty():
        return ""
    asked = [git, "-c", "core.fsmonitor=false", "-C", str(folder), "rev-parse", "--verify", "HEAD"]
    done = subprocess.run(asked, capture_output=True, check=False, timeout=_GIT_S)
    commit = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0 or not commit:
        return ""
    question = (
        f"Are the files of this checkout, as commit {commit[:12]} has them, your own? What they say"
        " is then not held for a stranger's"
    )
    return commit if typer.confirm(question, default=False, err=True) else ""


def write_project(folder: Path, *, claude_code: bool = False, own: str = "") -> list[str]:
    """The names of the files written; `own` is the commit whose files are the operator's.

    Errors: Conflict when one exists, ConfigInvalid.
    """
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
                if name == _SETTINGS and own:
                    file.write(_OWN.format(commit=own))
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
