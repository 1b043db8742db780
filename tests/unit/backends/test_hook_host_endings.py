"""A hook host ends with all that its hooks started, however that left it and whoever ended."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.backends.hook_host import HookHosts
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.ports.hooks import HookFault
from tests.unit.backends.hook_hosts import given, runs, with_hosts
from tests.unit.runtime.house import soon

HERE = Path(__file__).parent
ENDS_WITH_A_FAULT = (
    "leaves_a_child",
    "leaves_a_session",
    "leaves_an_orphan_without_a_mark",
    "leaves_a_session_and_dies",
    "leaves_a_subreaper",
    "halts_its_keeper",
    "halts_its_keeper_for_good",
    "ends_its_keeper",
)
LEFT_BEHIND = (
    "leaves_a_session",
    "leaves_an_orphan_without_a_mark",
    "leaves_and_never_yields",
    "leaves_and_answers",
    "halts_its_keeper",
)


@pytest.fixture
def hosts():
    return HookHosts(HERE, dict(os.environ), SystemSandbox())


@pytest.fixture
def note(tmp_path):
    return tmp_path / "pids"


def hook(hosts, name, timeout_s=10.0):
    return hosts.hook(f"leaving_hooks:{name}", timeout_s)


def noted(note):
    return [int(pid) for pid in note.read_text().split()]


@pytest.mark.parametrize("name", ENDS_WITH_A_FAULT)
def test_whatever_a_hook_left_ends_before_the_next_host_begins(hosts, note, name):
    async def scenario():
        with pytest.raises(HookFault):
            await hook(hosts, name, 4.0)(given(detail=str(note)))
        assert await hook(hosts, "agree")(given()) is None
        # Not soon, but when the next one answers.
        assert not any(map(runs, noted(note)))

    with_hosts(hosts, scenario)
    assert noted(note)


def test_a_host_that_is_closed_leaves_nothing_of_its_hooks_behind(hosts, note):
    async def scenario():
        await hook(hosts, "leaves_and_answers")(given(detail=str(note)))
        await hosts.close()
        assert not any(map(runs, noted(note)))

    with_hosts(hosts, scenario)
    assert noted(note)


def test_the_next_host_is_of_the_same_keeper_and_the_server_starts_nobody(hosts, monkeypatch):
    async def scenario():
        first = (await hook(hosts, "pid")(given())).reason

        async def refused(*_):
            raise OSError

        monkeypatch.setattr(SystemSandbox, "talk", refused)
        with pytest.raises(HookFault, match="did not answer"):
            await hook(hosts, "spins", 0.5)(given())
        assert (await hook(hosts, "pid")(given())).reason != first

    with_hosts(hosts, scenario)


def test_what_a_host_did_not_read_is_not_put_to_the_next_one_twice(hosts, note):
    async def scenario():
        await hook(hosts, "notes")(given(detail=str(note)))
        hung = asyncio.create_task(hook(hosts, "spins", 1.0)(given()))
        await asyncio.sleep(0.3)
        # More than the pipe takes: half of it is written when the host ends.
        behind = hook(hosts, "notes")(given(detail=str(note), arguments={"x": "y" * 1_000_000}))
        await asyncio.gather(hung, behind, return_exceptions=True)
        assert await hook(hosts, "agree")(given()) is None

    with_hosts(hosts, scenario)
    assert len(noted(note)) == 2


def test_half_an_answer_hides_nothing_that_follows(hosts):
    async def scenario():
        keeper = await hook(hosts, "keeper")(given())
        with pytest.raises(HookFault, match="did not answer"):
            await hook(hosts, "leaves_half_an_answer", 0.5)(given())
        assert await hook(hosts, "keeper")(given()) == keeper

    with_hosts(hosts, scenario)


def test_processes_that_start_the_next_one_and_go_are_ended_too(hosts, note):
    async def scenario():
        with pytest.raises(HookFault):
            await hook(hosts, "leaves_a_breeder", 3.0)(given(detail=str(note)))
        await hosts.close()
        generations = len(note.read_text())
        await asyncio.sleep(1.0)
        assert len(note.read_text()) == generations > 1

    with_hosts(hosts, scenario)


def test_ending_a_host_ends_nobody_else(hosts, note):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    others = [subprocess.Popen(command, start_new_session=own) for own in (True, False)]
    try:

        async def scenario():
            first = hook(hosts, "leaves_and_answers")
            second = hook(hosts, "pid")
            await first(given(detail=str(note)))
            kept = await second(given(agent="other"))
            await hosts._hosts["clerk"].close()
            assert runs(int(kept.reason))

        with_hosts(hosts, scenario)
        assert [other.poll() for other in others] == [None, None]
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_orphans_that_ended_are_taken_in_while_the_host_lives(hosts, note):
    async def scenario():
        await hook(hosts, "leaves_orphans_that_end")(given(detail=str(note)))
        await soon(lambda: len(note.read_text().split()) == 3)
        await soon(lambda: not any(Path("/proc", pid).exists() for pid in note.read_text().split()))

    with_hosts(hosts, scenario)


SERVER = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from tests.unit.backends.test_hook_host_endings import HERE, HookHosts, SystemSandbox, given, hook
async def main():
    hosts = HookHosts(HERE, dict(os.environ), SystemSandbox())
    print((await hook(hosts, "pid")(given())).reason, flush=True)
    try:
        await hook(hosts, {name!r}, 3600.0)(given(detail={note!r}))
    finally:
        await hook(hosts, "spins", 3600.0)(given())
asyncio.run(main())
"""


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_a_server_that_is_killed_leaves_neither_a_host_nor_what_its_hooks_started(note, name):
    code = SERVER.format(root=str(Path.cwd()), name=name, note=str(note))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        host = int(server.stdout.readline())
        until(lambda: note.exists() and noted(note), 30)
        left = [host, *noted(note)]
        assert all(map(runs, left))
        if name == "halts_its_keeper":
            until(lambda: state(parent(host)) == "T", 10)
        server.send_signal(signal.SIGKILL)
        server.wait()
    until(lambda: not any(map(runs, left)), 10)
    assert not any(map(runs, left))


def until(true, within_s):
    deadline = time.monotonic() + within_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
