"""What the journal paths take."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.wire import MAX_NS, Name, Nanoseconds
from holdfast.model.events import Kind

MAX_RECORDS = 1000
MAX_LAST_S = 366 * 86_400


class WhichRecords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters; an empty one does not filter. `tenant` may be left out where there is only one.

    `after_seq` is the `seq` of the last record that was seen, which a cursor says as well. With
    `latest` it is the last page that is shown, and a cursor leads to the one before it. `told` adds
    a sentence for each record.
    """

    tenant: Name = ""
    session: Name = ""
    user: Name = ""
    agent: Name = ""
    tool: Name = ""
    call_id: Name = ""
    kind: Kind | None = None
    from_ns: Nanoseconds = 0
    until_ns: Nanoseconds = MAX_NS
    after_seq: Nanoseconds = 0
    latest: bool = False
    told: bool = False
    limit: Annotated[int, Meta(ge=1, le=MAX_RECORDS)] = 200
    cursor: Cursor = ""


class WhichOfServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters for the server's own records, which are of no tenant, of the last `last_s` seconds.

    `tz` is an IANA zone. `after_seq` is the `seq` of the last record that was seen, which a cursor
    says as well.
    """

    kind: Kind | None = None
    last_s: Annotated[int, Meta(ge=1, le=MAX_LAST_S)] = 604_800
    after_seq: Nanoseconds = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_RECORDS)] = 200
    cursor: Cursor = ""
    tz: Annotated[str, Meta(max_length=64)] = ""


class AskJournal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was done for `user` around `at`?

    `at` is a time as people say it: `last tuesday 14:42`, `yesterday`, ISO 8601; `tz` an IANA
    zone. `window_s` is how much is looked at, centred on what was said, which is always looked
    at whole.
    """

    user: Annotated[str, Meta(min_length=1, max_length=256)]
    at: Annotated[str, Meta(min_length=1, max_length=100)]
    tenant: Name = ""
    window_s: Annotated[int, Meta(ge=0, le=604_800)] = 1800
    tz: Annotated[str, Meta(max_length=64)] = ""
