"""Answering "what did it do for this user last tuesday at 14:42?" from the journal.

What lies inside the minute (or day) that was named is shown first of all; the context around it
gets the room that is left, nearest first. Not here: reading the time (`core/when`), the sentences
(`core/narrate`).
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import msgspec

from holdfast.apps.control.audit.schemas import MAX_RECORDS, AskJournal, WhichOfServer
from holdfast.apps.control.audit.service import page_of, tenant_of
from holdfast.apps.control.deps import ControlDeps
from holdfast.compose.config.problems import quoted
from holdfast.errors import InvalidRequest
from holdfast.model.events import Record
from holdfast.model.views.audit import AskedRecord, AuditAnswer, Question, RecordList
from holdfast.ports.store import RecordFilter, Store

_NS = 1_000_000_000
_CONTEXT = 400
_SCANNED = 5000
_LATEST_NS = 2**63 - 1


async def ask(deps: ControlDeps, question: AskJournal) -> AuditAnswer:
    """The records and a sentence for each.

    Errors: InvalidRequest for a time, a zone or a tenant that cannot be meant.
    """
    from holdfast.core.when import Unclear, read_when  # noqa: PLC0415 -- a question is rare

    start = time.perf_counter()
    zone = zone_of(question.tz)
    tenant = tenant_of(deps.config, question.tenant)
    meant = read_when(question.at, deps.house.clock.now_ns(), zone)
    if isinstance(meant, Unclear):
        raise InvalidRequest(f"{quoted(question.at)}: {meant.reason}", field="at")
    span_ns = meant.until_ns - meant.from_ns
    around_ns = max(0, question.window_s * _NS - span_ns) // 2
    from_ns = max(0, meant.from_ns - around_ns)
    until_ns = min(_LATEST_NS, meant.until_ns + around_ns)

    def between(first_ns: int, end_ns: int, limit: int) -> RecordFilter:
        return RecordFilter(
            tenant=tenant, user=question.user, from_ns=first_ns, until_ns=end_ns, limit=limit
        )

    inside = await deps.house.store.records(between(meant.from_ns, meant.until_ns, MAX_RECORDS + 1))
    room = min(_CONTEXT, max(0, MAX_RECORDS - len(inside)) // 2)
    before, more_before = await _last(
        deps.house.store, between(from_ns, meant.from_ns, _SCANNED), room
    )
    after = await deps.house.store.records(between(meant.until_ns, until_ns, room + 1))
    cut_short = len(inside) > MAX_RECORDS or more_before or len(after) > room
    inside, after = inside[:MAX_RECORDS], after[:room]
    found = [*before, *inside, *after]
    return AuditAnswer(
        question=Question(
            user=question.user,
            tenant=tenant,
            from_ns=from_ns,
            until_ns=until_ns,
            asked_from_ns=meant.from_ns,
            asked_until_ns=meant.until_ns,
            at_text=meant.text,
        ),
        records=tuple(
            AskedRecord(
                **msgspec.structs.asdict(r), in_minute=meant.from_ns <= r.at_ns < meant.until_ns
            )
            for r in found
        ),
        lines=_lines(found, zone),
        cut_short=cut_short,
        took_ms=round((time.perf_counter() - start) * 1000, 3),
    )


async def of_server(deps: ControlDeps, which: WhichOfServer) -> RecordList:
    """What the server did itself.

    Errors: InvalidRequest for a zone that cannot be meant and for a cursor that is none.
    """
    zone = zone_of(which.tz)
    where = RecordFilter(
        tenant="",
        of_server=True,
        kinds=() if which.kind is None else (which.kind,),
        from_ns=max(0, deps.house.clock.now_ns() - which.last_s * _NS),
        after_seq=which.after_seq,
        limit=which.limit,
    )
    found, then = await page_of(deps.house.store, where, which.cursor)
    lines = tuple(_narrated(record, zone, dated=True) for record in found)
    return RecordList(records=found, lines=lines, next=then)


def sentences(records: Sequence[Record]) -> tuple[str, ...]:
    """What each says, without its time."""
    from holdfast.core.narrate import sentence  # noqa: PLC0415 -- few ask

    return tuple(map(sentence, records))


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name, UTC where none is given. Errors: InvalidRequest."""
    if name in ("", "UTC", "utc", "Z"):
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 -- few name a zone

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # KeyError: unknown; ValueError and OSError: names that are paths out of, or folders of,
        # the zone files.
        raise InvalidRequest(f"there is no time zone {quoted(name)} here", field="tz") from None


async def _last(store: Store, where: RecordFilter, most: int) -> tuple[list[Record], bool]:
    """The last `most` records of a stretch, and whether there were more before them.

    The store reads forward only, so a stretch that one read does not exhaust is halved from the
    front until it does.
    """
    more = False
    first_ns = where.from_ns
    while first_ns < where.until_ns:
        found = await store.records(msgspec.structs.replace(where, from_ns=first_ns))
        if len(found) < where.limit:
            return found[len(found) - min(most, len(found)) :], more or len(found) > most
        more = True
        first_ns += (where.until_ns - first_ns + 1) // 2
    return [], more


def _lines(records: Sequence[Record], zone: tzinfo) -> tuple[str, ...]:
    """One sentence a record, naming agent and session; with the date where there are several."""
    days = {datetime.fromtimestamp(r.at_ns // _NS, zone).date() for r in records}
    return tuple(_narrated(record, zone, dated=len(days) > 1) for record in records)


def _narrated(record: Record, zone: tzinfo, *, dated: bool) -> str:
    from holdfast.core.narrate import narrate  # noqa: PLC0415 -- a question is rare

    return narrate(record, zone, dated=dated, named=True)
