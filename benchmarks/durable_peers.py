"""The same durable work, killed at the same points: Holdfast, LangGraph, and Celery on Redis.

200 runs of 20 steps, each step one effect on a world that counts and forgives nothing, 50 runs at
work at a time, one working process. It is killed with SIGKILL when a third and when two thirds of
all effects have been seen, and started again at once. Holdfast runs twice: with a tool that knows
keys, whose world drops a repeated key, and with one that must not be tried twice, where each effect
in doubt is put to a person, who looks. Steps a second are from the first effect to the last, so
with kills they include starting again. Not here: the workers (`peers/durable_*`).
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.durable_world import Tally, World
from benchmarks.peers import environments, redis
from benchmarks.processes import ROOT, Child, Unavailable, environment, python, scratch, unavailable
from benchmarks.rows import Row, at_most

NAME = "durable_peers"
IN_FLIGHT = 50
_LIMIT_S = 60.0
_POLL_S = 0.005
_QUIET_POLLS = 5
_REDIS_NOTE = (
    "acks_late; made to end in time: visibility timeout 5 s (default 3600), looked at each second"
    " (default 100); redis as it ships, without fsync"
)


class Work(msgspec.Struct, frozen=True):
    """How much is to be done."""

    runs: int
    steps: int

    def kills_at(self) -> list[int]:
        """Counts of effects after which the worker is killed."""
        return [self.runs * self.steps // 3, 2 * self.runs * self.steps // 3]


class Outcome(msgspec.Struct, frozen=True):
    """What one pass came to. `unknown` is None for those that surface nothing."""

    tally: Tally
    per_s: float
    kills: int
    ended: bool
    unknown: int | None = None


def watch(
    start: Callable[[], Child],
    world: World,
    kills_at: Sequence[int],
    ended: Callable[[Child], bool],
) -> tuple[int, bool]:
    """Start, kill, start again, until it is over: kills made, and whether it ended in time.

    Errors: RuntimeError when the worker breaks by itself.
    """
    until, due = time.monotonic() + _LIMIT_S, list(kills_at)
    child = start()
    try:
        while time.monotonic() < until:
            if due and world.count() >= due[0]:
                due.pop(0)
                child.process.kill()
                child.process.wait()
                child.stop()
                child = start()
            elif ended(child):
                return len(kills_at) - len(due), True
            elif child.process.poll():
                raise RuntimeError(f"the worker broke: {child.said()}")
            time.sleep(_POLL_S)
        return len(kills_at) - len(due), False
    finally:
        child.stop()


def _left(child: Child) -> bool:
    return child.process.poll() == 0


def _passed(folder: Path, work: Work, command: Sequence[str], kills_at: Sequence[int]) -> Outcome:
    """One pass of a worker that ends by itself."""
    world = World(folder / "world.db")
    kills, ended = watch(lambda: Child(command, log=folder / "worker.log"), world, kills_at, _left)
    noted = folder / "unknown"
    unknown = int(noted.read_text()) if noted.exists() else None
    return _outcome(world, work, kills, ended=ended, unknown=unknown)


def _outcome(
    world: World, work: Work, kills: int, *, ended: bool, unknown: int | None = None
) -> Outcome:
    found = world.tally(work.runs, work.steps)
    done = found.wanted - found.lost
    per_s = done / max(world.lasted_s(), 1e-9)
    world.close()
    return Outcome(found, per_s, kills, ended, unknown)


def _holdfast(folder: Path, work: Work, kills_at: Sequence[int], idempotency: str) -> Outcome:
    numbers = [str(n) for n in (work.runs, work.steps, IN_FLIGHT)]
    module = "benchmarks.peers.durable_holdfast"
    return _passed(folder, work, python("-m", module, str(folder), idempotency, *numbers), kills_at)


def _keyed(folder: Path, work: Work, kills_at: Sequence[int]) -> Outcome:
    return _holdfast(folder, work, kills_at, "keyed")


def _once(folder: Path, work: Work, kills_at: Sequence[int]) -> Outcome:
    return _holdfast(folder, work, kills_at, "once")


def _langgraph(folder: Path, work: Work, kills_at: Sequence[int]) -> Outcome:
    numbers = [str(n) for n in (work.runs, work.steps, IN_FLIGHT)]
    interpreter = str(environments.python_of(environments.LANGGRAPH))
    module = "benchmarks.peers.durable_langgraph"
    return _passed(folder, work, [interpreter, "-m", module, str(folder), *numbers], kills_at)


def _celery(folder: Path, work: Work, kills_at: Sequence[int], shape: str) -> Outcome:
    interpreter = str(environments.python_of(environments.CELERY))
    module = "benchmarks.peers.durable_celery"
    with redis.serving(folder) as port:
        broker = f"redis://127.0.0.1:{port}/0"
        env = environment({"BENCH_BROKER": broker, "BENCH_WORLD": str(folder / "world.db")})
        enqueue = [interpreter, "-m", module, str(work.runs), str(work.steps), shape]
        subprocess.run(
            enqueue, env=env, check=True, capture_output=True, timeout=_LIMIT_S, cwd=ROOT
        )
        world = World(folder / "world.db")
        serve = [interpreter, "-m", "celery", "--app", module, "worker", "--pool", "threads"]
        serve += ["--concurrency", str(IN_FLIGHT), "--loglevel", "ERROR", "--without-heartbeat"]
        serve += ["--without-gossip", "--without-mingle"]
        drained = _Drained(port)
        kills, ended = watch(
            lambda: Child(serve, log=folder / "worker.log", env=env), world, kills_at, drained
        )
    return _outcome(world, work, kills, ended=ended)


def _chain(folder: Path, work: Work, kills_at: Sequence[int]) -> Outcome:
    return _celery(folder, work, kills_at, "chain")


def _task(folder: Path, work: Work, kills_at: Sequence[int]) -> Outcome:
    return _celery(folder, work, kills_at, "task")


class _Drained:
    """Whether nothing is queued or unacknowledged, several looks in a row.

    One look is not enough: between taking a task and noting it as taken, Celery holds it nowhere.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._quiet = 0
        self._next_s = 0.0

    def __call__(self, _: Child) -> bool:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + 0.2
            self._quiet = 0 if redis.open_tasks(self._port) else self._quiet + 1
        return self._quiet >= _QUIET_POLLS


_Pass = Callable[[Path, Work, Sequence[int]], Outcome]
_CONTENDERS: tuple[tuple[str, _Pass, str], ...] = (
    ("holdfast, keyed tool", _keyed, "decide, redeem, effect, finish; 3 durable commits a step"),
    ("holdfast, once tool", _once, "as above; a person looks at each unknown"),
    ("langgraph 1.2.22", _langgraph, "SqliteSaver, durability=sync"),
    ("celery 5.7.0, task a step", _chain, _REDIS_NOTE),
    ("celery 5.7.0, task a run", _task, _REDIS_NOTE),
)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- every benchmark is called alike
    """Rows of each contender: speed without and with kills, effects lost, repeated, in doubt."""
    work = Work(20, 6) if quick else Work(200, 20)
    folder = scratch(NAME)
    rows = [_floor(folder, work)]
    for number, (name, one_pass, note) in enumerate(_CONTENDERS):
        found = []
        try:
            for kills_at in ([], work.kills_at()):
                home = folder / f"{number}-{len(kills_at)}"
                home.mkdir()
                found.append(one_pass(home, work, kills_at))
        except (Unavailable, subprocess.SubprocessError, RuntimeError) as error:
            rows.append(unavailable(NAME, name, "", error))
            continue
        rows += _rows(name, found[0], found[1], note)
    return rows


def _floor(folder: Path, work: Work) -> Row:
    """The effects alone, with nothing durable around them."""
    world = World(folder / "floor.db")
    for number in range(work.runs * work.steps):
        world.affect(number % work.runs, number // work.runs, str(number))
    per_s = work.runs * work.steps / world.lasted_s()
    world.close()
    what = "floor: the effects alone, one after the other"
    return Row(bench=NAME, what=what, figure=per_s, unit="steps/s")


def _rows(name: str, calm: Outcome, killed: Outcome, note: str) -> list[Row]:
    ours = name.startswith("holdfast")
    bound = "" if killed.ended else f"; cut off after {_LIMIT_S:.0f} s"
    seen = f"of {killed.tally.wanted}, {killed.kills} kills{bound}"
    dropped = (
        f"; {killed.tally.dropped} repeats dropped by their key" if killed.tally.dropped else ""
    )

    def row(what: str, figure: float | None, unit: str, said: str) -> Row:
        return Row(bench=NAME, what=f"{name}: {what}", figure=figure, unit=unit, note=said)

    def zero(what: str, figure: int, said: str) -> Row:
        target = {"target": "0", "verdict": at_most(0, figure)} if ours else {}
        return msgspec.structs.replace(row(what, figure, "effects", said), **target)

    surfaced = "each resolved as the world showed" if killed.unknown else ""
    if killed.unknown is None:
        surfaced = "it has no such notion"
    return [
        row("steps a second, no kills", calm.per_s, "steps/s", note),
        row("steps a second, two kills", killed.per_s, "steps/s", "restarts included"),
        zero("effects lost", killed.tally.lost, seen),
        zero("effects repeated", killed.tally.repeated, seen + dropped),
        row("effects surfaced as unknown", killed.unknown, "effects", surfaced),
    ]
