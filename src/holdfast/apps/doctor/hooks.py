"""`hooks-list` and `hooks-try`: which hooks stand where, and what they say of a moment.

Trying runs them as a server does, each in its agent's host process; nothing is journalled and
nothing else happens.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from holdfast.compose.config import load_config
from holdfast.compose.doctor import CONFIG_NAME
from holdfast.compose.hooks import WITHOUT, by_point, of_agents, tried
from holdfast.errors import InvalidRequest
from holdfast.model import bodies
from holdfast.model.decisions import Reason
from holdfast.model.hooks import HookInput, HookPoint, Strategy
from holdfast.model.principals import Principal


class Moment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a hook is to be asked about; all of it may be left out."""

    tool: str = ""
    call_id: str = "toolu_tried"
    arguments: dict[str, Any] = {}
    output: Any = None
    ok: bool = True
    detail: str = ""
    tries: int = 1
    code: str = ""
    strategy: Strategy | None = None
    tenant: str = "default"
    project: str = "default"
    user: str = "somebody"
    task: str = ""
    roles: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One hook; `agent` is empty for those of every agent that has none of its own."""

    agent: str
    point: str
    hook: str
    timeout_s: float


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a try: what each hook did, and what all of them come to."""

    ran: tuple[bodies.HookRan, ...]
    reasons: tuple[Reason, ...]
    arguments: dict[str, Any] | None
    output: Any
    recovery: str
    tool: str
    strategy: str
    keep_turns: int | None


def hooks_list(project: Path, *, as_json: bool) -> str:
    """A line for each hook, and what the doors make of those whose moment they do not own."""
    config = load_config(project / CONFIG_NAME, imports=False)
    found = [
        Standing(agent=agent, point=point, hook=name, timeout_s=settings.timeout_s)
        for agent, settings in of_agents(config)
        for point, names in by_point(settings).items()
        for name in names
    ]
    if as_json:
        return "\n".join(msgspec.json.encode(one).decode() for one in found)
    if not found:
        return "no hook is named: docs/howto/write-a-hook.md"
    lines = [f"{o.agent or '(all)':<16} {o.point:<20} {o.hook} ({o.timeout_s:g} s)" for o in found]
    return "\n".join([*lines, *(f"door {door}: {text}" for door, text in WITHOUT.items())])


def hooks_try(project: Path, point: str, agent: str, given: str, *, as_json: bool) -> str:
    """What an agent's hooks say of the moment `given`, as JSON. Errors: InvalidRequest."""
    config = load_config(project / CONFIG_NAME, imports=False)
    if agent not in config.agents:
        known = ", ".join(f"`{name}`" for name in config.agents) or "none"
        raise InvalidRequest(f"there is no agent `{agent}`; there are {known}")
    try:
        moment = msgspec.json.decode(given or "{}", type=Moment)
        where = HookPoint(point)
    except (msgspec.MsgspecError, ValueError) as fault:
        raise InvalidRequest(f"the moment does not fit: {fault}") from None
    trust = config.agents[agent].trust
    who = Principal(
        tenant=moment.tenant,
        project=moment.project,
        user=moment.user,
        agent=agent,
        session="ses_tried",
        task=moment.task,
        roles=moment.roles,
        trust=trust,
    )
    asked = HookInput(
        point=where,
        principal=who,
        tool=moment.tool,
        call_id=moment.call_id,
        arguments=moment.arguments,
        output=moment.output,
        ok=moment.ok and where is not HookPoint.ON_ERROR,
        detail=moment.detail,
        tries=moment.tries,
        code=moment.code,
        strategy=moment.strategy,
    )
    result, ran = asyncio.run(tried(config, asked))
    told = Tried(
        ran=ran,
        reasons=result.reasons,
        arguments=result.arguments,
        output=result.output,
        recovery=str(result.recovery or ""),
        tool=result.tool,
        strategy=result.strategy or "",
        keep_turns=result.keep_turns,
    )
    return msgspec.json.encode(told).decode() if as_json else "\n".join(_lines(told))


def _lines(told: Tried) -> list[str]:
    lines: list[str] = []
    for one in told.ran:
        said = one.fault or one.chose or ("rewrote what it saw" if one.rewrote else "said nothing")
        objection = next((r for r in told.reasons if r.rule == one.hook), None)
        if objection is not None and not one.fault:
            said = f"{objection.verdict}: {objection.code}: {objection.text}"
        lines.append(f"{one.hook}: {said}")
    if not told.ran:
        lines.append("no hook stands there")
    if told.arguments is not None:
        lines.append(f"the call would run with {msgspec.json.encode(told.arguments).decode()}")
    if told.output is not None:
        lines.append(f"the model would read {msgspec.json.encode(told.output).decode()}")
    return lines
