"""What the tidy tests share: the repository's root, its tracked files, and their text."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "holdfast"


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


def source_modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
