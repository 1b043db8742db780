"""`python -m holdfast.apps.cli.demo`: play the scenes; exit code 0 only if everything held."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from holdfast.apps.cli.demo.verdicts import Told, show
from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.printing import amount, emit, say
from holdfast.apps.cli.verbs import guarded
from holdfast.errors import ConfigInvalid, HoldfastError
from holdfast.model.budgets import Dimension

CLEAN = "HOLDFAST_DEMO_HOME"
_KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR", "PYTHONPATH")
SCENES = 14
ASKS_ABOUT = {8: 1}


def main() -> int:
    """Play what was asked for, in a clean environment of its own."""
    parser = argparse.ArgumentParser(prog="holdfast demo", description=__doc__)
    parser.add_argument(
        "--scene", type=int, action="append", choices=range(1, SCENES + 1), default=[]
    )
    parser.add_argument("--keep", action="store_true", help="keep the project's folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a scene")
    given = parser.parse_args()
    if CLEAN not in os.environ:
        _start_again_clean()
    home = Path(os.environ[CLEAN])
    chosen = set(given.scene) or set(range(1, SCENES + 1))
    chosen |= {ASKS_ABOUT[number] for number in chosen & set(ASKS_ABOUT)}
    try:
        return guarded(lambda: _play(home, sorted(chosen), as_json=given.json))
    finally:
        if given.keep:
            say(f"kept {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)


def _start_again_clean() -> None:
    """Become this program without the caller's variables.

    The SDK hands the whole environment of its program down to the agent and its tools.
    """
    home = tempfile.mkdtemp(prefix="holdfast-demo-")
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Whatever the agents leave in the folder for temporary files goes away with the demo's own.
    scratch = Path(home, "tmp")
    scratch.mkdir()
    environment = {**kept, "HOME": home, "TMPDIR": str(scratch), CLEAN: home}
    command = [sys.executable, "-m", "holdfast.apps.cli.demo", *sys.argv[1:]]
    os.execve(command[0], command, environment)  # noqa: S606 - there is no shell


async def _play(home: Path, chosen: list[int], *, as_json: bool) -> int:
    try:
        from holdfast.apps.cli.demo import (
            batch_scene,
            claude_code_scene,
            doors_scene,
            durable_scene,
            kill_scene,
            people_scene,
            scenes,
            stops_scene,
        )
        from holdfast.apps.cli.demo.stage import Stage, staged
    except ImportError as fault:
        raise ConfigInvalid(f"the demo needs `{fault.name}`; install `holdfast[claude]`") from None
    played: dict[int, tuple[str, Callable[[Stage], Awaitable[Told]]]] = {
        1: ("An honest refund", scenes.honest_refund),
        2: ("Refunds that policy forbids", scenes.refused_refunds),
        3: ("Tools it was never shown", scenes.unshown_tool),
        4: ("Agents that loop", scenes.loops),
        5: ("A dollar cap in the middle of an answer", scenes.dollar_cap),
        6: ("The hooks are removed", scenes.bypass),
        7: ("A kill from outside", kill_scene.kill),
        8: ("What did the agent do for this user at that minute?", scenes.question),
        9: ("kill -9 in the middle, go on, no double refund", durable_scene.crash),
        10: ("500 records, one bad chunk", batch_scene.batch),
        11: ("A taken-over agent tries the doors", doors_scene.doors),
        12: (
            "Claude Code: a result withheld, a loop told from work",
            claude_code_scene.claude_code,
        ),
        13: ("A person is asked, and nobody is", people_scene.asked),
        14: ("A project paused and resumed, a child stopped", stops_scene.stops),
    }
    begun, held, cost_nusd = time.monotonic(), 0, 0
    async with staged(home) as stage:
        if not as_json:
            say(f"a support desk under control, served at {stage.client.base_url}", style="bold")
        for number in chosen:
            title, scene = played[number]
            started = time.monotonic()
            told = await _told(scene, stage)
            show(number, title, told, time.monotonic() - started, as_json=as_json)
            held += told.held
            cost_nusd += told.cost_nusd
    seconds = time.monotonic() - begun
    if as_json:
        emit({"held": held, "scenes": len(chosen), "cost_nusd": cost_nusd, "seconds": seconds})
    else:
        spent = amount(Dimension.USD, cost_nusd)
        verdict = "all held" if held == len(chosen) else "NOT ALL HELD"
        style = "bold green" if held == len(chosen) else "bold red"
        text = f"{held} of {len(chosen)} scenes held, {spent} at list price, {seconds:.0f} s"
        say(f"\n{verdict}: {text}", style=style)
    return ExitCode.DONE if held == len(chosen) else ExitCode.INTERNAL


async def _told(scene: Callable[[Any], Awaitable[Told]], stage: Any) -> Told:
    try:
        return await scene(stage)
    except HoldfastError as fault:
        told = Told(tried="the scene could not be played")
        told.check(f"{fault.code}: {fault.message}", held=False)
        return told


if __name__ == "__main__":
    sys.exit(main())
