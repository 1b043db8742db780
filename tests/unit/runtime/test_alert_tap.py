"""Alerts: what is worth telling goes to each channel once, in its order, once it is durable."""

import asyncio
from typing import Any

from holdfast.core.sessions import Command
from holdfast.model import bodies
from holdfast.testing.memory_channel import MemoryChannel
from tests.unit.runtime.alone.desk import Desk


def test_every_channel_is_told_of_what_is_worth_it_and_of_nothing_else():
    async def main():
        channels = MemoryChannel(), MemoryChannel()
        desk: Any = Desk(channels=channels)
        first, second = await desk.open(), await desk.open(user="bob")
        await desk.sessions.change(first, Command.PAUSE, "")
        for live in (first, second):
            await desk.killer.kill(live, "enough", by="admin")
        for channel in channels:
            assert [(one.kind, one.session, one.user) for one in channel.told] == [
                ("session.killed", first.session.session_id, "ann"),
                ("session.killed", second.session.session_id, "bob"),
            ]
            assert all("killed" in one.text for one in channel.told)

    asyncio.run(main())


def test_a_risk_that_is_told_of_is_told_once_for_each_tool_of_a_session():
    async def main():
        channel = MemoryChannel()
        desk: Any = Desk(channels=[channel])
        first, second = await desk.open(), await desk.open(user="bob")
        body = bodies.RiskNotice(reasons=("risk.registered: it writes",))
        for live, tool in [(first, "note"), (first, "note"), (first, "post"), (second, "note")]:
            await desk.journal.commit([desk.journal.record(body, live.who, tool=tool)])
        assert [(one.kind, one.user) for one in channel.told] == [
            ("risk.notice", "ann"),
            ("risk.notice", "ann"),
            ("risk.notice", "bob"),
        ]

    asyncio.run(main())


def test_a_loop_is_told_of_at_its_numbers_and_where_it_ends_the_session():
    async def main():
        channel = MemoryChannel()
        desk: Any = Desk(channels=[channel])
        live = await desk.open()
        for code, stops in [
            ("loop.repeats_alert", False),
            ("loop.repeats", False),
            ("loop.turns_warning", False),
            ("loop.turns_alert", False),
            ("loop.stall", False),
            ("loop.no_news", False),
            ("loop.no_progress", True),
        ]:
            body = bodies.LoopAlert(code=code, text=f"because of {code}", stops=stops)
            await desk.journal.commit([desk.journal.record(body, live.who)])
        told = [one.fields["code"] for one in channel.told]
        assert told == [
            "loop.repeats_alert",
            "loop.turns_warning",
            "loop.turns_alert",
            "loop.no_news",
            "loop.no_progress",
        ]

    asyncio.run(main())
