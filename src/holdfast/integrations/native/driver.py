"""One activation of one run: fold its journal, do what comes next, write it down, again.

Nothing is kept between two steps that the journal does not hold, so this may end at any point:
the next activation folds the same records and goes on. Not here: what comes next (`core/loop`).
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from holdfast.client import Session
from holdfast.core.assembled import Assembled
from holdfast.core.context import ContextSettings, context_percent
from holdfast.core.judging import judge_request, read_verdict
from holdfast.core.loop import (
    Call,
    CallModel,
    Compact,
    Conversation,
    Fail,
    Finish,
    Judge,
    RunTools,
    Say,
    next_step,
)
from holdfast.core.outputs import OutputSettings
from holdfast.core.runs import RetrySettings, backoff_s
from holdfast.errors import (
    Conflict,
    CredentialExpired,
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
from holdfast.integrations.native.model_door import Fault, ModelDoor
from holdfast.integrations.native.router import Router
from holdfast.integrations.permits import PermitCheck
from holdfast.model import bodies
from holdfast.model.attempts import ToolResult
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.runs import Run
from holdfast.model.views.calls import Attempt, Ruling, Stored, ToolOutput

DOOR = "native"
SHOWN_CHARACTERS = 200_000
_AT_ONCE = 8
_SAFE = ("pure", "idempotent", "keyed")
_SLEPT_S = 5.0
_LIMITED_S = 5.0
_REPORT_S = 60.0
_REPORT_PAUSE_S = 0.25
_TOO_LONG = ("prompt is too long", "context window", "too many tokens")
_SUMMARISE = (
    "Summarise what was done so far, what was found out and what is left to do, so that somebody"
    " who knows only the task and your summary can go on. Name ids, amounts and files exactly."
)


class _Left(Exception):
    """The activation has ended; the run stands as it was left."""


class Driver:
    """Works at one run until it is left, lost or told to yield."""

    def __init__(
        self, session: Session, run: Run, router: Router, *, dice: random.Random | None = None
    ) -> None:
        self._session = session
        self._run = run
        self._plan = run.plan
        self._router = router
        self._dice = dice or random.SystemRandom()
        self._retries = msgspec.convert(run.plan.retries, RetrySettings)
        self._context = msgspec.convert(run.plan.context, ContextSettings)
        self._model = ModelDoor(session)
        self._permits = PermitCheck(session)
        self._talk = Conversation()
        self.yielding = False

    async def activate(self) -> None:
        """One activation, to its end. A lease that was lost ends it without a word.

        Errors: Unavailable when the server is gone; the run is then given out again.
        """
        try:
            for record in await self._session.history():
                self._talk.fold(record)
            await self._router.open()
            while True:
                await self._step()
        except (_Left, LeaseLost, Unauthenticated):
            return
        except SessionStopped as stopped:
            await self._stopped(stopped)
        except CredentialExpired:
            return
        except HoldfastError as fault:
            if isinstance(fault, Unavailable | OutcomeUnknown):
                raise
            await self._leave_quietly("dead", f"{fault.code}: {fault.message}")
        finally:
            # The tools first: whatever ends this activation, they must not go on.
            try:
                await self._router.close()
            finally:
                await self._model.close()

    async def _stopped(self, stopped: SessionStopped) -> None:
        """A pause parks the run; any other end of the session is the server's to note."""
        if str(stopped.fields.get("state", "")) == "paused":
            await self._leave_quietly("park", "the session is paused")

    async def _leave_quietly(self, how: Literal["park", "dead"], reason: str) -> None:
        try:
            await self._session.leave(self._run.epoch, how, reason)
        except (LeaseLost, Unauthenticated):
            return

    async def _leave(
        self,
        how: Literal["done", "failed", "delay", "park", "yield", "dead"],
        reason: str = "",
        *,
        delay_s: float = 0.0,
        result: Any = None,
    ) -> None:
        await self._session.leave(self._run.epoch, how, reason, delay_s=delay_s, result=result)
        raise _Left

    async def _step(self) -> None:
        if self.yielding:
            await self._leave("yield", "the worker is stopping")
        step = next_step(self._talk, self._plan)
        if isinstance(step, RunTools):
            await self._tools(step.calls)
        elif isinstance(step, CallModel):
            await self._ask(step.turn)
        elif isinstance(step, Say):
            await self._write(bodies.RunNoted(text=step.text, why=step.why))
        elif isinstance(step, Compact):
            await self._compact(step)
        elif isinstance(step, Judge):
            await self._judge(step.result)
        elif isinstance(step, Finish):
            await self._leave("done", result=step.result)
        elif isinstance(step, Fail):
            await self._leave("failed", f"{step.code}: {step.text}")

    async def _write(self, body: bodies.Body, **flat: Any) -> None:
        """One record, durable, then folded as it stands in the journal."""
        kind = bodies.KINDS[type(body)]
        event = {"kind": kind, "turn": self._talk.turn, "body": body.told(), **flat}
        for record in await self._session.append(self._run.epoch, [event]):
            self._talk.fold(record)

    # --- the model ---------------------------------------------------------------------------
    def _request(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._plan.model,
            "max_tokens": self._plan.max_output_tokens,
            "messages": messages,
        }
        if self._talk.system_prompt:
            body["system"] = self._talk.system_prompt
        tools = [{"name": n, **one["definition"]} for n, one in self._plan.tools.items()]
        return {**body, "tools": tools} if tools else body

    async def _ask(self, turn: int) -> None:
        answer = await self._model.ask(self._request(self._talk.messages()))
        if isinstance(answer, Fault):
            await self._failed(answer)
            return
        await self._answered(answer, turn)

    async def _answered(self, answer: Assembled, turn: int) -> None:
        percent = context_percent(self._context, answer.usage)
        body = bodies.RunAnswered(
            content=answer.content,
            stop_reason=answer.stop_reason,
            usage=answer.usage,
            model=answer.model,
            context_percent=percent,
        )
        await self._write(body, turn=turn)

    async def _failed(self, fault: Fault) -> None:
        """A model call without an answer: what kind of failure decides what follows."""
        reason = f"{fault.code}: {fault.text}"
        if fault.status == 401:
            raise LeaseLost("the session's token is not valid any more")
        if fault.code == "budget_exceeded" or fault.status == 402:
            await self._leave("park" if self._retries.on_budget == "park" else "failed", reason)
        if fault.code in ("session_stopped", "credential_expired", "loop_detected"):
            view = await self._session.view()
            raise SessionStopped(fault.text, state=view.state)
        if _too_long(fault):
            await self._objected("on_context_overflow", fault.text[:500])
            await self._overflowed()
            return
        await self._objected("on_error", reason[:500])
        if fault.final:
            await self._leave("failed", reason)
        await self._again_later(fault, reason)

    async def _objected(
        self, point: Literal["on_context_overflow", "on_error"], detail: str
    ) -> None:
        """Reach a point of the operator's hooks; what they object to ends the run as failed."""
        answer = await self._session.hook(point, detail)
        why = next((r for r in answer.reasons if r.verdict is not Verdict.ALLOW), None)
        if why is not None:
            await self._leave("failed", f"{why.code}: {why.text} ({detail})")

    async def _judge(self, result: Any) -> None:
        """One verdict, as a record of its own: what is journalled is not asked for again."""
        settings = msgspec.convert(self._plan.output, OutputSettings).judge
        if settings is None:
            raise Conflict("the run has no judge")
        task = "\n\n".join(part for part in (self._talk.task_text, self._talk.prompt) if part)
        answer = await self._model.ask(judge_request(settings, self._plan.model, task, result))
        if isinstance(answer, Fault):
            if _too_long(answer):
                await self._leave("failed", "judge_unreadable: the result is too long to judge")
            await self._failed(answer)
            return
        said = read_verdict("".join(str(b.get("text", "")) for b in answer.content))
        body = bodies.RunJudged(
            verdict=said.verdict, why=said.why, model=answer.model, usage=answer.usage
        )
        await self._write(body)

    async def _overflowed(self) -> None:
        """The provider took the conversation as too long: give up more of it, or end."""
        last = self._talk.last
        if last is None:
            await self._leave("failed", "context_overflow: the task alone is too long")
            return
        kept = [x for x in self._talk.exchanges if x.turn >= self._talk.keep_from_turn]
        if len(kept) <= 1 or self._context.strategy == "end":
            await self._leave("failed", "context_overflow: nothing more can be given up")
        strategy = self._context.strategy
        drop = "keep_last" if strategy == "prune_tool_results" else strategy
        keep_from = kept[len(kept) // 2].turn
        await self._compact(Compact(drop, keep_from, 100))

    async def _again_later(self, fault: Fault, reason: str) -> None:
        tried = self._talk.retries + 1
        if tried >= self._retries.model_attempts:
            await self._leave("dead", f"the model call failed {tried} times: {reason}")
        wait_s = fault.retry_after_s or self._pause_s(tried)
        if wait_s > _SLEPT_S:
            await self._leave("delay", reason, delay_s=wait_s)
        body = bodies.RunRetrying(
            error_class=fault.code, error=fault.text, attempt=tried, delay_s=wait_s
        )
        await self._write(body)
        await asyncio.sleep(wait_s)

    def _pause_s(self, attempt: int) -> float:
        return backoff_s(
            attempt,
            base_s=self._retries.base_s,
            most_s=self._retries.most_s,
            roll=self._dice.random(),
        )

    async def _compact(self, step: Compact) -> None:
        summary = ""
        if step.strategy in ("summarise", "hand_off"):
            answer = await self._model.ask(self._summary_request())
            if isinstance(answer, Fault):
                await self._failed(answer)
                return
            summary = "".join(str(b.get("text", "")) for b in answer.content)
        body = bodies.RunCompacted(
            strategy=step.strategy,
            keep_from_turn=step.keep_from_turn,
            summary=summary,
            percent=step.percent,
        )
        await self._write(body)

    def _summary_request(self) -> dict[str, Any]:
        settings, pruned = self._context, self._talk.prune_before_turn
        # Results are long, and what matters of them stands in the model's own words by now.
        self._talk.prune_before_turn = self._talk.turn
        messages = self._talk.messages()
        self._talk.prune_before_turn = pruned
        ask = {"type": "text", "text": _SUMMARISE}
        if messages[-1]["role"] == "user":
            messages[-1]["content"].append(ask)
        else:
            messages.append({"role": "user", "content": [ask]})
        body = self._request(messages)
        body["model"] = settings.summary_model or self._plan.model
        body["max_tokens"] = settings.summary_tokens
        if "tools" in body:
            body["tool_choice"] = {"type": "none"}
        return body

    # --- tools -------------------------------------------------------------------------------
    async def _tools(self, calls: tuple[Call, ...]) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(call: Call) -> str:
            async with limit:
                return await self._tool(call)

        found = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
        undecided = [f for f in found if isinstance(f, RateLimited | PolicyUnavailable)]
        faults = [f for f in found if isinstance(f, BaseException) and f not in undecided]
        for fault in faults:
            if isinstance(fault, LeaseLost | Unauthenticated | SessionStopped):
                raise fault
        if faults:
            raise faults[0]
        if undecided:
            await self._decided_later(undecided[0])
        waiting = [str(text) for text in found if text]
        if waiting:
            await self._leave("park", "; ".join(waiting))

    async def _decided_later(self, fault: RateLimited | PolicyUnavailable) -> None:
        """Nothing was decided: its tenant asked for too much for a while, or policy is away.

        No number of these makes the run a dead letter: no worker was lost, and its deadline holds.
        """
        limited = isinstance(fault, RateLimited)
        delay_s = _LIMITED_S if limited else self._pause_s(self._talk.retries + 1)
        body = bodies.RunRetrying(error_class=fault.code, error=fault.message, delay_s=delay_s)
        await self._write(body)
        await self._leave("delay", f"{fault.code}: {fault.message}", delay_s=delay_s)

    async def _tool(self, call: Call) -> str:
        """One call, to what the model reads of it; or why a person has to look first."""
        try:
            attempt = await self._session.again(call.call_id, call.tool, call.arguments, door=DOOR)
        except PermitInvalid as refusal:
            await self._say(call, f"{refusal.code}: {refusal.message}", failed=True)
            return ""
        for tried in range(1, 2 * self._retries.tool_attempts + 2):
            if attempt.next == "parked":
                return (
                    f"outcome_unknown: `{call.tool}` may have taken effect ({attempt.effect_key})"
                )
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
            try:
                result = await self._execute(call, attempt)
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
            heard = await self._session.hook("on_error", f"{call.tool}: {error}"[:500])
            ends = any(r.verdict is not Verdict.ALLOW for r in heard.reasons)
            safe = self._plan.tools[call.tool]["idempotency"] in _SAFE
            last = tried >= self._retries.tool_attempts and (safe or not result.uncertain)
            if not last and not ends:
                if not result.uncertain:
                    await asyncio.sleep(min(self._pause_s(tried), _SLEPT_S))
                return await self._session.again(
                    call.call_id,
                    call.tool,
                    call.arguments,
                    found="nothing_happened" if result.nothing_happened else "",
                    error=error[:2000],
                    door=DOOR,
                )
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
        failed = not result.ok or bool(done.withheld)
        self._heard(call, done.content or content, failed=failed)
        return None

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
        await self._write(body, call_id=call.call_id, tool=call.tool)

    def _heard(self, call: Call, content: str, *, failed: bool) -> None:
        """What `finish` journalled, folded as the next activation would fold it."""
        body = bodies.RunToolAnswered(content=content, is_error=failed)
        self._talk.fold(
            Record(
                kind=Kind.RUN_TOOL_ANSWERED,
                at_ns=0,
                turn=self._talk.turn,
                call_id=call.call_id,
                tool=call.tool,
                body=body.told(),
            )
        )


def _too_long(fault: Fault) -> bool:
    return fault.status in (400, 413) and any(t in fault.text.lower() for t in _TOO_LONG)


def _shown(output: Any) -> str:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n[cut: {len(text)} characters in all]"


def _stored_text(stored: Stored) -> str:
    if not stored.output_kept:
        return "This was done before in this task; its result was too large to keep."
    return _shown(stored.output)
