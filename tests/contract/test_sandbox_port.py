"""The sandbox of this machine passes the shipped suite, and says that it holds next to nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.ports.sandbox import Holds, Isolation, Sandbox
from holdfast.testing.conformance.sandbox import SandboxConformance

STARTS = """
import asyncio, sys, time
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.ports.sandbox import Program
async def main():
    program = Program(arguments=(sys.executable, "-c", "import time; time.sleep(60)"), ends_with_us=ENDS)
    print((await SystemSandbox().start(program)).pid, flush=True)
    time.sleep(60)
asyncio.run(main())
"""


class TestSystemSandbox(SandboxConformance):
    def sandbox(self) -> Sandbox:
        return SystemSandbox()

    def test_it_says_that_it_holds_a_process_and_no_more(self) -> None:
        nothing = Holds(isolation=Isolation.PROCESS, files=False, network=False, memory=False)
        assert SystemSandbox().holds == nothing

    @pytest.mark.part("linux")
    @pytest.mark.parametrize("ends", [True, False])
    def test_what_ends_with_us_ends_also_when_we_are_killed(self, ends: bool) -> None:
        text = STARTS.replace("ENDS", str(ends))
        with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            parent.kill()
            parent.wait()
            until = time.monotonic() + (10 if ends else 1)
            while _lives(child) and time.monotonic() < until:
                time.sleep(0.02)
            assert _lives(child) != ends
            if not ends:
                os.kill(child, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
