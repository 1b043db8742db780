"""What an activation of a run rests on: its session, its conversation so far, and its end.

Not here: what is done in it (`driver`, `model_turns`, `tool_turns`).
"""

import random
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from holdfast.client import Session
from holdfast.core.loop import Conversation
from holdfast.core.runs import RetrySettings, backoff_s
from holdfast.errors import LeaseLost, Unauthenticated
from holdfast.model import bodies
from holdfast.model.runs import Run

How = Literal["done", "failed", "delay", "park", "yield", "dead"]


class Left(Exception):
    """The activation has ended; the run stands as it was left."""


class Activation:
    """One activation of one run; what is not in the journal is not known to the next one."""

    def __init__(self, session: Session, run: Run, dice: random.Random | None) -> None:
        self.session = session
        self.run = run
        self.plan = run.plan
        self.retries = msgspec.convert(run.plan.retries, RetrySettings)
        self.talk = Conversation()
        self._dice = dice or random.SystemRandom()

    async def leave_quietly(self, how: Literal["park", "dead"], reason: str) -> None:
        """End it where it may have ended already."""
        try:
            await self.session.leave(self.run.epoch, how, reason)
        except (LeaseLost, Unauthenticated):
            return

    async def leave(
        self,
        how: How,
        reason: str = "",
        *,
        delay_s: float = 0.0,
        result: Any = None,
        approvals: Sequence[str] = (),
    ) -> None:
        """End it. Errors: Left, always; LeaseLost where it is another worker's by now."""
        given = {"delay_s": delay_s, "result": result, "approvals": approvals}
        await self.session.leave(self.run.epoch, how, reason, **given)
        raise Left

    async def write(self, body: bodies.Body, **flat: Any) -> None:
        """One record, durable, then folded as it stands in the journal."""
        kind = bodies.KINDS[type(body)]
        event = {"kind": kind, "turn": self.talk.turn, "body": body.told(), **flat}
        for record in await self.session.append(self.run.epoch, [event]):
            self.talk.fold(record)

    def pause_s(self, attempt: int) -> float:
        """Seconds to wait before try `attempt` + 1."""
        return backoff_s(
            attempt,
            base_s=self.retries.base_s,
            most_s=self.retries.most_s,
            roll=self._dice.random(),
        )
