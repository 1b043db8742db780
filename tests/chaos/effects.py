"""Side effects under faults, at each door: what was asked for twice is done once.

Every order goes wrong: its tool raises after the effect or before it, answers too late, or ends its
process; besides, clients, workers and the server are killed with `kill -9`. What was lost is asked
for again, in the same session and in another one of the same task. What was really done stands in a
file that the tools write, and is held against the ledger.

    python -m tests.chaos.effects --faults 2000 --minutes 4 --doors runs loop sdk claude_code relay
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from tests.promises.doors import DONE, DOORS, ClaudeCode, Door, Loop, Runs, Work
from tests.promises.house import House

_BATCH = 8
_TRIES = 4
_PATIENCE_S = 400.0
_KILL_EVERY_S = (6.0, 15.0)
_AWAY = (OSError, http.client.HTTPException, KeyError, ValueError)
_OVER = ("done", "failed", "cancelled")


class Told(msgspec.Struct, kw_only=True):
    """What came of the faults at one door; `doubled` and `lost` are to be 0."""

    door: str
    faults: int = 0
    kills: int = 0
    calls: int = 0
    effects: int = 0
    doubled: int = 0
    lost: int = 0
    unknown: int = 0
    jobs: int = 0
    unfinished: int = 0
    seconds: float = 0.0


class Jobs:
    """Jobs at one door until there were enough faults, or the time is over."""

    def __init__(self, house: House, door: Door, dice: random.Random, batches: int) -> None:
        self.size = _BATCH * batches
        self.house, self.door, self.dice = house, door, dice
        self.told = Told(door=door.name)
        self.sessions: list[str] = []
        self.clients: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self.server = threading.Lock()

    def orders(self, number: int) -> list[dict[str, Any]]:
        """The calls of one job, each with what goes wrong of it."""
        asked = []
        for n in range(self.size):
            fault = self.dice.choices(("breaks", "early", "linger"), (70, 27, 3))[0]
            # A process that vanished takes with it whatever else of the job was under way.
            if n == self.size - 1 and self.dice.random() < 0.5:
                fault = "vanishes"
            slow = fault == "linger" or self.dice.random() < 0.2
            tool = "send" if slow and fault != "early" else "pay"
            given = {"order": f"{self.door.name}-{number}-{n}-{fault}"}
            asked.append({"tool": tool, "input": given | ({"amount": 5} if tool == "pay" else {})})
        return asked

    def job(self, number: int) -> None:
        """One task, in as many sessions as it takes."""
        orders = self.orders(number)
        turns: list[Any] = []
        for at in range(0, len(orders), _BATCH):
            turns += [{"tools": orders[at : at + _BATCH]}] * 2
        task = f"open/{self.door.name}-{number}"
        over = False
        for _ in range(_TRIES):
            with contextlib.suppress(AssertionError, *_AWAY):
                over = self._session([*turns, DONE], task)
            if over:
                break
            self.alive()
        with self._lock:
            self.told.jobs += 1
            self.told.faults += len(orders)
            self.told.unfinished += not over

    def _session(self, turns: list[Any], task: str) -> bool:
        """Whether the model came to the end of what it asked for."""
        if isinstance(self.door, Runs):
            work = self.door.begin(*turns, agent="busy", task=task)
            self.sessions.append(work.session_id)
            return self._run(work)
        if isinstance(self.door, ClaudeCode):
            work = self.door.begin(*turns, agent="busy", task=task)
            self.sessions.append(work.session_id)
            work.or_end(_PATIENCE_S)
            self._end_session(work.session_id)
            return not work.failed
        return self._client(turns, task)

    def _client(self, turns: list[Any], task: str) -> bool:
        asked = {"turns": turns, "task": task, "door": self.door.name}
        asked |= {"url": self.house.project.url, "token": self.house.project.admin_token}
        asked |= {"folder": str(self.house.folder), "acts": str(self.house.acts_file)}
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.effects", "--client", json.dumps(asked)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert running.stdout is not None
        with running.stdout as told:
            named = told.readline().decode().strip()
        if named:
            self.sessions.append(named)
        self.clients.append(running)
        try:
            running.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        self.clients.remove(running)
        self._end_session(named)
        return running.returncode == 0

    def _end_session(self, name: str) -> None:
        """What it left open nobody will report: the operator ends it."""
        with contextlib.suppress(*_AWAY):
            self.house.project.call("POST", f"/v1/sessions/{name}/kill", {"reason": "it is gone"})

    def _run(self, work: Work) -> bool:
        """A run to its end; what waits for a person is told by who looks outside."""
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            time.sleep(0.3)
            try:
                view = self.house.project.call("GET", f"/v1/runs/{work.run_id}").json
                if view["state"] in _OVER:
                    return bool(view["state"] == "done")
                if view["state"] in ("parked", "dead"):
                    self._settle(work, view)
            except _AWAY:
                continue
        return False

    def _settle(self, work: Work, view: dict[str, Any]) -> None:
        orders = self.orders_of(work.session_id)
        for entry in view["unknown_effects"]:
            order = orders.get(entry["key"])
            done = order is not None and bool(self.house.acts(entry["tool"], order))
            body = {"tenant": "acme", "key": entry["key"], "by": "ann", "reason": "looked"}
            body |= {"outcome": "done" if done else "failed", "output": {"seen": done}}
            self.house.project.call("POST", "/v1/effects/resolve", body)
        if not view["unknown_effects"]:
            self.house.project.call("POST", f"/v1/dlq/{work.run_id}/redrive", {"reason": "again"})

    def orders_of(self, session: str) -> dict[str, str]:
        """Which order each effect of a session is."""
        kinds = {"session": session, "tenant": "acme", "kind": "tool_call.decided"}
        found = self.house.project.records(**kinds)
        self_calls = {
            r["body"].get("effect_key", ""): str((r["body"]["arguments"] or {}).get("order", ""))
            for r in found
        }
        return {key: order for key, order in self_calls.items() if key}

    def alive(self) -> None:
        """The server is there, or is started again."""
        with self.server, contextlib.suppress(AssertionError):
            self.house.alive()

    def kill(self) -> None:
        """A worker, a client or the server, as it comes."""
        what = self.dice.choice(("server", "one", "one"))
        if what == "server":
            with self.server:
                port = self.house.project.url.rsplit(":", 1)[1]
                self.house.project.stop(signal.SIGKILL)
                self.house.project.start("--port", port)
        elif isinstance(self.door, Runs):
            victim = self.dice.choice(self.house.workers)
            victim.send_signal(signal.SIGKILL)
            victim.wait(15)
            self.house.workers.remove(victim)
            self.house.worker()
        elif self.clients:
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.killpg(self.dice.choice(self.clients).pid, signal.SIGKILL)
        else:
            return
        self.told.kills += 1

    def counted(self) -> Told:
        """What was done outside, against what the ledger and the journal say."""
        told, done = self.told, Counter[tuple[str, str]]()
        for line in self.house.acts_file.read_text("utf-8").splitlines():
            name, order, _, _ = json.loads(line)
            done[name, order] += 1
        told.effects, told.doubled = len(done), sum(n - 1 for n in done.values())
        for session in dict.fromkeys(self.sessions):
            orders = self.orders_of(session)
            kinds = {"session": session, "tenant": "acme", "kind": "tool_call.decided"}
            told.calls += len(self.house.project.records(**kinds))
            effects = self.house.project.call("GET", f"/v1/effects?session={session}").json
            for entry in effects["effects"]:
                tool = entry["tool"].rpartition("__")[2]
                told.unknown += entry["state"] == "unknown"
                known = entry["state"] == "done" and entry["key"] in orders
                told.lost += known and not done[tool, orders[entry["key"]]]
        return told


def at_door(name: str, faults: int, minutes: float, at_once: int, seed: int, batches: int) -> Told:
    """Faults at one door."""
    dice, began = random.Random(seed), time.monotonic()
    relayed = name == "relay"
    with (
        tempfile.TemporaryDirectory() as folder,
        House(Path(folder) / "house", relays=int(relayed), workers=2 * (name == "runs")) as house,
    ):
        jobs = Jobs(house, DOORS[name](house), dice, batches)
        end = began + minutes * 60
        numbers = iter(range(1_000_000))

        def enough() -> bool:
            return time.monotonic() > end or jobs.told.faults >= faults

        def work() -> None:
            while not enough():
                jobs.job(next(numbers))

        threads = [threading.Thread(target=work, daemon=True) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            threads[0].join(dice.uniform(*_KILL_EVERY_S))
            if not enough():
                jobs.kill()
        jobs.alive()
        told = jobs.counted()
    told.seconds = time.monotonic() - began
    return told


def client(asked: dict[str, Any]) -> int:
    """The program of an agent, in a process of its own that can be killed."""
    project = SimpleNamespace(url=asked["url"], admin_token=asked["token"])
    folder, acts = Path(asked["folder"]), Path(asked["acts"])
    house: Any = SimpleNamespace(project=project, folder=folder, acts_file=acts)
    door = DOORS[asked["door"]](house)
    assert isinstance(door, Loop)
    work = door.begin(*asked["turns"], agent="busy", task=asked["task"])
    sys.stdout.write(f"{work.session_id}\n")
    sys.stdout.flush()
    work.wait(_PATIENCE_S)
    return int(work.failed)


def main() -> int:
    """Print a line a door; 0 where nothing was doubled or lost."""
    reading = argparse.ArgumentParser()
    reading.add_argument("--faults", type=int, default=2000)
    reading.add_argument("--minutes", type=float, default=60.0)
    reading.add_argument("--at-once", type=int, default=3)
    reading.add_argument("--seed", type=int, default=7)
    reading.add_argument("--batches", type=int, default=10, help="of eight orders, in one job")
    reading.add_argument("--doors", nargs="+", default=list(DOORS), choices=list(DOORS))
    reading.add_argument("--client", default="")
    given = reading.parse_args()
    if given.client:
        return client(json.loads(given.client))
    held = True
    for name in given.doors:
        of = (given.faults, given.minutes, given.at_once, given.seed, given.batches)
        told = at_door(name, *of)
        held = held and not (told.doubled or told.lost)
        sys.stdout.write(" ".join(f"{k}={v}" for k, v in msgspec.structs.asdict(told).items()))
        sys.stdout.write("\n")
        sys.stdout.flush()
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
