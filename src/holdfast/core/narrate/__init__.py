"""One journal record as one sentence for a person: when, what, which tool, why, what it cost.

Pure. Everything that came from outside is shown in one line without control characters and
bounded, so that no record can write to a terminal more than its sentence. A module a subject has
the sentences of its kinds. Not here: the record in full (that is the record).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from holdfast.core.narrate import calls, money, people, runs, server, sessions
from holdfast.core.narrate.words import plain
from holdfast.model.events import Kind, Record
from holdfast.model.money import format_usd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_ID = 8
_SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    **sessions.SENTENCES,
    **calls.SENTENCES,
    **money.SENTENCES,
    **people.SENTENCES,
    **runs.SENTENCES,
    **server.SENTENCES,
}


def narrate(record: Record, tz: tzinfo, *, dated: bool = False, named: bool = False) -> str:
    """`14:42:07 the call of `refund` was denied by rule `refund-cap`: …`; with the date if asked.

    With `named` agent and session stand behind the time, `14:42:07 desk/d97e2169 …`, the session by
    the beginning of its id.

    Works for every kind and for any body, also one that another version wrote.
    """
    at = (_EPOCH + timedelta(microseconds=record.at_ns // 1000)).astimezone(tz)
    when = f"{at:%Y-%m-%d %H:%M:%S}" if dated else f"{at:%H:%M:%S}"
    who = f"{_actor(record)} " if named and record.session else ""
    return f"{when} {who}{sentence(record)}"


def sentence(record: Record) -> str:
    """The same without the time, where that stands elsewhere."""
    cost = f" ({format_usd(record.cost_nusd)})" if record.cost_nusd else ""
    return f"{_SENTENCES[record.kind](record)}{cost}"


def _actor(record: Record) -> str:
    session = record.session.partition("_")[2] or record.session
    return f"{plain(record.agent, 40)}/{plain(session[:_SHORT_ID])}"
