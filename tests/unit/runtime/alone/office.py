"""A desk with a queue, and runs that are submitted to it."""

from typing import Any

from holdfast.core.runs import Shares
from holdfast.model.runs import RunPlan
from holdfast.runtime.dispatch import Claimed
from holdfast.runtime.runs import Order
from tests.unit.runtime.alone.desk import Desk, draft

PLAN = RunPlan(model="m", task_text="the task", system_prompt="be brief")


class Office(Desk):
    """Everything of a desk, and who works at which run."""

    def __init__(self, *below, shares=None, **more) -> None:
        self.more = more | {"shares": shares}
        super().__init__(*below, decided={"shares_of": lambda *_: shares or Shares()} | more)

    async def submit(self, prompt="go", *, order=None, **fields):
        """A run that is queued."""
        given: dict[str, Any] = {"prompt": prompt, "plan": PLAN} | (order or {})
        return await self.runs.submit(draft(**fields), Order(**given))

    async def claim(self, worker="w", **more) -> Claimed:
        """A run that is there."""
        claimed = await self.dispatch.claim(worker, **more)
        assert claimed is not None
        return claimed

    async def at_work(self, worker="w", **fields):
        """A run that a worker has just been given, with its session."""
        await self.submit(**fields)
        claimed = await self.claim(worker)
        return claimed.run, await self.sessions.get(claimed.run.session)

    async def crashed(self) -> "Office":
        """The next process over what the disk kept, with its queue built."""
        await self.journal.commit(())
        after = Office(self.store.crashed(), self.clock, self.entropy, **self.more)
        await after.dispatch.load()
        return after
