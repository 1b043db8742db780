"""What the scripted model says: a job's calls, one a turn, with ids that name the step.

A sub-agent's calls are a scenario of their own, chosen by its prompt.
"""

from pathlib import Path
from typing import Any

from benchmarks.jobs.corpus import Job, Step, placed

DONE = "Done: {name}."


def call_id(job: Job, place: int) -> str:
    """The id of the call at `place` of `job.calls()`."""
    return f"toolu_{job.name.replace('-', '_')}_{place:02d}"


def scenarios(job: Job, root: Path, port: int) -> list[dict[str, Any]]:
    """The scenario that the job's prompt chooses, and one for each of its sub-agents."""
    numbered = {id(step): place for place, step in enumerate(job.calls())}

    def turn(step: Step) -> dict[str, Any]:
        arguments = placed(step.arguments, root, port)
        call = {"tool": step.tool, "input": arguments, "id": call_id(job, numbered[id(step)])}
        return {"tools": [call]}

    def scenario(name: str, text: str, steps: tuple[Step, ...], end: str) -> dict[str, Any]:
        turns = [*map(turn, steps), {"text": end}]
        return {"name": name, "match": {"text": text}, "turns": turns}

    inner = [
        scenario(f"{job.name}/{place}", step.arguments["prompt"], step.inner, step.says)
        for place, step in enumerate(job.steps)
        if step.inner
    ]
    prompt = placed(job.prompt, root, port)
    return [*inner, scenario(job.name, prompt, job.steps, DONE.format(name=job.name))]
