"""What an operator put in force: copies of the files behind every bundle, by digest.

`<folder>/<digest>/` holds the policy files of one bundle, the rules that came with the program and
the contracts; `current` the digest of the one in force. Nothing is ever changed there, so a
decision can be made again later with what was behind it (`replaying`).
"""

import os
import re
from contextlib import suppress
from pathlib import Path

CONTRACTS = "policy-inputs.json"
OURS = "baseline"
"""The shipped rules as they were; no policy file, which ends in `.cedar`, has this name."""
_CURRENT = "current"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def current(folder: Path) -> Path | None:
    """The files last put in force, None before the first time."""
    try:
        name = (folder / _CURRENT).read_text(encoding="ascii").strip()
    except OSError:
        return None
    found = folder / name
    return found if name.isalnum() and found.is_dir() else None


def kept(folder: Path, version: str) -> Path | None:
    """The files that were in force under a version, None where none are kept."""
    name = version.removeprefix("sha256:")
    found = folder / name
    return found if _DIGEST.fullmatch(name) and found.is_dir() else None


def keep(
    folder: Path, version: str, policies: Path, contracts: Path, ours: Path | None = None
) -> Path:
    """Copy the files of a bundle, whole or not at all; `ours` are the shipped rules, if they count.

    Errors: OSError.
    """
    name = version.rpartition(":")[2]
    found = folder / name
    if not found.is_dir():
        draft = folder / f"{name}.{os.getpid()}"
        drop(draft)
        draft.mkdir(mode=0o700, parents=True)
        for file in sorted(policies.glob("*.cedar")):
            _copy(file, draft / file.name)
        _copy(contracts, draft / CONTRACTS)
        if ours is not None:
            _copy(ours, draft / OURS)
        draft.replace(found)
    return found


def drop(copies: Path) -> None:
    """Remove a folder of copies; what cannot go stays."""
    with suppress(OSError):
        for file in copies.iterdir():
            file.unlink()
        copies.rmdir()


def _copy(file: Path, to: Path) -> None:
    # `shutil` would do; it loads three compressors, which stay in a process that lives for long.
    to.write_bytes(file.read_bytes())


def point(folder: Path, found: Path) -> None:
    """Make kept files those in force: the next process starts from them. Errors: OSError."""
    pointer = folder / f"{_CURRENT}.{os.getpid()}"
    pointer.write_text(found.name + "\n", encoding="ascii")
    pointer.replace(folder / _CURRENT)
