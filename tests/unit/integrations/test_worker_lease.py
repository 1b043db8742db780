"""A worker counts its leases so that the server's own count may only end later."""

import asyncio
import contextlib
import socket
from typing import Any, cast

from holdfast.apps.worker.tasks import Worker
from holdfast.client import Activation, Work
from holdfast.errors import Unavailable
from holdfast.integrations.native.router import Router
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.tools.lease import now_s

LEASE_S = 2.0
RUN = Run(
    run_id="run_1",
    session="ses_1",
    tenant="acme",
    project="support",
    user="ann",
    agent="clerk",
    state=RunState.RUNNING,
    prompt="go",
    plan=RunPlan(model="claude-opus-5-5"),
    submitted_at_ns=0,
    changed_at_ns=0,
    epoch=1,
)


class Server:
    """Hands out what it is given; a session that is asked for anything waits for ever."""

    lease_s = LEASE_S
    worker = "w"

    def __init__(self, url: str) -> None:
        self.url = url
        self.given: asyncio.Queue[Activation] = asyncio.Queue()
        self.answer_delay_s = 0.0
        self.away = False
        self.lost: tuple[str, ...] = ()
        self.asked_s = 0.0
        self.beats: list[float] = []

    async def claim(self, wait_s: float) -> Activation | None:
        self.asked_s = now_s()
        given = await self.given.get()
        await asyncio.sleep(self.answer_delay_s)
        return given

    async def heartbeat(self, held: Any) -> tuple[str, ...]:
        self.beats.append(now_s())
        await asyncio.sleep(self.answer_delay_s)
        if self.away:
            raise Unavailable("no server")
        return self.lost

    async def close(self) -> None:
        """Nothing is open."""


@contextlib.asynccontextmanager
async def at_work():
    """A worker and the server that it knows."""

    # Connections are taken by the system, and nobody answers them.
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}")
    worker = Worker(lambda: cast("Work", server), concurrency=4, environment={}, say=lambda _: None)
    working = asyncio.create_task(worker.run())
    try:
        yield server, worker
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        tasks = [held.task for held in worker._held.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listening.close()


async def held(worker, epoch=1):
    """What it holds of the run, once it does."""
    await until(
        lambda: "run_1" in worker._held and worker._held["run_1"].activation.run.epoch == epoch
    )
    return worker._held["run_1"]


async def until(look):
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 10 s")


def given(epoch=1, waited_s=0.0):
    run = Run(**{f: getattr(RUN, f) for f in RUN.__struct_fields__} | {"epoch": epoch})
    return Activation(run=run, token="t", waited_s=waited_s)


def test_a_lease_counts_from_the_asking_and_what_the_server_waited():
    async def main():
        async with at_work() as (server, worker):
            server.answer_delay_s = 0.3
            await until(lambda: server.asked_s)
            asked_s = server.asked_s
            server.given.put_nowait(given(waited_s=0.1))
            lease = (await held(worker)).lease
            # The answer was 0.3 s on its way, of which nothing is known.
            assert asked_s < lease.until_s <= asked_s + 0.1 + LEASE_S

    asyncio.run(main())


def test_a_renewal_counts_from_when_it_was_sent():
    async def main():
        async with at_work() as (server, worker):
            server.given.put_nowait(given())
            lease = (await held(worker)).lease
            first = lease.until_s
            server.answer_delay_s = 0.2
            await until(lambda: lease.until_s != first)
            assert lease.until_s <= server.beats[0] + LEASE_S

    asyncio.run(main())


def test_a_server_that_is_found_elsewhere_is_beaten_as_often_and_believed_no_longer():
    async def main():
        async with at_work() as (server, worker):
            server.given.put_nowait(given())
            one = await held(worker)
            moved = Server("http://127.0.0.1:1")
            moved.lease_s = 3600.0
            worker._connect = lambda: cast("Work", moved)
            server.away = True
            await until(lambda: len(moved.beats) >= 2)
            assert moved.beats[1] - server.beats[0] < 2 * LEASE_S
            assert one.session.base_url == moved.url
            assert one.lease.until_s <= now_s() + LEASE_S

    asyncio.run(main())


def test_what_nobody_confirmed_is_not_renewed():
    async def main():
        async with at_work() as (server, worker):
            server.away = True
            server.given.put_nowait(given())
            lease = (await held(worker)).lease
            until_s = lease.until_s
            await until(lambda: len(server.beats) == 3)
            assert lease.until_s == until_s

    asyncio.run(main())


def test_a_run_that_comes_again_takes_the_place_of_the_activation_that_lost_it():
    async def main():
        async with at_work() as (server, worker):
            server.given.put_nowait(given(epoch=1))
            before = await held(worker, epoch=1)
            server.given.put_nowait(given(epoch=2))
            after = await held(worker, epoch=2)
            await asyncio.wait({before.task}, timeout=10)
            assert before.task.done()
            assert worker._held["run_1"] is after
            server.lost = ("run_1",)
            await asyncio.wait({after.task}, timeout=10)
            assert after.task.done()
            assert worker._held == {}

    asyncio.run(main())


def test_a_run_that_is_told_to_be_lost_again_and_again_ends_its_tools_first(monkeypatch):
    ended: list[float] = []

    class SlowlyEnding(Router):
        async def close(self) -> None:
            await super().close()
            await asyncio.sleep(LEASE_S / 2)
            ended.append(now_s())

    async def main():
        async with at_work() as (server, worker):
            server.lost = ("run_1",)
            server.given.put_nowait(given())
            one = await held(worker)
            await asyncio.wait({one.task}, timeout=10)
            assert len(ended) == 1
            assert len([beat for beat in server.beats if beat < ended[0]]) > 1

    monkeypatch.setattr("holdfast.apps.worker.tasks.Router", SlowlyEnding)
    asyncio.run(main())
