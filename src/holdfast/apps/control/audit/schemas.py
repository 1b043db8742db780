"""What the journal paths take and answer."""

from typing import Annotated, Any

from pydantic import Field

from holdfast.apps.control.wire import EMPTY_IS_ABSENT, MAX_NS, Asked, Name, Nanoseconds, Shown
from holdfast.model.events import Kind

MAX_RECORDS = 1000


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
