"""`python -m holdfast.apps.policyd`: serve, or `check` and `test` a folder without serving."""

import argparse
import sys
from pathlib import Path

from holdfast.apps.policyd import wiring
from holdfast.apps.policyd.service import Files
from holdfast.model.settling import settle_types


def main(arguments: list[str]) -> int:
    """Exit code: 0 fine, 1 the policies or tests do not hold or the socket cannot be had."""
    parser = argparse.ArgumentParser(prog="policyd", description=__doc__, formatter_class=_page)
    parser.add_argument("verb", nargs="?", choices=("serve", "check", "test"), default="serve")
    parser.add_argument("--policies", type=Path, required=True, help="folder of *.cedar files")
    parser.add_argument("--contracts", type=Path, required=True, help="policy inputs, JSON")
    parser.add_argument("--applied", type=Path, help="folder of what operators put in force")
    parser.add_argument("--kept", type=Path, help="folder for copies of what was in force")
    parser.add_argument("--no-baseline", action="store_true", help="leave the shipped rules out")
    parser.add_argument("--socket", type=Path, help="Unix socket to serve on")
    parser.add_argument("--ready-fd", type=int, help="file descriptor told when serving")
    parser.add_argument("--json", action="store_true", help="findings as JSON on stdout")
    given = parser.parse_args(arguments)
    files = Files(
        policies=given.policies,
        contracts=given.contracts,
        baseline=not given.no_baseline,
        applied=given.applied,
        kept=given.kept,
    )
    if given.verb != "serve":
        # The serving process carries neither YAML nor the tables; they are loaded when needed.
        from holdfast.apps.policyd import offline  # noqa: PLC0415

        return offline.run(given.verb, files, as_json=given.json)
    settle_types()  # Before there is a second thread.
    if given.socket is None:
        parser.error("--socket is required to serve")
    return wiring.serve(given.socket, files, given.ready_fd)


def _page(prog: str) -> argparse.HelpFormatter:
    # To ask the terminal for its width would load three compressors, which stay.
    return argparse.HelpFormatter(prog, width=100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
