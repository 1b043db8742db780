"""Spans from the journal: one for each tool call and model call, under one root a session.

A child hangs below the call that started it, in the trace of the session above it.

A fold: show it every record in order, and it answers the spans that are finished by then. A tool
call is a span from its decision to its outcome; one that was refused, that the provider ran or
that never ran has no length. Ids are digests of the session's and the call's, so a parent is known
before it is finished. A server that was restarted tells of what was open before (`recall`), and
goes on with the same tree: a call that lived over the crash has its one span when it is over.

Attributes follow the OpenTelemetry conventions for generative AI where these have a name, and
stand under `holdfast.` where not. Not here: sending (`backends/otlp`).
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from holdfast.core import endings
from holdfast.core.calls import AT_SERVER
from holdfast.core.endings import COMPLETE
from holdfast.model import bodies
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import SessionState

INPUT_CHARACTERS = 500
_LIVE_SESSIONS = 10_000
_ENDED_SESSIONS = 256
# A stopped session's running calls may still report what became of them.
_GRACE_NS = 60_000_000_000
_NS_PER_MS = 1_000_000
_UNREPORTED = "unreported"

Attribute = str | int | bool | list[str]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One finished span. Ids are 128 and 64 bits; `parent_id` 0 is the root of its trace.

    `ok` False is a status of error, and `error` says why. `outward`: it left for another service.
    """

    trace_id: int
    span_id: int
    parent_id: int
    name: str
    start_ns: int
    end_ns: int
    ok: bool
    error: str
    outward: bool
    attributes: dict[str, Attribute]


class _Seen(msgspec.Struct):
    """What is remembered of a session: when it began, its open calls, the calls with a span."""

    first: Record
    opened: bodies.SessionOpened
    ended_ns: int = 0
    prompt: str = ""
    turns: int = 0
    cost_nusd: int = 0
    open: dict[str, Record] = {}
    closed: set[str] = set()

    @property
    def trace(self) -> int:
        """The trace of the session, or of the one at the top that it works for."""
        return trace_id(self.opened.root or self.first.session)


class SpanFold:
    """Folds records into spans. Bounded: of very many sessions the oldest are let go."""

    def __init__(self) -> None:
        self._live: dict[str, _Seen] = {}
        self._ended: dict[str, _Seen] = {}

    def see(self, record: Record) -> list[Span]:
        """The spans that this record finishes; records of no session finish none."""
        if record.kind is Kind.KILL_RECEIPT:
            return self._killed(record)
        step = _STEPS.get(record.kind)
        if step is None or not record.session:
            return []
        let_go: list[Span] = []
        seen = self._live.get(record.session) or self._ended.get(record.session)
        if seen is None:
            seen = _Seen(record, bodies.SessionOpened.read({}))
            if not _lost(record):
                let_go = self._remember(record, seen)
        spans = step(seen, record)
        if record.kind in _ENDINGS and record.session in self._live:
            seen.ended_ns = record.at_ns
            self._ended[record.session] = self._live.pop(record.session)
            if len(self._ended) > _ENDED_SESSIONS:
                oldest = self._ended.pop(next(iter(self._ended)))
                let_go += _unreported(oldest, oldest.ended_ns)
        return let_go + spans

    def recall(self, records: Sequence[Record], over: Collection[str]) -> list[Span]:
        """Learn what is open in a session of before, unless it is known.

        Spans of these records were sent when they were written, as were those of the calls in
        `over`; answered are those of a session that is let go for it.
        """
        first = records[0]
        if first.session in self._live or first.session in self._ended:
            return []
        seen = _Seen(first, bodies.SessionOpened.read({}), closed=set(over))
        let_go = self._remember(first, seen)
        for record in records:
            if (step := _STEPS.get(record.kind)) is not None:
                step(seen, record)
        return let_go

    def _remember(self, record: Record, seen: _Seen) -> list[Span]:
        self._live[record.session] = seen
        if len(self._live) <= _LIVE_SESSIONS:
            return []
        return _unreported(self._live.pop(next(iter(self._live))), record.at_ns)

    def _killed(self, record: Record) -> list[Span]:
        """All levers of a kill were pulled: whoever was at a call of these sessions is gone."""
        below = (one.session_id for one in bodies.KillReceipt.of(record).children)
        ended = (self._ended.get(name) for name in (record.session, *below))
        return [span for seen in ended if seen for span in _unreported(seen, seen.ended_ns)]

    def lapse(self, now_ns: int) -> list[Span]:
        """Spans of calls that were still unreported a minute after their session ended."""
        return [
            span
            for seen in self._ended.values()
            if seen.open and now_ns - seen.ended_ns >= _GRACE_NS
            for span in _unreported(seen, seen.ended_ns)
        ]


def _lost(record: Record) -> bool:
    """Whether it tells of what a crash took, of whose session nothing may be known yet."""
    if record.kind is Kind.MODEL_CALL_SETTLED:
        return bool(bodies.ModelCallSettled.of(record).hold_id)
    if record.kind is Kind.TOOL_CALL_FINISHED:
        return bool(bodies.ToolCallFinished.of(record).hold_id)
    return False


def trace_id(session: str) -> int:
    """The trace of a session."""
    return int.from_bytes(_digest("trace", session)[:16])


def root_id(session: str) -> int:
    """The span of a session itself."""
    return _span_id("session", session)


def turn_id(session: str, turn: int) -> int:
    """The span of a turn's model call."""
    return _span_id("turn", session, str(turn))


def call_span_id(session: str, call_id: str) -> int:
    """The span of a tool call."""
    return _span_id("call", session, call_id)


def _digest(*parts: str) -> bytes:
    spelled = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
    return hashlib.sha256(b"holdfast span\0" + spelled).digest()


def _span_id(*parts: str) -> int:
    return int.from_bytes(_digest(*parts)[:8])


def _common(record: Record, operation: str) -> dict[str, Attribute]:
    given: dict[str, Attribute] = {
        "gen_ai.operation.name": operation,
        "gen_ai.conversation.id": record.session,
        "gen_ai.agent.name": record.agent,
        "holdfast.session": record.session,
        "holdfast.tenant": record.tenant,
        "holdfast.project": record.project,
        "holdfast.user": record.user,
        "holdfast.agent": record.agent,
        "holdfast.task": record.task,
        "holdfast.turn": record.turn,
    }
    return given


# ---- the session itself ---------------------------------------------------------------------


def _opened(seen: _Seen, record: Record) -> list[Span]:
    seen.first, seen.opened = record, bodies.SessionOpened.of(record)
    return []


def _prompted(seen: _Seen, record: Record) -> list[Span]:
    seen.prompt = bodies.PromptSubmitted.of(record).text[:INPUT_CHARACTERS]
    return []


def _ended(seen: _Seen, record: Record) -> list[Span]:
    """The root, once: a kill of what had ended already ends nothing."""
    body, opened = bodies.SessionChanged.of(record), seen.opened
    if body.from_state not in (SessionState.ACTIVE, SessionState.PAUSED):
        return []
    ok = record.kind is Kind.SESSION_ENDED
    reason = body.reason[:INPUT_CHARACTERS]
    state = record.kind.partition(".")[2]
    attributes = _common(record, "invoke_agent") | {
        "holdfast.turn": seen.turns,
        "holdfast.cost_nusd": seen.cost_nusd,
        "holdfast.state": state,
        "holdfast.input": seen.prompt,
        "holdfast.success": ok,
        "holdfast.ms": max(record.at_ns - seen.first.at_ns, 0) // _NS_PER_MS,
    }
    if opened.parent:
        attributes["holdfast.parent_session"] = opened.parent
    if opened.delegated_by:
        attributes["holdfast.delegated_by"] = opened.delegated_by
    root = Span(
        trace_id=seen.trace,
        span_id=root_id(record.session),
        parent_id=_started_by(opened.delegated_by, opened.by_call or ""),
        name=f"invoke_agent {record.agent}",
        start_ns=min(seen.first.at_ns, record.at_ns),
        end_ns=record.at_ns,
        ok=ok,
        error="" if ok else f"{state}: {reason}",
        outward=False,
        attributes=attributes,
    )
    return [root]


def _started_by(session: str, call_id: str) -> int:
    """The span that a child hangs below; 0 for a session that nobody started."""
    if not session:
        return 0
    return call_span_id(session, call_id) if call_id else root_id(session)


# ---- model calls ----------------------------------------------------------------------------


def _settled(seen: _Seen, record: Record) -> list[Span]:
    seen.turns = max(seen.turns, record.turn)
    seen.cost_nusd += record.cost_nusd
    body = bodies.ModelCallSettled.of(record)
    if body.outcome == "unknown":
        error = "unknown: the server ended before the provider's usage came"
    else:
        ended = endings.read(body.ended)
        error = "" if ended == COMPLETE else ended.words or "unknown"
    return [_model(seen, record, body, error)]


def _refused(seen: _Seen, record: Record) -> list[Span]:
    seen.turns = max(seen.turns, record.turn)
    body = bodies.ModelCallRefused.of(record)
    unused = bodies.ModelCallSettled.read({"model": body.model})
    return [_model(seen, record, unused, f"refused: {body.why}")]


def _model(seen: _Seen, record: Record, body: bodies.ModelCallSettled, error: str) -> Span:
    used, model, ms = body.usage, body.model, body.duration_ms
    attributes = _common(record, "chat") | {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
        "gen_ai.request.max_tokens": body.max_tokens,
        "gen_ai.usage.input_tokens": used.prompt_tokens,
        "gen_ai.usage.output_tokens": used.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": used.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": used.cache_write_5m_tokens
        + used.cache_write_1h_tokens,
        "gen_ai.response.id": body.message_id,
        "gen_ai.response.finish_reasons": [body.stop_reason] if body.stop_reason else [],
        "holdfast.context_percent": body.context_percent or 0,
        "holdfast.cost_nusd": record.cost_nusd,
        "holdfast.input": seen.prompt,
        "holdfast.ms": ms,
        "holdfast.success": not error,
    }
    if error:
        attributes["error.type"] = error.partition(":")[0]
    # A hold that a crash left over knows neither its turn nor its call.
    own = turn_id(record.session, record.turn)
    if body.hold_id:
        own = _span_id("hold", record.session, body.hold_id)
    return Span(
        trace_id=seen.trace,
        span_id=own,
        parent_id=root_id(record.session),
        name=f"chat {model}".strip(),
        start_ns=record.at_ns - ms * _NS_PER_MS,
        end_ns=record.at_ns,
        ok=not error,
        error=error,
        outward=True,
        attributes=attributes,
    )


# ---- tool calls -----------------------------------------------------------------------------


def _emitted(seen: _Seen, record: Record) -> list[Span]:
    if bodies.ToolUseEmitted.of(record).state not in AT_SERVER:
        return []
    return _tool(seen, record, record, {"holdfast.door": "provider"})


def _decided(seen: _Seen, record: Record) -> list[Span]:
    body = bodies.ToolCallDecided.of(record)
    if body.times:
        return []  # A number of refusals that have no records of their own.
    if record.verdict == Verdict.ALLOW:
        if record.call_id not in seen.closed:
            seen.open[record.call_id] = record
        return []
    reason = body.why_of(record.verdict)
    code = (reason and reason.code) or "permission_denied"
    text = f"{code}: {reason.text}" if reason and reason.text else code
    return _tool(seen, record, record, {"error.type": code}, text)


def _finished(seen: _Seen, record: Record) -> list[Span]:
    began = seen.open.pop(record.call_id, None)
    if began is None:
        # Its session ended long ago and it has its span, or it is a hold of a crash: the call whose
        # that was has its span when it is over.
        return []
    body = bodies.ToolCallFinished.of(record)
    more: dict[str, Attribute] = {"holdfast.ms": body.duration_ms}
    if body.ok:
        return _tool(seen, began, record, more)
    more["error.type"] = "tool_error"
    return _tool(seen, began, record, more, f"tool_error: {body.error[:INPUT_CHARACTERS]}")


def _admitted(seen: _Seen, record: Record) -> list[Span]:
    """A result that came back is the outcome of a call whose door never reported one."""
    began = seen.open.pop(record.call_id, None)
    if began is None:
        return []
    return _tool(seen, began, record, {"holdfast.outcome": "result_admitted"})


def _replaced(seen: _Seen, record: Record) -> list[Span]:
    more: dict[str, Attribute] = {"error.type": "never_ran"}
    return _tool(seen, record, record, more, "never_ran: the client asked for no permission")


def _unreported(seen: _Seen, at_ns: int) -> list[Span]:
    began, seen.open = list(seen.open.values()), {}
    more: dict[str, Attribute] = {"error.type": _UNREPORTED}
    spans: list[Span] = []
    for record in began:
        end = msgspec.structs.replace(record, at_ns=at_ns)
        text = f"{_UNREPORTED}: the session ended before the call was reported"
        spans += _tool(seen, record, end, more, text)
    return spans


def _tool(
    seen: _Seen,
    began: Record,
    ended: Record,
    more: Mapping[str, Attribute],
    error: str = "",
) -> list[Span]:
    """One span for a call that has none yet; a refusal that names no call is one by itself."""
    if began.call_id in seen.closed:
        return []
    if began.call_id:
        seen.closed.add(began.call_id)
    key = began.call_id or f"{began.tool}\0{began.at_ns}"
    decided, why = None, None
    if began.kind is Kind.TOOL_CALL_DECIDED:
        decided = bodies.ToolCallDecided.of(began)
        why = decided.why_of(began.verdict)
    parent = turn_id(began.session, began.turn) if began.turn else root_id(began.session)
    attributes = _common(began, "execute_tool") | {
        "gen_ai.tool.name": began.tool,
        "gen_ai.tool.call.id": began.call_id,
        "holdfast.decision_id": began.decision_id,
        "holdfast.verdict": began.verdict,
        "holdfast.risk": began.risk,
        "holdfast.rule": why.rule if why else "",
        "holdfast.cost_nusd": ended.cost_nusd,
        "holdfast.input": decided.arguments_json(INPUT_CHARACTERS) if decided else "",
        "holdfast.ms": max(ended.at_ns - began.at_ns, 0) // _NS_PER_MS,
        "holdfast.success": not error,
    }
    span = Span(
        trace_id=seen.trace,
        span_id=call_span_id(began.session, key),
        parent_id=parent,
        name=f"execute_tool {began.tool}".strip(),
        start_ns=min(began.at_ns, ended.at_ns),
        end_ns=ended.at_ns,
        ok=not error,
        error=error,
        outward=False,
        attributes=attributes | dict(more),
    )
    return [span]


_ENDINGS = frozenset(
    {Kind.SESSION_ENDED, Kind.SESSION_STOPPED, Kind.SESSION_KILLED, Kind.SESSION_EXPIRED}
)
_STEPS: Mapping[Kind, Callable[[_Seen, Record], list[Span]]] = {
    Kind.SESSION_OPENED: _opened,
    Kind.PROMPT_SUBMITTED: _prompted,
    Kind.MODEL_CALL_SETTLED: _settled,
    Kind.MODEL_CALL_REFUSED: _refused,
    Kind.TOOL_USE_EMITTED: _emitted,
    Kind.TOOL_CALL_DECIDED: _decided,
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.TOOL_RESULT_ADMITTED: _admitted,
    Kind.TOOL_RESULT_REPLACED: _replaced,
    **dict.fromkeys(_ENDINGS, _ended),
}
