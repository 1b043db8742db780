"""Between the model's values and the rows of the tables.

Everything that can be refused is refused here, on the caller's side, before a commit is queued:
what the writer gets, it can write. Not here: SQL statements.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from holdfast.errors import InvalidRequest
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, AccountState, HoldState
from holdfast.model.conversations import Conversation, ConversationClosed, ConversationHead
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Kind, Record
from holdfast.model.keys import SpendingKey
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.stops import Stop
from holdfast.model.tools import CallRecord, CallState
from holdfast.ports.store import Change, HoldClosed
from holdfast.ports.store_refusals import (
    check_account,
    check_conversation,
    check_hold_closed,
    record_body,
    state_json,
)

Row = tuple[Any, ...]

_ROW_OVERHEAD_BYTES = 200
_ACCOUNT_BYTES = 400
_KINDS = {kind.value: kind for kind in Kind}
_ENCODER = msgspec.json.Encoder()
_BODY = msgspec.json.Decoder(dict[str, Any])
_SESSION = msgspec.json.Decoder(Session)
_CALL = msgspec.json.Decoder(CallRecord)
# How a version before said that arguments were half-written, and that a permit was used up.
_HALF_BEFORE = "incomplete"
_ACCOUNT = msgspec.json.Decoder(AccountState)
_HOLD = msgspec.json.Decoder(HoldState)
_RUN = msgspec.json.Decoder(Run)
_EFFECT = msgspec.json.Decoder(EffectEntry)
_APPROVAL = msgspec.json.Decoder(Approval)
_KEY = msgspec.json.Decoder(SpendingKey)
_STOP = msgspec.json.Decoder(Stop)


class _Before(msgspec.Struct, frozen=True):
    """What a version before kept of a call beside its state."""

    redeemed: bool = False


_CALL_BEFORE = msgspec.json.Decoder(_Before)


class CommitRows:
    """One commit, ready to write. `holds` maps a closed hold to None; `size_bytes` is about."""

    __slots__ = (
        "accounts",
        "approvals",
        "calls",
        "conversations",
        "effects",
        "holds",
        "journal",
        "keys",
        "runs",
        "sessions",
        "size_bytes",
        "stops",
    )

    def __init__(self) -> None:
        self.journal: list[Row] = []
        self.sessions: list[Row] = []
        self.calls: dict[tuple[str, str], bytes] = {}
        self.accounts: dict[AccountKey, AccountState] = {}
        self.holds: dict[str, Row | None] = {}
        self.runs: dict[str, Row] = {}
        self.effects: dict[tuple[str, str], Row] = {}
        self.approvals: dict[str, Row] = {}
        self.conversations: list[Conversation | ConversationClosed] = []
        self.keys: dict[str, Row] = {}
        self.stops: dict[str, Row] = {}
        self.size_bytes = 0

    @property
    def empty(self) -> bool:
        """Nothing to write: the commit only waits for those before it."""
        states = (self.sessions, self.calls, self.accounts, self.holds, self.runs, self.effects)
        kept = (self.journal, self.conversations, self.approvals, self.keys, self.stops)
        return not any(kept) and not any(states)


def commit_rows(records: Sequence[Record], changes: Sequence[Change]) -> CommitRows:
    """Encode one commit. Errors: InvalidRequest, TooLarge; then nothing of it may be stored."""
    rows = CommitRows()
    size = 0
    for record in records:
        body = record_body(record)
        rows.journal.append(_journal_row(record, body))
        size += len(body) + _ROW_OVERHEAD_BYTES
    for change in changes:
        size += _add_change(rows, change)
    rows.size_bytes = size
    return rows


def _journal_row(record: Record, body: bytes) -> Row:
    return (
        record.at_ns,
        record.kind,
        record.tenant,
        record.project,
        record.user,
        record.agent,
        record.session,
        record.task,
        record.turn,
        record.call_id,
        record.decision_id,
        record.tool,
        record.verdict,
        record.risk,
        record.cost_nusd,
        body,
    )


def _add_change(rows: CommitRows, change: Change) -> int:
    """About how many bytes it adds."""
    add = _ADD.get(type(change))
    if add is None:
        raise InvalidRequest(f"a {type(change).__name__} is no state that a store keeps")
    return add(rows, change)


def _add_account(rows: CommitRows, account: AccountState) -> int:
    # Encoded by the writer: of many states of one account in a batch only the last is written.
    check_account(account)
    rows.accounts[account.key] = account
    return _ACCOUNT_BYTES


def _add_hold_closed(rows: CommitRows, closed: HoldClosed) -> int:
    check_hold_closed(closed)
    rows.holds[closed.hold_id] = None
    return _ROW_OVERHEAD_BYTES


def _add_hold(rows: CommitRows, hold: HoldState) -> int:
    raw = state_json(hold)
    rows.holds[hold.hold_id] = (hold.hold_id, hold.opened_at_ns, raw)
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_call(rows: CommitRows, call: CallRecord) -> int:
    raw = state_json(call)
    rows.calls[call.session, call.call_id] = raw
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_effect(rows: CommitRows, effect: EffectEntry) -> int:
    raw = state_json(effect)
    name = (effect.tenant, effect.key)
    standing = (effect.state, effect.changed_at_ns)
    rows.effects[name] = (*name, effect.session, effect.intended_at_ns, *standing, raw)
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_approval(rows: CommitRows, approval: Approval) -> int:
    raw = state_json(approval)
    where = (approval.tenant, approval.project, approval.session)
    standing = (approval.state, approval.asked_at_ns)
    rows.approvals[approval.approval_id] = (approval.approval_id, *where, *standing, raw)
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_run(rows: CommitRows, run: Run) -> int:
    raw = state_json(run)
    rows.runs[run.run_id] = _run_row(run, raw)
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_session(rows: CommitRows, session: Session) -> int:
    raw = state_json(session)
    rows.sessions.append(_session_row(session, raw))
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_key(rows: CommitRows, key: SpendingKey) -> int:
    raw = state_json(key)
    rows.keys[key.name] = (key.name, raw)
    return len(raw) + _ROW_OVERHEAD_BYTES


def _add_conversation(rows: CommitRows, change: Conversation | ConversationClosed) -> int:
    check_conversation(change)
    rows.conversations.append(change)
    held = change if isinstance(change, Conversation) else None
    return _ROW_OVERHEAD_BYTES + (len(held.messages) + len(held.metadata) if held else 0)


def _add_stop(rows: CommitRows, stop: Stop) -> int:
    raw = state_json(stop)
    rows.stops[stop.reach.key] = (stop.reach.key, stop.at_ns, stop.lifted_at_ns, raw)
    return len(raw) + _ROW_OVERHEAD_BYTES


_ADD: dict[type, Callable[[CommitRows, Any], int]] = {
    AccountState: _add_account,
    HoldState: _add_hold,
    HoldClosed: _add_hold_closed,
    Session: _add_session,
    CallRecord: _add_call,
    Run: _add_run,
    EffectEntry: _add_effect,
    Approval: _add_approval,
    Conversation: _add_conversation,
    ConversationClosed: _add_conversation,
    SpendingKey: _add_key,
    Stop: _add_stop,
}


def _session_row(session: Session, raw: bytes) -> Row:
    who = session.principal
    return (
        session.session_id,
        who.tenant,
        who.project,
        who.user,
        session.state,
        session.opened_at_ns,
        session.token_digest,
        who.task,
        session.parent,
        session.state_changed_at_ns,
        session.purged_at_ns,
        raw,
    )


def _run_row(run: Run, raw: bytes) -> Row:
    return (
        run.run_id,
        run.tenant,
        run.project,
        run.user,
        run.session,
        run.batch,
        run.state,
        run.submitted_at_ns,
        run.changed_at_ns,
        run.retry_of,
        raw,
    )


def conversation_row(one: Conversation) -> Row:
    """A conversation in the order of its table's columns."""
    return (
        one.tenant,
        one.user,
        one.name,
        one.version,
        one.replaces,
        one.digest,
        one.saved_at_ns,
        one.expires_at_ns,
        len(one.messages) + len(one.metadata),
        one.messages,
        one.metadata,
    )


CONVERSATION_COLUMNS = (
    'tenant, "user", name, version, replaces, digest, saved_at_ns, expires_at_ns, messages,'
    " metadata"
)
HEAD_COLUMNS = 'tenant, "user", name, version, size_bytes, digest, saved_at_ns, expires_at_ns'


def conversation_of(row: Row) -> Conversation:
    """A row of CONVERSATION_COLUMNS."""
    return Conversation(
        tenant=row[0],
        user=row[1],
        name=row[2],
        version=row[3],
        replaces=row[4],
        digest=row[5],
        saved_at_ns=row[6],
        expires_at_ns=row[7],
        messages=row[8],
        metadata=row[9],
    )


def head_of(row: Row) -> ConversationHead:
    """A row of HEAD_COLUMNS."""
    return ConversationHead(
        name=row[2],
        version=row[3],
        size_bytes=row[4],
        digest=row[5],
        saved_at_ns=row[6],
        expires_at_ns=row[7],
    )


def account_row(state: AccountState) -> Row:
    """Key and JSON. What is held is never stored: open holds say it."""
    if state.held:
        state = msgspec.structs.replace(state, held=0)
    return (str(state.key), _ENCODER.encode(state))


def record_of(row: Row) -> Record:
    """A journal row, `seq` first, as a record."""
    return Record(
        seq=row[0],
        at_ns=row[1],
        kind=_KINDS[row[2]],
        tenant=row[3],
        project=row[4],
        user=row[5],
        agent=row[6],
        session=row[7],
        task=row[8],
        turn=row[9],
        call_id=row[10],
        decision_id=row[11],
        tool=row[12],
        verdict=row[13],
        risk=row[14],
        cost_nusd=row[15],
        body=_BODY.decode(row[16]),
    )


def session_of(raw: bytes) -> Session:
    """A stored session."""
    return _SESSION.decode(raw)


def call_of(raw: bytes) -> CallRecord:
    """A stored call, also as a version before wrote it."""
    call = _CALL.decode(raw)
    if call.digest != _HALF_BEFORE and call.state is not CallState.ALLOWED:
        return call
    return _call_of_before(call, _CALL_BEFORE.decode(raw))


def _call_of_before(call: CallRecord, before: _Before) -> CallRecord:
    """What had a word in place of a digest, and a flag beside the state, has a state of its own."""
    if call.digest == _HALF_BEFORE:
        torn = {CallState.EMITTED: CallState.TORN, CallState.SERVER: CallState.SERVER_TORN}
        return msgspec.structs.replace(call, digest="", state=torn.get(call.state, call.state))
    if before.redeemed:
        return msgspec.structs.replace(call, state=CallState.BEGUN)
    return call


def stop_of(raw: bytes) -> Stop:
    """A stored stop."""
    return _STOP.decode(raw)


def account_of(raw: bytes) -> AccountState:
    """A stored account; `held` is 0 and has to be counted from the holds."""
    return _ACCOUNT.decode(raw)


def run_of(raw: bytes) -> Run:
    """A stored run."""
    return _RUN.decode(raw)


def effect_of(raw: bytes) -> EffectEntry:
    """A stored entry of the effects ledger."""
    return _EFFECT.decode(raw)


def approval_of(raw: bytes) -> Approval:
    """A stored approval."""
    return _APPROVAL.decode(raw)


def key_of(raw: bytes) -> SpendingKey:
    """A stored spending key."""
    return _KEY.decode(raw)


def hold_of(raw: bytes) -> HoldState:
    """A stored hold."""
    return _HOLD.decode(raw)
