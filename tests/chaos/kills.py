"""Real processes under kill -9: workers and the server die at random moments, the runs go on.

The tools write down what they really do; that log is held against what the runs say of it.

    python -m tests.chaos.kills --kills 300 --workers 1 2 4 --store sqlite|postgres
"""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from holdfast.testing.scripted_model import Script
from tests.native_project import NativeProject, calls, end, script
from tests.postgres import PostgresServer, serving

OPEN = ("queued", "running", "delayed")
_SETTLE_S = 180.0


class Told(msgspec.Struct, kw_only=True):
    """What a round of kills came to."""

    runs: int = 0
    done: int = 0
    parked: int = 0
    worker_kills: int = 0
    server_kills: int = 0
    effects: int = 0
    lost: int = 0
    repeated: int = 0
    unknown: int = 0
    stuck: int = 0
    redriven: int = 0
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Nothing was lost, repeated or left lying."""
        return not (self.lost or self.repeated or self.stuck)


def played(runs: int, once_every: int) -> Script:
    """Six calls a run; every so often one that must not happen twice."""
    scenarios = {}
    for n in range(runs):
        asked = [
            ("look", f"a{n}"),
            ("pay", f"b{n}"),
            ("ship", f"c{n}"),
            ("pay", f"d{n}"),
            ("ship", f"e{n}"),
            ("look", f"f{n}"),
        ]
        if once_every and n % once_every == 0:
            asked[3] = ("wire", f"d{n}")
        scenarios[f"job-{n:05}."] = calls(*asked)
    return script(**scenarios)


def expected(runs: int, once_every: int) -> dict[tuple[str, str], int]:
    """Which effects there have to be, and by which run."""
    found = {}
    for n in range(runs):
        found["pay", f"b{n}"] = n
        found["ship", f"c{n}"] = n
        found["wire" if once_every and n % once_every == 0 else "pay", f"d{n}"] = n
        found["ship", f"e{n}"] = n
    return found


def play(
    folder: Path,
    *,
    runs: int,
    workers: int,
    kills: int,
    seed: int,
    once_every: int = 5,
    store_url: str = "",
) -> Told:
    """One round: kill until so many died or nothing is left to do, then let it come to rest."""
    dice, told, begun = random.Random(seed), Told(runs=runs), time.monotonic()
    with NativeProject(folder, played(runs, once_every), store_url=store_url) as house:
        hands = [house.worker() for _ in range(workers)]
        submitted = [house.submit(f"job-{n:05}.") for n in range(runs)]
        while told.worker_kills + told.server_kills < kills and _open(house):
            time.sleep(dice.uniform(0.05, 0.4))
            if dice.random() < 0.2:
                house.project.stop(signal.SIGKILL)
                house.project.start()
                told.server_kills += 1
            else:
                place = dice.randrange(workers)
                end(hands[place])
                hands[place] = house.worker()
                told.worker_kills += 1
        deadline = time.monotonic() + _SETTLE_S
        while (_open(house) or _redrive(house, told)) and time.monotonic() < deadline:
            time.sleep(0.2)
        _judge(house, submitted, told, expected(runs, once_every))
    told.seconds = time.monotonic() - begun
    return told


def _open(house: NativeProject) -> int:
    listed = house.project.call("GET", "/v1/runs?limit=1000").json["runs"]
    return sum(run["state"] in OPEN for run in listed)


def _redrive(house: NativeProject, told: Told) -> int:
    """Put back what lost five workers in a row, as an operator would; how many there were."""
    dead = [r for r in house.project.call("GET", "/v1/dlq").json["runs"] if r["state"] == "dead"]
    for run in dead:
        path = f"/v1/dlq/{run['run_id']}/redrive"
        told.redriven += house.project.call("POST", path, {"reason": "chaos"}).status == 200
    return len(dead)


def _judge(
    house: NativeProject,
    submitted: list[dict[str, str]],
    told: Told,
    wanted: dict[tuple[str, str], int],
) -> None:
    states = [house.show(run) for run in submitted]
    told.done = sum(run["state"] == "done" for run in states)
    told.parked = sum(run["state"] == "parked" for run in states)
    told.stuck = len(states) - told.done - told.parked
    for run in states:
        if run["state"] not in ("done", "parked"):
            sys.stdout.write(f"  {run['run_id']} is {run['state']}: {run['reason']}\n")
    acts = Counter((tool, order) for tool, order, _ in house.acts())
    told.effects = sum(acts.values())
    told.repeated = sum(count - 1 for count in acts.values())
    for name, n in wanted.items():
        unknown = [e["tool"] for e in states[n]["unknown_effects"]]
        if states[n]["state"] == "done":
            if not acts[name]:
                told.lost += 1
                _show_lost(house, submitted[n], name)
        elif name[0] in unknown and name[0] == "wire":
            told.unknown += 1


def _show_lost(house: NativeProject, run: dict[str, str], name: tuple[str, str]) -> None:
    """All that the journal says of the run, for whoever looks for the reason."""
    sys.stdout.write(f"  {run['run_id']} is done without {name}:\n")
    for record in house.project.records(session=run["session"]):
        shown = {k: record[k] for k in ("at_ns", "kind", "turn", "tool", "call_id", "body")}
        sys.stdout.write(f"    {str(shown)[:600]}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--workers", type=int, nargs="+", default=[4], help="a round with each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(serving()) if given.store == "postgres" else None
        total = _rounds(given, postgres)
    return 0 if total.held else 1


def _rounds(given: argparse.Namespace, postgres: PostgresServer | None) -> Told:
    total, rounds = Told(), 0
    while total.worker_kills + total.server_kills < given.kills and rounds < 60:
        left = given.kills - total.worker_kills - total.server_kills
        workers = given.workers[rounds % len(given.workers)]
        with tempfile.TemporaryDirectory(prefix="holdfast-chaos-") as folder:
            told = play(
                Path(folder),
                runs=40,
                workers=workers,
                kills=min(left, 40),
                seed=given.seed + rounds,
                store_url=postgres.new_database() if postgres is not None else "",
            )
        rounds += 1
        for name in Told.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(told, name))
        sys.stdout.write(f"{given.store}, round {rounds}, {workers} workers: {line(told)}\n")
        sys.stdout.flush()
    workers = ", ".join(map(str, given.workers))
    sys.stdout.write(f"{given.store}, {rounds} rounds of {workers} workers: {line(total)}\n")
    return total


def line(told: Told) -> str:
    """A round in one line."""
    return (
        f"{told.worker_kills} workers and {told.server_kills} servers killed,"
        f" {told.runs} runs, {told.effects} effects: lost {told.lost}, repeated {told.repeated},"
        f" stuck {told.stuck}, dead and redriven {told.redriven},"
        f" parked {told.parked} (unknown {told.unknown}),"
        f" {told.seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
