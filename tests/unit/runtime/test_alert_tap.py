"""Alerts: what is worth telling goes to each channel once, in its order, once it is durable."""

import asyncio
from typing import Any

from holdfast.core.sessions import Command
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
