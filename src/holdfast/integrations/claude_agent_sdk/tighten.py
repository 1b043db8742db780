"""The user's own hooks, run after ours, heard only where they tighten.

A hook that would rewrite, allow, defer, answer later or answer nonsense is a fault, and a fault
refuses: what the server decided must be what runs. Not here: our own verdict (`governor`).
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from claude_agent_sdk import HookCallback, HookContext, HookInput, HookMatcher

from holdfast.errors import ConfigInvalid

_EXACT = re.compile(r"[A-Za-z0-9_|\- ]+")
_KNOWN = frozenset(
    {
        "continue_",
        "stopReason",
        "suppressOutput",
        "systemMessage",
        "decision",
        "reason",
        "hookSpecificOutput",
    }
)
_SPECIFIC = frozenset(
    {"hookEventName", "permissionDecision", "permissionDecisionReason", "additionalContext"}
)
_DECISIONS = frozenset({"allow", "deny", "ask"})


class Heard(msgspec.Struct, frozen=True):
    """What the user's hooks add: a refusal if `refusal` is not empty, an end if `stop`."""

    refusal: str = ""
    stop: bool = False
    context: str = ""


class UserHooks:
    """The user's matchers of one event, in their order."""

    def __init__(self, event: str, matchers: Sequence[HookMatcher], timeout_s: float) -> None:
        self._event = event
        self._timeout_s = timeout_s
        self._matchers = [(_matches(event, m.matcher), m) for m in matchers]

    async def hear(
        self, given: HookInput, tool_use_id: str | None, context: HookContext, tool: str = ""
    ) -> Heard:
        """Ask every hook that matches `tool`; the first refusal ends the line."""
        said: list[str] = []
        for pattern, matcher in self._matchers:
            if pattern is not None and not pattern.search(tool):
                continue
            for callback in matcher.hooks:
                limit_s = min(matcher.timeout or self._timeout_s, self._timeout_s)
                heard = await self._ask(callback, given, tool_use_id, context, limit_s)
                if heard.context:
                    said.append(heard.context)
                if heard.refusal or heard.stop:
                    return heard
        return Heard(context="\n".join(said))

    async def _ask(
        self,
        callback: HookCallback,
        given: HookInput,
        tool_use_id: str | None,
        context: HookContext,
        limit_s: float,
    ) -> Heard:
        name = getattr(callback, "__name__", type(callback).__name__)
        try:
            async with asyncio.timeout(limit_s):
                output: object = await callback(given, tool_use_id, context)
        except Exception as error:  # noqa: BLE001 - whatever it raises, the call does not run
            return Heard(refusal=f"your {self._event} hook `{name}` failed: {type(error).__name__}")
        return read_output(self._event, name, output)


def read_output(event: str, name: str, output: object) -> Heard:
    """What one hook's answer tightens; anything else it tries is a refusal that names it."""
    where = f"your {event} hook `{name}`"
    if not isinstance(output, dict):
        return Heard(refusal=f"{where} answered {type(output).__name__}, not a dict")
    answer = cast("dict[str, Any]", output)
    specific = answer.get("hookSpecificOutput", {})
    if not isinstance(specific, dict):
        return Heard(refusal=f"{where} gave a hookSpecificOutput that is no dict")
    strange = sorted(map(str, (answer.keys() - _KNOWN) | (specific.keys() - _SPECIFIC)))
    if strange:
        return Heard(refusal=f"{where} may only tighten, but answered `{strange[0]}`")
    decision = specific.get("permissionDecision")
    if decision is not None and decision not in _DECISIONS:
        return Heard(refusal=f"{where} gave no permissionDecision that exists")
    if answer.get("decision") not in (None, "block"):
        return Heard(refusal=f"{where} gave no decision that exists")
    if not isinstance(answer.get("continue_", True), bool):
        return Heard(refusal=f"{where} gave a continue_ that is no bool")
    stop = answer.get("continue_", True) is False
    refusal = ""
    if decision in ("deny", "ask"):
        refusal = str(specific.get("permissionDecisionReason") or f"{where} said {decision}")
    elif answer.get("decision") == "block":
        refusal = str(answer.get("reason") or f"{where} blocked this")
    if stop and not refusal:
        refusal = str(answer.get("stopReason") or f"{where} ended the run")
    return Heard(refusal, stop, str(specific.get("additionalContext") or ""))


def _matches(event: str, matcher: str | None) -> re.Pattern[str] | None:
    """The CLI's reading of a matcher: nothing or `*` is all, plain names are exact, else a regex.

    Errors: ConfigInvalid for a regex that is none, which the CLI would pass over in silence.
    """
    if matcher is None or matcher in {"", "*"}:
        return None
    if _EXACT.fullmatch(matcher):
        names = "|".join(re.escape(name.strip()) for name in matcher.split("|"))
        return re.compile(f"^(?:{names})$")
    try:
        return re.compile(matcher)
    except re.error as error:
        raise ConfigInvalid(
            f"hooks: the {event} matcher `{matcher}` is no regex: {error}"
        ) from None
