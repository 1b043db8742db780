"""A conversation that goes on in a new session: whose calls stand in its transcript.

A client that resumes brings the history of a session that is over. The ids of the calls in it are
looked up among the sessions of the same tenant, user and agent; where they are found, that
session's calls and its taint count for the new one. What it trusted does not: the transcript is
the client's, and only an operator who names a `parent` says which session is meant.

Not here: what is refused of a history (`core/evidence`, `runtime/admission`).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast.errors import NotFound
from holdfast.model.events import Kind
from holdfast.ports.store import RecordFilter, Store
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.sessions import Sessions

# A transcript is one conversation: it may have gone through so many sessions that it must name.
_MOST_AT_ONCE = 16


class Earlier:
    """Finds the sessions that a transcript comes from."""

    def __init__(self, sessions: Sessions, store: Store, journal: Journal) -> None:
        self._sessions = sessions
        self._store = store
        self._journal = journal

    async def look_up(self, live: LiveSession, call_ids: Sequence[str]) -> str:
        """Take in earlier sessions until all these calls are known; the first that is not, or "".

        One read of an index for each session that is found, and one for a call that is not.
        Errors: StoreUnavailable.
        """
        for _ in range(_MOST_AT_ONCE):
            unknown = next((one for one in call_ids if one not in live.calls), "")
            if not unknown:
                return ""
            earlier_id = await self._made_in(live, unknown)
            if not earlier_id:
                return unknown
            await self._take_in(live, earlier_id, unknown)
            if unknown not in live.calls:
                return unknown  # Retention deleted what that session's calls were.
        return next((one for one in call_ids if one not in live.calls), "")

    async def _made_in(self, live: LiveSession, call_id: str) -> str:
        """The session of this tenant, user and agent whose model made a call; empty if none."""
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
        return found[0].session if found else ""

    async def _take_in(self, live: LiveSession, earlier_id: str, call_id: str) -> None:
        try:
            earlier = await self._sessions.get(earlier_id, live.who.tenant)
        except NotFound:
            return
        new = earlier.calls.keys() - live.calls.keys()
        live.found_calls |= new
        live.calls.update((one, earlier.calls[one]) for one in new)
        for message_id, tokens in earlier.threads.items():
            live.threads.setdefault(message_id, tokens)
        if earlier_id == live.session.session_id or earlier_id in live.session.found:
            return
        found = (*live.session.found, earlier_id)
        live.session = msgspec.structs.replace(live.session, found=found)
        body: dict[str, Any] = {"session": earlier_id}
        flat = {"call_id": call_id[:200]}
        if earlier.vouched.tainted:
            live.vouched.taint(earlier.vouched.tainted_by)
            body["taints"] = True
            flat["tool"] = earlier.vouched.tainted_by
        record = self._journal.record(Kind.SESSION_CONTINUED, live.who, body, **flat)
        await self._journal.commit([record], [live.session])
