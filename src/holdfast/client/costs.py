"""What was spent. Not here: what may be (`client.budgets`)."""

from holdfast.model.costs import CostBy
from holdfast.model.views.costs import CostList

from .wire import Door


class Costs:
    """Costs, from the journal."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def show(
        self,
        *,
        by: CostBy | str,
        tenant: str = "",
        project: str = "",
        user: str = "",
        agent: str = "",
        session: str = "",
        last_s: int | None = None,
        limit: int | None = None,
    ) -> CostList:
        """What was settled in the last `last_s` seconds, a week where it is None.

        The 100 dearest parts unless `limit` says how many; the sum is of all.
        """
        query: dict[str, str | int | None] = {
            "by": str(by),
            "tenant": tenant,
            "project": project,
            "user": user,
            "agent": agent,
            "session": session,
            "last_s": last_s,
            "limit": limit,
        }
        return await self._door.get("/v1/costs", CostList, query)
