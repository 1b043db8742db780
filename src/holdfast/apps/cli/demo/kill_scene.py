"""Scene 7: a session killed from outside while it streams and while a tool sleeps.

Whether it is gone is seen in the kernel's table of processes, not in anybody's report.
"""

import asyncio
import contextlib
import time
from pathlib import Path

from holdfast.apps.cli.demo.script import SLEEP_COMMAND, Words
from holdfast.apps.cli.demo.stage import Play, Stage
from holdfast.apps.cli.demo.verdicts import Told
from holdfast.apps.cli.stopping import receipt_lines
from holdfast.client import KillReceipt, Session
from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState

READY_TIMEOUT_S = 30.0
GONE_WITHIN_S = 1.0
_MARK = b"HOLDFAST_SESSION="
_POLL_S = 0.01


async def kill(stage: Stage) -> Told:
    """Scene 7."""
    doomed = await stage.open("night_shift", "gil")
    sibling = await stage.open("support", "hana")
    told = Told(
        tried="one session streams while its shell sleeps; another works beside it; kill one"
    )
    async with asyncio.TaskGroup() as tasks:
        dying = tasks.create_task(stage.play(doomed, Words.NIGHT))
        living = tasks.create_task(stage.play(sibling, Words.SIBLING))
        found = await _in_full_flow(stage, doomed, sibling)
        begun = time.monotonic()
        receipt = await stage.client.sessions.kill(doomed.session_id, "scene 7 of the demo")
        gone_s = await _gone(found, begun)
    killed, spared = dying.result(), living.result()
    told.cost_nusd = killed.view.cost_nusd + spared.view.cost_nusd
    told.lines += receipt_lines(receipt)
    _check(told, found, receipt, gone_s)
    _check_journal(told, killed, spared)
    return told


def _check(told: Told, found: dict[int, str], receipt: KillReceipt, gone_s: float | None) -> None:
    slept = [pid for pid, command in found.items() if command == SLEEP_COMMAND]
    agents = [pid for pid, command in found.items() if _is_agent(command)]
    told.check(
        f"it was in full flow: a stream, the agent's program ({_pids(agents)}) and"
        f" `{SLEEP_COMMAND}` ({_pids(slept)})",
        slept and agents,
    )
    seen = "never" if gone_s is None else f"after {gone_s * 1000:.0f} ms"
    told.check(
        f"all {len(found)} processes of it were gone {seen}",
        gone_s is not None and gone_s < GONE_WITHIN_S,
    )
    told.check("the receipt times every lever, and each held", _all_held(receipt))


def _check_journal(told: Told, killed: Play, spared: Play) -> None:
    told.check("the session is killed", killed.view.state is SessionState.KILLED)
    at = min((r.seq for r in killed.of(Kind.SESSION_KILLED)), default=0)
    late = [r for r in killed.of(Kind.TOOL_CALL_DECIDED) if r.seq > at and r.verdict == "allow"]
    told.check("nothing was permitted after the kill", at > 0 and not late)
    told.check(
        "the sibling worked on, unharmed, to its end",
        not spared.fault and spared.view.state is SessionState.ACTIVE,
    )


def _all_held(receipt: KillReceipt) -> bool:
    return bool(receipt.levers) and all(lever.ok for lever in receipt.levers)


def _is_agent(command: str) -> bool:
    return Path(command.partition(" ")[0]).name == "claude"


def _pids(pids: list[int]) -> str:
    return f"pid {', '.join(map(str, pids))}" if pids else "not found"


async def _in_full_flow(stage: Stage, doomed: Session, sibling: Session) -> dict[int, str]:
    """Wait until the doomed session streams and sleeps and the sibling streams; its processes."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    found: dict[int, str] = {}
    while time.monotonic() < deadline:
        view = await stage.client.sessions.show(doomed.session_id)
        other = await stage.client.sessions.show(sibling.session_id)
        found = processes_of(doomed.session_id)
        if view.turn > 1 and view.streams and other.turn > 1 and SLEEP_COMMAND in found.values():
            return found
        await asyncio.sleep(_POLL_S)
    return found


async def _gone(found: dict[int, str], begun: float) -> float | None:
    """Seconds until none of the processes is left; None when some outlive the patience."""
    while time.monotonic() - begun < 5 * GONE_WITHIN_S:
        if not any(_alive(pid) for pid in found):
            return time.monotonic() - begun
        await asyncio.sleep(_POLL_S)
    return None


def processes_of(session_id: str) -> dict[int, str]:
    """Pid and command line of every process that carries the session's mark, and of those below."""
    wanted = _MARK + session_id.encode()
    parents: dict[int, int] = {}
    marked: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # A process may end while it is looked at, or belong to somebody else.
        with contextlib.suppress(OSError, ValueError):
            parents[int(entry.name)] = _parent(entry)
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                marked.add(int(entry.name))
    grown = True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in marked} - marked
        grown = bool(below)
        marked |= below
    return {pid: _command(pid) for pid in marked if _alive(pid)}


def _parent(entry: Path) -> int:
    stat = (entry / "stat").read_bytes()
    return int(stat[stat.rindex(b")") + 2 :].split()[1])


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :].split()[0] not in (b"Z", b"X")


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return ""
