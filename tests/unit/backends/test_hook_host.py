"""Hooks in a process of their own: whatever they do ends in an answer or in a deny, in time."""

import asyncio
import os
import textwrap

import pytest

from holdfast.backends.hook_host import HookHosts
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.model.decisions import Verdict
from holdfast.model.hooks import HookPoint
from holdfast.ports.hooks import HookFault
from holdfast.runtime.hooks import Hooks, HookSet
from tests.unit.backends.hook_hosts import given, with_hosts
from tests.unit.runtime.house import House

MODULE = """
import asyncio, os, subprocess, sys, time
from pathlib import Path
from holdfast.model.decisions import Verdict
from holdfast.model.hooks import HookAnswer

async def pid(given):
    return HookAnswer(reason=str(os.getpid()))

async def agree(given):
    return None

async def refuse(given):
    return HookAnswer(verdict=Verdict.DENY, code="no_tuesdays", reason=given.detail or given.tool)

async def rewrite(given):
    return HookAnswer(arguments={"order": "8"}, output=given.output)

async def see(given):
    seen = {name: os.environ.get(name) for name in ("PATH", "KEY", "GIVEN")}
    return HookAnswer(output=seen)

async def yields(given):
    weighed = Path("/proc/self/autogroup")
    session = weighed.read_text().split()[-1] if weighed.exists() else "5"
    return HookAnswer(output=[os.nice(0), session])

async def sleeps(given):
    time.sleep(3600)

async def waits(given):
    await asyncio.sleep(3600)

async def spins(given):
    while True:
        pass

async def raises(given):
    raise ValueError("boom")

async def exits(given):
    sys.exit(0)

async def dies(given):
    os._exit(0)

async def interrupts(given):
    raise KeyboardInterrupt

async def cancels(given):
    raise asyncio.CancelledError

async def stops_the_loop(given):
    asyncio.get_running_loop().stop()
    await asyncio.sleep(3600)

async def hogs(given):
    return HookAnswer(output=len(bytearray(4 * 1024**3)))

async def hogs_slowly(given):
    kept = []
    while True:
        kept.append(bytearray(64 * 1024**2))

async def forks(given):
    while True:
        os.fork()

async def fork_once(given):
    if os.fork() == 0:
        return HookAnswer(reason="the child's word")
    return HookAnswer(reason="the parent's word")

async def prints(given):
    print("x" * 100)
    sys.stdout.write('{"id":1,"fault":""}\\n')
    sys.stdout.flush()
    os.write(1, b'{"id":1}\\n')
    return HookAnswer(verdict=Verdict.DENY, reason="printed")

async def text(given):
    return "deny"

async def wrong(given):
    return HookAnswer(verdict="perhaps")

async def huge(given):
    return HookAnswer(output="x" * (9 * 1024 * 1024))

async def half(given):
    return HookAnswer(reason="\\ud800")

async def slow(given):
    await asyncio.sleep(0.3)
    return HookAnswer(reason="slow")

def plain(given):
    return None
"""


@pytest.fixture
def hosts(tmp_path):
    (tmp_path / "hooks_here.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "hangs_here.py").write_text("import time\ntime.sleep(3600)\n")
    (tmp_path / "exits_here.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "dies_here.py").write_text("import os\nos._exit(0)\n")
    environment = {**os.environ, "KEY": "secret", "GIVEN": "shown"}
    return HookHosts(tmp_path, environment, SystemSandbox())


def hook(hosts, name, timeout_s=10.0, **more):
    return hosts.hook(f"hooks_here:{name}", timeout_s, **more)


def test_a_hook_answers_refuses_rewrites_and_says_nothing(hosts):
    async def scenario():
        assert await hook(hosts, "agree")(given()) is None
        refused = await hook(hosts, "refuse")(given(detail="why"))
        assert (refused.verdict, refused.code, refused.reason) == (
            Verdict.DENY,
            "no_tuesdays",
            "why",
        )
        output = {"rows": [1, "ü", None]}
        answer = await hook(hosts, "rewrite")(given(point=HookPoint.POST_TOOL, output=output))
        assert (answer.arguments, answer.output) == ({"order": "8"}, output)

    with_hosts(hosts, scenario)


FAULTS = {
    "raises": "raised ValueError",
    "exits": "raised SystemExit",
    "interrupts": "raised KeyboardInterrupt",
    "cancels": "raised CancelledError",
    "dies": "ended its process",
    "stops_the_loop": "(raised CancelledError|ended its process)",
    "hogs": "raised MemoryError",
    "hogs_slowly": "raised MemoryError",
    "text": "answered str instead of HookAnswer",
    "wrong": "answered with fields of the wrong kind",
    "huge": "answered with more than",
    "plain": "must be an `async def` function",
    "missing": "cannot be loaded: AttributeError",
}


@pytest.mark.parametrize(("name", "fault"), FAULTS.items())
def test_whatever_a_hook_does_is_a_fault_and_the_next_one_is_answered(hosts, name, fault):
    async def scenario():
        with pytest.raises(HookFault, match=f"^{fault}"):
            await hook(hosts, name, 30.0)(given())
        if name not in ("plain", "missing"):
            assert await hook(hosts, "agree")(given()) is None

    with_hosts(hosts, scenario)


@pytest.mark.parametrize("name", ["sleeps", "waits", "spins", "forks"])
def test_a_hook_that_hangs_is_ended_at_its_deadline_and_the_loop_goes_on_meanwhile(hosts, name):
    async def scenario():
        loop = asyncio.get_running_loop()
        await hook(hosts, "agree")(given())
        turns = 0

        async def live():
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            ticking = tasks.create_task(live())
            begun = loop.time()
            with pytest.raises(HookFault, match="did not answer within"):
                await hook(hosts, name, 0.5)(given())
            assert 0.4 < loop.time() - begun < 5
            ticking.cancel()
        assert turns > 10
        assert await hook(hosts, "agree")(given()) is None

    with_hosts(hosts, scenario)


def test_who_waits_behind_a_hook_that_hangs_is_answered_by_the_next_process(hosts):
    async def scenario():
        await hook(hosts, "agree")(given())
        async with asyncio.TaskGroup() as tasks:
            hanging = tasks.create_task(faulty(hook(hosts, "sleeps", 0.5)))
            await asyncio.sleep(0.1)
            behind = tasks.create_task(hook(hosts, "pid", 5.0)(given()))
        assert "did not answer" in hanging.result()
        assert behind.result().reason.isdigit()

    with_hosts(hosts, scenario)


async def faulty(one):
    try:
        await one(given())
    except HookFault as fault:
        return str(fault)
    return ""


def test_each_agent_has_a_process_of_its_own_and_keeps_it(hosts):
    async def scenario():
        pids = [(await hook(hosts, "pid")(given(agent))).reason for agent in ("a", "b", "a", "b")]
        assert pids[:2] == pids[2:]
        assert len({*pids, str(os.getpid())}) == 3
        # One agent's hang leaves the other's process as it is.
        await faulty(hosts.hook("hooks_here:sleeps", 0.2))
        assert (await hook(hosts, "pid")(given("b"))).reason == pids[1]

    with_hosts(hosts, scenario)


def test_hooks_of_one_agent_wait_side_by_side(hosts):
    async def scenario():
        await hook(hosts, "agree")(given())
        loop = asyncio.get_running_loop()
        begun = loop.time()
        found = await asyncio.gather(*(hook(hosts, "slow")(given()) for _ in range(20)))
        assert {one.reason for one in found} == {"slow"}
        assert loop.time() - begun < 3

    with_hosts(hosts, scenario)


def test_prints_and_forked_children_never_pass_for_an_answer(hosts):
    async def scenario():
        for _ in range(3):
            assert (await hook(hosts, "prints")(given())).reason == "printed"
            assert (await hook(hosts, "fork_once")(given())).reason == "the parent's word"
        assert await faulty(hook(hosts, "half")) or True
        assert await hook(hosts, "agree")(given()) is None

    with_hosts(hosts, scenario)


@pytest.mark.parametrize("module", ["hangs_here", "exits_here", "dies_here", "not_there"])
def test_a_module_that_does_not_load_is_a_fault_and_is_not_loaded_again_at_once(
    hosts, module, monkeypatch
):
    monkeypatch.setattr("holdfast.backends.hook_host.hosts.LOAD_S", 1.0)

    async def scenario():
        one = hosts.hook(f"{module}:check", 5.0)
        assert await faulty(one)
        loop = asyncio.get_running_loop()
        if module != "dies_here":
            begun = loop.time()
            assert await faulty(one)
            assert loop.time() - begun < 0.5
        with pytest.raises(HookFault, match=f"^`{module}:check` "):
            await hosts.check([f"{module}:check"])

    with_hosts(hosts, scenario)


def test_hooks_yield_to_the_server_also_where_the_system_weighs_sessions(hosts):
    async def scenario():
        answer = await hook(hosts, "yields")(given(point=HookPoint.POST_TOOL))
        assert answer.output == [os.nice(0) + 5, "5"]

    with_hosts(hosts, scenario)


def test_a_hook_sees_no_key_of_the_server_that_its_settings_do_not_name(hosts):
    async def scenario():
        one = hosts.hook("hooks_here:see", 10.0, sees=("GIVEN", "ABSENT"))
        seen = (await one(given(point=HookPoint.POST_TOOL))).output
        assert (seen["KEY"], seen["GIVEN"]) == (None, "shown")
        assert seen["PATH"]

    with_hosts(hosts, scenario)


def test_a_question_that_was_given_up_leaves_nobody_waiting_behind_its_hook(hosts):
    async def scenario():
        for name in ("agree", "slow"):
            await hook(hosts, name)(given())
        hung = asyncio.create_task(hook(hosts, "sleeps", 1.0)(given()))
        await asyncio.sleep(0.5)
        hung.cancel()
        # It comes before the deadline of the one that was given up, and is asked once more then.
        assert await hook(hosts, "agree", 3.0)(given()) is None

    with_hosts(hosts, scenario)


@pytest.mark.parametrize("name", ["raises", "exits", "dies", "sleeps", "text", "refuse", "hogs"])
@pytest.mark.parametrize("point", list(HookPoint))
def test_a_hook_that_fails_in_its_process_is_a_deny_at_every_point(hosts, name, point):
    async def scenario():
        house = House()
        chosen = HookSet({point: (("h", hook(hosts, name, 1.0)),)}, None)
        hooks = Hooks(house.journal, chosen)
        result = await hooks.run(given(point=point, detail="why"))
        (reason,) = result.reasons
        assert reason.verdict is Verdict.DENY
        assert reason.code == ("no_tuesdays" if name == "refuse" else "hook.failed")
        (record,) = result.records
        assert record.verdict == "deny"

    with_hosts(hosts, scenario)
