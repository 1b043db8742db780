"""Which records of a journal in memory a filter means. Not here: the journal."""

from collections.abc import Iterable

from holdfast.model.events import Record
from holdfast.ports.store import RecordFilter


def selected(journal: Iterable[Record], where: RecordFilter) -> list[Record]:
    """Those that match by rising `seq`: the first of them, or the last."""
    found = [record for record in journal if _matches(record, where)]
    return found[max(len(found) - where.limit, 0) :] if where.latest else found[: where.limit]


def _matches(record: Record, where: RecordFilter) -> bool:
    return (
        record.tenant == where.tenant
        and where.user in ("", record.user)
        and where.session in ("", record.session)
        and where.agent in ("", record.agent)
        and where.tool in ("", record.tool)
        and where.call_id in ("", record.call_id)
        and (not where.kinds or record.kind in where.kinds)
        and where.from_ns <= record.at_ns < where.until_ns
        and record.seq > where.after_seq
        and (not where.before_seq or record.seq < where.before_seq)
    )
