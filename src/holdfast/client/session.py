"""One session, seen by the process that runs its agent: ask, run, report.

A handle needs the server's address and the session's token, nothing of the admin's.
Not here: opening, listing and killing sessions (`client.sessions`).
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from holdfast.core.writable import OUTPUT_BYTES_MAX, text_of, written
from holdfast.errors import (
    ApprovalPending,
    InternalError,
    InvalidRequest,
    OutcomeUnknown,
    RateLimited,
    TooLarge,
    Unavailable,
)
from holdfast.model.events import Record
from holdfast.model.hooks import Strategy
from holdfast.model.principals import TrustLevel
from holdfast.model.tokens import hook_token, model_token
from holdfast.model.views.audit import RecordList
from holdfast.model.views.calls import (
    Attempt,
    HookAnswer,
    Keys,
    Nothing,
    RedeemedPermit,
    Ruling,
    ToolOutput,
)
from holdfast.model.views.sessions import (
    ChildRun,
    CollectedResult,
    OpenedSession,
    SessionPlan,
    SessionView,
)

from .conversations import Conversations
from .wire import TIMEOUT_S, Door, Pool

_T = TypeVar("_T")
_LEAST_WAIT_S = 0.05
# A person's answer is waited for at the server, so long at a time; at first only whether there is
# one to wait for, so that of a server that is lost in the middle it is known that it asked.
_FIRST_S = 0.001
_POLL_S = 25.0
_AWAY_S = 1.0
_MOST_AWAY_S = 60.0
# What an outcome is cut to where the server takes no more.
_LEAST_OUTPUT_BYTES = 16 * 1024
_ERROR_CHARACTERS = 20_000


class Session:
    """A handle on one session. `plan` is empty on an attached handle that was given none."""

    def __init__(self, door: Door, session_id: str, plan: SessionPlan) -> None:
        self.session_id = session_id
        self.plan = plan
        self._door = door
        self._keys: dict[str, str] = {}
        self.conversations = Conversations(door, "/v1/guard/conversations", {})

    @classmethod
    async def attach(cls, url: str, token: str, *, plan: SessionPlan | None = None) -> Self:
        """A handle from an address and a session's token, in a process without the admin's.

        Errors: Unauthenticated, Unavailable.
        """
        if not token:
            raise InvalidRequest("a session is attached to by its token, which is empty")
        door = Door(Pool(url), token)
        view = await door.get("/v1/guard/session", SessionView)
        return cls(door, view.session_id, plan or SessionPlan())

    @property
    def base_url(self) -> str:
        """The server's address: its guard, its control API, and the model's door."""
        return self._door.pool.url

    def moved(self, url: str) -> None:
        """The server is at another address from now on, with all that it knows."""
        self._door.pool.url = url

    @property
    def model_url(self) -> str:
        """What `ANTHROPIC_BASE_URL` is set to: the server's address, or that of its relays."""
        port = self.plan.model_port
        return self.base_url if not port else _at_port(self.base_url, port)

    @property
    def token(self) -> str:
        """The session's own token; it opens nothing else."""
        return self._door.token

    @property
    def model_token(self) -> str:
        """The token for whatever runs the model loop: `ANTHROPIC_AUTH_TOKEN` of a CLI.

        It opens the gateway alone. What tools can read there asks for no permit.
        """
        return model_token(self.session_id, self.token)

    @property
    def hook_token(self) -> str:
        """The token for Claude Code's own hooks (`integrations.claude_code`).

        It asks for permits of calls that the model made and reports their outcomes, no more.
        """
        return hook_token(self.session_id, self.token)

    def __repr__(self) -> str:
        return f"Session({self.session_id!r}, {self.base_url!r})"

    async def decide(  # noqa: PLR0913 - each is something that a door promises
        self,
        call_id: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        door: str = "client",
        runs_returned: bool = False,
        takes_stored: bool = False,
        key: str = "",
        hands_key: bool = True,
        wait_s: float = 0.0,
        timeout_s: float = TIMEOUT_S,
    ) -> Ruling:
        """May this call run? Durable before it is answered; every no of policy is a Ruling.

        `runs_returned` promises to run the ruling's `arguments`, whatever was asked with: they are
        then the model's own, where a client tidies them. `takes_stored` promises to hand on what
        `stored` holds, where the effect was had before. `key` is an idempotency key of one's own.
        Without `hands_key` the tool is not given the ruling's `effect_key`.
        `wait_s` is how long a person's answer is waited for, where one is asked, also while the
        server is away for a moment; after that the ruling is `ask`.
        Where the tenant asks for too much at once, it is asked again when the server says so.
        Errors: PermitInvalid for a call that the model did not make, SessionStopped,
        CredentialExpired, Unavailable, OutcomeUnknown; RateLimited when that took half the time.
        """
        body = {
            "call_id": call_id,
            "tool": tool,
            "arguments": dict(arguments),
            "door": door,
            "runs_returned": runs_returned,
        }
        if takes_stored or key:
            body |= {"takes_stored": takes_stored, "key": key}
        if not hands_key:
            body["hands_key"] = False
        if wait_s > 0:
            heard = await self._heard(body, wait_s, timeout_s)
            if heard is not None:
                return heard
        return await self._in_turn("/v1/guard/decide", Ruling, body, timeout_s)

    async def _heard(
        self, body: Mapping[str, Any], wait_s: float, timeout_s: float
    ) -> Ruling | None:
        """The ruling once a person spoke; None where nobody did in time, and nothing is decided.

        Errors: as for `decide`; a server that is away is asked again for a while, once a person
        was asked.
        """
        loop = asyncio.get_running_loop()
        end_s, asked, away_s = loop.time() + wait_s, False, 0.0
        while (left_s := end_s - loop.time()) > 0:
            waits_s = min(left_s, _POLL_S if asked else _FIRST_S)
            waiting = {**body, "waits_s": waits_s}
            try:
                return await self._in_turn("/v1/guard/decide", Ruling, waiting, timeout_s + waits_s)
            except ApprovalPending:
                asked, away_s = True, 0.0
            except (Unavailable, OutcomeUnknown):
                away_s += _AWAY_S
                if not asked or away_s > _MOST_AWAY_S:
                    raise
                await asyncio.sleep(_AWAY_S)
        return None

    async def again(
        self,
        call_id: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        found: Literal["", "happened", "nothing_happened", "cannot_tell", "given_up"] = "",
        output: Any = None,
        error: str = "",
        door: str = "client",
    ) -> Attempt:
        """How does a call go on that was allowed, and whose answer was lost?

        `found` is what the tool said about the attempt before, or `given_up` where none of its
        tries was answered. Errors: as for `decide`; Conflict
        for a call whose outcome was reported; PolicyUnavailable, and nothing was decided.
        """
        body = {
            "call_id": call_id,
            "tool": tool,
            "arguments": dict(arguments),
            "found": found,
            "output": output,
            "error": error,
            "door": door,
        }
        return await self._in_turn("/v1/guard/again", Attempt, body, TIMEOUT_S)

    async def _in_turn(
        self, path: str, kind: type[_T], body: Mapping[str, Any], timeout_s: float
    ) -> _T:
        """Ask; after a refusal that says when, ask again, as long as half of the time is left.

        What is refused for its number was not decided, so asking again decides nothing twice.
        """
        loop = asyncio.get_running_loop()
        end_s, left_s = loop.time() + timeout_s, timeout_s
        while True:
            try:
                return await self._door.post(path, kind, body, left_s)
            except RateLimited as limited:
                wait_s = _told_wait_s(limited)
                left_s = end_s - loop.time() - wait_s
                if left_s < timeout_s / 2:
                    raise
            await asyncio.sleep(wait_s)

    async def redeem(
        self, permit: str, call_id: str, tool: str, arguments: Mapping[str, Any]
    ) -> str:
        """Use a permit up, just before its call runs; returns its id.

        Errors: PermitInvalid when it does not hold or was used before.
        """
        body = {
            "permit": permit,
            "call_id": call_id,
            "tool": tool,
            "arguments": dict(arguments),
        }
        answer = await self._door.post("/v1/guard/redeem", RedeemedPermit, body)
        return answer.permit_id

    async def finish(  # noqa: PLR0913 -- each is a fact of the outcome
        self,
        call_id: str,
        *,
        ok: bool,
        output: Any = None,
        error: str = "",
        duration_ms: int = 0,
        content: str | None = None,
        uncertain: bool = False,
        code: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> ToolOutput:
        """Report what became of a permitted call; the answer is what the model may see.

        `output` is anything: what JSON has no place for is replaced, what is too much left out,
        and the record says so. `content` is what the model is to read, journalled in the same
        commit. `uncertain`: the tool did not answer, and its effect becomes unknown. `code` is the
        tool's own for a failure: for an effect that must not happen twice, only one that its
        contract declares says that nothing happened.

        Errors: Conflict when the call holds no permit or was reported before.
        """
        for most_bytes in (OUTPUT_BYTES_MAX, _LEAST_OUTPUT_BYTES):
            shown = written(output, most_bytes=most_bytes)
            body: dict[str, Any] = {
                "call_id": call_id,
                "ok": ok,
                "output": shown.value,
                "error": text_of(error, _ERROR_CHARACTERS),
                "duration_ms": duration_ms,
            }
            if content is not None or uncertain:
                read = None if content is None else text_of(content, most_bytes)
                body |= {"content": read, "uncertain": uncertain}
            if code:
                body["code"] = code
            if shown.replaced:
                body["replaced"] = list(shown.replaced)
            try:
                return await self._door.post("/v1/guard/finish", ToolOutput, body, timeout_s)
            except TooLarge:
                if most_bytes == _LEAST_OUTPUT_BYTES:
                    raise
        raise InternalError("an outcome was neither taken nor refused")

    async def history(self) -> tuple[Record, ...]:
        """Everything that the loop folds, of the run that this session is for.

        Errors: LeaseLost.
        """
        return (await self._door.get("/v1/guard/history", RecordList, timeout_s=60.0)).records

    async def append(self, epoch: int, events: Sequence[Mapping[str, Any]]) -> tuple[Record, ...]:
        """Write records of this activation, durably; returns them as they stand, without secrets.

        Each event has `kind` and `body`, and where it has them `turn`, `call_id`, `tool`.
        Errors: LeaseLost, SessionStopped, Unavailable.
        """
        body = {"epoch": epoch, "events": [dict(event) for event in events]}
        return (await self._door.post("/v1/guard/append", RecordList, body)).records

    async def leave(
        self,
        epoch: int,
        how: Literal["done", "failed", "delay", "park", "yield", "dead"],
        reason: str = "",
        *,
        delay_s: float = 0.0,
        result: Any = None,
        approvals: Sequence[str] = (),
    ) -> None:
        """End this activation; the token opens nothing any more. Errors: LeaseLost.

        With `approvals` a `delay` lasts until a person answered one of these, or none can any more.
        """
        body = {
            "epoch": epoch,
            "how": how,
            "reason": reason[:2000],
            "delay_s": delay_s,
            "result": result,
            "approvals": list(approvals),
        }
        await self._door.post("/v1/guard/leave", Nothing, body)

    async def prompt(self, text: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """The user typed `text`: its words are vouched for from here on."""
        await self._door.post("/v1/guard/prompt", Nothing, {"text": text}, timeout_s)

    async def hook(
        self,
        point: Literal["on_context_overflow", "on_error"],
        detail: str = "",
        *,
        call_id: str = "",
        tries: int = 0,
        code: str = "",
        strategy: Strategy | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> HookAnswer:
        """A hook point was reached, at a running call or at none; what the hooks there decide.

        `tries` counts those of what failed, `code` names the failure; `strategy` is what a full
        context is met with unless a hook says otherwise.
        """
        body = {
            "point": point,
            "detail": detail[:2_000],
            "call_id": call_id,
            "tries": tries,
            "code": code[:64],
            "strategy": strategy,
        }
        return await self._door.post("/v1/guard/hook", HookAnswer, body, timeout_s)

    async def delegate(  # noqa: PLR0913 -- each is an option
        self,
        task_text: str,
        *,
        agent: str = "",
        tools: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        trust: TrustLevel | None = None,
        limits: Mapping[str, int | float | str] | None = None,
        ttl_s: int | None = None,
        resources: Sequence[str] | None = None,
        attributes: Mapping[str, Any] | None = None,
        call_id: str = "",
    ) -> "Session":
        """A child with part of this session's authority; the handle holds connections of its own.

        It is an `agent` of the configuration, or this one with fewer `tools`, or both. `resources`
        are names or beginnings of names (`arn:shop:order/`), `limits` caps over its life,
        `attributes` those of the task made tighter. `task_text` is for its prompt and vouches for
        nothing. `call_id` is the allowed call of the tool `delegate` that asks for it.
        Errors: DelegationRefused where this session has less, InvalidRequest, SessionStopped.
        """
        optional = {
            "agent": agent,
            "tools": tools,
            "models": models,
            "trust": trust,
            "limits": dict(limits or {}),
            "ttl_s": ttl_s,
            "resources": resources,
            "attributes": dict(attributes or {}),
            "call_id": call_id,
        }
        body = {"task_text": task_text} | {
            k: v for k, v in optional.items() if v is not None and v not in ("", {})
        }
        opened = await self._door.post("/v1/guard/delegate", OpenedSession, body)
        own = Door(Pool(self._door.pool.url), opened.token)
        return Session(own, opened.session.session_id, opened.plan)

    async def delegate_run(
        self, task_text: str, call_id: str, asked: Mapping[str, Any]
    ) -> ChildRun:
        """A child that is a run of its own, started once by a call of this run.

        `asked` has `agent`, `tools`, `resources` and `limits` as `delegate` takes them.
        Errors: DelegationRefused, InvalidRequest, Conflict for a session that is no run's.
        """
        body = {"task_text": task_text, "call_id": call_id, **asked}
        return await self._door.post("/v1/guard/delegate-run", ChildRun, body)

    async def child_run(self, call_id: str) -> ChildRun:
        """The run that a call of this one started; empty where it started none."""
        return await self._door.post("/v1/guard/child-run", ChildRun, {"call_id": call_id})

    async def collect(self, child: "Session | str", text: str) -> CollectedResult:
        """Take a child's result, and end the child if it is still at work.

        This session is tainted from here on if the child is. Errors: NotFound when it started no
        such child, SessionStopped.
        """
        child_id = child if isinstance(child, str) else child.session_id
        body = {"child": child_id, "text": text}
        return await self._door.post("/v1/guard/collect", CollectedResult, body)

    async def view(self) -> SessionView:
        """The session as it stands."""
        return await self._door.get("/v1/guard/session", SessionView)

    async def public_keys(self) -> dict[str, str]:
        """Key id → base64 of the raw Ed25519 key that signs permits; asked once."""
        if not self._keys:
            self._keys = (await self._door.get("/v1/guard/keys", Keys)).keys
        return self._keys

    async def ahead_ns(self) -> int:
        """How far the server's clock was moved by hand, in a project of tests; otherwise 0."""
        return (await self._door.get("/v1/guard/keys", Keys)).ahead_ns

    async def end(self) -> SessionView:
        """The work is done: no call of this session is answered any more."""
        return await self._door.post("/v1/guard/end", SessionView, {})

    async def close(self) -> None:
        """Let go of the connections; the session goes on. Idempotent."""
        await self._door.pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _told_wait_s(limited: RateLimited) -> float:
    """When to ask again; never, where the server did not say."""
    try:
        told_s = float(str(limited.fields.get("retry_after_s", "")))
    except ValueError:
        return math.inf
    return max(told_s, _LEAST_WAIT_S) if math.isfinite(told_s) else math.inf


def _at_port(url: str, port: int) -> str:
    """The same host at another port: clients reach it by a name that the server need not know."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port}"
