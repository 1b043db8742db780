"""What a worker does at a time: activations, and the heartbeat that keeps their leases.

Not here: where the server is (`__main__`), what an activation does (`integrations/native`).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from holdfast.client import Activation, Session, SessionPlan, Work
from holdfast.client.wire import Door, Pool
from holdfast.errors import HoldfastError, VersionMismatch
from holdfast.integrations.native.driver import Driver
from holdfast.integrations.native.router import Router

_BEATS_PER_LEASE = 5
_PAUSE_S = 0.5
_MAX_PAUSE_S = 5.0
_CLAIM_S = 20.0

Say = Callable[[str], None]


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
        self._held: dict[str, tuple[Activation, Driver, asyncio.Task[None]]] = {}
        self._free = asyncio.Semaphore(concurrency)
        self._stopping = asyncio.Event()
        self._pause_s = _PAUSE_S
        self.misfit = False

    def stop(self) -> None:
        """Take nothing more; what is at work ends its step and gives the run back."""
        self._stopping.set()
        for _, driver, _ in self._held.values():
            driver.yielding = True

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
                activation = claiming.result()
                if activation is None:
                    self._free.release()
                    if self._idle_exit_s and not self._held:
                        return
                    continue
                self._begin(activation)
            while self._held:
                await asyncio.wait({task for _, _, task in self._held.values()})
        finally:
            beating.cancel()
            stopped.cancel()
            await self._work.close()

    async def _claim(self) -> Activation | None:
        try:
            found = await self._work.claim(self._idle_exit_s or _CLAIM_S)
        except VersionMismatch as fault:
            self._unfit(fault)
            return None
        except HoldfastError as fault:
            self._say(f"{fault.message}; asking again in {self._pause_s:g} s")
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, _MAX_PAUSE_S)
            await self._look_again()
            return None
        self._pause_s = _PAUSE_S
        return found

    def _unfit(self, fault: VersionMismatch) -> None:
        """What is at work is dropped: the server gives it to a worker that fits."""
        if not self.misfit:
            self._say(fault.message)
        self.misfit = True
        self.stop()
        for _, _, task in self._held.values():
            task.cancel()

    async def _look_again(self) -> None:
        """A server that was started again may have another address."""
        with contextlib.suppress(HoldfastError):
            found = self._connect()
            if found.url != self._work.url:
                await self._work.close()
                self._work = found

    def _begin(self, activation: Activation) -> None:
        run = activation.run
        plan = SessionPlan(model_port=activation.model_port)
        session = Session(Door(Pool(self._work.url), activation.token), run.session, plan)
        router = Router(
            run.plan.tools,
            run.plan.mcp_servers,
            session_id=run.session,
            environment=self._environment,
        )
        driver = Driver(session, run, router)
        task = asyncio.create_task(self._activate(activation, session, driver))
        self._held[run.run_id] = (activation, driver, task)

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
            self._held.pop(run.run_id, None)
            self._free.release()
            with contextlib.suppress(HoldfastError):
                await session.close()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._work.lease_s / _BEATS_PER_LEASE)
            held = [(name, a.run.epoch) for name, (a, _, _) in self._held.items()]
            if not held:
                continue
            try:
                lost = await self._work.heartbeat(held)
            except VersionMismatch as fault:
                self._unfit(fault)
                continue
            except HoldfastError:
                continue  # What cannot be renewed is lost by itself.
            for run_id in lost:
                if run_id in self._held:
                    self._held[run_id][2].cancel()
