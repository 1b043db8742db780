"""Real processes: found by mark, by parent, by control group; nobody else is touched."""

import asyncio
import contextlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from holdfast.backends.system.process_table import ProcessTable
from holdfast.backends.system.processes import LinuxProcesses

CHILD = "import time; print('up', flush=True); time.sleep(60)"
SPAWN = """
import os, subprocess, sys, time
env = {} if sys.argv[1] == 'cleared' else None
code = "import time; time.sleep(60)"
child = subprocess.Popen([sys.executable, '-c', code], env=env, start_new_session=True)
print(child.pid, flush=True)
time.sleep(0 if sys.argv[2] == 'gone' else 60)
"""


@pytest.fixture
def started():
    running = []

    def start(session, *argv):
        env = {**os.environ, "HOLDFAST_SESSION": session} if session else dict(os.environ)
        child = subprocess.Popen([sys.executable, *argv], env=env, stdout=subprocess.PIPE)
        running.append(child)
        assert child.stdout is not None
        return child, child.stdout.readline().decode().strip()

    yield start
    for child in running:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def session():
    return f"ses_{uuid.uuid4().hex[:26]}"


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def stopped(processes, mine):
    return asyncio.run(processes.stop([mine]))[mine]


def marker_only(tmp_path):
    """No control groups: the mark and the tree of parents have to do."""
    (tmp_path / "no").write_text("a file, so that no folder can be made below it")
    return LinuxProcesses(group_root=tmp_path / "no" / "groups")


def test_marked_processes_end_and_nobody_else(started, tmp_path):
    mine, theirs, unmarked = session(), session(), ""
    first, _ = started(mine, "-c", CHILD)
    other, _ = started(theirs, "-c", CHILD)
    plain, _ = started(unmarked, "-c", CHILD)
    report = stopped(marker_only(tmp_path), mine)
    assert (report.how, report.found, report.survivors) == ("marker", 1, 0)
    assert not alive(first.pid)
    assert alive(other.pid)
    assert alive(plain.pid)
    assert alive(os.getpid())


@pytest.mark.parametrize("env", ["kept", "cleared"])
def test_grandchild_in_a_session_of_its_own_ends_too(started, tmp_path, env):
    mine = session()
    _, grandchild = started(mine, "-c", SPAWN, env, "stays")
    report = stopped(marker_only(tmp_path), mine)
    assert (report.found, report.survivors) == (2, 0)
    assert not alive(int(grandchild))


def test_orphan_that_kept_its_mark_ends_too(started, tmp_path):
    mine = session()
    parent, orphan = started(mine, "-c", SPAWN, "kept", "gone")
    parent.wait()
    assert alive(int(orphan))
    report = stopped(marker_only(tmp_path), mine)
    assert (report.found, report.survivors) == (1, 0)


@pytest.mark.part("control-groups")
def test_orphan_that_cleared_its_environment_is_found_by_its_control_group(started):
    mine = session()
    processes = LinuxProcesses()
    gate = "import sys; print('up', flush=True); sys.stdin.readline();" + SPAWN
    env = {**os.environ, "HOLDFAST_SESSION": mine}
    parent = subprocess.Popen(
        [sys.executable, "-c", gate, "cleared", "gone"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdout.readline()
    how = asyncio.run(processes.adopt(mine))
    parent.stdin.write(b"go\n")
    parent.stdin.flush()
    orphan = int(parent.stdout.readline())
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    try:
        assert how == "cgroup"
        report = stopped(processes, mine)
        assert (report.how, report.survivors) == ("cgroup", 0)
        assert not alive(orphan)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan, 9)


def test_server_that_carries_the_mark_itself_does_not_kill_itself(started, tmp_path):
    mine = session()
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from holdfast.backends.system.processes import LinuxProcesses\n"
        f"processes = LinuxProcesses(group_root=Path({str(tmp_path)!r})/'x')\n"
        f"report = asyncio.run(processes.stop([{mine!r}]))[{mine!r}]\n"
        "print('alive', report.survivors, flush=True)\n"
    )
    src = str(Path(__file__).parents[4] / "src")
    env = {**os.environ, "HOLDFAST_SESSION": mine, "PYTHONPATH": src}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, check=True, timeout=30
    )
    assert done.stdout.decode().split() == ["alive", "0"]


def test_session_without_processes_reports_none(tmp_path):
    report = stopped(marker_only(tmp_path), session())
    assert (report.how, report.found, report.survivors) == ("none", 0, 0)


def test_mark_of_one_session_is_no_prefix_of_another(started, tmp_path):
    mine = session()
    longer, _ = started(mine + "x", "-c", CHILD)
    assert stopped(marker_only(tmp_path), mine).found == 0
    assert alive(longer.pid)


# Forks away: the middle process ends, the last one has no mark, no parent of ours, and a group that
# the middle one led. It writes its id and waits for a line before it leaves.
LEAVES = """
import os, subprocess, sys, time
print('up', flush=True)
sys.stdin.readline()
middle = (
    "import subprocess, sys;"
    "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], env={});"
    "print(c.pid, flush=True); sys.stdin.readline()"
)
p = subprocess.Popen([sys.executable, '-c', middle], start_new_session=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(p.stdout.readline().decode().strip(), flush=True)
sys.stdin.readline()
p.stdin.close()
p.wait()
print('gone', flush=True)
time.sleep(60)
"""


@pytest.fixture
def leaving():
    """A marked process whose grandchild leaves when it is told so; the second line lets it."""
    mine = session()
    running = []

    def start():
        env = {**os.environ, "HOLDFAST_SESSION": mine}
        child = subprocess.Popen(
            [sys.executable, "-c", LEAVES],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        running.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        return child

    def told(child):
        child.stdin.write(b"on\n")
        child.stdin.flush()
        return child.stdout.readline().decode().strip()

    yield mine, start, told
    for child in running:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def test_one_that_left_in_a_group_that_ours_led_is_found_though_its_leader_is_gone(
    leaving, tmp_path
):
    mine, start, told = leaving
    processes = marker_only(tmp_path)
    child = start()
    orphan = int(told(child))
    assert asyncio.run(processes.adopt(mine)) == "marker"
    assert told(child) == "gone"
    report = stopped(processes, mine)
    assert (report.how, report.survivors) == ("marker", 0)
    assert not alive(orphan)
    assert "no control group" in report.unproved


def test_what_was_once_seen_to_be_ours_stays_so_without_mark_parent_or_group(started, tmp_path):
    mine = session()
    processes = marker_only(tmp_path)
    _, child = started(mine, "-c", SPAWN, "cleared", "stays")
    asyncio.run(processes.adopt(mine))
    parent = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, 9)
    report = stopped(processes, mine)
    assert report.survivors == 0
    assert not alive(int(child))


@pytest.mark.part("control-groups")
def test_a_second_agent_that_came_after_the_first_permit_is_fenced_in_at_the_next(leaving):
    mine, start, told = leaving
    processes = LinuxProcesses()
    start()
    asyncio.run(processes.adopt(mine))
    second = start()
    asyncio.run(processes.adopt(mine))
    orphan = int(told(second))
    assert told(second) == "gone"
    report = stopped(processes, mine)
    assert (report.how, report.survivors, report.unproved) == ("cgroup", 0, "")
    assert not alive(orphan)


def test_a_neighbour_in_the_pipeline_that_the_agent_was_started_in_lives(started, tmp_path):
    mine = session()
    env = {**os.environ, "HOLDFAST_SESSION": mine}
    code = [sys.executable, "-c", "import time; time.sleep(60)"]
    agent = subprocess.Popen(code, env=env, process_group=0)
    neighbour = subprocess.Popen(code, process_group=agent.pid)
    try:
        report = stopped(marker_only(tmp_path), mine)
        assert (report.found, report.survivors) == (1, 0)
        assert neighbour.poll() is None
    finally:
        for one in (agent, neighbour):
            one.kill()
            one.wait()


def test_the_same_number_on_a_new_process_is_not_the_one_that_was_ours(tmp_path):
    proc = tmp_path / "proc"

    def write(pid, parent, environ=b"", *, place=""):
        folder = proc / (place or str(pid))
        folder.mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} (x) S {parent} {pid} {pid} 0")
        (folder / "environ").write_bytes(environ)

    write(100, 1, b"HOLDFAST_SESSION=ses_a\0")
    table = ProcessTable(proc)
    table.look()
    assert table.of("ses_a") == {100}
    write(100, 1, place="new")
    (proc / "100").rename(tmp_path / "old")
    (proc / "new").rename(proc / "100")
    table.look()
    assert table.of("ses_a") == set()


def test_a_mark_that_comes_with_exec_is_seen_at_the_next_looks(tmp_path):
    folder = tmp_path / "proc" / "100"
    folder.mkdir(parents=True)
    (folder / "stat").write_text("100 (x) S 1 100 100 0")
    (folder / "environ").write_bytes(b"")
    table = ProcessTable(tmp_path / "proc")
    table.look()
    assert table.of("ses_a") == set()
    (folder / "environ").write_bytes(b"A=1\0HOLDFAST_SESSION=ses_a\0")
    table.look()
    assert table.of("ses_a") == {100}


def test_a_group_is_made_once_and_made_again_after_a_kill(tmp_path):
    mine, groups = session(), tmp_path / "groups"
    processes = LinuxProcesses(group_root=groups)
    for _ in range(2):
        assert asyncio.run(processes.adopt(mine)) == "cgroup"
        assert (groups / mine).is_dir()
        assert stopped(processes, mine).unproved == ""
        assert not (groups / mine).exists()
