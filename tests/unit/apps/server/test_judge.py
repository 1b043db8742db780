"""What judges commands is loaded for the first session that may run any."""

import subprocess
import sys


def loaded(*grants: tuple[str, ...]) -> list[bool]:
    """Whether it was loaded after each session that came, with these tools."""
    code = f"""
import sys, threading
from types import SimpleNamespace as Of
from holdfast.apps.server.judge import JudgeOnDemand
judge = JudgeOnDemand({{"Bash": Of(shell="command"), "Read": Of(shell="")}})
for tools in {grants!r}:
    judge(Of(session=Of(allowed_tools=tools)))
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join()
    print("holdfast.core.risk.shell" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [line == "True" for line in done.stdout.split()]


def test_it_is_loaded_with_the_first_session_that_may_run_commands():
    assert loaded(("Read",), (), ("Read", "Bash"), ("Bash",)) == [False, False, True, True]
