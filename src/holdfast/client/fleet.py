"""Many sessions at a glance, and word of changes."""

from holdfast.model.views.fleet import Changes, Fleet

from .wire import Door

_MARGIN_S = 10.0


class FleetView:
    """Sessions as they stand now."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def show(  # noqa: PLR0913 -- each is an option
        self,
        *,
        tenant: str = "",
        project: str = "",
        user: str = "",
        agent: str = "",
        states: str = "",
        words: str = "",
        sort: str = "",
        order: str = "",
        skip: int = 0,
        limit: int = 100,
    ) -> Fleet:
        """Those that match, in order; `states` between commas, `live` unless given.

        `words` are looked for in ids, agents, users, tasks, projects and tenants.
        """
        query: dict[str, str | int | None] = {
            "tenant": tenant,
            "project": project,
            "user": user,
            "agent": agent,
            "states": states,
            "words": words,
            "sort": sort,
            "order": order,
            "skip": skip,
            "limit": limit,
        }
        return await self._door.get("/v1/fleet", Fleet, query)

    async def changes(self, after: int, *, wait_s: int = 20) -> int:
        """The version of what is written down, once it is another than `after` or time is over."""
        query = {"after": after, "wait_s": wait_s}
        timeout_s = wait_s + _MARGIN_S
        answer = await self._door.get("/v1/fleet/changes", Changes, query, timeout_s)
        return answer.version
