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
from holdfast.model.bodies import HookRan
from holdfast.model.hooks import HookInput, HookPoint
from holdfast.model.principals import Principal
from holdfast.runtime.hooks import HookResult

_SOMEBODY = {"tenant": "default", "project": "default", "user": "somebody", "task": ""}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One hook; `agent` is empty for those of every agent that has none of its own."""

    agent: str
    point: str
    hook: str
    timeout_s: float


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
    """What an agent's hooks say of a moment, `given` as JSON of a `HookInput`.

    All of it may be left out, and parts of its `principal`. Errors: InvalidRequest.
    """
    config = load_config(project / CONFIG_NAME, imports=False)
    if agent not in config.agents:
        known = ", ".join(f"`{name}`" for name in config.agents) or "none"
        raise InvalidRequest(f"there is no agent `{agent}`; there are {known}")
    own = {"agent": agent, "session": "ses_tried", "trust": config.agents[agent].trust}
    result, ran = asyncio.run(tried(config, _moment(HookPoint(point), given, own)))
    if not as_json:
        return "\n".join(_lines(result, ran))
    told = {n: getattr(result, n) for n in result.__struct_fields__ if n != "records"}
    return msgspec.json.encode({"ran": ran, **told}).decode()


def _moment(point: HookPoint, given: str, own: dict[str, Any]) -> HookInput:
    """Errors: InvalidRequest for what does not fit, and for a field that there is not."""
    try:
        told = msgspec.json.decode(given, type=dict[str, Any])
        who = {**_SOMEBODY, **msgspec.convert(told.pop("principal", {}), dict[str, Any]), **own}
        known = {"principal": Principal, "moment": HookInput}
        for name, fields in (("principal", who), ("moment", told)):
            if odd := sorted(set(fields) - set(known[name].__struct_fields__)):
                raise InvalidRequest(f"the {name} has no `{odd[0]}`")
        ok = told.pop("ok", point is not HookPoint.ON_ERROR)
        moment = {**told, "point": point, "principal": who, "ok": ok}
        return msgspec.convert(moment, HookInput)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise InvalidRequest(f"the moment does not fit: {fault}") from None


def _lines(result: HookResult, ran: tuple[HookRan, ...]) -> list[str]:
    lines: list[str] = []
    for one in ran:
        said = one.fault or one.chose or ("rewrote what it saw" if one.rewrote else "said nothing")
        objection = next((r for r in result.reasons if r.rule == one.hook), None)
        if objection is not None and not one.fault:
            said = f"{objection.verdict}: {objection.code}: {objection.text}"
        lines.append(f"{one.hook}: {said}")
    if not ran:
        lines.append("no hook stands there")
    if result.arguments is not None:
        lines.append(f"the call would run with {msgspec.json.encode(result.arguments).decode()}")
    if result.output is not None:
        lines.append(f"the model would read {msgspec.json.encode(result.output).decode()}")
    return lines
