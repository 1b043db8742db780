"""A conversation that goes on in a new session: whose calls stand in its transcript.

A client that resumes brings the history of a session that is over. The ids of the calls in it are
looked up among the sessions of the same tenant, user and agent; where they are found, that
session's calls and its taint count for the new one. What it trusted does not: the transcript is
the client's, and only an operator who names a `parent` says which session is meant.

Not here: what is refused of a history (`core/evidence`, `runtime/admission`).
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence

import msgspec

from holdfast.core.sessions import is_held
from holdfast.errors import NotFound
from holdfast.model import bodies
from holdfast.model.events import Kind
from holdfast.model.tools import CallRecord
from holdfast.ports.store import RecordFilter, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

# A transcript is one conversation: it may have gone through so many sessions that it must name.
_MOST_AT_ONCE = 16


class Found(msgspec.Struct, frozen=True):
    """What was found, before any of it counts.

    `calls` are the session's and the found ones; `sessions` those they are of, each with the call
    that named it; `missing` is the first call that no session made, or "". `held` is a session
    that a person stopped, and the call of it that stands there: it does not go on by this way.
    """

    calls: Mapping[str, CallRecord]
    sessions: tuple[tuple[LiveSession, str], ...] = ()
    missing: str = ""
    held: tuple[str, str] = ("", "")


class Earlier:
    """Finds the sessions that a transcript comes from."""

    def __init__(self, sessions: Sessions, store: Store, journal: Journal) -> None:
        self._sessions = sessions
        self._store = store
        self._journal = journal

    async def look_up(self, live: LiveSession, call_ids: Sequence[str]) -> Found:
        """Find earlier sessions until all these calls are known; nothing of them is taken in yet.

        One read of an index for each session that is found, and one for a call that is not.
        Errors: StoreUnavailable.
        """
        calls, found = ChainMap({}, live.calls), list[tuple[LiveSession, str]]()
        for _ in range(_MOST_AT_ONCE):
            unknown = next((one for one in call_ids if one not in calls), "")
            if not unknown:
                break
            earlier = await self._made_in(live, unknown)
            if earlier is None:
                break
            if is_held(earlier.session):
                return Found(calls, held=(earlier.session.session_id, unknown))
            found.append((earlier, unknown))
            calls.maps.append(earlier.calls)
            if unknown not in calls:
                break  # Retention deleted what that session's calls were.
        missing = next((one for one in call_ids if one not in calls), "")
        return Found(calls, tuple(found), missing)

    async def take_in(self, live: LiveSession, found: Found) -> None:
        """Let the calls and the taint of what was found count for a session, durably."""
        for earlier, call_id in found.sessions:
            await self._take_in(live, earlier, call_id)

    async def _made_in(self, live: LiveSession, call_id: str) -> LiveSession | None:
        """The session of this tenant, user and agent whose model made a call."""
        who = live.who
        where = RecordFilter(
            tenant=who.tenant,
            user=who.user,
            agent=who.agent,
            call_id=call_id,
            kinds=(Kind.TOOL_USE_EMITTED,),
            limit=1,
        )
        found = await self._store.records(where)
        if not found:
            return None
        try:
            return await self._sessions.get(found[0].session, live.who.tenant)
        except NotFound:
            return None

    async def _take_in(self, live: LiveSession, earlier: LiveSession, call_id: str) -> None:
        earlier_id = earlier.session.session_id
        new = earlier.calls.keys() - live.calls.keys()
        live.found_calls |= new
        live.calls.update((one, earlier.calls[one]) for one in new)
        for message_id, tokens in earlier.threads.items():
            live.threads.setdefault(message_id, tokens)
        if earlier_id == live.session.session_id or earlier_id in live.session.found:
            return
        found = (*live.session.found, earlier_id)
        live.session = msgspec.structs.replace(live.session, found=found)
        tainted = earlier.vouched.tainted
        flat = {"call_id": call_id[:200]}
        if tainted:
            live.vouched.taint(earlier.vouched.tainted_by)
            flat["tool"] = earlier.vouched.tainted_by
        body = bodies.SessionContinued(session=earlier_id, taints=tainted)
        record = self._journal.record(body, live.who, **flat)
        await self._journal.commit([record], [live.session])
