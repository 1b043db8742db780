"""Scene 14: a project is paused and goes on where it was; then one child of a run is stopped."""

import asyncio
import os
import time
from collections.abc import Callable

from holdfast.apps.cli.demo.durable_scene import over
from holdfast.apps.cli.demo.script import Words
from holdfast.apps.cli.demo.stage import PLAY_TIMEOUT_S, Stage
from holdfast.apps.cli.demo.verdicts import Told
from holdfast.apps.cli.server import WORKER_MODULE
from holdfast.client import RunView, SessionView
from holdfast.errors import HoldfastError
from holdfast.model.runs import RunState
from holdfast.model.sessions import SessionState

PROJECT = "desk"
WITHIN_S = 1.0
_QUIET_S = 1.0
_REASON = "scene 14 of the demo"
_POLL_S = 0.05


async def stops(stage: Stage) -> Told:
    """Scene 14."""
    told = Told(
        tried="a run with two children is paused with its project and resumed; one child is killed"
    )
    async with stage.program(
        WORKER_MODULE, "--name", "worker-4", "--with-parent", str(os.getpid())
    ):
        lead = await stage.client.runs.submit(
            Words.LEAD, agent="desk_lead", user="mia", project=PROJECT
        )
        kettle, toaster = await _children(stage, lead)
        await _until(stage, kettle, lambda one: one.streams > 0)
        await _paused(told, stage, [lead.session, kettle, toaster])
        await _until(stage, kettle, lambda one: one.turn > 1 and one.streams > 0)
        killed = await stage.client.sessions.kill(kettle, _REASON)
        lead = await over(stage, lead)
    told.lines.append(f"kill of the child: {killed.total_ms:.0f} ms")
    await _check_end(told, stage, lead, kettle, toaster)
    return told


async def _paused(told: Told, stage: Stage, sessions: list[str]) -> None:
    """Pause the project, see that it is quiet, and resume it."""
    receipt = await stage.client.stops.pause(_REASON, project=PROJECT)
    views = [await stage.client.sessions.show(one) for one in sessions]
    for one in sessions:
        await _until(stage, one, lambda view: not view.streams)
    asked = len(stage.model.message_requests)
    await asyncio.sleep(_QUIET_S)
    told.lines.append(f"pause of {receipt.stop.what}: {receipt.total_ms:.0f} ms")
    told.check(
        f"{len(sessions)} sessions of the project were paused after {receipt.total_ms:.0f} ms",
        receipt.total_ms < 1000 * WITHIN_S
        and all(one.state is SessionState.PAUSED for one in views),
    )
    told.check(
        "what streamed came to its end, and no model was asked after it",
        asked == len(stage.model.message_requests),
    )
    try:
        await stage.client.sessions.open(agent="support", user="mia", project=PROJECT)
        refused = ""
    except HoldfastError as error:
        refused = error.message
    told.check("nothing opens there, and the refusal says who stopped it", _REASON in refused)
    await stage.client.stops.resume(_REASON, project=PROJECT)


async def _check_end(told: Told, stage: Stage, lead: RunView, kettle: str, toaster: str) -> None:
    ended, other = [await stage.client.sessions.show(one) for one in (kettle, toaster)]
    told.cost_nusd = (await stage.client.sessions.show(lead.session)).cost_nusd
    told.check(
        "resumed, it went on at the same step; the child that was killed is killed",
        ended.state is SessionState.KILLED,
    )
    told.check(
        "its sibling worked on to its end",
        other.state is SessionState.ENDED and other.turn > 1,
    )
    read = _answers(stage)
    told.check(
        "the run was told of both, why one was stopped and what it had done, and is done",
        lead.state is RunState.DONE and len(read) == 2 and any(_REASON in one for one in read),
    )


def _answers(stage: Stage) -> list[str]:
    """What the leading model read of its children."""
    asked = [r.json for r in stage.model.message_requests if r.scenario == Words.LEAD]
    blocks = [
        block
        for message in (asked[-1]["messages"] if asked else [])
        if isinstance(message.get("content"), list)
        for block in message["content"]
    ]
    return [str(block) for block in blocks if block.get("type") == "tool_result"]


async def _children(stage: Stage, lead: RunView) -> list[str]:
    """The sessions of both children, that of the kettle first."""
    found = await _until(stage, lead.session, lambda one: len(one.children) == 2)
    runs = {one.session: one.prompt for one in await stage.client.runs.list()}
    return sorted(found.children, key=lambda one: Words.KETTLE not in runs.get(one, ""))


async def _until(stage: Stage, session: str, holds: Callable[[SessionView], bool]) -> SessionView:
    """The session, once that holds. Errors: TimeoutError."""
    until = time.monotonic() + PLAY_TIMEOUT_S
    while time.monotonic() < until:
        found = await stage.client.sessions.show(session)
        if holds(found):
            return found
        await asyncio.sleep(_POLL_S)
    raise TimeoutError("a session did not get there")
