"""`POST /v1/guard/claude-code`: the door for Claude Code's own hooks, asked by its settings file.

It takes the JSON that the CLI posts to a hook of type `http` and answers in the CLI's words. An
HTTP error after a tool ran would let the run go on, whatever the settings say, so every fault is
answered with 200 and an output that refuses. The token it takes opens nothing else, since the
CLI's tools may read it; so what it says of the user's prompt is not vouched for by itself
(`runtime/prompts`).

Not here: how answers are spelt (`core/hook_outputs`), the settings (`integrations/claude_code`).
"""

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.control.guard.patience import Patience
from holdfast.apps.control.reading import (
    Intake,
    Sent,
    bearer,
    sent,
    shaped,
)
from holdfast.compose.house import House
from holdfast.core import hook_outputs as outputs
from holdfast.core.calls import OUTSTANDING
from holdfast.core.hook_outputs import Output
from holdfast.errors import (
    ApprovalPending,
    CredentialExpired,
    HoldfastError,
    InvalidRequest,
    SessionStopped,
)
from holdfast.model.decisions import Verdict
from holdfast.model.hooks import HookInput, HookPoint
from holdfast.runtime.digests import digest_of
from holdfast.runtime.guard import Asked, Ruling
from holdfast.runtime.live import LiveSession
from holdfast.runtime.outcomes import Finish

PATH = "/v1/guard/claude-code"
DOOR = "claude_code"
WAITS_HEADER = "holdfast-waits-s"
_MOST_WAIT_S = 3600.0


# The CLI changes nearly daily: fields that are not named here pass, those that are must fit.
class _Event(msgspec.Struct):
    hook_event_name: str


class _Before(msgspec.Struct):
    tool_name: str
    tool_input: dict[str, Any]
    tool_use_id: str


class _After(msgspec.Struct):
    tool_name: str
    tool_use_id: str
    tool_response: Any = None
    duration_ms: float = 0


class _Failed(msgspec.Struct):
    tool_use_id: str
    error: str = ""
    duration_ms: float = 0
    is_interrupt: bool = False


class _Prompt(msgspec.Struct):
    prompt: str


class _Compact(msgspec.Struct):
    trigger: str = ""


class ClaudeCodeDoor:
    """The route of Claude Code's hooks."""

    def __init__(self, house: House, intake: Intake) -> None:
        self._prompts = house.prompts
        self._sessions = house.sessions
        self._patience = Patience(house)
        self._outcomes = house.outcomes
        self._points = house.points
        self._intake = intake
        self._answers = {
            "PreToolUse": self._before,
            "UserPromptSubmit": self._prompted,
            "PreCompact": self._overflowed,
        }
        # These tell of what ran already, and are taken however they are written.
        self._told = {"PostToolUse": self._after, "PostToolUseFailure": self._failed}

    def routes(self) -> list[Route]:
        """What to mount."""
        return [Route(PATH, self._serve, methods=["POST"])]

    async def _serve(self, request: Request) -> Response:
        event, body = "", Sent(b"")
        try:
            live = await self._sessions.authenticate_hook(bearer(request.headers))
            body = await sent(request, self._intake)
            given, replaced = await body.outcome()
            told_of = shaped(given, _Event).hook_event_name
            if replaced and told_of not in self._told:
                given = await body.json()
            event = told_of
            if not event:
                raise InvalidRequest("the body does not fit: hook_event_name is empty")
            answer, told = self._answers.get(event), self._told.get(event)
            if told is not None:
                answered = _encoded(await told(live, given, replaced))
            else:
                answered = _encoded(
                    await answer(live, given, request) if answer else outputs.nothing()
                )
        except ClientDisconnect:
            return Response(status_code=400)
        except HoldfastError as error:
            # `continue: false` would end the run as a success. The gateway refuses the next model
            # call of a session that is over, and that ends it as the failure that it is.
            over = isinstance(error, (SessionStopped, CredentialExpired)) and bool(event)
            text = f"{error.code}: {error.message}"
            answered = _encoded(outputs.over(event, text) if over else outputs.refuse(event, text))
        except Exception as error:  # noqa: BLE001 -- the last boundary: a fault is a refusal
            self._intake.report(error)
            text = "internal_error: holdfast could not handle the request; see its log"
            answered = _encoded(outputs.refuse(event, text))
        finally:
            body.close()
        return Response(answered, media_type="application/json")

    async def _before(self, live: LiveSession, given: object, request: Request) -> Output:
        """Decide; what the model wrote is what runs, where the CLI tidied it."""
        call = shaped(given, _Before)
        asked = Asked(
            call_id=call.tool_use_id,
            tool=call.tool_name,
            arguments=call.tool_input,
            door=DOOR,
            runs_returned=True,
            # Servers of the CLI get a call's arguments and nothing else.
            hands_key=False,
        )
        ruling = await self._ruling(live, asked, request)
        verdict = ruling.decision.verdict
        if verdict is not Verdict.ALLOW:
            return outputs.deny(ruling.message or f"holdfast said {verdict}")
        as_asked = digest_of(call.tool_input) == ruling.decision.digest
        return outputs.allow(None if as_asked else ruling.arguments)

    async def _ruling(self, live: LiveSession, asked: Asked, request: Request) -> Ruling:
        """What is decided, waiting for people as long as the CLI does; ClientDisconnect if it left.

        A call that nobody is there to run is left undecided, so that no answer is used up on it.
        """
        try:
            return await self._patience.decide(live, asked, _waits_s(request), request)
        except ApprovalPending:
            return await self._patience.decide(live, asked, 0)

    async def _after(self, live: LiveSession, given: object, replaced: tuple[str, ...]) -> Output:
        """Record what came back; show the model what the server's hooks left of it."""
        call = shaped(given, _After)
        done = Finish(
            call_id=call.tool_use_id,
            ok=True,
            output=call.tool_response,
            duration_ms=_whole(call.duration_ms),
            replaced=replaced,
        )
        shown = await self._outcomes.finish(live, done)
        self._sessions.check_live(live)
        if shown.output == call.tool_response:
            return outputs.nothing()
        mcp = call.tool_name.startswith("mcp__")
        if shown.withheld and not mcp:
            # The gateway puts the text in its place: the CLI takes no other shape than its own.
            return outputs.nothing()
        if not mcp and not outputs.fits(call.tool_response, shown.output):
            text = f"the rewritten output of {call.tool_name} has another shape than its own"
            return outputs.halt(text)
        return outputs.replace_output(shown.output, mcp=mcp)

    async def _failed(self, live: LiveSession, given: object, replaced: tuple[str, ...]) -> Output:
        """Record that an allowed call failed; one that was never allowed has nothing to say."""
        call = shaped(given, _Failed)
        known = live.calls.get(call.tool_use_id)
        if known is not None and known.state in OUTSTANDING:
            done = Finish(
                call_id=call.tool_use_id,
                ok=False,
                error=call.error,
                uncertain=call.is_interrupt,
                duration_ms=_whole(call.duration_ms),
                replaced=replaced,
            )
            await self._outcomes.finish(live, done)
        self._sessions.check_live(live)
        return outputs.nothing()

    async def _prompted(self, live: LiveSession, given: object, _: Request) -> Output:
        """Journal it; whether it vouches is seen when the model is asked with it."""
        text = shaped(given, _Prompt).prompt
        await self._outcomes.prompt(live, text, vouched=False)
        await self._prompts.submitted(live, text)
        return outputs.nothing()

    async def _overflowed(self, live: LiveSession, given: object, _: Request) -> Output:
        """The context is about to be compacted: the hooks at `on_context_overflow` may object."""
        self._sessions.check_live(live)
        trigger = shaped(given, _Compact).trigger
        given = HookInput(
            point=HookPoint.ON_CONTEXT_OVERFLOW, principal=live.who, detail=trigger, ok=False
        )
        objection = (await self._points.reached(live, given)).objection
        return outputs.block(objection.text) if objection is not None else outputs.nothing()


def _waits_s(request: Request) -> float:
    """How long the CLI waits, by its own settings, for a person's answer."""
    told = request.headers.get(WAITS_HEADER, "")
    return min(float(told), _MOST_WAIT_S) if told.isdecimal() else 0.0


def _whole(duration_ms: float) -> int:
    return min(max(int(duration_ms), 0), 2**53)


def _encoded(output: Output) -> bytes:
    return msgspec.json.encode(output)
