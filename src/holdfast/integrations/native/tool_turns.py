"""The tools' half of an activation: each call decided, run once, and reported.

A call that failed is tried again within its bounds, as far as its class and the operator's hooks
allow. Not here: the tools (`router`), what a lost answer means (`runtime/attempts`).
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from holdfast.core.canonical import digest
from holdfast.core.effects import NOT_RUN
from holdfast.core.loop import Call
from holdfast.core.reports import UNANSWERED
from holdfast.errors import (
    Conflict,
    Exhausted,
    HoldfastError,
    LeaseLost,
    OutcomeUnknown,
    PermitInvalid,
    PolicyUnavailable,
    RateLimited,
    SessionStopped,
    Unauthenticated,
    Unavailable,
)
from holdfast.integrations.native.activation import Activation
from holdfast.integrations.native.child_runs import ChildAtWork, ChildRuns
from holdfast.integrations.native.router import Router
from holdfast.integrations.permits import PermitCheck
from holdfast.model import bodies
from holdfast.model.attempts import ToolResult
from holdfast.model.events import Kind, Record
from holdfast.model.hooks import Recovery
from holdfast.model.views.calls import Attempt, Ruling, Stored, ToolOutput

DOOR = "native"
SHOWN_CHARACTERS = 200_000
_AT_ONCE = 8
_SAFE = ("pure", "idempotent", "keyed")
_SLEPT_S = 5.0
_LIMITED_S = 5.0
_REPORT_S = 60.0
_REPORT_PAUSE_S = 0.25
_MORE = (None, Recovery.RETRY, Recovery.RETRY_SMALLER)


class ToolTurns:
    """Runs the calls of one answer, and writes down what the model reads of each."""

    def __init__(self, activation: Activation, router: Router) -> None:
        self._at = activation
        self._session = activation.session
        self._plan = activation.plan
        self._retries = activation.retries
        self._router = router
        self._children = ChildRuns(activation)
        self._permits = PermitCheck(activation.session)
        # Calls that a hook gave up for the run as a whole.
        self._dead: list[str] = []
        # Questions to a person, by id, with what waits for each.
        self._asked: dict[str, str] = {}

    async def run(self, calls: tuple[Call, ...]) -> None:
        """Each of them once."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def alike(twins: list[Call]) -> str:
            # The same call twice in one answer is had once: the second reads what the first did.
            waiting: list[str] = []
            for call in twins:
                async with limit:
                    waiting.append(await self._tool(call))
            return "; ".join(text for text in waiting if text)

        groups: dict[str, list[Call]] = {}
        for call in calls:
            groups.setdefault(f"{call.tool} {digest(call.arguments)}", []).append(call)
        found = await asyncio.gather(*map(alike, groups.values()), return_exceptions=True)
        undecided = [f for f in found if isinstance(f, RateLimited | PolicyUnavailable)]
        waits = [f for f in found if isinstance(f, ChildAtWork)]
        known = (*undecided, *waits)
        faults = [f for f in found if isinstance(f, BaseException) and f not in known]
        for fault in faults:
            if isinstance(fault, LeaseLost | Unauthenticated | SessionStopped):
                raise fault
        if faults:
            raise faults[0]
        if undecided:
            await self._decided_later(undecided[0])
        if self._dead:
            await self._at.leave("dead", "; ".join(self._dead))
        waiting = [str(text) for text in found if isinstance(text, str) and text]
        if not waiting and waits:
            # Nothing stays resident while a child works; its answer is looked for again.
            await self._at.leave("delay", str(waits[0]), delay_s=self._children.again_s())
        if waiting:
            await self._at.leave("park", "; ".join(waiting))
        if self._asked:
            tools = ", ".join(f"`{tool}`" for tool in dict.fromkeys(self._asked.values()))
            reason = (
                f"approval_required: a person is asked about {tools} ({', '.join(self._asked)})"
            )
            await self._at.leave("delay", reason, approvals=tuple(self._asked))

    async def _decided_later(self, fault: RateLimited | PolicyUnavailable) -> None:
        """Nothing was decided: its tenant asked for too much for a while, or policy is away.

        No number of these makes the run a dead letter: no worker was lost, and its deadline holds.
        """
        limited = isinstance(fault, RateLimited)
        delay_s = _LIMITED_S if limited else self._at.pause_s(self._at.talk.retries + 1)
        body = bodies.RunRetrying(error_class=fault.code, error=fault.message, delay_s=delay_s)
        await self._at.write(body)
        await self._at.leave("delay", f"{fault.code}: {fault.message}", delay_s=delay_s)

    async def _tool(self, call: Call) -> str:
        """One call, to what the model reads of it; or why a person has to look first.

        Errors: ChildAtWork.
        """
        if self._children.takes(call):
            await self._children.check(call)
        try:
            attempt = await self._session.again(call.call_id, call.tool, call.arguments, door=DOOR)
        except PermitInvalid as refusal:
            await self._say(call, f"{refusal.code}: {refusal.message}", failed=True)
            return ""
        result: ToolResult | None = None
        tried = 0
        for _ in range(3 * self._retries.tool_attempts + 2):
            if attempt.next == "parked":
                return (
                    f"outcome_unknown: `{call.tool}` may have taken effect ({attempt.effect_key})"
                )
            if attempt.next == "asked":
                self._asked[attempt.approval] = call.tool
                return ""
            if attempt.next == "denied":
                said = attempt.ruling.message if attempt.ruling is not None else attempt.message
                await self._say(call, said, failed=True)
                return ""
            if attempt.next == "answered" and attempt.stored is not None:
                await self._say(call, _stored_text(attempt.stored), failed=False)
                return ""
            if attempt.next == "probe":
                attempt = await self._probed(call, attempt)
                continue
            if result is not None and tried >= self._retries.tool_attempts:
                # The last try was uncertain, and the tool says that nothing came of it.
                await self._report(call, _not_run(result))
                return ""
            try:
                result, tried = await self._execute(call, attempt), tried + 1
            except Exhausted:
                # Spent since it was allowed: the call was taken back, and says so when asked.
                attempt = await self._session.again(
                    call.call_id, call.tool, call.arguments, door=DOOR
                )
                continue
            more = await self._outcome(call, result, tried)
            if more is None:
                return ""
            attempt = more
        raise Conflict(f"`{call.tool}` came to no end", call_id=call.call_id)

    async def _probed(self, call: Call, attempt: Attempt) -> Attempt:
        probed = await self._router.probe(call.tool, call.arguments, key=attempt.effect_key)
        return await self._session.again(
            call.call_id,
            call.tool,
            call.arguments,
            found=probed.found,
            output=probed.output,
            door=DOOR,
        )

    async def _execute(self, call: Call, attempt: Attempt) -> ToolResult:
        ruling = cast("Ruling", attempt.ruling)
        await self._permits.check(ruling, call.call_id, call.tool)
        await self._session.redeem(ruling.permit, call.call_id, call.tool, ruling.arguments)
        begun_s = time.monotonic()
        if self._children.takes(call):
            return await self._children.run(call, ruling.arguments)
        result = await self._router.run(
            call.tool,
            ruling.arguments,
            key=ruling.effect_key,
            attempt=max(attempt.attempt, 1),
            call_id=call.call_id,
        )
        took_ms = round((time.monotonic() - begun_s) * 1000)
        return msgspec.structs.replace(result, took_ms=took_ms)

    async def _outcome(self, call: Call, result: ToolResult, tried: int) -> Attempt | None:
        """Report an attempt; returns how the call goes on where it is not over."""
        error = f"{result.error_code}: {result.error}"
        once = self._plan.tools[call.tool]["idempotency"] == "once"
        # Of what must not happen twice, this process's word that nothing did opens no second try.
        tried_again = result.nothing_happened and result.retryable and not once
        open_still = result.uncertain or tried_again
        if not result.ok and open_still:
            kind = self._plan.tools[call.tool]["idempotency"]
            last = tried >= self._retries.tool_attempts and (kind in _SAFE or not result.uncertain)
            # Whether it happened nobody knows by now, and no try is left that would tell.
            lost = last and result.error_code in UNANSWERED and kind != "pure"
            if (lost or not last) and await self._may_try_again(call, result, error, tried):
                if not result.uncertain:
                    await asyncio.sleep(min(self._at.pause_s(tried), _SLEPT_S))
                return await self._session.again(
                    call.call_id,
                    call.tool,
                    call.arguments,
                    found="given_up"
                    if lost
                    else "nothing_happened"
                    if result.nothing_happened
                    else "",
                    error=error[:2000],
                    door=DOOR,
                )
        await self._report(call, result)
        return None

    async def _report(self, call: Call, result: ToolResult) -> None:
        """What became of the call, to the server and to the model."""
        error = f"{result.error_code}: {result.error}"
        content = _shown(result.output) if result.ok else error[:SHOWN_CHARACTERS]
        report = {
            "ok": result.ok,
            "output": result.output,
            "error": "" if result.ok else error[:2000],
            "duration_ms": result.took_ms,
            "content": content,
            "uncertain": result.uncertain,
            "code": "" if result.ok else result.error_code,
        }
        done = await self._reported(call, report)
        if done.recovery is Recovery.FAIL:
            self._dead.append(f"{call.tool}: {done.withheld or error}"[:500])
        failed = not result.ok or bool(done.withheld)
        self._heard(call, done.content or content, failed=failed)

    async def _may_try_again(self, call: Call, result: ToolResult, error: str, tried: int) -> bool:
        """What the operator's hooks say to another try; for the last one, `finish` asks them."""
        heard = await self._session.hook(
            "on_error", error[:500], call_id=call.call_id, tries=tried, code=result.error_code
        )
        return heard.recovery in _MORE

    async def _reported(self, call: Call, report: Mapping[str, Any]) -> ToolOutput:
        """Report what a tool did, to a server that is away as soon as it is back.

        Only this process knows it: an effect that nobody reports is unknown, and may wait for a
        person. Errors: Unavailable, OutcomeUnknown when it could not be told.
        """
        lost: HoldfastError | None = None
        until_s = time.monotonic() + _REPORT_S
        while True:
            try:
                return await self._session.finish(call.call_id, **report)
            except (Unavailable, OutcomeUnknown) as fault:
                if time.monotonic() >= until_s:
                    raise
                lost = fault
            except Conflict:
                if lost is None:
                    raise
                # It was taken and its answer lost: the next activation reads it in the journal.
                raise lost from None
            await asyncio.sleep(_REPORT_PAUSE_S)

    async def _say(self, call: Call, text: str, *, failed: bool) -> None:
        body = bodies.RunToolAnswered(content=text[:SHOWN_CHARACTERS], is_error=failed)
        await self._at.write(body, call_id=call.call_id, tool=call.tool)

    def _heard(self, call: Call, content: str, *, failed: bool) -> None:
        """What `finish` journalled, folded as the next activation would fold it."""
        body = bodies.RunToolAnswered(content=content, is_error=failed)
        self._at.talk.fold(
            Record(
                kind=Kind.RUN_TOOL_ANSWERED,
                at_ns=0,
                turn=self._at.talk.turn,
                call_id=call.call_id,
                tool=call.tool,
                body=body.told(),
            )
        )


def _not_run(result: ToolResult) -> ToolResult:
    """A failure of which the tool itself says by now that nothing happened."""
    return msgspec.structs.replace(result, uncertain=False, error_code=NOT_RUN)


def _shown(output: Any) -> str:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n[cut: {len(text)} characters in all]"


def _stored_text(stored: Stored) -> str:
    if not stored.output_kept:
        return "This was done before in this task; its result was too large to keep."
    return _shown(stored.output)
