"""The fleet's list: the stretch that is asked for, and its part of the page."""

from holdfast.apps.console.fleet.asked import ROWS, Asked
from holdfast.apps.console.pages import drawn
from holdfast.apps.console.visits import Visit
from holdfast.client import Fleet


async def listed(visit: Visit, asked: Asked) -> Fleet:
    """The stretch of the fleet that is asked for; the last one where that is past the end."""
    fleet = await _shown(visit, asked)
    if not fleet.rows and asked.start:
        last = max(fleet.matches - 1, 0) // ROWS * ROWS
        fleet = await _shown(visit, asked._replace(start=last))
    return fleet


async def _shown(visit: Visit, asked: Asked) -> Fleet:
    return await visit.client.fleet.show(
        words=asked.words,
        states=asked.states,
        sort=asked.sort,
        order=asked.order,
        skip=asked.start,
        limit=ROWS,
    )


async def list_drawn(visit: Visit, asked: Asked) -> str:
    """The list as it stands now."""
    fleet = await listed(visit, asked)
    return await drawn("fleet", "_list", visit.page("fleet", fleet=fleet, asked=asked).values)
