"""Of several addresses the first that answers: one that hangs or refuses holds up nobody."""

import asyncio
import socket

import pytest

from holdfast.backends.anthropic import tasks

pytestmark = pytest.mark.usefixtures("loops")


def listening():
    server = socket.create_server(("127.0.0.1", 0))
    return server, (socket.AF_INET, server.getsockname())


def refusing():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return (socket.AF_INET, free.getsockname())


def hanging(monkeypatch, place):
    """Make connections to `place` hang; those that were begun, and how they ended."""
    ends: list[str] = []
    real = tasks._connected

    async def connected(address):
        if address != place:
            return await real(address)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        raise AssertionError

    monkeypatch.setattr(tasks, "_connected", connected)
    return ends


def test_the_first_that_answers_wins():
    server, place = listening()
    with server:
        for places in ([place], [place, refusing()], [refusing(), refusing(), place]):
            with asyncio.run(tasks.first_to_answer(places)) as line:
                assert line.getpeername() == place[1]
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_one_that_hangs_gets_a_head_start_and_no_more(monkeypatch):
    server, place = listening()
    dead = (socket.AF_INET, ("192.0.2.1", 9))
    ends = hanging(monkeypatch, dead)

    async def main():
        began = asyncio.get_running_loop().time()
        line = await tasks.first_to_answer([dead, place])
        took = asyncio.get_running_loop().time() - began
        await asyncio.sleep(0)
        line.close()
        return took

    with server:
        took = asyncio.run(main())
    assert 0.2 < took < 2
    assert ends == ["cancelled"]


def test_where_none_answers_the_last_error_says_so():
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(tasks.first_to_answer([refusing(), refusing()]))
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(tasks.first_to_answer([refusing()]))
    with pytest.raises(OSError, match="no address"):
        asyncio.run(tasks.first_to_answer([]))
