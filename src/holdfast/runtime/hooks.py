"""User hooks at four points: they may tighten or rewrite, never loosen.

A hook that raises, hangs past its time-out or answers anything else is a deny. Every run leaves a
journal record (`hook.ran`). Not here: the process that a server runs them in
(`backends/hook_host`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from holdfast.model import bodies
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.events import Record
from holdfast.model.hooks import (
    HookAnswer,
    HookInput,
    HookPoint,
    Recovery,
    Strategy,
    misplaced,
)
from holdfast.model.principals import Principal
from holdfast.ports.hooks import Hook, HookFault

_DETAIL = 2_000
_STRICTNESS = {recovery: place for place, recovery in enumerate(Recovery)}


class HookResult(msgspec.Struct, frozen=True, kw_only=True):
    """What all hooks of a point came to; `records` belong into the caller's next commit.

    `recovery` is the strictest that one of them named, `fail` where one objects to a failure; None
    where none of them has a say. `strategy` and `keep_turns` are those named last.
    """

    reasons: tuple[Reason, ...]
    arguments: dict[str, Any] | None
    output: Any
    records: tuple[Record, ...]
    recovery: Recovery | None = None
    tool: str = ""
    strategy: Strategy | None = None
    keep_turns: int | None = None

    @property
    def objection(self) -> Reason | None:
        """The first of the reasons; all of them are against."""
        return next(iter(self.reasons), None)


class HookSet(msgspec.Struct, frozen=True):
    """Named hooks by point, in their order.

    Each gets `timeout_s` seconds; None where each sees to its time itself.
    """

    hooks: dict[HookPoint, tuple[tuple[str, Hook], ...]] = {}
    timeout_s: float | None = 5.0


class Records(Protocol):
    """Makes the record of a body: a journal, or who only tries hooks."""

    def record(self, body: bodies.Body, who: Principal | None, /, **flat: Any) -> Record:
        """One record about `who`; `flat` are Record's fields."""
        ...


class Hooks:
    """The hooks of this server: those of an agent, or of the server where it has none."""

    def __init__(
        self, journal: Records, default: HookSet, by_agent: Mapping[str, HookSet] | None = None
    ) -> None:
        self._journal = journal
        self._default = default
        self._by_agent = by_agent or {}

    def stand(self, agent: str, point: HookPoint) -> bool:
        """Whether an agent has a hook at a point."""
        return bool(self._by_agent.get(agent, self._default).hooks.get(point))

    async def run(self, given: HookInput) -> HookResult:
        """Run every hook of a point; each sees what the one before it left."""
        said = _Said(given)
        records: list[Record] = []
        chosen = self._by_agent.get(given.principal.agent, self._default)
        for name, hook in chosen.hooks.get(given.point, ()):
            answer, fault = await self._ask(hook, said.given, chosen.timeout_s)
            if not fault and (fault := misplaced(given.point, answer)):
                answer, fault = _failed(fault)
            said.take(name, answer)
            records.append(self._ran(name, said.given, answer, fault))
        return said.result(records)

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
            chose=_chosen(answer),
        )
        return self._journal.record(
            body,
            given.principal,
            tool=given.tool,
            call_id=given.call_id,
            verdict=answer.verdict,
        )

    def fired(self, given: HookInput) -> Record:
        """The record of a point that was reached, whether or not any hook stands there."""
        body = bodies.HookPointReached(point=given.point, hook="", detail=given.detail[:_DETAIL])
        return self._journal.record(body, given.principal)


def _failed(text: str) -> tuple[HookAnswer, str]:
    reason = f"the hook {text}"
    return HookAnswer(verdict=Verdict.DENY, code="hook.failed", reason=reason), text


class _Said:
    """What the hooks of one point have said so far."""

    def __init__(self, given: HookInput) -> None:
        self.given = given
        self._reasons: list[Reason] = []
        self._arguments: dict[str, Any] | None = None
        self._output: Any = None
        self._recovery: Recovery | None = None
        self._tool = ""
        self._keep_turns: int | None = None

    def take(self, name: str, answer: HookAnswer) -> None:
        """One more answer; what it rewrote is what the next hook sees."""
        replace = msgspec.structs.replace
        if answer.verdict is not Verdict.ALLOW:
            self._reasons.append(_reason(name, answer))
        if answer.arguments is not None:
            self._arguments = answer.arguments
            self.given = replace(self.given, arguments=answer.arguments)
        if answer.output is not None:
            self._output = answer.output
            self.given = replace(self.given, output=answer.output)
        if answer.strategy is not None:
            self.given = replace(self.given, strategy=answer.strategy)
        self._keep_turns = answer.keep_turns or self._keep_turns
        if self.given.point is HookPoint.ON_ERROR:
            self._recover(answer)

    def _recover(self, answer: HookAnswer) -> None:
        refused = answer.verdict is not Verdict.ALLOW
        recovery = Recovery.FAIL if refused else answer.recovery
        if recovery is None:
            return
        if self._recovery is None or _STRICTNESS[recovery] > _STRICTNESS[self._recovery]:
            self._recovery, self._tool = recovery, answer.tool

    def result(self, records: Sequence[Record]) -> HookResult:
        """All of it."""
        return HookResult(
            reasons=tuple(self._reasons),
            arguments=self._arguments,
            output=self._output,
            records=tuple(records),
            recovery=self._recovery,
            tool=self._tool,
            strategy=self.given.strategy,
            keep_turns=self._keep_turns,
        )


def _reason(name: str, answer: HookAnswer) -> Reason:
    return Reason(
        stage="hook",
        verdict=answer.verdict,
        code=answer.code or "hook.refused",
        text=answer.reason or f"the hook `{name}` gave no reason",
        rule=name,
    )


def _chosen(answer: HookAnswer) -> str:
    """What it chose, for the journal."""
    if answer.recovery is not None:
        return f"{answer.recovery} {answer.tool}".strip()
    return f"{answer.strategy or ''} {answer.keep_turns or ''}".strip()
