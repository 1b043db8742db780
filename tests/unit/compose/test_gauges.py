"""The gauges of a house show what is there, and the reference page names each."""

import asyncio
import re
from pathlib import Path
from typing import Any

from holdfast.apps.server.relays import Relays
from holdfast.model.budgets import Dimension
from holdfast.testing.memory_sink import MemorySink
from tests.unit.runtime.alone.desk import Desk, limit

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "configuration.md"


def shown(desk: Any) -> dict[str, float]:
    return {one.name.removeprefix("holdfast."): one.value for one in desk.gauges.read()}


def test_sessions_streams_holds_and_lost_spans_are_counted():
    async def main():
        sink = MemorySink()
        desk: Any = Desk(sink=sink)
        quiet = dict.fromkeys(("sessions.loaded", "streams.open", "holds.open", "spans.lost"), 0)
        assert shown(desk) == quiet
        live = await desk.open(limit(Dimension.TOOL_CALLS, 9))
        await desk.open()
        live.streams["a"] = live.streams["b"] = live.streams["c"] = lambda reason: None
        desk.hold(live, "h1", "tool", tool_calls=1)
        sink.missing = 5
        wanted = {"sessions.loaded": 2, "streams.open": 3, "holds.open": 1, "spans.lost": 5}
        assert shown(desk) == wanted
        desk.house.tick()
        assert {one.name.removeprefix("holdfast.") for one in sink.shown[0]} == set(wanted)

    asyncio.run(main())


def test_every_gauge_is_documented_with_its_unit_and_what_it_is():
    async def main():
        desk: Any = Desk(sink=MemorySink())
        Relays(2).measured(desk.gauges)
        Relays(0).measured(desk.gauges)
        rows = [
            f"| `{one.name}` | `{one.unit}` | {one.description} |" for one in desk.gauges.read()
        ]
        page = re.findall(r"^\| `holdfast\..*\|$", PAGE.read_text(), re.MULTILINE)
        assert sorted(page) == sorted(rows)

    asyncio.run(main())
