"""Runs as they stand now, with what their sessions used."""

import msgspec

from holdfast.core import runs as rules
from holdfast.model.effects import EffectEntry
from holdfast.model.runs import Run, RunState
from holdfast.model.views.runs import RunView
from holdfast.model.views.sessions import SessionView
from holdfast.ports.store import RunFilter
from holdfast.runtime.runs import Runs
from holdfast.runtime.views.sessions import SessionViews

_OF_RUN = tuple(name for name in RunView.__struct_fields__ if name in Run.__struct_fields__)


class RunViews:
    """Shows runs."""

    def __init__(self, runs: Runs, sessions: SessionViews) -> None:
        self._runs = runs
        self._sessions = sessions

    async def of(self, run: Run) -> RunView:
        """A run with what its session used, and what it waits for. Errors: StoreUnavailable."""
        session = await self._sessions.show(run.session)
        unknown = () if run.state in rules.OVER else await self._runs.unknown_effects(run)
        return _used(run, session, tuple(unknown))

    async def listed(
        self, where: RunFilter, *, used: bool = False
    ) -> tuple[tuple[RunView, ...], tuple[int, str] | None]:
        """A page of runs, newest first, and the place to go on before; None where nothing follows.

        `used` is with what all their sessions used, which takes long, and not only those at work.
        Errors: StoreUnavailable.
        """
        wider = msgspec.structs.replace(where, limit=where.limit + 1)
        found = await self._runs.listed(wider)
        page = found[: where.limit]
        then = (page[-1].submitted_at_ns, page[-1].run_id) if len(found) > len(page) else None
        return tuple([await self.of(run) if used else self._at_work(run) for run in page]), then

    def _at_work(self, run: Run) -> RunView:
        session = self._sessions.at_work(run.session) if run.state is RunState.RUNNING else None
        return _plain(run) if session is None else _used(run, session)


def _used(run: Run, session: SessionView, unknown: tuple[EffectEntry, ...] = ()) -> RunView:
    return msgspec.structs.replace(
        _plain(run),
        turns=session.turn,
        cost_nusd=session.cost_nusd,
        reserved_nusd=session.reserved_nusd,
        estimated_nusd=session.estimated_nusd,
        unknown_effects=unknown,
    )


def _plain(run: Run) -> RunView:
    return RunView(**{name: getattr(run, name) for name in _OF_RUN})
