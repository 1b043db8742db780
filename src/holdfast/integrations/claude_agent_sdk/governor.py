"""The hooks of one governed session: ask before, report after, and refuse on every fault.

Nothing that goes wrong here may look like consent: each path ends in an answer of `outputs`.
Not here: options and environment (`govern`), rules (the server).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, cast

from claude_agent_sdk import (
    HookContext,
    HookInput,
    HookJSONOutput,
    HookMatcher,
    PostToolUseFailureHookInput,
    PostToolUseHookInput,
    PreCompactHookInput,
    PreToolUseHookInput,
    UserPromptSubmitHookInput,
)

from holdfast.client import Session
from holdfast.core.effects import NOT_RUN
from holdfast.errors import (
    CredentialExpired,
    HoldfastError,
    OutcomeUnknown,
    SessionStopped,
    Unauthenticated,
    Unavailable,
)
from holdfast.integrations.permits import PermitCheck, same_arguments
from holdfast.model.decisions import Verdict

from . import outputs
from .contexts import CONTEXTS
from .tighten import UserHooks

DOOR = "claude_agent_sdk"
_GRACE_S = 5.0
_Answer = Callable[[Any, str | None, HookContext], Awaitable[HookJSONOutput]]


class Governor:
    """Answers the CLI's hooks for one session; one for each `govern`."""

    def __init__(
        self,
        session: Session,
        deadline_s: float,
        user_hooks: Mapping[str, list[HookMatcher]] | None = None,
        permits: PermitCheck | None = None,
        own_servers: Collection[str] = (),
    ) -> None:
        """`own_servers`: MCP servers of this process, whose tools find their key (`contexts`)."""
        self._session = session
        self._own_servers = own_servers
        self._deadline_s = deadline_s
        self.keeps: object = None
        self._permits = permits or PermitCheck(session)
        # Calls that were allowed and have not been reported: call id → agent id.
        self._running: dict[str, str] = {}
        self._contexts = CONTEXTS
        self._prompts: set[str] = set()
        self._answers: dict[str, _Answer] = {
            "PreToolUse": self.before,
            "PostToolUse": self.after,
            "PostToolUseFailure": self.failed,
            "UserPromptSubmit": self.prompted,
            "PreCompact": self.overflowed,
            "Stop": self.stopped,
            "SubagentStop": self.stopped,
        }
        given = dict(user_hooks or {})
        self._theirs = {
            event: UserHooks(event, given.get(event, ()), deadline_s) for event in self._answers
        }
        self._others = {event: given[event] for event in given if event not in self._answers}

    def hooks(self) -> dict[Any, list[HookMatcher]]:
        """What goes into the options: one matcher an event of ours, then the other events'."""
        ours = {
            event: [
                HookMatcher(
                    matcher=None,
                    hooks=[self._closed(event)],
                    timeout=self._within_s(event) + _GRACE_S,
                    on_failure="block",
                )
            ]
            for event in self._answers
        }
        return {**ours, **self._others}

    def _closed(self, event: str) -> Callable[..., Awaitable[HookJSONOutput]]:
        """The callback of an event, such that whatever happens inside is a refusal."""
        answer, refuse = self._answers[event], _REFUSALS[event]

        async def hook(
            given: HookInput, tool_use_id: str | None, context: HookContext
        ) -> HookJSONOutput:
            try:
                async with asyncio.timeout(self._within_s(event)):
                    return await answer(given, tool_use_id, context)
            except (SessionStopped, CredentialExpired) as error:
                # The CLI calls a run that a hook ended a success. The gateway refuses the next
                # model call of a session that is over, and that ends it as the failure it is.
                text = f"{error.code}: {error.message}"
                return outputs.deny(text) if event == "PreToolUse" else outputs.nothing()
            except HoldfastError as error:
                return refuse(f"{error.code}: {error.message}", _ends(error))
            except TimeoutError:
                return refuse(f"holdfast did not answer within {self._deadline_s:g} s", True)
            except Exception as error:  # noqa: BLE001 - a fault of ours is a refusal, never consent
                return refuse(f"holdfast failed: {type(error).__name__}", False)

        hook.__name__ = f"holdfast_{event}"
        return hook

    def _within_s(self, event: str) -> float:
        """How long the answer to an event may take: before a tool, as long as people may."""
        people_s = self._session.plan.approval_wait_s if event == "PreToolUse" else 0.0
        return 2 * self._deadline_s + people_s

    def _over(self, call_id: str) -> None:
        """The call ended, however it did."""
        self._running.pop(call_id, None)
        self._contexts.end(self._session.session_id, call_id)

    def _is_own(self, tool: str) -> bool:
        return any(tool.startswith(f"mcp__{server}__") for server in self._own_servers)

    async def before(
        self, given: PreToolUseHookInput, tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """Ask the guard, check its permit, hear the user's hooks; allow only then."""
        call_id, tool, arguments = given["tool_use_id"], given["tool_name"], given["tool_input"]
        ruling = await self._session.decide(
            call_id,
            tool,
            arguments,
            door=DOOR,
            runs_returned=True,
            hands_key=self._is_own(tool),
            wait_s=self._session.plan.approval_wait_s,
            timeout_s=self._deadline_s,
        )
        if ruling.verdict is not Verdict.ALLOW:
            return outputs.deny(ruling.message or f"holdfast said {ruling.verdict}")
        await self._permits.check(ruling, call_id, tool)
        heard = await self._theirs["PreToolUse"].hear(
            cast("HookInput", given), tool_use_id, context, tool
        )
        if heard.refusal:
            await self._session.finish(
                call_id,
                ok=False,
                error=f"not run: {heard.refusal}",
                code=NOT_RUN,
                timeout_s=self._deadline_s,
            )
            return outputs.deny(heard.refusal, stop=heard.stop)
        self._running[call_id] = given.get("agent_id", "")
        self._contexts.begin(self._session.session_id, call_id, tool, ruling)
        # The CLI tidies what the model wrote before its hooks see it (paths, trailing blanks,
        # defaults). What was decided is what runs: it puts `updatedInput` in as it stands.
        rewritten = not same_arguments(arguments, ruling.arguments)
        return outputs.allow(ruling.arguments if rewritten else None, heard.context)

    async def after(
        self, given: PostToolUseHookInput, tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """Report what came back; show the model what the guard's hooks left of it."""
        call_id, tool, output = given["tool_use_id"], given["tool_name"], given["tool_response"]
        if call_id not in self._running:
            return outputs.halt("evidence_missing: a tool ran that holdfast did not allow")
        shown = await self._session.finish(
            call_id,
            ok=True,
            output=output,
            duration_ms=int(given.get("duration_ms", 0)),
            timeout_s=self._deadline_s,
        )
        self._over(call_id)
        heard = await self._theirs["PostToolUse"].hear(
            cast("HookInput", given), tool_use_id, context, tool
        )
        if heard.refusal:
            return outputs.halt(heard.refusal)
        if shown.rewritten:
            mcp = tool.startswith("mcp__")
            if shown.withheld and not mcp:
                # The gateway puts the text in its place: the CLI takes no other shape than its own.
                return outputs.nothing()
            if not mcp and not outputs.fits(output, shown.output):
                return outputs.halt(
                    f"the rewritten output of {tool} has another shape than its own"
                )
            return outputs.replace_output(shown.output, mcp=mcp)
        if heard.context:
            return outputs.add_context("PostToolUse", heard.context)
        return outputs.nothing()

    async def failed(
        self, given: PostToolUseFailureHookInput, tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """Report that an allowed call failed; a call that was never allowed has nothing to say."""
        call_id = given["tool_use_id"]
        if call_id in self._running:
            await self._session.finish(
                call_id,
                ok=False,
                error=str(given["error"]),
                uncertain=bool(given.get("is_interrupt")),
                duration_ms=int(given.get("duration_ms", 0)),
                timeout_s=self._deadline_s,
            )
            self._over(call_id)
        heard = await self._theirs["PostToolUseFailure"].hear(
            cast("HookInput", given), tool_use_id, context, given["tool_name"]
        )
        if heard.refusal:
            return outputs.halt(heard.refusal)
        if heard.context:
            return outputs.add_context("PostToolUseFailure", heard.context)
        return outputs.nothing()

    async def prompted(
        self, given: UserPromptSubmitHookInput, tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """What the user typed is journalled and vouched for before the model reads it.

        The CLI submits its own notices the same way, a background agent's last words among them:
        under the id of a prompt that was there before, and inside a tag. They are let through
        unvouched, as is whatever else begins with a tag.
        """
        heard = await self._theirs["UserPromptSubmit"].hear(
            cast("HookInput", given), tool_use_id, context
        )
        if heard.refusal:
            return outputs.block(heard.refusal)
        text, prompt_id = given["prompt"], given.get("prompt_id", "")
        if prompt_id not in self._prompts and not text.lstrip().startswith("<"):
            await self._session.prompt(text, timeout_s=self._deadline_s)
        if prompt_id:
            self._prompts.add(prompt_id)
        if heard.context:
            return outputs.add_context("UserPromptSubmit", heard.context)
        return outputs.nothing()

    async def overflowed(
        self, given: PreCompactHookInput, tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """The context is about to be compacted: the hooks at `on_context_overflow` may object."""
        answer = await self._session.hook(
            "on_context_overflow", given["trigger"], timeout_s=self._deadline_s
        )
        objection = next((r for r in answer.reasons if r.verdict is not Verdict.ALLOW), None)
        if objection is not None:
            return outputs.block(objection.text)
        heard = await self._theirs["PreCompact"].hear(
            cast("HookInput", given), tool_use_id, context
        )
        return outputs.block(heard.refusal) if heard.refusal else outputs.nothing()

    async def stopped(
        self, given: Mapping[str, Any], tool_use_id: str | None, context: HookContext
    ) -> HookJSONOutput:
        """The agent, or one sub-agent, is done: close its calls that never reported.

        The user's hooks may send it on (`decision: "block"`), as the CLI has it.
        """
        agent_id = given.get("agent_id", "")
        left = [call for call, owner in self._running.items() if owner == agent_id]
        for call_id in left:
            self._over(call_id)
            await self._session.finish(
                call_id,
                ok=False,
                error="the agent stopped before the call reported",
                uncertain=True,
                timeout_s=self._deadline_s,
            )
        heard = await self._theirs[given["hook_event_name"]].hear(
            cast("HookInput", given), tool_use_id, context
        )
        if heard.stop:
            return outputs.halt(heard.refusal)
        return outputs.block(heard.refusal) if heard.refusal else outputs.nothing()


def _ends(error: HoldfastError) -> bool:
    """Whether no later call of this run can fare better: the server is gone."""
    return type(error) in (Unavailable, OutcomeUnknown) or isinstance(error, Unauthenticated)


def _deny(reason: str, ends: bool) -> HookJSONOutput:  # noqa: FBT001 - one of a table
    return outputs.deny(reason, stop=ends)


def _halt(reason: str, _ends_too: bool) -> HookJSONOutput:  # noqa: FBT001 - one of a table
    return outputs.halt(reason)


def _block(reason: str, _ends_too: bool) -> HookJSONOutput:  # noqa: FBT001 - one of a table
    return outputs.block(reason)


_REFUSALS: dict[str, Callable[[str, bool], HookJSONOutput]] = {
    "PreToolUse": _deny,
    "PostToolUse": _halt,
    "PostToolUseFailure": _halt,
    "UserPromptSubmit": _block,
    "PreCompact": _block,
    # A blocked Stop would send the agent on, so a fault there ends the run instead.
    "Stop": _halt,
    "SubagentStop": _halt,
}
