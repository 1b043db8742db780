"""User hooks at four points: they may tighten or rewrite, never loosen.

A hook that raises, hangs past its time-out or answers anything else is a deny. Every run leaves a
journal record (`hook.ran`). Not here: the process that a server runs them in
(`backends/hook_host`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model import bodies
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.events import Record
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint
from holdfast.model.principals import Principal
from holdfast.ports.hooks import Hook, HookFault
from holdfast.runtime.journal import Journal


class HookResult(msgspec.Struct, frozen=True, kw_only=True):
    """What all hooks of a point came to; `records` belong into the caller's next commit."""

    reasons: tuple[Reason, ...]
    arguments: dict[str, Any] | None
    output: Any
    records: tuple[Record, ...]


class HookSet(msgspec.Struct, frozen=True):
    """Named hooks by point, in their order.

    Each gets `timeout_s` seconds; None where each sees to its time itself.
    """

    hooks: dict[HookPoint, tuple[tuple[str, Hook], ...]] = {}
    timeout_s: float | None = 5.0


class Hooks:
    """The hooks of this server: those of an agent, or of the server where it has none."""

    def __init__(
        self, journal: Journal, default: HookSet, by_agent: Mapping[str, HookSet] | None = None
    ) -> None:
        self._journal = journal
        self._default = default
        self._by_agent = by_agent or {}

    def stand(self, agent: str, point: HookPoint) -> bool:
        """Whether an agent has a hook at a point."""
        return bool(self._by_agent.get(agent, self._default).hooks.get(point))

    async def run(self, given: HookInput) -> HookResult:
        """Run every hook of a point; each sees what the one before it rewrote."""
        reasons: list[Reason] = []
        records: list[Record] = []
        arguments: dict[str, Any] | None = None
        output: Any = None
        chosen = self._by_agent.get(given.principal.agent, self._default)
        for name, hook in chosen.hooks.get(given.point, ()):
            answer, fault = await self._ask(hook, given, chosen.timeout_s)
            if answer.verdict is not Verdict.ALLOW:
                reasons.append(
                    Reason(
                        stage="hook",
                        verdict=answer.verdict,
                        code=answer.code or "hook.refused",
                        text=answer.reason or f"the hook `{name}` gave no reason",
                        rule=name,
                    )
                )
            if answer.arguments is not None:
                arguments = answer.arguments
                given = msgspec.structs.replace(given, arguments=arguments)
            if answer.output is not None:
                output = answer.output
                given = msgspec.structs.replace(given, output=output)
            records.append(self._ran(name, given, answer, fault))
        return HookResult(
            reasons=tuple(reasons), arguments=arguments, output=output, records=tuple(records)
        )

    async def _ask(
        self, hook: Hook, given: HookInput, timeout_s: float | None
    ) -> tuple[HookAnswer, str]:
        """One hook's answer; any fault of it is a deny."""
        try:
            async with asyncio.timeout(timeout_s):
                # A copy, so that a hook cannot change what the guard decides on.
                answer = await hook(msgspec.convert(msgspec.to_builtins(given), HookInput))
        except HookFault as fault:
            return _failed(str(fault))
        except TimeoutError:
            if timeout_s is None:
                return _failed("raised TimeoutError")
            return _failed(f"did not answer within {timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 -- foreign code: whatever it raises is a deny
            return _failed(f"raised {type(error).__name__}")
        if answer is None:
            return HookAnswer(), ""
        if not isinstance(answer, HookAnswer):
            return _failed(f"answered {type(answer).__name__} instead of HookAnswer")
        try:
            # Fields of a struct are not checked when it is made.
            return msgspec.convert(msgspec.to_builtins(answer), HookAnswer), ""
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return _failed("answered with fields of the wrong kind")

    def _ran(self, name: str, given: HookInput, answer: HookAnswer, fault: str) -> Record:
        body = bodies.HookRan(
            point=given.point,
            hook=name,
            fault=fault,
            reason=answer.reason,
            rewrote=answer.arguments is not None or answer.output is not None,
        )
        return self._journal.record(
            body,
            given.principal,
            tool=given.tool,
            call_id=given.call_id,
            verdict=answer.verdict,
        )

    def fired(self, who: Principal, point: HookPoint, detail: str) -> Record:
        """The record of a point that was reached, whether or not any hook stands there."""
        body = bodies.HookPointReached(point=point, hook="", detail=detail)
        return self._journal.record(body, who)


def _failed(text: str) -> tuple[HookAnswer, str]:
    reason = f"the hook {text}"
    return HookAnswer(verdict=Verdict.DENY, code="hook.failed", reason=reason), text
