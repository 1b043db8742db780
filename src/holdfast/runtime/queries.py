"""What queries to search providers carry, counted over a session and all above it.

A query is counted when it is judged, in one step with the question whether there is room, and given
back when it does not go out. Each that goes out is one record for each session that it counts for.
Not here: what is a query (`core/flow/queries`).
"""

from typing import Any

from holdfast.core.flow.queries import Query, over, query_of
from holdfast.core.stream import EmittedCall
from holdfast.core.wire.grants import REACH, Reach
from holdfast.model import bodies
from holdfast.model.events import Record
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession

_KEPT = 400


def room(live: LiveSession) -> int:
    """Bytes that queries of this session may still carry: the least of all in its line."""
    return min(one.session.loop.query_bytes - one.residue.spent for one in live.line)


def held(live: LiveSession, query: Query) -> str:
    """Count a query that may go out; why there is no room for it, and then nothing is counted."""
    fault = query.fault or over(query, room(live))
    if not fault and query.residue:
        for one in live.line:
            one.residue.hold(query.residue)
    return fault


def refund(live: LiveSession, query: Query) -> None:
    """A query that was counted did not go out after all."""
    for one in live.line:
        one.residue.refund(query.residue)


def sent(live: LiveSession, query: Query) -> None:
    """A query that was counted goes out, and is in the journal."""
    for one in live.line if query.residue else ():
        one.residue.sent(query.text)


def told(journal: Journal, live: LiveSession, query: Query, **flat: Any) -> list[Record]:
    """The records of a query that was counted, one for each session of the line."""
    if not query.residue:
        return []
    return [
        journal.record(
            bodies.QuerySent(
                text=query.text,
                bytes=query.residue,
                spent=one.residue.spent,
                limit=one.session.loop.query_bytes,
                child="" if one is live else live.session.session_id,
            ),
            one.who,
            **flat,
        )
        for one in live.line
    ]


def by_provider(
    journal: Journal, live: LiveSession, call: EmittedCall, **flat: Any
) -> list[Record]:
    """Count a query that the provider has sent by itself, and tell of it.

    It is over by now, so one that is none, or that nobody could read, uses up what was left; one
    without a word carried nothing.
    """
    reads = REACH.get(call.tool) is Reach.QUERY and live.vouched.tainted
    if not reads or call.arguments == {}:
        return []
    query = query_of(call.arguments or {}, live.vouched, live.residue)
    if query.fault:
        query = Query(query.text[:_KEPT], max(query.residue, room(live), 1), query.fault)
    for one in live.line:
        one.residue.hold(query.residue)
    sent(live, query)
    return told(journal, live, query, tool=call.tool, **flat)


def replayed(live: LiveSession, record: Record) -> None:
    """Fold one of these records into a session's memory."""
    body = bodies.QuerySent.of(record)
    live.residue.hold(body.bytes)
    live.residue.sent(body.text)
