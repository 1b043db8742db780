"""What is started for somebody ends with them, also where they are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.served import alive, until

STARTS = """
import sys, time
from pathlib import Path
from tests.native_project import NativeProject, Script
with NativeProject(Path(sys.argv[1]), Script()) as native:
    worker = native.worker()
    print(native.project.pid, worker.pid, flush=True)
    time.sleep(600)
"""


def policy_process(server: int) -> int:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
                if parent == str(server) and b"policyd" in (folder / "cmdline").read_bytes():
                    return int(folder.name)
            except OSError:
                continue
    raise AssertionError("the server has no policy process")


def test_server_worker_and_policy_process_end_with_whoever_started_them(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")  # For a unix socket, in a run of several processes.
    started = subprocess.Popen(
        [sys.executable, "-c", STARTS, str(folder / "project")],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    server, worker = (int(pid) for pid in started.stdout.readline().split())
    processes = [server, worker, policy_process(server)]
    assert all(alive(pid) for pid in processes)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    until(lambda: not any(alive(pid) for pid in processes), 60)
