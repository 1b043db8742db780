"""The journal, listed or asked."""

import msgspec

from holdfast.model.events import Record


class RecordList(msgspec.Struct, frozen=True):
    """A page of the journal, by rising `seq`; `lines` are sentences, where they were asked for."""

    records: tuple[Record, ...]
    next: str = ""
    lines: tuple[str, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """How an audit question was read.

    The journal was searched from `from_ns` up to `until_ns`; what was said, the minute or the day,
    runs from `asked_from_ns` up to `asked_until_ns`. `at_text` says it in full.
    """

    user: str
    from_ns: int
    until_ns: int
    tenant: str = ""
    at_text: str = ""
    asked_from_ns: int = 0
    asked_until_ns: int = 0


class AskedRecord(Record, frozen=True, kw_only=True):
    """A record, and whether it lies inside what was asked, not only around it."""

    in_minute: bool = False


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, when: `lines` holds one sentence for each of `records`.

    `cut_short` when there were more than are shown.
    """

    question: Question
    records: tuple[AskedRecord, ...]
    lines: tuple[str, ...]
    cut_short: bool = False
    took_ms: float = 0.0
