"""What is on its way to a tool when its worker dies does not happen beside its next worker's."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WORKER = """
import asyncio, os, signal, sys
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.integrations.native.python_tools import PythonTools
from holdfast.tools.declared import ToolContext
from holdfast.tools.lease import Lease, now_s

async def main(folder):
    tools = PythonTools(folder, "ses_1", os.environ, Lease(now_s() + 60), SystemSandbox())
    context = ToolContext(key="k", attempt=1, session="ses_1", call_id="c1")
    asked = dict(timeout_s=20.0, max_output_bytes=1000)
    told = await tools.run("mine:acts", {"file": "first"}, context, **asked)
    assert told.ok, told
    host = int(told.output)
    # It gets no turn, as on a machine that is overloaded, while a call comes and the worker dies.
    os.kill(host, signal.SIGSTOP)
    asyncio.create_task(tools.run("mine:acts", {"file": "second"}, context, **asked))
    await asyncio.sleep(0.2)
    print(host, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""
TOOLS = """
import os, pathlib

def acts(file: str):
    pathlib.Path(__file__).with_name(file).write_text("done")
    return os.getpid()
"""


def test_a_host_that_stood_still_when_its_worker_died_runs_nothing_of_what_waited(tmp_path):
    (tmp_path / "mine.py").write_text(TOOLS)
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    host = int(done.stdout)
    try:
        assert _gone(host)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(host, signal.SIGCONT)
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


def _gone(pid: int) -> bool:
    """Whether a process ends, though nobody lets it go on."""
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
