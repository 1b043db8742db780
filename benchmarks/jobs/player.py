"""Plays jobs: a fresh repository, a fresh house and a fresh session for each, or one for all.

Not here: how a client is started (`doors`), what is expected (`corpus`), printing (`printing`).
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.jobs import answering, doors
from benchmarks.jobs.corpus import Job, Step, placed
from benchmarks.jobs.doors import Door, Ending
from benchmarks.jobs.house import House
from benchmarks.jobs.repository import Place
from benchmarks.jobs.script import DONE, call_id, scenarios
from benchmarks.jobs.verdicts import Played, foreseen, judged, results_of
from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import ScriptedModel

JOB_TIMEOUT_S = 240.0
_RUNS_ON = ("active", "paused")


class _Went(msgspec.Struct, frozen=True):
    """What came of the prompts of one session.

    `decided` are the journal's decisions, `answered` what was asked and got its yes, `results` what
    the client sent on, `alive` whether the session still was in the end.
    """

    endings: list[Ending]
    decided: list[dict[str, Any]]
    answered: list[answering.Answered]
    results: dict[str, str]
    alive: bool


def play(job: Job, door: Door, *, held: bool) -> Played:
    """The job from its prompt to its end, in a temporary folder. Errors: RuntimeError, OSError.

    `held`: Claude Code's own sandbox, which has to work here, holds its commands; else nobody
    there finds one.
    """
    place = Place(Path(tempfile.mkdtemp(prefix="job-")), sandbox=held)
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

        went = _governed(house, door, [job], script, [prompt], ready)
        return _result(job, went, went.endings[0] if went.endings else Ending(), held=held)
    finally:
        place.remove()


def play_sequence(chosen: Sequence[Job], door: Door, *, held: bool) -> list[Played]:
    """The jobs one after the other in one session, each in its folder of one repository.

    They must have no `setup` of their own: the folders share one history.
    """
    place = Place(Path(tempfile.mkdtemp(prefix="jobs-")), sandbox=held)
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
        went = _governed(house, door, moved, {"scenarios": every}, prompts, lambda: None)
        endings = went.endings + [Ending()] * (len(moved) - len(went.endings))
        return [
            _result(job, went, ending, held=held)
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
    played: Sequence[Job],
    script: dict[str, Any],
    prompts: Sequence[str],
    ready: Callable[[], None],
) -> _Went:
    """Plays the prompts in one session of a server of their own."""
    told = house.place.folder / "answered.jsonl"
    named = [
        call_id(job, place)
        for job in played
        for place, step in enumerate(job.calls())
        if foreseen(step, sandbox=house.place.sandbox)
    ]
    project = house.running(script, _person(named, told))
    project.server_module = "benchmarks.jobs.answering"
    ready()
    timeout_s = JOB_TIMEOUT_S * len(prompts)
    with project:
        # What is looked at as a pull request is somebody else's branch.
        reviews = any(step.hears == "pr" for job in played for step in job.calls())
        house.own(project, branches=not reviews)
        if door == "govern":
            session, endings = doors.governed(
                house, project, prompts, timeout_s, sandboxed=house.place.sandbox
            )
        else:
            opened = house.open(project, house.place.folder / "govern")
            session = opened.session_id
            endings = doors.claude_code(house.place, opened, prompts, timeout_s)
        return _Went(
            endings=endings,
            decided=_decisions(project, session),
            answered=answering.told(told),
            results=results_of([record.raw for record in project.model.message_requests]),
            alive=project.view(session)["state"] in _RUNS_ON,
        )


def _person(named: Sequence[str], told: Path) -> dict[str, str]:
    """The environment of a server whose person says yes to the calls of these ids."""
    top = str(Path(__file__).resolve().parents[2])
    return {
        answering.ANSWERED: " ".join(named),
        answering.TOLD: str(told),
        "PYTHONPATH": os.pathsep.join(filter(None, [top, os.environ.get("PYTHONPATH", "")])),
    }


def _result(job: Job, went: _Went, ending: Ending, *, held: bool) -> Played:
    answered = {one.call_id: one.code for one in went.answered}
    calls = judged(job, went.decided, went.results, answered=answered, sandbox=held)
    return _played(job, calls, ending, alive=went.alive)


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
        for call in judged(job, decided, results, answered={}, sandbox=True)
    ]
    return _played(job, calls, endings[0] if endings else Ending(), alive=True)


def _played(job: Job, calls: Any, ending: Ending, *, alive: bool) -> Played:
    said = ending.result or ""
    finished = DONE.format(name=job.name) in said and not ending.is_error
    return Played(job=job.name, calls=calls, alive=alive, finished=finished, ended=said[:160])
