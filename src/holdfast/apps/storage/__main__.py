"""`python -m holdfast.apps.storage move`: a project's store to another place.

Its own process, because it needs the wiring that the command line may not know.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import msgspec

from holdfast.compose.config import load_config
from holdfast.compose.moving import Moved, move_store
from holdfast.errors import HoldfastError


def main(arguments: list[str]) -> int:
    """Exit code: 0 moved, 2 it cannot be moved like this, 9 a store cannot be reached."""
    parser = argparse.ArgumentParser(prog="holdfast-storage", description=__doc__)
    parser.add_argument("verb", choices=("move",))
    parser.add_argument("project", type=Path, nargs="?", default=Path())
    parser.add_argument("--to", default="", help="an address, or `sqlite`; as configured if not")
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        config = load_config((given.project / "holdfast.yaml").resolve(), imports=False)
        moved = asyncio.run(move_store(config, os.environ, given.to))
    except KeyboardInterrupt:
        sys.stderr.write("holdfast: interrupted; the store is where it was\n")
        return 130
    except HoldfastError as fault:
        sys.stderr.write(f"holdfast: {fault.message}\n")
        return 2 if fault.http_status < 500 else 9
    if given.json:
        sys.stdout.write(msgspec.json.encode(moved).decode() + "\n")
    else:
        sys.stdout.write(_said(moved, given.to))
    return 0


def _said(moved: Moved, to: str) -> str:
    rows = ", ".join(f"{count} {table}" for table, count in moved.rows.items() if count)
    lines = [
        f"moved {moved.origin} to {moved.target}: {rows or 'nothing'}; read back and compared",
        f"sha256 of all rows: {moved.digest}",
    ]
    if to == "sqlite":
        lines.append("take `store` out of holdfast.yaml")
    elif to:
        lines.append(f'write `store: {{url: "{to}"}}` into holdfast.yaml')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
