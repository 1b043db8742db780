"""A decision made again from its record: policy is asked anew, the other stages keep their word.

What only that moment knew (hooks, links on the disk, loops, what was left to spend) stands in the
record with its reasons, and is taken from there; rules are pure, and are asked again with the same
question. Not here: which bundle answers (`apps/policyd/replaying`).
"""

from typing import Any

import msgspec

from holdfast.apps.control.audit.service import tenant_of
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.policy.schemas import AskAgain
from holdfast.errors import Conflict, NotFound
from holdfast.model.bodies import ToolCallDecided
from holdfast.model.decisions import PolicyRequest, Reason, Replay, Verdict, strictest
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import Session
from holdfast.model.views.policies import Replayed
from holdfast.ports.store import RecordFilter
from holdfast.runtime.digests import digest_of
from holdfast.runtime.guard.rules import objection

_PAGE = 1000
_MOST_PAGES = 200
_MOST_ABOVE = 64
AFTER_POLICY = ("flow", "approval", "effect", "budget")
"""Stages that come after policy, and are not asked once it said no."""


async def replay(deps: ControlDeps, asked: AskAgain) -> Replayed:
    """The decision as it was and as it is made again.

    Errors: NotFound, InvalidRequest for what cannot be made again or files that do not hold,
    Conflict, PolicyUnavailable, StoreUnavailable.
    """
    record = await _found(deps, asked)
    body = ToolCallDecided.of(record)
    then = list(body.reasons)
    others = [one for one in then if one.stage != "policy"]
    if not body.policy_version:
        if len(others) < len(then):
            raise Conflict("policy could not be asked then, so there is no bundle to ask again")
        # Another stage had said no before.
        return _told(record, then, then, "", lacks=[])
    if not body.arguments_kept:
        raise Conflict("the arguments were too large for the journal, and are not kept")
    again = await deps.policy.replay(
        Replay(
            version=body.policy_version,
            questions=tuple([_question(one, record) for one in await _line(deps, record)]),
            files=None
            if asked.files is None
            else {name: text.encode() for name, text in asked.files.items()},
        )
    )
    anew = _placed(then, [found for one in again.answers if (found := objection(one))])
    return _told(record, then, anew, again.version, lacks=_lacks(record))


async def _found(deps: ControlDeps, asked: AskAgain) -> Record:
    """The record of a decision. Errors: NotFound."""
    by_id = asked.decision.startswith("dec_")
    where = RecordFilter(
        tenant=tenant_of(deps.config, asked.tenant),
        session=asked.session,
        call_id="" if by_id else asked.decision,
        kinds=(Kind.TOOL_CALL_DECIDED,),
        limit=_PAGE,
    )
    last: Record | None = None
    for _ in range(_MOST_PAGES):
        page = await deps.house.store.records(where)
        for record in page:
            if not by_id or record.decision_id == asked.decision:
                last = record
        if len(page) < _PAGE or (by_id and last is not None):
            break
        where = msgspec.structs.replace(where, after_seq=page[-1].seq)
    else:
        raise NotFound("too many decisions to search: name its session, or the id of its call")
    if last is None:
        raise NotFound(f"no decision on `{asked.decision[:64]}` is in the journal of this tenant")
    return last


async def _line(deps: ControlDeps, record: Record) -> list[Session]:
    """The session that asked, and those above it, each of which had to be allowed the call."""
    line: list[Session] = []
    session_id = record.session
    while session_id and len(line) < _MOST_ABOVE:
        session = await deps.house.store.session(session_id)
        if session is None:
            raise NotFound(f"the session `{session_id[:64]}` is gone")
        line.append(session)
        session_id = session.delegated_by
    return line


def _question(session: Session, record: Record) -> PolicyRequest:
    """What policy was asked for a session; what contracts say of the tool is left to the bundle."""
    who, body = session.principal, ToolCallDecided.of(record)
    asked = body.policy_asked
    return PolicyRequest(
        tenant=who.tenant,
        project=who.project,
        user=who.user,
        agent=who.agent,
        session=who.session,
        roles=who.roles,
        trust=who.trust,
        action=record.tool,
        resource=body.resource or f"tool:{record.tool}",
        input=body.arguments or {},
        task_id=who.task,
        task=session.task_attributes,
        tenant_attributes=session.tenant_attributes,
        resource_tags={},
        risk=record.risk,
        effect="",
        tainted=asked.tainted if asked else body.tainted,
        at_ns=asked.at_ns if asked else record.at_ns,
    )


def _lacks(record: Record) -> list[str]:
    """In what the question may differ from the one of then."""
    body, found = ToolCallDecided.of(record), []
    if digest_of(body.arguments or {}) != body.digest:
        found.append("secrets were taken out of the recorded arguments")
    if body.policy_asked is None:
        found.append("the moment that policy was asked at was not recorded")
    return found


def _placed(then: list[Reason], policy: list[Reason]) -> list[Reason]:
    """The reasons of then with those of policy replaced, where they stood in the line."""
    after = [one for one in then if one.stage in (*AFTER_POLICY, "live")]
    before = [one for one in then if one.stage != "policy" and one not in after]
    if any(one.verdict is Verdict.DENY for one in policy):
        after = [one for one in after if one.stage == "live"]
    return [*before, *policy, *after]


def _told(
    record: Record, then: list[Reason], anew: list[Reason], version: str, *, lacks: list[str]
) -> Replayed:
    ended = any(one.stage == "policy" and one.verdict is Verdict.DENY for one in then)
    goes_on = not any(one.verdict is Verdict.DENY for one in anew)
    if any(one.stage == "approval" and one.verdict is Verdict.ALLOW for one in then):
        # What a person lifted then they lift again, as far as the same rules ask.
        asked = {(one.code, one.rule) for one in then if one.stage == "policy"}
        anew = [_lifted(one) if (one.code, one.rule) in asked else one for one in anew]
    verdict = strictest(anew)
    return Replayed(
        decision_id=record.decision_id,
        call_id=record.call_id,
        session=record.session,
        tool=record.tool,
        at_ns=record.at_ns,
        verdict=record.verdict,
        policy_version=ToolCallDecided.of(record).policy_version,
        reasons=_plain(then),
        again=verdict,
        again_version=version,
        again_reasons=_plain(anew),
        same=verdict == record.verdict and _rules(then) == _rules(anew),
        exact=not lacks,
        lacks=tuple(lacks),
        unasked=AFTER_POLICY if ended and goes_on else (),
    )


def _lifted(reason: Reason) -> Reason:
    if reason.verdict is not Verdict.ASK:
        return reason
    return msgspec.structs.replace(reason, verdict=Verdict.ALLOW)


def _rules(reasons: list[Reason]) -> list[tuple[str, str]]:
    return [(one.code, one.rule) for one in reasons if one.stage == "policy"]


def _plain(reasons: list[Reason]) -> tuple[dict[str, Any], ...]:
    return tuple(msgspec.to_builtins(reasons))
