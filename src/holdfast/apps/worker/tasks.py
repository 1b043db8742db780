"""What a worker does at a time: activations, and the heartbeat that keeps their leases.

Not here: where the server is (`__main__`), what an activation does (`integrations/native`).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from holdfast.client import Activation, Session, SessionPlan, Work
from holdfast.client.wire import Door, Pool
from holdfast.compose.sandboxes import sandbox
from holdfast.errors import HoldfastError, VersionMismatch
from holdfast.integrations.native.driver import Driver
from holdfast.integrations.native.router import Router
from holdfast.tools.lease import Lease, now_s

_BEATS_PER_LEASE = 5
_PAUSE_S = 0.1
_TOLD_PAUSE_S = 0.5
# So slowly that a server is found within a quarter of the time that it was away.
_PAUSE_GROWTH = 1.25
_MAX_PAUSE_S = 5.0
_CLAIM_S = 20.0

Say = Callable[[str], None]


class _Held:
    """A run that is worked at."""

    def __init__(
        self,
        activation: Activation,
        lease: Lease,
        session: Session,
        driver: Driver,
        task: asyncio.Task[None],
    ) -> None:
        self.activation = activation
        self.lease = lease
        self.session = session
        self.driver = driver
        self.task = task
        self._taken_back = False

    def take_back(self) -> None:
        """End the activation. Once: a second cancellation would cut short how it ends its tools."""
        if not self._taken_back:
            self._taken_back = True
            self.task.cancel()


class Worker:
    """Claims runs and works at up to `concurrency` of them at a time.

    `connect` finds the server, again each time that it is not to be reached. `idle_exit_s` over 0
    ends the worker once there is nothing to do for so long. A server of another version ends it,
    and `misfit` is true.
    """

    def __init__(
        self,
        connect: Callable[[], Work],
        *,
        concurrency: int,
        environment: Mapping[str, str],
        say: Say,
        idle_exit_s: float = 0.0,
    ) -> None:
        self._connect = connect
        self._work = connect()
        self._concurrency = concurrency
        self._environment = environment
        self._say = say
        self._idle_exit_s = idle_exit_s
        self._held: dict[str, _Held] = {}
        self._free = asyncio.Semaphore(concurrency)
        self._stopping = asyncio.Event()
        self._pause_s = _PAUSE_S
        self.misfit = False

    def stop(self) -> None:
        """Take nothing more; what is at work ends its step and gives the run back."""
        self._stopping.set()
        for held in self._held.values():
            held.driver.yielding = True

    async def run(self) -> None:
        """Until told to stop, or idle for too long where that was asked for."""
        beating = asyncio.create_task(self._beat())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                await self._free.acquire()
                claiming = asyncio.create_task(self._claim())
                await asyncio.wait({claiming, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not claiming.done():
                    # A claim that was answered meanwhile is given back by its lease.
                    claiming.cancel()
                    break
                claimed = claiming.result()
                if claimed is None:
                    self._free.release()
                    if self._idle_exit_s and not self._held:
                        return
                    continue
                self._begin(*claimed)
            while self._held:
                await asyncio.wait({held.task for held in self._held.values()})
        finally:
            beating.cancel()
            stopped.cancel()
            await self._work.close()

    async def _claim(self) -> tuple[Activation, Lease] | None:
        work, asked_s = self._work, now_s()
        try:
            found = await work.claim(self._idle_exit_s or _CLAIM_S)
        except VersionMismatch as fault:
            self._unfit(fault)
            return None
        except HoldfastError as fault:
            # A server that is being started again is back before anybody has read this.
            if self._pause_s >= _TOLD_PAUSE_S:
                self._say(f"{fault.message}; asking again in {self._pause_s:.1f} s")
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * _PAUSE_GROWTH, _MAX_PAUSE_S)
            await self._look_again()
            return None
        self._pause_s = _PAUSE_S
        if found is None:
            return None
        # From the asking on, not from the answer: the server's own count may only end later.
        return found, Lease(asked_s + found.waited_s + work.lease_s)

    def _unfit(self, fault: VersionMismatch) -> None:
        """What is at work is dropped: the server gives it to a worker that fits."""
        if not self.misfit:
            self._say(fault.message)
        self.misfit = True
        self.stop()
        for held in self._held.values():
            held.take_back()

    async def _look_again(self) -> None:
        """A server that was started again may have another address."""
        with contextlib.suppress(HoldfastError):
            found = self._connect()
            if found.url != self._work.url:
                found.lease_s = self._work.lease_s
                before, self._work = self._work, found
                for held in self._held.values():
                    held.session.moved(found.url)
                await before.close()

    def _begin(self, activation: Activation, lease: Lease) -> None:
        run = activation.run
        plan = SessionPlan(model_port=activation.model_port)
        session = Session(Door(Pool(self._work.url), activation.token), run.session, plan)
        router = Router(
            run.plan.tools,
            run.plan.mcp_servers,
            session_id=run.session,
            environment=self._environment,
            lease=lease,
            sandbox=sandbox(),
        )
        driver = Driver(session, run, router)
        task = asyncio.create_task(self._activate(activation, session, driver))
        before = self._held.get(run.run_id)
        if before is not None:
            # A worker that stood still may be given the run that it lost meanwhile.
            before.take_back()
        self._held[run.run_id] = _Held(activation, lease, session, driver, task)

    async def _activate(self, activation: Activation, session: Session, driver: Driver) -> None:
        run = activation.run
        try:
            await driver.activate()
        except HoldfastError as fault:
            # The lease runs out, and the run is given out again.
            self._say(f"{run.run_id}: {fault.message}")
        except asyncio.CancelledError:
            self._say(f"{run.run_id}: taken back")
        except Exception as fault:  # noqa: BLE001 - one run's fault must not end the others
            self._say(f"{run.run_id}: a fault of the loop: {type(fault).__name__}: {fault}")
        finally:
            held = self._held.get(run.run_id)
            if held is not None and held.activation is activation:
                del self._held[run.run_id]
            self._free.release()
            with contextlib.suppress(HoldfastError):
                await session.close()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._work.lease_s / _BEATS_PER_LEASE)
            held = dict(self._held)
            if not held:
                continue
            work, asked_s = self._work, now_s()
            try:
                lost = await work.heartbeat(
                    (name, one.activation.run.epoch) for name, one in held.items()
                )
            except VersionMismatch as fault:
                self._unfit(fault)
                continue
            except HoldfastError:
                # What cannot be renewed is lost by itself.
                await self._look_again()
                continue
            for run_id, one in held.items():
                if run_id in lost:
                    one.take_back()
                else:
                    one.lease.renew(asked_s + work.lease_s)
