"""The model's half of an activation: its answers, what follows a failure, a context that is full.

What the operator's hooks decide of a failure is obeyed here: another try within the bounds, one
with a smaller context, a person, or the end. The tries of the gateway count: it is told to make one
at a time. Not here: HTTP (`model_door`), what comes next (`core/loop`).
"""

import asyncio
from typing import Any

import msgspec

from holdfast.core.assembled import Assembled
from holdfast.core.context import ContextSettings, compaction_due, context_percent
from holdfast.core.judging import judge_request, read_verdict
from holdfast.core.loop import Compact
from holdfast.core.outputs import OutputSettings
from holdfast.errors import Conflict, LeaseLost, SessionStopped
from holdfast.integrations.native.activation import Activation
from holdfast.integrations.native.model_door import Fault, ModelDoor
from holdfast.model import bodies
from holdfast.model.hooks import Recovery, Strategy
from holdfast.model.views.calls import HookAnswer

SLEPT_S = 5.0
_NOTHING_LEFT = "context_overflow: nothing more can be given up"
_SUMMARISE = (
    "Summarise what was done so far, what was found out and what is left to do, so that somebody"
    " who knows only the task and your summary can go on. Name ids, amounts and files exactly."
)


class ModelTurns:
    """Asks the model, and writes down what it says."""

    def __init__(self, activation: Activation) -> None:
        self._at = activation
        self._session = activation.session
        self._plan = activation.plan
        self._context = msgspec.convert(activation.plan.context, ContextSettings)
        self._door = ModelDoor(activation.session)

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
        await self._door.close()

    def _request(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._plan.model,
            "max_tokens": self._plan.max_output_tokens,
            "messages": messages,
        }
        if self._at.talk.system_prompt:
            body["system"] = self._at.talk.system_prompt
        tools = [{"name": n, **one["definition"]} for n, one in self._plan.tools.items()]
        return {**body, "tools": tools} if tools else body

    async def ask(self, turn: int) -> None:
        """The next answer, which is `turn`."""
        answer = await self._door.ask(self._request(self._at.talk.messages()))
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
        await self._at.write(body, turn=turn)

    # --- failures ----------------------------------------------------------------------------
    async def _failed(self, fault: Fault) -> None:
        """A model call without an answer: what kind of failure decides what follows."""
        reason = f"{fault.code}: {fault.text}"
        if fault.status == 401:
            raise LeaseLost("the session's token is not valid any more")
        if fault.code == "budget_exceeded" or fault.status == 402:
            parks = self._at.retries.on_budget == "park"
            await self._at.leave("park" if parks else "failed", reason)
        if fault.code in ("session_stopped", "credential_expired", "loop_detected"):
            view = await self._session.view()
            raise SessionStopped(fault.text, state=view.state)
        if fault.too_long:
            await self._overflowed(fault.heard or await self._full(fault.text[:500]))
            return
        heard = fault.heard or await self._session.hook(
            "on_error", reason[:500], tries=self._tried(fault), code=fault.code
        )
        await self._recovered(fault, heard, reason)

    def _tried(self, fault: Fault) -> int:
        return self._at.talk.retries + fault.tries

    async def _recovered(self, fault: Fault, heard: HookAnswer, reason: str) -> None:
        """What the hooks decided; where they left it open, another try if one may help."""
        recovery = heard.recovery
        if recovery is Recovery.ESCALATE:
            raise SessionStopped(reason, state="paused")
        if recovery is Recovery.RETRY_SMALLER:
            smaller = self._half()
            if smaller is None:
                await self._at.leave("dead", f"{_NOTHING_LEFT} ({reason})")
            else:
                # First, since waiting may end this activation.
                await self._compact(smaller)
                await self._again_later(fault, reason)
        elif recovery in (None, Recovery.RETRY):
            if fault.final:
                await self._at.leave("failed", reason)
            await self._again_later(fault, reason)
        else:
            why = next((f"{one.code}: {one.text}" for one in heard.reasons), f"hook: {recovery}")
            await self._at.leave("dead", f"{why} ({reason})")

    async def _again_later(self, fault: Fault, reason: str) -> None:
        tried = self._tried(fault)
        if tried >= self._at.retries.model_attempts:
            await self._at.leave("dead", f"the model call failed {tried} times: {reason}")
        # What nobody sent is no try, and is waited for longer each time all the same.
        pause_s = self._at.pause_s(self._at.talk.waits + 1)
        wait_s = max(fault.retry_after_s, pause_s) if not fault.tries else fault.retry_after_s
        wait_s = wait_s or pause_s
        body = bodies.RunRetrying(
            error_class=fault.code, error=fault.text, attempt=tried, delay_s=wait_s
        )
        await self._at.write(body)
        if wait_s > SLEPT_S:
            await self._at.leave("delay", reason, delay_s=wait_s)
        await asyncio.sleep(wait_s)

    # --- a context that is full --------------------------------------------------------------
    async def shrink(self, due: Compact) -> None:
        """A compaction is due: the hooks hear of it first, and may choose another one.

        A `due` with the strategy `end` ends the run, where they choose nothing else.
        """
        heard = await self._full(f"the context is {due.percent} % full", strategy=due.strategy)
        chosen = self._chosen(heard, due)
        if chosen is None:
            await self._at.leave("failed", f"context_overflow: {due.percent} % full, the run ends")
        else:
            await self._compact(chosen)

    async def _full(self, detail: str, strategy: Strategy | None = None) -> HookAnswer:
        """The hooks at a full context. Errors: Left where they object: that ends the run."""
        heard = await self._session.hook(
            "on_context_overflow", detail, strategy=strategy or self._context.strategy
        )
        why = next(iter(heard.reasons), None)
        if why is not None:
            await self._at.leave("failed", f"{why.code}: {why.text} ({detail})")
        return heard

    def _chosen(self, heard: HookAnswer, due: Compact) -> Compact | None:
        """What is given up now; None to end."""
        changed = heard.strategy not in (None, due.strategy) or heard.keep_turns is not None
        if not changed:
            return None if due.strategy == "end" else due
        settings = msgspec.structs.replace(
            self._context,
            strategy=heard.strategy or due.strategy,
            keep_turns=heard.keep_turns or self._context.keep_turns,
        )
        talk = self._at.talk
        kept = [(x.turn, x.usage) for x in talk.exchanges if x.turn >= talk.keep_from_turn]
        found = compaction_due(settings, kept, pruned_before=talk.prune_before_turn, full=True)
        if found is None or found.strategy == "end":
            return None
        return Compact(found.strategy, found.keep_from_turn, due.percent)

    async def _overflowed(self, heard: HookAnswer) -> None:
        """The provider took the conversation as too long: give up more of it, or end."""
        if heard.recovery is Recovery.FAIL:
            await self._at.leave("failed", "context_overflow: a hook ends the run")
        if self._at.talk.last is None:
            await self._at.leave("failed", "context_overflow: the task alone is too long")
        smaller = self._half(heard.strategy or self._context.strategy)
        if smaller is None:
            await self._at.leave("failed", _NOTHING_LEFT)
        else:
            await self._compact(smaller)

    def _half(self, strategy: Strategy = "keep_last") -> Compact | None:
        """Without the older half of the conversation; None where nothing more can go."""
        talk = self._at.talk
        kept = [x for x in talk.exchanges if x.turn >= talk.keep_from_turn]
        if len(kept) <= 1 or strategy == "end":
            return None
        drop: Strategy = "keep_last" if strategy == "prune_tool_results" else strategy
        return Compact(drop, kept[len(kept) // 2].turn, 100)

    async def _compact(self, step: Compact) -> None:
        summary = ""
        if step.strategy in ("summarise", "hand_off"):
            answer = await self._door.ask(self._summary_request())
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
        await self._at.write(body)

    def _summary_request(self) -> dict[str, Any]:
        settings, talk = self._context, self._at.talk
        pruned = talk.prune_before_turn
        # Results are long, and what matters of them stands in the model's own words by now.
        talk.prune_before_turn = talk.turn
        messages = talk.messages()
        talk.prune_before_turn = pruned
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

    # --- the judge ---------------------------------------------------------------------------
    async def judge(self, result: Any) -> None:
        """One verdict, as a record of its own: what is journalled is not asked for again."""
        settings = msgspec.convert(self._plan.output, OutputSettings).judge
        if settings is None:
            raise Conflict("the run has no judge")
        task = "\n\n".join(part for part in (self._at.talk.task_text, self._at.talk.prompt) if part)
        answer = await self._door.ask(judge_request(settings, self._plan.model, task, result))
        if isinstance(answer, Fault):
            if answer.too_long:
                text = "judge_unreadable: the result is too long to judge"
                await self._at.leave("failed", text)
            await self._failed(answer)
            return
        said = read_verdict("".join(str(b.get("text", "")) for b in answer.content))
        body = bodies.RunJudged(
            verdict=said.verdict, why=said.why, model=answer.model, usage=answer.usage
        )
        await self._at.write(body)
