"""What each process loads: third-party distributions after importing its entry module, and what
it loads on use.

A process's list is `docs/reference/dependencies/<process>.txt`: comment lines, one of them
`# entry: <module>`, then one distribution a line. Written again by
`python -m tests.tidy.process_dependencies` from the repository's root.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from holdfast.apps.cli.main import COMMANDS
from tests.tidy.repository import ROOT, SOURCE

LISTS = ROOT / "docs" / "reference" / "dependencies"

PROBE = """
import importlib, json, sys
before = set(sys.modules)
for module in sys.argv[1:]:
    importlib.import_module(module)
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
from importlib.metadata import packages_distributions
owners = packages_distributions()
print(json.dumps(sorted({
    owner.lower().replace("_", "-")
    for top in tops if top not in sys.stdlib_module_names and top != "holdfast"
    for owner in owners.get(top, ())
})))
"""


# What a process loads only when it is used.
AFTERWARDS = {
    "holdfast.apps.cli.main": (
        *sorted({f"holdfast.apps.cli.{place.module}" for place in COMMANDS.values()}),
        "holdfast.client.transport",
        "rich.console",
        "rich.table",
    ),
    "holdfast.apps.server.__main__": (
        "holdfast.apps.server.serving",
        "holdfast.apps.console.app",
        "holdfast.core.risk.shell",
    ),
}


def entries() -> dict[str, str]:
    """Process name to its entry module, for every app that has a `main.py` (or `__main__.py`)."""
    found = {}
    for app in sorted((SOURCE / "apps").iterdir()):
        for name in ("main", "__main__"):
            if (app / f"{name}.py").is_file():
                found[app.name] = f"holdfast.apps.{app.name}.{name}"
                break
    return found


def loaded_distributions(module: str) -> list[str]:
    """Sorted names of the third-party distributions that importing module loads."""
    probe = subprocess.run(
        [sys.executable, "-c", PROBE, module, *AFTERWARDS.get(module, ())],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        timeout=60,
    )
    if probe.returncode != 0:
        raise AssertionError(f"{module} cannot be imported: {probe.stderr.strip()[-400:]}")
    return list(json.loads(probe.stdout.splitlines()[-1]))


def committed(path: Path) -> tuple[str, list[str]]:
    """The entry module and the distributions that a list names."""
    text = path.read_text(encoding="utf-8")
    entry = re.search(r"^# entry: (\S+)$", text, re.MULTILINE)
    if entry is None:
        raise AssertionError(f"{path.name} names no entry module")
    return entry[1], [line for line in text.splitlines() if line and not line.startswith("#")]


def write() -> None:
    """Write every list again from what is loaded now."""
    LISTS.mkdir(parents=True, exist_ok=True)
    for process, module in entries().items():
        head = (
            f"# what the {process} process loads beyond the standard library\n# entry: {module}\n"
        )
        names = "".join(f"{name}\n" for name in loaded_distributions(module))
        (LISTS / f"{process}.txt").write_text(head + names, encoding="utf-8")


if __name__ == "__main__":
    write()
