"""What runs beside the requests: the policy process as a child, and the server's upkeep."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from holdfast.errors import PolicyUnavailable
from holdfast.ports.sandbox import Pipes, Program, Sandbox

_START_TIMEOUT_S = 10.0
_RESTART_DELAY_S = 0.5
_UNFIT = 2
_UNFIT_DELAY_S = 5.0
# A process that lived so long is started again at once when it ends.
_SOUND_S = 10.0
_END_TIMEOUT_S = 3.0
_TICK_S = 1.0

Report = Callable[[str], None]


@asynccontextmanager
async def kept_up(
    tick: Callable[[], None], report: Callable[[BaseException], None]
) -> AsyncIterator[None]:
    """Call `tick` about once a second while the block runs; a fault of it is only reported."""

    async def ticking() -> None:
        tick()

    async with repeated(ticking, _TICK_S, report):
        yield


@asynccontextmanager
async def once(
    act: Callable[[], Awaitable[None]], report: Callable[[BaseException], None]
) -> AsyncIterator[None]:
    """Do `act` while the block runs; a fault of it is only reported."""

    async def acting() -> None:
        try:
            await act()
        except Exception as error:  # noqa: BLE001 -- it must not take the server down
            report(error)

    task = asyncio.create_task(acting())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def repeated(
    act: Callable[[], Awaitable[None]], every_s: float, report: Callable[[BaseException], None]
) -> AsyncIterator[None]:
    """Do `act` after each `every_s` seconds while the block runs; a fault of it is only reported.

    When the block ends, what is under way is given up where it waits.
    """

    async def repeating() -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await act()
            except Exception as error:  # noqa: BLE001 -- upkeep must not take the server down
                report(error)

    task = asyncio.create_task(repeating())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class PolicyProcess:
    """Keeps one policy process running. While it is away, every question is a deny."""

    def __init__(
        self,
        socket: Path,
        policies: Path,
        contracts: Path,
        report: Report,
        sandbox: Sandbox,
        applied: Path | None = None,
        kept: Path | None = None,
    ) -> None:
        self._arguments: tuple[str, ...] = (
            *("-P", "-m", "holdfast.apps.policyd", "--socket", str(socket)),
            *("--policies", str(policies), "--contracts", str(contracts)),
            *(("--applied", str(applied)) if applied is not None else ()),
            *(("--kept", str(kept)) if kept is not None else ()),
        )
        self._report = report
        self._sandbox = sandbox
        self.on_return: Callable[[], None] = lambda: None
        """Called each time it is back after it had ended; `pid` is another then."""
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._told: int | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def begin(self) -> None:
        """Start it; it loads while its caller goes on. Errors: PolicyUnavailable."""
        self._told, writable = os.pipe()
        given = (*self._arguments, "--ready-fd", str(writable))
        program = Program(arguments=(sys.executable, *given), handed=(writable,), ends_with_us=True)
        try:
            self._process = await self._sandbox.start(program)
        except OSError as error:
            self._hear_no_more()
            raise PolicyUnavailable("the policy process did not start") from error
        finally:
            os.close(writable)

    async def until_ready(self) -> None:
        """Return once the process that was begun answers; from then on it is kept running.

        Errors: PolicyUnavailable.
        """
        await self._answering()
        self._watcher = asyncio.create_task(self._watch())

    async def _answering(self) -> None:
        try:
            if self._told is None:
                raise PolicyUnavailable("no policy process was begun")
            ready = await asyncio.wait_for(
                asyncio.to_thread(os.read, self._told, 16), _START_TIMEOUT_S
            )
        except (OSError, TimeoutError) as error:
            # One that hangs would be waited for as if it served.
            self._kill()
            raise PolicyUnavailable("the policy process did not start") from error
        finally:
            self._hear_no_more()
        if not ready:
            raise PolicyUnavailable("the policy process ended while it started")

    def _hear_no_more(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            os.close(told)

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _watch(self) -> None:
        while self._process is not None:
            code = await self._process.wait()
            self._report(
                f"the policy process ended with {code}; every call is denied until it is back"
            )
            await asyncio.sleep(_RESTART_DELAY_S)
            try:
                await self.begin()
                await self._answering()
                self._report("the policy process is back")
                self.on_return()
            except PolicyUnavailable as error:
                self._report(error.message)
                await asyncio.sleep(_RESTART_DELAY_S)

    async def stop(self) -> None:
        """End it; idempotent."""
        self._hear_no_more()
        if self._watcher is not None:
            self._watcher.cancel()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


class _Beside:
    """Keeps so many processes of one kind running, from `start` to the end of the block."""

    kind = "process"

    def __init__(self, count: int, report: Report, sandbox: Sandbox) -> None:
        self._count = count
        self._sandbox = sandbox
        self._report = report
        self._watchers: list[asyncio.Task[None]] = []
        self._running: list[asyncio.subprocess.Process] = []
        self.on_end: Callable[[int], None] = lambda _: None
        """Called with the exit code of each that ended."""

    async def __aenter__(self) -> Self:
        return self

    def start(self) -> None:
        """Start them; one that ends is started again."""
        self._watchers = [asyncio.create_task(self._kept()) for _ in range(self._count)]

    async def _spawned(self) -> asyncio.subprocess.Process:
        raise OSError(f"no {self.kind} is known here")

    async def _kept(self) -> None:
        loop, delay_s = asyncio.get_running_loop(), _RESTART_DELAY_S
        while True:
            begun_s = loop.time()
            try:
                process = await self._spawned()
            except OSError as error:
                self._report(f"a {self.kind} cannot be started: {error.strerror}")
                code = _UNFIT
            else:
                self._running.append(process)
                code = await process.wait()
                self._running.remove(process)
                self.on_end(code)
            lived = loop.time() - begun_s > _SOUND_S
            delay_s = _RESTART_DELAY_S if lived else min(2 * delay_s, _UNFIT_DELAY_S)
            self._report(f"a {self.kind} ended with {code} and is started again")
            # One of another version, put in the place of ours while we run, will not fit at once.
            await asyncio.sleep(_UNFIT_DELAY_S if code == _UNFIT else delay_s)

    async def end(self) -> None:
        """End them, while the server still answers: they give back what they are at; idempotent."""
        for watcher in self._watchers:
            watcher.cancel()
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self._running:
            try:
                await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def __aexit__(self, *given: object) -> None:
        await self.end()


class WorkerProcesses(_Beside):
    """Workers of the house's own loop."""

    kind = "worker"

    def __init__(self, folder: Path, count: int, report: Report, sandbox: Sandbox) -> None:
        super().__init__(count, report, sandbox)
        self._arguments = ("-P", "-m", "holdfast.apps.worker", "--project", str(folder))

    async def _spawned(self) -> asyncio.subprocess.Process:
        program = Program(arguments=(sys.executable, *self._arguments), ends_with_us=True)
        return await self._sandbox.start(program)


class RelayProcesses(_Beside):
    """Relays. They outlive a server that is killed, to tell their clients; then they end."""

    kind = "gateway process"

    def __init__(self, count: int, settings: bytes, report: Report, sandbox: Sandbox) -> None:
        super().__init__(count, report, sandbox)
        self._settings = settings

    async def _spawned(self) -> asyncio.subprocess.Process:
        given = (sys.executable, "-P", "-m", "holdfast.apps.relay")
        process = await self._sandbox.start(Program(arguments=given, stdin=Pipes.PIPE))
        with contextlib.suppress(ConnectionError):
            if process.stdin is not None:
                process.stdin.write(self._settings)
                process.stdin.close()
        return process

    def kill(self, pid: int) -> None:
        """End one that stands still: connections wait at its socket as long as it is there."""
        for process in self._running:
            if process.pid == pid:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
