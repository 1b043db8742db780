"""What the tidy tests share: the repository's root, its tracked files, their text and their trees."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "holdfast"
IMPORTED = re.compile(r"^\s*from (holdfast[\w.]*) import (?:\(([^)]*)\)|([^\n(]+))", re.MULTILINE)

Nodes = tuple[ast.AST, ...]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file git tracks that still exists; without git, every file outside built folders."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode == 0 and listing.stdout:
        paths = [ROOT / name for name in listing.stdout.split("\0") if name]
        return tuple(path for path in paths if path.is_file())
    built = {".venv", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__", "dist"}
    return tuple(
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not built & set(path.relative_to(ROOT).parts)
    )


def text_of(path: Path) -> str | None:
    """The file's text, or None for a binary file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@cache
def source_modules() -> tuple[Path, ...]:
    return tuple(sorted(SOURCE.rglob("*.py")))


@cache
def tree_of(path: Path) -> ast.Module:
    """A file as Python reads it, parsed once; nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> Nodes:
    """All of a file's tree."""
    return tuple(ast.walk(tree_of(path)))


def nodes_in(source: str) -> Nodes:
    """All of a text's tree, for what a rule has to see."""
    return tuple(ast.walk(ast.parse(source)))


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Module and name of each import of ours in a text."""
    for module, many, one in IMPORTED.findall(text):
        for name in (many or one.partition("#")[0]).split(","):
            if name.strip():
                yield module, name.split()[0]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
