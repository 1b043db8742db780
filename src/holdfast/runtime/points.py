"""Hook points that no tool call's way leads through: a model call that failed, a full context.

A failure is escalated here, at every door alike: the session is paused until a person resumes it.
What only the owner of the loop can do (another try, a smaller context) stands in the answer.
Not here: the points of a tool call (`guard/stages`, `outcomes`).
"""

from holdfast.core.failures import Failed
from holdfast.core.sessions import Command, after
from holdfast.model.hooks import HookInput, HookPoint, Recovery
from holdfast.runtime.hooks import HookResult, Hooks
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services

_CODE = "hook.escalated"
Fields = dict[str, str | int]
"""Those of `core/failures.HEADERS`."""


class HookPoints:
    """Runs the hooks of a point, journals that it was reached, and obeys what they decide."""

    def __init__(self, services: Services, hooks: Hooks) -> None:
        self._sessions = services.sessions
        self._journal = services.journal
        self._hooks = hooks

    def stand(self, live: LiveSession) -> bool:
        """Whether an agent has hooks that decide what follows a failed model call."""
        return self._hooks.stand(live.who.agent, HookPoint.ON_ERROR)

    async def reached(self, live: LiveSession, given: HookInput) -> HookResult:
        """What the hooks say; durable. Errors: StoreUnavailable."""
        result = await self._hooks.run(given)
        await self._journal.commit([self._hooks.fired(given), *result.records])
        await self.escalate(live, result, given.detail)
        return result

    async def escalate(self, live: LiveSession, result: HookResult, detail: str) -> None:
        """Pause the session where a person is to look; one that is over stays so."""
        if result.recovery is not Recovery.ESCALATE:
            return
        if after(live.session, Command.PAUSE) is not None:
            reason = f"{_CODE}: a hook wants a person to look: {detail}"[:500]
            await self._sessions.change(live, Command.PAUSE, reason)

    async def model_call(self, live: LiveSession, failure: Failed, tries: int) -> Fields:
        """A model call failed, at whatever door; the fields that tell its client what follows.

        A conversation that was too long is a full context, anything else an error.
        """
        point = HookPoint.ON_CONTEXT_OVERFLOW if failure.too_long else HookPoint.ON_ERROR
        given = HookInput(
            point=point,
            principal=live.who,
            detail=f"{failure.code}: {failure.text}"[:500],
            ok=False,
            tries=tries,
            code=failure.code,
        )
        result = await self.reached(live, given)
        told: Fields = {"hook_point": str(point), "tries": tries}
        recovery = result.recovery
        if point is HookPoint.ON_CONTEXT_OVERFLOW and result.objection is not None:
            recovery = Recovery.FAIL
        if recovery is not None:
            told["recovery"] = str(recovery)
        if result.strategy is not None:
            told["strategy"] = result.strategy
        if result.keep_turns is not None:
            told["keep_turns"] = result.keep_turns
        return told
