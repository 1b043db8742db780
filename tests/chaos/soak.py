"""A long mixed load with faults on one real server: does anything stick, leak or get lost?

The server is never restarted. Two workers are killed with SIGKILL now and then and started again;
the model answers 429, 500 and 529, breaks its streams; tools hang; clients leave; sessions are
killed. At the end the load stops, everything comes to rest, and is judged.

    python -m tests.chaos.soak --minutes 120
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import apsw
import msgspec

from holdfast.testing.project import RunningProject
from tests.chaos.gauges import Slope, Watch, slope
from tests.chaos.soak_load import TOOL_TIMEOUT_S, USERS, Load, batch_script
from tests.native_project import POLICIES, SETTINGS, NativeProject

ROOT = Path(__file__).resolve().parent.parent.parent
WARM_UP_S = 720.0
"""What is over stays in memory for ten minutes: before that, memory rises by design."""
WARM_UP_SHARE = 1 / 3
"""Of a long run: the database's caches fill until they are full."""
BOUND_MB_PER_MIN = 0.1
"""What RSS may rise at most, by the lower end of its interval."""
_SETTLE_S = 120.0
_IDLE_S = 20.0
_NONE = "{usd: none, tokens: none, tool_calls: none, turns: none, seconds: none}"
_SETTINGS = SETTINGS.replace("tools: [look,", "tools: [look, tag,").replace(
    "limits: {project: {tokens: none}, user: {usd: none}}",
    f"limits: {{project: {_NONE}, user: {_NONE}, tenant: {_NONE}}}",
)
_TAG = """

@tool(what="marks one order in the books.", idempotency=Idempotency.IDEMPOTENT, **COMMON)
def tag(order: str) -> dict:
    act("tag", order, "-")
    return {"tagged": order}
"""


class Told(msgspec.Struct, kw_only=True):
    """What a soak came to."""

    minutes: float = 0.0
    runs: int = 0
    states: dict[str, int] = {}
    stuck: list[str] = []
    failed: list[str] = []
    lost: list[str] = []
    repeated: list[str] = []
    held: list[str] = []
    surprises: list[str] = []
    rss: Slope | None = None
    policy_rss: Slope | None = None
    counts: dict[str, int] = {}
    refused: dict[str, int] = {}
    traces: int = 0

    @property
    def sound(self) -> bool:
        """Nothing stuck, failed, lost, repeated, held, and nothing that nobody foresaw."""
        return not (
            self.stuck
            or self.failed
            or self.lost
            or self.repeated
            or self.held
            or self.surprises
            or self.traces
        )

    def rises(self, bound: float) -> bool:
        """RSS of the server or of its policy process rises by more than `bound`, beyond doubt."""
        return any(one is not None and one.low > bound for one in (self.rss, self.policy_rss))


class Soak:
    """One project under load, and its samples."""

    def __init__(self, folder: Path, *, every_s: float, trace: bool = False) -> None:
        self._told = folder / "gauges.jsonl"
        self._every_s = every_s
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {
            "SOAK_GAUGES": str(self._told),
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
            **({"PYTHONTRACEMALLOC": "1"} if trace else {}),
        }
        self.house = NativeProject(
            folder, batch_script(), settings=_SETTINGS, tool_timeout_s=TOOL_TIMEOUT_S
        )
        tools = folder / "desk_tools.py"
        tools.write_text(tools.read_text() + _TAG)
        # The house's project is made anew: its server is watched from within.
        self.house.project.close()
        self.house.project = RunningProject(
            folder,
            script=batch_script(),
            settings=_SETTINGS,
            policies=POLICIES.replace(
                'action in [Action::"look",', 'action in [Action::"look", Action::"tag",'
            ),
            environment=environment,
        )
        self.house.project.server_module = "tests.chaos.watched_server"

    async def play(self, seconds: float, *, seed: int, most_open: int, pause_s: float) -> Told:
        """Load for so long, rest, judge. The project must run."""
        project = self.house.project
        database = project.state / "holdfast.db"
        self.watch = Watch(project.pid, project.policy_pid, self._told, database)
        begun = time.monotonic()
        load = Load(self.house, seed=seed, workers=2, most_open=most_open, pause_s=pause_s)
        sampling = asyncio.create_task(self._sample(load))
        sweeping = asyncio.create_task(self._sweep())
        try:
            await load.play(seconds)
            told = Told(minutes=(time.monotonic() - begun) / 60)
            sampling.cancel()
            await self._rest(load, told)
            await self._judge(load, told)
        finally:
            sampling.cancel()
            sweeping.cancel()
            await load.close()
        samples = [s for s in self.watch.samples if s.at_s >= warm_up_s(told.minutes)]
        recent = [s.recent for s in samples]
        told.rss = slope([(s.at_s, s.rss_mb) for s in samples], recent)
        told.policy_rss = slope([(s.at_s, s.policy_rss_mb) for s in samples], recent)
        return told

    async def _sample(self, load: Load) -> None:
        number = 0
        while True:
            self.watch.look(within=number % 6 == 0, recent=load.recent())
            number += 1
            await asyncio.sleep(self._every_s)

    async def _sweep(self) -> None:
        """The scripted model keeps every request for tests to look at; here nobody does."""
        while True:
            await asyncio.sleep(5)
            del self.house.project.model.requests[:-200]

    async def _rest(self, load: Load, told: Told) -> None:
        """Wait until nothing is open or nothing moves any more; the person goes on helping."""
        deadline, moved, before = time.monotonic() + _SETTLE_S, time.monotonic(), ""
        while True:
            await load.person()
            still = await load.open_runs()
            waiting = await load.client.dlq.list()
            if not still and not waiting:
                return
            now = json.dumps([[r.run_id, r.state, r.epoch, r.turns] for r in (*still, *waiting)])
            if now != before:
                moved, before = time.monotonic(), now
            late = time.monotonic() > min(deadline, moved + _IDLE_S)
            if late:
                told.stuck = [f"{r.run_id} {r.state}: {r.reason}" for r in (*still, *waiting)]
                return
            await asyncio.sleep(0.3)

    async def _judge(self, load: Load, told: Told) -> None:
        acts = Counter((tool, order) for tool, order, _ in self.house.acts())
        states: Counter[str] = Counter()
        for run_id, wanted in load.expected.items():
            run = await load.client.runs.show(run_id)
            states[run.state] += 1
            if run.state != "done":
                told.failed.append(f"{run_id} {run.state}: {run.reason}")
                continue
            told.lost += [
                f"{run_id}: {tool} {order}" for tool, order in wanted if not acts[tool, order]
            ]
        # An idempotent tool may be called again: that is what it promises to bear.
        told.repeated = [f"{t} {o}: {n}" for (t, o), n in acts.items() if n > 1 and t != "tag"]
        told.failed = [
            one for one in told.failed if not any(one.split()[0] in s for s in told.stuck)
        ]
        owners = [("tenant", "acme"), ("project", "acme/support")]
        for scope, owner in owners + [("user", f"acme/{user}") for user in USERS]:
            for account in await load.client.budgets.show(scope=scope, owner=owner):
                if account.held:
                    told.held.append(f"{scope} {owner} {account.dimension}: {account.held}")
        told.runs, told.states = len(load.expected), dict(states)
        load.counts["effects"] = sum(acts.values())
        told.counts, told.refused = dict(load.counts), dict(load.refused)
        told.surprises = load.surprises
        told.traces = self.house.project.said().count("Traceback")


def open_holds(database: Path) -> int:
    """How many reservations a stopped server left in its database."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(connection.execute("SELECT count(*) FROM holds").get)
    finally:
        connection.close()


def soaked(
    folder: Path,
    seconds: float,
    *,
    seed: int = 1,
    every_s: float = 5.0,
    most_open: int = 24,
    pause_s: float = 1.0,
    trace: bool = False,
) -> tuple[Told, Watch]:
    """One soak in `folder`, from start to the stopped server's database."""
    soak = Soak(folder, every_s=every_s, trace=trace)
    with soak.house:
        told = asyncio.run(soak.play(seconds, seed=seed, most_open=most_open, pause_s=pause_s))
        soak.house.project.stop()
        left = open_holds(soak.house.project.state / "holdfast.db")
        if left:
            told.held.append(f"{left} holds are in the database of the stopped server")
    return told, soak.watch


def main() -> int:
    """0 when all held; 1 when something was stuck, held, lost or repeated, or memory rises."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bound", type=float, default=BOUND_MB_PER_MIN, help="MB a minute")
    parser.add_argument("--trace", action="store_true", help="say where memory was allocated")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder:
        told, watch = soaked(Path(folder), given.minutes * 60, seed=given.seed, trace=given.trace)
    sys.stdout.write(report(told, watch, given.bound))
    return 0 if told.sound and not told.rises(given.bound) else 1


def warm_up_s(minutes: float) -> float:
    """From when on memory is judged, in a load of so many minutes."""
    return max(WARM_UP_S, minutes * 60 * WARM_UP_SHARE)


def report(told: Told, watch: Watch, bound: float) -> str:
    """The whole of it, as text."""
    lines = [f"{told.minutes:.1f} minutes of load: {told.runs} runs {told.states}"]
    lines += [f"  {name}: {n}" for name, n in sorted(told.counts.items())]
    lines += [f"  refused, {name}: {n}" for name, n in sorted(told.refused.items())]
    lines.append(
        "samples: minute, sessions of ten minutes, RSS, policy RSS, files, threads, tasks, objects, WAL, database"
    )
    step = max(1, len(watch.samples) // 20)
    shown = watch.samples[::step] + watch.samples[-1:]
    lines += [
        f"  {s.at_s / 60:6.1f} {s.recent:6} {s.rss_mb:7.1f} {s.policy_rss_mb:7.1f} MB {s.files:4} {s.threads:3}"
        f" {s.tasks:4} {s.objects:8} {s.wal_mb:6.1f} {s.database_mb:7.1f} MB"
        for s in shown
    ]
    from_s = min(warm_up_s(told.minutes), watch.samples[-1].at_s / 2)
    for what in ("ours", "plain", "tasks", "allocated"):
        lines += [f"  grew, {what}: {n} {a} -> {b}" for n, a, b in watch.grown(what, from_s)]
    for name, found in (("server", told.rss), ("policy process", told.policy_rss)):
        lines.append(f"RSS of the {name} at an even load: {_sloped(found, bound)}")
    for name in ("stuck", "failed", "lost", "repeated", "held", "surprises"):
        found_here: list[str] = getattr(told, name)
        lines.append(f"{name}: {len(found_here)}")
        lines += [f"  {one}" for one in found_here[:20]]
    lines.append(f"traces in the server's log: {told.traces}")
    return "\n".join(lines) + "\n"


def _sloped(found: Slope | None, bound: float) -> str:
    if found is None:
        return f"not judged: too short beyond {WARM_UP_S / 60:.0f} minutes of warming up"
    return (
        f"{found.mb_per_min:+.3f} MB a minute, 95 % [{found.low:+.3f}, {found.high:+.3f}],"
        f" over {found.over_min:.0f} minutes, {found.samples} samples; bound {bound:g}"
    )


if __name__ == "__main__":
    sys.exit(main())
