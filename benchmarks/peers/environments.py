"""Environments of Python peers, each made on first use below `.bench/`, never in the project's."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import ROOT, SCRATCH, Unavailable

LANGGRAPH = ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2")
CELERY = ("celery[redis]==5.7.0",)


def python_of(requirements: Sequence[str]) -> Path:
    """The Python of an environment that holds these. Errors: Unavailable."""
    name = requirements[0].partition("[")[0].partition("==")[0]
    home = SCRATCH / f"{name}-{requirements[0].rpartition('==')[2]}"
    python, done = home / "bin" / "python", home / ".done"
    if done.exists():
        return python
    sys.stderr.write(f"installing {', '.join(requirements)} into {home.relative_to(ROOT)}\n")
    shutil.rmtree(home, ignore_errors=True)
    uv = ["sh", str(ROOT / ".ci" / "uv"), sys.prefix]
    steps = (
        [*uv, "venv", "--quiet", "--python", sys.executable, str(home)],
        [*uv, "pip", "install", "--quiet", "--python", str(home), *requirements],
    )
    for step in steps:
        ran = subprocess.run(step, capture_output=True, text=True, check=False, timeout=600)
        if ran.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise Unavailable(f"{name} cannot be installed: {ran.stderr[-300:]}")
    done.touch()
    return python
