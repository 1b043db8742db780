"""One journal record as one live line of `holdfast run`, or none where it says nothing new."""

from collections.abc import Callable
from typing import Any

import msgspec

from holdfast.apps.cli.printing import plain
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd

_MARKS = {"allow": "✓", "ask": "?", "deny": "✗"}
_MOST_ARGUMENTS = 120


class Line(msgspec.Struct, frozen=True):
    """A line and its style."""

    text: str
    style: str = ""


def line_of(record: Record, spent_nusd: int) -> Line | None:
    """What a person watching wants to read; `spent_nusd` is the session's cost so far."""
    if record.kind is Kind.MODEL_CALL_SETTLED:
        return _turn(record, spent_nusd)
    if record.kind is Kind.TOOL_CALL_DECIDED:
        return _decided(record, spent_nusd)
    build = _LINES.get(record.kind)
    return build(record) if build is not None else None


def _turn(record: Record, spent_nusd: int) -> Line:
    usage: dict[str, Any] = record.body.get("usage") or {}
    tokens_in = sum(
        int(usage.get(name, 0))
        for name in (
            "input_tokens",
            "cache_read_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
        )
    )
    ended = str(record.body.get("ended", ""))
    text = (
        f"turn {record.turn}: {tokens_in:,} tokens in, {int(usage.get('output_tokens', 0)):,} out,"
        f" {format_usd(record.cost_nusd)}, {format_usd(spent_nusd)} so far"
    )
    return Line(text if ended == "complete" else f"{text} ({plain(ended, 200)})", "dim")


def _decided(record: Record, spent_nusd: int) -> Line:
    if record.body.get("times"):
        told_of = plain(record.body.get("why", ""), 300)
        return Line(f"{_MARKS.get(record.verdict, '·')} work of the provider: {told_of}", "red")
    spelled = msgspec.json.encode(record.body.get("arguments") or {}).decode()
    head = f"{_MARKS.get(record.verdict, '·')} {record.tool} {plain(spelled, _MOST_ARGUMENTS)}"
    told = f"{head}: {record.verdict}, risk {record.risk or 'unknown'}"
    why = deciding(record)
    if why is not None:
        rule = f", rule {why['rule']}" if why.get("rule") else ""
        told += f"{rule}: {plain(why.get('text', ''), 300)}"
    style = "green" if record.verdict == "allow" else "red"
    return Line(f"{told} ({format_usd(spent_nusd)} so far)", style)


def deciding(record: Record) -> dict[str, Any] | None:
    """The first reason of a decision's own verdict, None where nothing objected."""
    reasons = record.body.get("reasons") or []
    return next((r for r in reasons if r.get("verdict") == record.verdict), None)


def _finished(record: Record) -> Line | None:
    if record.body.get("ok", True):
        return None
    return Line(f"  {record.tool} failed: {plain(record.body.get('error', ''), 200)}", "yellow")


def _stated(record: Record) -> Line:
    what = record.kind.partition(".")[2]
    reason = plain(record.body.get("reason", ""), 300)
    return Line(f"session {what}" + (f": {reason}" if reason else ""), "bold")


def _alerted(record: Record) -> Line:
    body = record.body
    if record.kind is Kind.BUDGET_ALERT:
        return Line(f"! {body.get('percent')} % of {plain(body.get('account', ''))}", "yellow")
    if record.kind is Kind.CONTEXT_ALERT:
        return Line(f"! the context is {body.get('percent')} % full", "yellow")
    return Line(f"! {plain(body.get('text', ''), 300)}", "yellow")


def _queried(record: Record) -> Line:
    body = record.body
    carried, spent, limit = body.get("bytes"), body.get("spent"), body.get("limit")
    return Line(f"  {carried} bytes went out in a search query, {spent} of {limit} so far", "dim")


def _refused(record: Record) -> Line | None:
    body = record.body
    if record.kind is Kind.BUDGET_DECIDED:
        if record.verdict != "deny":
            return None
        return Line(f"✗ no room in {plain(body.get('account', ''))}", "red")
    why = body.get("why") or body.get("text") or ""
    what = record.kind.replace("_", " ").replace(".", " ")
    return Line(f"✗ {what} {plain(why, 300)}".rstrip(), "red")


def _cut(record: Record) -> Line:
    why = record.body.get("why") or record.body.get("reason") or ""
    return Line(f"✂ the answer was cut: {plain(why, 300)}".rstrip(": "), "red")


def _run(record: Record) -> Line:
    what = record.kind.partition(".")[2]
    reason = plain(record.body.get("reason") or record.body.get("error") or "", 300)
    return Line(f"run {what}" + (f": {reason}" if reason else ""), "bold")


def _judged(record: Record) -> Line:
    said = {"pass": "passed the result", "fail": "did not pass the result"}
    told = said.get(str(record.body.get("verdict")), "could not be read")
    style = "green" if record.body.get("verdict") == "pass" else "red"
    return Line(f"the judge {told}: {plain(record.body.get('why', ''), 300)}", style)


def _unknown(record: Record) -> Line:
    why = plain(record.body.get("why", ""), 200)
    return Line(f"? it is not known whether {record.tool} took effect: {why}", "red")


_LINES: dict[Kind, Callable[[Record], Line | None]] = {
    Kind.MODEL_CALL_CUT: _cut,
    Kind.MODEL_CALL_REFUSED: _refused,
    Kind.TOOL_CALL_FINISHED: _finished,
    Kind.TOOL_RESULT_REPLACED: _refused,
    Kind.EVIDENCE_MISSING: _refused,
    Kind.EVIDENCE_REFUSED: _refused,
    Kind.PERMIT_REFUSED: _refused,
    Kind.BUDGET_DECIDED: _refused,
    Kind.BUDGET_ALERT: _alerted,
    Kind.LOOP_ALERT: _alerted,
    Kind.CONTEXT_ALERT: _alerted,
    Kind.QUERY_SENT: _queried,
    Kind.RUN_JUDGED: _judged,
    Kind.EFFECT_UNKNOWN: _unknown,
    Kind.RUN_CLAIMED: _run,
    Kind.RUN_RETRYING: _run,
    Kind.RUN_PARKED: _run,
    Kind.RUN_RESUMED: _run,
    Kind.RUN_COMPACTED: _run,
    Kind.SESSION_OPENED: _stated,
    Kind.SESSION_PAUSED: _stated,
    Kind.SESSION_RESUMED: _stated,
    Kind.SESSION_STOPPED: _stated,
    Kind.SESSION_KILLED: _stated,
    Kind.SESSION_EXPIRED: _stated,
}
