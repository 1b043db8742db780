"""What the journal paths take and answer."""

from typing import Annotated, Any

from pydantic import Field

from holdfast.apps.control.wire import EMPTY_IS_ABSENT, MAX_NS, Asked, Name, Nanoseconds, Shown
from holdfast.model.events import Kind

MAX_RECORDS = 1000
MAX_LAST_S = 366 * 86_400


class WhichRecords(Asked):
    """Filters; an empty one does not filter. `tenant` may be left out where there is only one.

    Page on with the last record's `seq` as `after_seq`.
    """

    tenant: Name = ""
    session: Name = ""
    user: Name = ""
    agent: Name = ""
    tool: Name = ""
    call_id: Name = ""
    kind: Annotated[Kind | None, EMPTY_IS_ABSENT] = None
    from_ns: Nanoseconds = 0
    until_ns: Nanoseconds = MAX_NS
    after_seq: Nanoseconds = 0
    limit: Annotated[int, Field(ge=1, le=MAX_RECORDS)] = 200


class RecordView(Shown):
    """One journal record; `body` holds what only its kind has."""

    kind: Kind
    at_ns: int
    seq: int
    tenant: str
    project: str
    user: str
    agent: str
    session: str
    task: str
    turn: int
    call_id: str
    decision_id: str
    tool: str
    verdict: str
    risk: str
    cost_nusd: int
    body: dict[str, Any]


class RecordList(Shown):
    """By rising `seq`."""

    records: list[RecordView]


class WhichOfServer(Asked):
    """Filters for the server's own records, which are of no tenant, of the last `last_s` seconds.

    `tz` is an IANA zone. Page on with the last record's `seq` as `after_seq`.
    """

    kind: Annotated[Kind | None, EMPTY_IS_ABSENT] = None
    last_s: Annotated[int, Field(ge=1, le=MAX_LAST_S)] = 604_800
    after_seq: Nanoseconds = 0
    limit: Annotated[int, Field(ge=1, le=MAX_RECORDS)] = 200
    tz: Annotated[str, Field(max_length=64)] = ""


class ServerRecords(RecordList):
    """By rising `seq`, and a dated sentence for each."""

    lines: list[str]


class Question(Asked):
    """What was done for `user` around `at`?

    `at` is a time as people say it: `last tuesday 14:42`, `yesterday`, ISO 8601; `tz` an IANA
    zone. `window_s` is how much is looked at, centred on what was said, which is always looked
    at whole.
    """

    user: Annotated[str, Field(min_length=1, max_length=256)]
    at: Annotated[str, Field(min_length=1, max_length=100)]
    tenant: Name = ""
    window_s: Annotated[int, Field(ge=0, le=604_800)] = 1800
    tz: Annotated[str, Field(max_length=64)] = ""


class Understood(Shown):
    """How the question was read.

    The journal was searched from `from_ns` up to `until_ns`; what was said, the minute or the
    day, runs from `asked_from_ns` up to `asked_until_ns`. `at_text` says it in full.
    """

    user: str
    tenant: str
    from_ns: int
    until_ns: int
    asked_from_ns: int
    asked_until_ns: int
    at_text: str


class AskedRecord(RecordView):
    """A record, and whether it lies inside what was asked, not only around it."""

    in_minute: bool


class Answer(Shown):
    """The records and a sentence for each; `cut_short` when there were more than are shown."""

    question: Understood
    records: list[AskedRecord]
    lines: list[str]
    cut_short: bool
    took_ms: float
