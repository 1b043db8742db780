"""`/v1/slack/…`: people ask and answer from Slack.

Nothing is read of a request before it may be Slack's, nothing is parsed before it is. Whoever acts
is the operator whom the settings name, and is held to the tables and places of `/v1`: what they may
not do there they may not do here. A press is acknowledged first and worked on afterwards. Not
here: what is shown (`blocks`).
"""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.control import errors
from holdfast.apps.control.acts import classified
from holdfast.apps.control.approvals.answering import answered
from holdfast.apps.control.approvals.routes import list_approvals
from holdfast.apps.control.approvals.schemas import Answer, WhichApprovals
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.fleet.routes import show_fleet
from holdfast.apps.control.fleet.schemas import WhichFleet
from holdfast.apps.control.reach import held_within
from holdfast.apps.control.reading import Report, shaped, whole_body
from holdfast.apps.control.sessions import service
from holdfast.apps.control.slack import blocks
from holdfast.apps.control.slack.payloads import Interaction, command_of, interaction_of
from holdfast.apps.control.slack.signing import Signatures
from holdfast.errors import HoldfastError, InvalidRequest
from holdfast.model.approvals import ApprovalState
from holdfast.runtime.approvals import Said

PREFIX = "/v1/slack"
MAX_BODY_BYTES = 64 * 1024
_NS = 1_000_000_000
_REASON = "in Slack"
_UNMAPPED = "You are no operator here: `slack.people` of holdfast.yaml names who is."
_USAGE = "There are `/approvals` and `/agents`, each with a tenant after it or nothing."
_VERBS = {blocks.APPROVE: "approve_call", blocks.DENY: "deny_call"}
Reply = Callable[[str, blocks.Block], Awaitable[None]]
"""Posts a message to the address that Slack gave for it."""


class SlackDoor:
    """The paths that Slack calls. `report` is told of faults of ours after an acknowledgement."""

    def __init__(self, deps: ControlDeps, secret: str, reply: Reply, report: Report) -> None:
        self._deps = deps
        self._signatures = Signatures(secret, self._now_s())
        self._reply = reply
        self._report = report

    def routes(self) -> list[Route]:
        """Empty where the settings have no section `slack`."""
        if self._deps.config.slack is None:
            return []
        return [
            Route(f"{PREFIX}/commands", self.command, methods=["POST"]),
            Route(f"{PREFIX}/interactions", self.interaction, methods=["POST"]),
        ]

    async def command(self, request: Request) -> Response:
        """A slash command, answered at once."""
        try:
            asked = command_of(request.headers.get("content-type", ""), await self._body(request))
            shown = await self._told(asked.who, asked.command, asked.text.strip())
        except ClientDisconnect:
            return Response(status_code=400)
        except HoldfastError as error:
            return errors.refusal(error)
        return Response(msgspec.json.encode(shown), media_type="application/json")

    async def interaction(self, request: Request) -> Response:
        """A button: acknowledged, then done."""
        try:
            body = await self._body(request)
            pressed = interaction_of(request.headers.get("content-type", ""), body)
        except ClientDisconnect:
            return Response(status_code=400)
        except HoldfastError as error:
            return errors.refusal(error)
        return Response(background=BackgroundTask(self._worked, pressed))

    async def _body(self, request: Request) -> bytes:
        """Errors: Unauthenticated, Unavailable, TooLarge, InvalidRequest, ClientDisconnect."""
        stamp = "".join(request.headers.getlist("x-slack-request-timestamp"))
        signature = "".join(request.headers.getlist("x-slack-signature"))
        self._signatures.check_time(stamp, signature, self._now_s())
        body = await whole_body(request, MAX_BODY_BYTES)
        self._signatures.take(stamp, signature, body, self._now_s())
        return body

    def _now_s(self) -> int:
        return self._deps.house.clock.now_ns() // _NS

    def _operator(self, who: str) -> str:
        """Empty for somebody whom the settings do not name."""
        settings = self._deps.config.slack
        return settings.people.get(who, "") if settings is not None else ""

    async def _told(self, who: str, command: str, tenant: str) -> blocks.Block:
        by = self._operator(who)
        if not by:
            return blocks.said(_UNMAPPED)
        try:
            if command == "/approvals":
                return await self._questions(by, tenant)
            if command == "/agents":
                return await self._sessions(by, tenant)
        except HoldfastError as error:
            return blocks.said(error.message)
        return blocks.said(_USAGE)

    async def _questions(self, by: str, tenant: str) -> blocks.Block:
        asked = {"tenant": tenant, "state": ApprovalState.PENDING.value}
        which = shaped(asked, WhichApprovals)
        await classified("list_approvals", self._deps, by)
        given = await held_within("list_approvals", {"which": which}, self._deps, by)
        found = (await list_approvals(which=given["which"], deps=self._deps)).approvals
        text = f"{len(found)} waiting for a person; the latest {blocks.MOST_SHOWN} at most:"
        shown = [blocks.plain(text)]
        for one in found[: blocks.MOST_SHOWN]:
            shown += blocks.question(one)
        return blocks.message(shown, text)

    async def _sessions(self, by: str, tenant: str) -> blocks.Block:
        which = shaped({"tenant": tenant, "limit": blocks.MOST_SESSIONS}, WhichFleet)
        await classified("show_fleet", self._deps, by)
        given = await held_within("show_fleet", {"which": which}, self._deps, by)
        found = await show_fleet(which=given["which"], deps=self._deps)
        text = f"{found.matches} live; the latest {blocks.MOST_SESSIONS} at most:"
        shown = [blocks.plain(text)]
        for row in found.rows:
            shown += blocks.session(row)
        return blocks.message(shown, text)

    async def _worked(self, pressed: Interaction) -> None:
        """Do what was pressed, and say what came of it."""
        by = self._operator(pressed.who)
        try:
            told = await self._done(by, pressed) if by else blocks.said(_UNMAPPED)
        except HoldfastError as error:
            told = blocks.said(error.message)
        except Exception as error:  # noqa: BLE001 -- whoever pressed is told, and so is the log
            self._report(error)
            told = blocks.said("A fault inside the server; its log says more.")
        await self._reply(pressed.response_url, told)

    async def _done(self, by: str, pressed: Interaction) -> blocks.Block:
        """Errors: those of the verbs."""
        action, value = pressed.actions[0].action_id, pressed.actions[0].value
        if action == blocks.KILL:
            await self._may("kill_session", by, session_id=value)
            await service.kill(self._deps, value, _REASON, by)
            return blocks.said(f"{value} was killed by {by}.", replaces=True)
        if action not in _VERBS:
            raise InvalidRequest("there is no such button")
        approval_id, _, digest = value.partition(" ")
        answer = shaped({"digest": digest, "note": _REASON}, Answer)
        await self._may(_VERBS[action], by, approval_id=approval_id)
        said = Said(
            approved=action == blocks.APPROVE, by=by, digest=answer.digest, note=answer.note
        )
        one = await answered(self._deps, approval_id, said)
        return blocks.said(
            f"{one.approval_id}: {one.tool} is {one.state.value}, answered by {by}.", replaces=True
        )

    async def _may(self, verb: str, by: str, **given: str) -> None:
        """Errors: Denied, NotFound, journalled."""
        await classified(verb, self._deps, by)
        await held_within(verb, given, self._deps, by)
