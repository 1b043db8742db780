"""What a purge deletes, over plain values: the rules once more, so that a database can be checked.

Not here: when anything is purged (`runtime/retention`).
"""

from collections.abc import Iterable, Mapping

import msgspec

from holdfast.core.runs import OVER
from holdfast.model.conversations import Conversation
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.retention import Cuts
from holdfast.model.runs import Run
from holdfast.model.sessions import Session, SessionState

_LIVE = (SessionState.ACTIVE, SessionState.PAUSED)


class Kept(msgspec.Struct, frozen=True):
    """What retention looks at."""

    sessions: Mapping[str, Session]
    runs: Mapping[str, Run]
    effects: Mapping[tuple[str, str], EffectEntry]


def runs_to_purge(kept: Kept, cuts: Cuts, limit: int) -> list[str]:
    """Runs that may go, oldest first."""
    retried = {run.retry_of for run in kept.runs.values()}
    batches = {
        (run.tenant, run.batch)
        for run in kept.runs.values()
        if run.state not in OVER or run.changed_at_ns >= cuts.sessions_ns
    }
    found = [
        run
        for run in kept.runs.values()
        if run.state in OVER
        and run.changed_at_ns < cuts.sessions_ns
        and run.run_id not in retried
        and not (run.batch and (run.tenant, run.batch) in batches)
        and not _is_live(kept.sessions.get(run.session))
    ]
    found.sort(key=lambda run: (run.changed_at_ns, run.run_id.encode()))
    return [run.run_id for run in found[:limit]] if cuts.sessions_ns > 0 else []


def sessions_to_purge(kept: Kept, cuts: Cuts, limit: int) -> list[str]:
    """Sessions whose calls may go, oldest first."""
    busy = {run.session for run in kept.runs.values()}
    busy |= {
        entry.session
        for entry in kept.effects.values()
        if entry.state in (EffectState.INTENDED, EffectState.UNKNOWN)
    }
    busy |= {session.parent for session in kept.sessions.values() if not session.purged_at_ns}
    found = [
        session
        for session in kept.sessions.values()
        if not session.purged_at_ns
        and not _is_live(session)
        and session.state_changed_at_ns < cuts.sessions_ns
        and session.session_id not in busy
    ]
    found.sort(key=lambda session: (session.state_changed_at_ns, session.session_id.encode()))
    return [session.session_id for session in found[:limit]] if cuts.sessions_ns > 0 else []


def effects_to_purge(kept: Kept, cuts: Cuts, limit: int) -> list[tuple[str, str]]:
    """Entries of the effects ledger that may go, oldest first."""
    with_runs = {run.session for run in kept.runs.values()}
    going_on = {run.session for run in kept.runs.values() if run.state not in OVER}
    tasks = {
        (session.principal.tenant, session.principal.task)
        for session in kept.sessions.values()
        if _is_live(session) or session.session_id in going_on
    }

    def may_go(entry: EffectEntry) -> bool:
        session = kept.sessions.get(entry.session)
        return (
            session is not None
            and entry.state in (EffectState.DONE, EffectState.FAILED)
            and entry.changed_at_ns < cuts.effects_ns
            and not _is_live(session)
            and session.state_changed_at_ns < cuts.effects_ns
            and entry.session not in with_runs
            and (session.principal.tenant, session.principal.task) not in tasks
        )

    found = [entry for entry in kept.effects.values() if may_go(entry)]
    found.sort(key=lambda e: (e.changed_at_ns, e.tenant.encode(), e.key.encode()))
    return [(e.tenant, e.key) for e in found[:limit]] if cuts.effects_ns > 0 else []


def conversations_to_purge(
    conversations: Iterable[Conversation], cuts: Cuts, limit: int
) -> list[tuple[str, str, str]]:
    """Conversations that may go."""
    return [
        (one.tenant, one.user, one.name)
        for one in conversations
        if 0 < cuts.expired_ns >= one.expires_at_ns or one.saved_at_ns < cuts.saved_ns > 0
    ][:limit]


def _is_live(session: Session | None) -> bool:
    return session is not None and session.state in _LIVE
