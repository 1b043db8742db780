"""What an operator put in force: copies of the files behind every bundle, by digest.

`<folder>/<digest>/` holds the policy files and the contracts of one bundle, and `current` the
digest of the one in force. Nothing is ever changed there, so a decision can be made again later
with what was behind it.
"""

import os
import shutil
from pathlib import Path

CONTRACTS = "policy-inputs.json"
_CURRENT = "current"


def current(folder: Path) -> Path | None:
    """The files last put in force, None before the first time."""
    try:
        name = (folder / _CURRENT).read_text(encoding="ascii").strip()
    except OSError:
        return None
    found = folder / name
    return found if name.isalnum() and found.is_dir() else None


def keep(folder: Path, version: str, policies: Path, contracts: Path) -> Path:
    """Copy the files of a bundle, whole or not at all. Errors: OSError."""
    name = version.rpartition(":")[2]
    kept = folder / name
    if not kept.is_dir():
        draft = folder / f"{name}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        for file in sorted(policies.glob("*.cedar")):
            shutil.copyfile(file, draft / file.name)
        shutil.copyfile(contracts, draft / CONTRACTS)
        draft.replace(kept)
    return kept


def point(folder: Path, kept: Path) -> None:
    """Make kept files those in force: the next process starts from them. Errors: OSError."""
    pointer = folder / f"{_CURRENT}.{os.getpid()}"
    pointer.write_text(kept.name + "\n", encoding="ascii")
    pointer.replace(folder / _CURRENT)
