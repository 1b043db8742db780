"""Plays jobs: a fresh repository, a fresh house and a fresh session for each, or one for all.

Not here: how a client is started (`doors`), what is expected (`corpus`), printing (`printing`).
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.jobs import doors
from benchmarks.jobs.corpus import Job, Step, placed
from benchmarks.jobs.doors import Door, Ending
from benchmarks.jobs.house import House
from benchmarks.jobs.repository import SANDBOX, Place
from benchmarks.jobs.script import DONE, scenarios
from benchmarks.jobs.verdicts import Played, judged, results_of
from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import ScriptedModel

JOB_TIMEOUT_S = 240.0
_RUNS_ON = ("active", "paused")


def sandbox() -> bool:
    """Whether Claude Code could hold its tools in its own sandbox here."""
    return all(shutil.which(program) for program in SANDBOX)


def play(job: Job, door: Door) -> Played:
    """The job from its prompt to its end, in a temporary folder. Errors: RuntimeError, OSError."""
    place = Place(Path(tempfile.mkdtemp(prefix="job-")))
    try:
        place.prepare(job)
        script = {"scenarios": scenarios(job, place.root, place.port)}
        prompt = placed(job.prompt, place.root, place.port)
        servers = [job.server] if job.server else []
        if door == "direct":
            place.finish(job)
            return _bare(job, place, servers, script, prompt)
        house = House(place, job.grants, servers)

        def ready() -> None:
            place.finish(job)

        endings, decided, results, alive = _governed(house, door, script, [prompt], ready)
        ending = endings[0] if endings else Ending()
        calls = judged(job, decided, results, sandbox=sandbox())
        return _played(job, calls, ending, alive=alive)
    finally:
        place.remove()


def play_sequence(chosen: Sequence[Job], door: Door) -> list[Played]:
    """The jobs one after the other in one session, each in its folder of one repository.

    They must have no `setup` of their own: the folders share one history.
    """
    place = Place(Path(tempfile.mkdtemp(prefix="jobs-")))
    try:
        place.shell("git init -q")
        moved = [_beginning_there(job) for job in chosen]
        roots = [place.root / job.name for job in moved]
        for job, root in zip(moved, roots, strict=True):
            place.write_history(job, root)
        place.add_remote()
        every = [
            scenario
            for job, root in zip(moved, roots, strict=True)
            for scenario in scenarios(job, root, place.port)
        ]
        prompts = [placed(j.prompt, r, place.port) for j, r in zip(moved, roots, strict=True)]
        grants = list(dict.fromkeys(name for job in moved for name in job.grants))
        servers = list(dict.fromkeys(job.server for job in moved if job.server))
        house = House(place, grants, servers)
        endings, decided, results, alive = _governed(
            house, door, {"scenarios": every}, prompts, lambda: None
        )
        endings += [Ending()] * (len(moved) - len(endings))
        return [
            _played(job, judged(job, decided, results, sandbox=sandbox()), ending, alive=alive)
            for job, ending in zip(moved, endings, strict=True)
        ]
    finally:
        place.remove()


def _beginning_there(job: Job) -> Job:
    go = Step(tool="Bash", arguments={"command": "cd {root}", "description": "Go to the folder"})
    return msgspec.structs.replace(job, steps=(go, *job.steps))


def _governed(
    house: House,
    door: Door,
    script: dict[str, Any],
    prompts: Sequence[str],
    ready: Callable[[], None],
) -> tuple[list[Ending], list[dict[str, Any]], dict[str, str], bool]:
    """Endings, the journal's decisions, what the client sent on, and whether the session lives."""
    project = house.running(script)
    ready()
    timeout_s = JOB_TIMEOUT_S * len(prompts)
    with project:
        house.own(project)
        if door == "govern":
            session, endings = doors.governed(house, project, prompts, timeout_s)
        else:
            opened = house.open(project, house.place.folder / "govern")
            session = opened.session_id
            endings = doors.claude_code(house.place, opened, prompts, timeout_s)
        decided = _decisions(project, session)
        alive = project.view(session)["state"] in _RUNS_ON
        results = results_of([record.raw for record in project.model.message_requests])
    return endings, decided, results, alive


def _decisions(project: RunningProject, session: str) -> list[dict[str, Any]]:
    found = project.records(session=session, kind="tool_call.decided")
    return sorted(found, key=lambda record: int(record["seq"]))


def _bare(
    job: Job, place: Place, servers: Sequence[str], script: dict[str, Any], prompt: str
) -> Played:
    """Nothing decides there: a call that the client ran counts as allowed, and none is asked."""
    stdio = House.stdio(servers)
    with ScriptedModel(script) as model:
        endings = doors.direct(place, model.url, stdio, [prompt], JOB_TIMEOUT_S)
        results = results_of([record.raw for record in model.message_requests])
    ran = {call: told for call, told in results.items() if "tool_use_error" not in told}
    decided = [{"call_id": call, "verdict": "allow", "body": {}} for call in ran]
    calls = [
        msgspec.structs.replace(call, expected=False)
        for call in judged(job, decided, results, sandbox=True)
    ]
    return _played(job, calls, endings[0] if endings else Ending(), alive=True)


def _played(job: Job, calls: Any, ending: Ending, *, alive: bool) -> Played:
    said = ending.result or ""
    finished = DONE.format(name=job.name) in said and not ending.is_error
    return Played(job=job.name, calls=calls, alive=alive, finished=finished, ended=said[:160])
