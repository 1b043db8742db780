"""`/v1/guard/*`: every route belongs to the session whose token comes with it.

Not here: the route of Claude Code's own hooks, with a token of its own (`claude_code`).
"""

import base64
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.control.answering import Act, answering
from holdfast.apps.control.guard import schemas
from holdfast.apps.control.guard.in_turn import in_turn
from holdfast.apps.control.guard.patience import Patience
from holdfast.apps.control.openapi import verb
from holdfast.apps.control.reading import Intake, Sent, shaped
from holdfast.compose.house import House
from holdfast.core.sessions import Command, after
from holdfast.model.hooks import HookInput, HookPoint
from holdfast.model.views import calls as views
from holdfast.model.views.sessions import SessionView
from holdfast.ports.clock import SettableClock
from holdfast.runtime.attempts import Retry
from holdfast.runtime.guard import Asked
from holdfast.runtime.live import LiveSession
from holdfast.runtime.outcomes import Finish
from holdfast.runtime.views.calls import attempt_view, ruling_view

_T = TypeVar("_T")
_DECIDE = """Ask for a permit for a call that the model made.

The call must have been in an answer that came through the gateway, or be the session's own first
act; a call is decided once. A ruling that allows brings a permit, bound to tool and arguments."""
_AGAIN = """Go on with a call that was allowed and whose answer was lost.

Says whether it is to be executed, probed first, answered with what is known, or left to
a person."""
_FINISH = """Report what became of a permitted call, and get what the model may see of it.

A report is taken also of a session that is over."""
_REDEEM = """Use up a permit, just before the call runs; a permit is used once.

Executors may check the permit's signature offline (`keys`) before they ask."""


VERBS = (
    verb("/v1/guard/decide", _DECIDE, views.Ruling, schemas.DecideBody),
    verb("/v1/guard/again", _AGAIN, views.Attempt, schemas.AgainBody),
    verb("/v1/guard/finish", _FINISH, views.ToolOutput, schemas.FinishBody),
    verb("/v1/guard/redeem", _REDEEM, views.RedeemedPermit, schemas.RedeemBody),
    verb("/v1/guard/prompt", "Tell what the user typed.", views.Nothing, schemas.PromptBody),
    verb(
        "/v1/guard/hook", "Tell that a hook point was reached.", views.HookAnswer, schemas.HookBody
    ),
    verb("/v1/guard/end", "Be done.", SessionView, schemas.ReasonBody, optional=True),
    verb("/v1/guard/session", "The session of the token as it stands.", SessionView),
    verb("/v1/guard/keys", "The public keys that permits are signed with, by id.", views.Keys),
)


class GuardDoor:
    """The routes of the tool call's door."""

    def __init__(self, house: House, intake: Intake, moved: SettableClock | None = None) -> None:
        self._moved = moved
        self._sessions = house.sessions
        self._guard = house.guard
        self._patience = Patience(house)
        self._outcomes = house.outcomes
        self._points = house.points
        self._fence = house.fence
        self._attempts = house.attempts
        self._views = house.session_views
        self._turns = house.turns
        self._intake = intake

    def routes(self) -> list[Route]:
        """What to mount."""
        acts: dict[str, Act] = {
            "guard_decide": self._decide,
            "guard_again": self._again,
            "guard_finish": self._finish,
            "guard_redeem": self._redeem,
            "guard_prompt": self._prompt,
            "guard_hook": self._hook,
            "guard_end": self._end,
            "guard_session": self._session,
            "guard_keys": self._keys,
        }
        return [Route(one.path, self._for(acts[one.name]), methods=[one.method]) for one in VERBS]

    def _for(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        return answering(self._sessions, act, self._intake)

    async def _decide(self, live: LiveSession, body: Sent) -> views.Ruling:
        given = await _read(body, schemas.DecideBody)
        asked = Asked(
            call_id=given.call_id,
            tool=given.tool,
            arguments=given.arguments,
            door=given.door[:64],
            runs_returned=given.runs_returned,
            takes_stored=given.takes_stored,
            key=given.key[:512],
            hands_key=given.hands_key,
        )
        return ruling_view(await self._patience.decide(live, asked, given.waits_s))

    async def _again(self, live: LiveSession, body: Sent) -> views.Attempt:
        given = await _read(body, schemas.AgainBody)
        retry = Retry(
            call_id=given.call_id,
            tool=given.tool,
            arguments=given.arguments,
            door=given.door[:64],
            found=given.found,
            output=given.output,
            error=given.error,
        )
        async with in_turn(self._turns, self._fence, live, retry.call_id):
            attempt = await self._attempts.again(live, retry)
        return attempt_view(attempt)

    async def _finish(self, live: LiveSession, body: Sent) -> views.ToolOutput:
        parsed, replaced = await body.outcome()
        given = shaped(parsed, schemas.FinishBody)
        done = Finish(
            call_id=given.call_id,
            ok=given.ok,
            output=given.output,
            error=given.error,
            duration_ms=max(given.duration_ms, 0),
            content=given.content,
            uncertain=given.uncertain,
            replaced=(*given.replaced, *replaced),
            code=given.code[:64],
        )
        shown = await self._outcomes.finish(live, done)
        rewritten = shown.output != given.output
        return views.ToolOutput(
            shown.output, rewritten, shown.content, shown.withheld, shown.recovery, shown.reads
        )

    async def _redeem(self, live: LiveSession, body: Sent) -> views.RedeemedPermit:
        given = await _read(body, schemas.RedeemBody)
        permit = await self._guard.redeem(
            live, given.permit, given.call_id, given.tool, given.arguments
        )
        return views.RedeemedPermit(permit.permit_id)

    async def _prompt(self, live: LiveSession, body: Sent) -> views.Nothing:
        given = await _read(body, schemas.PromptBody)
        await self._outcomes.prompt(live, given.text)
        return views.Nothing()

    async def _hook(self, live: LiveSession, body: Sent) -> views.HookAnswer:
        given = await _read(body, schemas.HookBody)
        call = live.calls.get(given.call_id)
        told = HookInput(
            point=HookPoint(given.point),
            principal=live.who,
            tool=call.tool if call is not None else "",
            call_id=call.call_id if call is not None else "",
            arguments=live.running.get(given.call_id, {}),
            ok=False,
            detail=given.detail,
            tries=given.tries,
            code=given.code,
            strategy=given.strategy,
        )
        found = await self._points.reached(live, told)
        return views.HookAnswer(
            found.reasons, found.recovery, found.tool, found.strategy, found.keep_turns
        )

    async def _end(self, live: LiveSession, body: Sent) -> SessionView:
        reason = "" if body.empty else (await _read(body, schemas.ReasonBody)).reason
        if after(live.session, Command.END) is not None:
            await self._sessions.change(live, Command.END, reason or "the agent is done")
        return self._views.of_live(live)

    async def _session(self, live: LiveSession, _: Sent) -> SessionView:
        return self._views.of_live(live)

    async def _keys(self, _: LiveSession, __: Sent) -> views.Keys:
        keys = self._guard.public_keys.items()
        encoded = {n: base64.b64encode(k.public_bytes_raw()).decode() for n, k in keys}
        return views.Keys(encoded, self._moved.ahead_ns() if self._moved is not None else 0)


async def _read(body: Sent, kind: type[_T]) -> _T:
    """One strict reading of the body. Errors: InvalidRequest, Unavailable."""
    return shaped(await body.json(), kind)
