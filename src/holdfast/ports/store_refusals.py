"""What every store refuses before it queues anything, so that all of them refuse alike.

A value that passed here can be encoded and read back; nothing that a caller hands over can stop
a writer later. Not here: storing, SQL.
"""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

import msgspec

from holdfast.errors import InvalidRequest, TooLarge
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, AccountState, HoldState
from holdfast.model.conversations import Conversation, ConversationClosed
from holdfast.model.costs import CostBy
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Kind, Record
from holdfast.model.keys import SpendingKey
from holdfast.model.retention import Cuts
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.stops import Stop
from holdfast.model.tools import CallRecord
from holdfast.ports.store import (
    ApprovalFilter,
    ConversationFilter,
    CostFilter,
    EffectFilter,
    HoldClosed,
    RecordFilter,
    RunFilter,
    SessionFilter,
)

MAX_JSON_BYTES = 1024 * 1024
"""Largest body of a record, and largest session, call or hold, as JSON."""

MAX_CONVERSATION_BYTES = 4 * 1024 * 1024
"""Largest conversation, messages and metadata together."""

MAX_PURGED_ROWS = 1000
"""Most that one purge may delete of one sort."""

MAX_TEXT_BYTES = 64 * 1024
"""Most that the flat text fields of one record may hold together."""

MAX_DEPTH = 128
"""Deepest nesting of JSON that is kept."""

MAX_ROWS = 100_000
"""Most rows that one read may ask for."""

_ENCODER = msgspec.json.Encoder()
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


def record_body(record: Record) -> bytes:
    """The body as JSON, once the whole record is known to be storable.

    Errors: InvalidRequest (not JSON, not finite, not Unicode, not 64 bits, a `seq` of its own),
    TooLarge.
    """
    if record.seq != 0:
        raise InvalidRequest("a new record has no sequence number, the store gives it")
    if type(record.kind) is not Kind:
        try:
            Kind(record.kind)
        except ValueError:
            raise InvalidRequest("the record is of no known kind") from None
    _check_ints((record.at_ns, record.turn, record.cost_nusd), "the record")
    if not 0 <= record.at_ns < _MAX_INT:
        raise InvalidRequest("the time of a record lies outside what a filter can reach")
    check_text(
        (
            record.tenant,
            record.project,
            record.user,
            record.agent,
            record.session,
            record.task,
            record.call_id,
            record.decision_id,
            record.tool,
            record.verdict,
            record.risk,
        ),
        "the record",
    )
    if not isinstance(record.body, dict):
        raise InvalidRequest("the body of a record is a json object")
    return _encode(record.body, "the body of the record")


def state_json(
    state: HoldState | Session | CallRecord | Run | EffectEntry | Approval | SpendingKey | Stop,
) -> bytes:
    """The state as JSON. Errors: InvalidRequest, TooLarge, as for `record_body`."""
    return _STATES[type(state)](state)


def _hold_json(hold: HoldState) -> bytes:
    _check_ints((hold.opened_at_ns, *hold.amounts.values()), "the hold")
    check_text((hold.hold_id, hold.session), "the hold")
    return _encode(hold, "the hold", flat=True)


def _session_json(session: Session) -> bytes:
    times = (session.opened_at_ns, session.expires_at_ns, session.state_changed_at_ns)
    _check_ints((*times, session.purged_at_ns), "the session")
    who = session.principal
    names = (session.session_id, session.token_digest, who.tenant, who.project, who.user)
    check_text((*names, who.task, session.parent), "the session")
    return _encode(session, "the session")


def _approval_json(approval: Approval) -> bytes:
    times = (approval.asked_at_ns, approval.expires_at_ns, approval.changed_at_ns)
    _check_ints(times, "the approval")
    names = (approval.approval_id, approval.session, approval.tenant, approval.project)
    check_text(names, "the approval")
    return _encode(approval, "the approval")


def _run_json(run: Run) -> bytes:
    _check_ints((run.submitted_at_ns, run.changed_at_ns, run.epoch), "the run")
    names = (run.run_id, run.session, run.tenant, run.project, run.user, run.batch, run.retry_of)
    check_text(names, "the run")
    return _encode(run, "the run")


def _effect_json(effect: EffectEntry) -> bytes:
    _check_ints((effect.intended_at_ns, effect.changed_at_ns, effect.attempt), "the effect")
    check_text((effect.tenant, effect.key, effect.session, effect.call_id), "the effect")
    return _encode(effect, "the effect", flat=effect.output is None or type(effect.output) is str)


def _key_json(key: SpendingKey) -> bytes:
    times = (key.added_at_ns, key.expires_at_ns, key.rotated_at_ns, key.revoked_at_ns)
    amounts = (limit.amount for limit in key.limits)
    _check_ints((*times, key.used_at_ns, key.opened, *amounts), "the key")
    check_text((key.name, key.digest, key.tenant, key.project, key.agent), "the key")
    return _encode(key, "the key")


def _call_json(call: CallRecord) -> bytes:
    _check_ints((call.turn, call.attempts), "the call")
    check_text((call.session, call.call_id), "the call")
    return _encode(call, "the call", flat=True)


def _stop_json(stop: Stop) -> bytes:
    _check_ints((stop.at_ns, stop.lifted_at_ns), "the stop")
    check_text((stop.stop_id, *msgspec.structs.astuple(stop.reach)), "the stop")
    return _encode(stop, "the stop")


_STATES: dict[type, Callable[[Any], bytes]] = {
    HoldState: _hold_json,
    Session: _session_json,
    CallRecord: _call_json,
    Run: _run_json,
    EffectEntry: _effect_json,
    Approval: _approval_json,
    SpendingKey: _key_json,
    Stop: _stop_json,
}


def check_account(state: AccountState) -> None:
    """Errors: InvalidRequest when the account's name or amounts cannot be kept."""
    check_text((state.key.owner,), "the account")
    _check_ints((state.settled, state.period, state.limit or 0), "the account")


def check_account_keys(keys: Iterable[AccountKey]) -> None:
    """Errors: InvalidRequest when no account can have one of these names, TooLarge."""
    for key in keys:
        check_text((key.owner,), "the account")


def check_hold_closed(change: HoldClosed) -> None:
    """Errors: InvalidRequest when no hold can have that id."""
    check_text((change.hold_id,), "the hold")


def check_conversation(change: Conversation | ConversationClosed) -> None:
    """Errors: InvalidRequest for what has no name or version to be kept by, TooLarge."""
    check_text((change.tenant, change.user, change.name), "the conversation")
    if not (change.tenant and change.user and change.name):
        raise InvalidRequest("a conversation has a tenant, a user and a name")
    _check_ints((change.replaces,), "the conversation")
    if isinstance(change, ConversationClosed):
        return
    check_text((change.digest,), "the conversation")
    _check_ints((change.saved_at_ns, change.expires_at_ns, change.version), "the conversation")
    if not 0 <= change.replaces < change.version:
        raise InvalidRequest("the version of a conversation is higher than the one it replaces")
    texts: tuple[object, ...] = (change.messages, change.metadata)
    if not all(isinstance(text, bytes) for text in texts):
        raise InvalidRequest("messages and metadata of a conversation are kept as bytes")
    if len(change.messages) + len(change.metadata) > MAX_CONVERSATION_BYTES:
        raise TooLarge(f"the conversation exceeds {MAX_CONVERSATION_BYTES} bytes")


def check_conversation_filter(where: ConversationFilter) -> None:
    """Errors: InvalidRequest without tenant and user, for bad text or a limit out of range."""
    if not (where.tenant and where.user):
        raise InvalidRequest("conversations are listed for one user of one tenant")
    check_text((where.tenant, where.user, where.prefix, where.after), "the filter")
    _check_ints((where.live_at_ns,), "the filter")
    _check_limit(where.limit)


def check_cuts(cuts: Cuts, now_ns: int = 0, limit: object = 1) -> None:
    """Errors: InvalidRequest for times that are no times or a limit out of range."""
    times = (cuts.sessions_ns, cuts.effects_ns, cuts.saved_ns, cuts.expired_ns, now_ns)
    _check_ints(times, "the cut")
    if not isinstance(limit, int) or not 1 <= limit <= MAX_PURGED_ROWS:
        raise InvalidRequest(f"a purge deletes 1 to {MAX_PURGED_ROWS} of a sort")


def check_record_filter(where: RecordFilter) -> None:
    """Errors: InvalidRequest for an empty tenant, bad text, or bounds out of range.

    Empty by mistake must not read as "those of no tenant".
    """
    if where.of_server and where.tenant:
        raise InvalidRequest("the server's own records are of no tenant, and one was named")
    if not where.tenant and not where.of_server:
        raise InvalidRequest("journal records are read for one tenant, and none was named")
    texts = (where.tenant, where.user, where.session, where.agent, where.tool, where.call_id)
    check_text(texts, "the filter")
    check_text(where.kinds, "the filter")
    numbers = (where.from_ns, where.until_ns, where.after_seq, where.before_seq)
    _check_ints(numbers, "the filter")
    _check_limit(where.limit)


def check_cost_filter(where: CostFilter) -> None:
    """Errors: InvalidRequest for bad text, bounds out of range, or parts that nothing tells."""
    names = (where.tenant, where.project, where.user, where.agent, where.session)
    check_text(names, "the filter")
    if not where.by or any(type(one) is not CostBy for one in where.by):
        raise InvalidRequest("costs are told apart by at least one thing that is known")
    _check_ints((where.from_ns, where.until_ns), "the filter")
    _check_limit(where.limit)


def check_session_filter(where: SessionFilter) -> None:
    """Errors: InvalidRequest for bad text or a limit out of range."""
    check_text((where.tenant, where.project, where.user), "the filter")
    check_text(where.states, "the filter")
    _check_before(where.before)
    _check_limit(where.limit)


def check_approval_filter(where: ApprovalFilter) -> None:
    """Errors: InvalidRequest for bad text or a limit out of range."""
    check_text((where.tenant, where.project, where.session), "the filter")
    check_text(where.states, "the filter")
    _check_before(where.before)
    _check_limit(where.limit)


def check_run_filter(where: RunFilter) -> None:
    """Errors: InvalidRequest for bad text or a limit out of range."""
    names = (where.tenant, where.project, where.user, where.session, where.batch)
    check_text(names, "the filter")
    check_text(where.states, "the filter")
    _check_before(where.before)
    _check_limit(where.limit)


def check_effect_filter(where: EffectFilter) -> None:
    """Errors: InvalidRequest for bad text or a limit out of range."""
    check_text((where.tenant,), "the filter")
    _check_before(where.before)
    _check_limit(where.limit)


def _check_before(before: tuple[int, str] | None) -> None:
    if before is not None:
        _check_ints(before[:1], "the filter")
        check_text(before[1:], "the filter")


def check_text(texts: Iterable[str], what: str) -> None:
    """Errors: InvalidRequest for what is no Unicode text, TooLarge past MAX_TEXT_BYTES."""
    try:
        joined = "".join(texts)
        size = len(joined) if joined.isascii() else len(joined.encode())
    except TypeError:
        raise InvalidRequest(f"{what} holds a value where text belongs") from None
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds text that is not valid unicode") from None
    if size > MAX_TEXT_BYTES:
        raise TooLarge(f"the names in {what} exceed {MAX_TEXT_BYTES} bytes")


def _check_limit(limit: object) -> None:
    if not isinstance(limit, int) or not 0 <= limit <= MAX_ROWS:
        raise InvalidRequest(f"a read asks for 0 to {MAX_ROWS} rows")


def _check_ints(numbers: Iterable[object], what: str) -> None:
    for number in numbers:
        if not isinstance(number, int) or not _MIN_INT <= number <= _MAX_INT:
            raise InvalidRequest(f"{what} holds a number that is no 64-bit integer")


def _encode(value: Any, what: str, *, flat: bool = False) -> bytes:
    try:
        raw = _ENCODER.encode(value)
        if len(raw) > MAX_JSON_BYTES:
            raise TooLarge(f"{what} exceeds {MAX_JSON_BYTES} bytes")
        # A number that is not finite is written as `null`, and depth needs brackets: without
        # either there is nothing to look for, which spares nearly every record the walk.
        # A `flat` value holds no number that was not looked at, and no tree of the caller's.
        if not flat and (b"null" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH):
            _check_tree(msgspec.to_builtins(value), what)
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds text that is not valid unicode") from None
    except RecursionError:
        raise InvalidRequest(f"{what} is nested deeper than {MAX_DEPTH}") from None
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequest(f"{what} holds a value that json has no word for") from None
    return raw


def _check_tree(tree: Any, what: str) -> None:
    level = [tree]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, list | tuple):
                below.extend(node)
            elif isinstance(node, float) and not isfinite(node):
                raise InvalidRequest(f"{what} holds a number that is not finite")
        if not below:
            return
        level = below
    raise InvalidRequest(f"{what} is nested deeper than {MAX_DEPTH}")
