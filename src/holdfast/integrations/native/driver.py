"""One activation of one run: fold its journal, do what comes next, write it down, again.

Nothing is kept between two steps that the journal does not hold, so this may end at any point:
the next activation folds the same records and goes on. Not here: what comes next (`core/loop`), how
it is done (`model_turns`, `tool_turns`).
"""

import random

from holdfast.client import Session
from holdfast.core import runs as rules
from holdfast.core.loop import (
    CallModel,
    Compact,
    Fail,
    Finish,
    Judge,
    RunTools,
    Say,
    next_step,
)
from holdfast.errors import (
    CredentialExpired,
    HoldfastError,
    LeaseLost,
    OutcomeUnknown,
    SessionStopped,
    Unauthenticated,
    Unavailable,
)
from holdfast.integrations.native.activation import Activation, Left
from holdfast.integrations.native.model_turns import ModelTurns
from holdfast.integrations.native.router import Router
from holdfast.integrations.native.tool_turns import ToolTurns
from holdfast.model import bodies
from holdfast.model.runs import Run


class Driver:
    """Works at one run until it is left, lost or told to yield."""

    def __init__(
        self, session: Session, run: Run, router: Router, *, dice: random.Random | None = None
    ) -> None:
        self._session = session
        self._router = router
        self._at = Activation(session, run, dice)
        self._model = ModelTurns(self._at)
        self._tools = ToolTurns(self._at, router)
        self.yielding = False

    async def activate(self) -> None:
        """One activation, to its end. A lease that was lost ends it without a word.

        Errors: Unavailable when the server is gone; the run is then given out again.
        """
        try:
            for record in await self._session.history():
                self._at.talk.fold(record)
            await self._router.open()
            while True:
                await self._step()
        except (Left, LeaseLost, Unauthenticated):
            return
        except SessionStopped as stopped:
            await self._stopped(stopped)
        except CredentialExpired:
            return
        except HoldfastError as fault:
            if isinstance(fault, Unavailable | OutcomeUnknown):
                raise
            await self._at.leave_quietly("dead", f"{fault.code}: {fault.message}")
        finally:
            # The tools first: whatever ends this activation, they must not go on.
            try:
                await self._router.close()
            finally:
                await self._model.close()

    async def _stopped(self, stopped: SessionStopped) -> None:
        """A pause parks the run; any other end of the session is the server's to note."""
        if str(stopped.fields.get("state", "")) == "paused":
            await self._at.leave_quietly("park", rules.PAUSED)

    async def _step(self) -> None:
        at = self._at
        if self.yielding:
            await at.leave("yield", "the worker is stopping")
        step = next_step(at.talk, at.plan)
        if isinstance(step, RunTools):
            await self._tools.run(step.calls)
        elif isinstance(step, CallModel):
            await self._model.ask(step.turn)
        elif isinstance(step, Say):
            await at.write(bodies.RunNoted(text=step.text, why=step.why))
        elif isinstance(step, Compact):
            await self._model.shrink(step)
        elif isinstance(step, Judge):
            await self._model.judge(step.result)
        elif isinstance(step, Finish):
            await at.leave("done", result=step.result)
        elif isinstance(step, Fail):
            await at.leave("failed", f"{step.code}: {step.text}")
