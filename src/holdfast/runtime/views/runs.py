"""Runs as they stand now, with what their sessions used."""

import msgspec

from holdfast.core import runs as rules
from holdfast.model.runs import Run
from holdfast.model.views.runs import RunView
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
        return msgspec.structs.replace(
            _plain(run),
            turns=session.turn,
            cost_nusd=session.cost_nusd,
            unknown_effects=tuple(unknown),
        )

    async def listed(self, where: RunFilter) -> tuple[RunView, ...]:
        """Runs, newest first, without what their sessions used. Errors: StoreUnavailable."""
        return tuple(_plain(run) for run in await self._runs.listed(where))


def _plain(run: Run) -> RunView:
    return RunView(**{name: getattr(run, name) for name in _OF_RUN})
