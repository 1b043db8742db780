"""The Python tools of one session, in a host process of their own.

Whatever happens to the host, a call ends here: in its answer, at its time-out (the host is ended
with all that it started), or with the host's death. Not here: the host itself (`tools/host`).
"""

import asyncio
import contextlib
import enum
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.core.effects import TOOL_DIED, TOOL_TIMEOUT
from holdfast.model.attempts import Probed, ToolResult
from holdfast.ports.sandbox import Pipes, Program, Sandbox
from holdfast.tools.declared import ToolContext
from holdfast.tools.host import Reply, Request
from holdfast.tools.lease import Lease

KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)
_MAX_LINE_BYTES = 64 * 1024 * 1024
_MAX_PROBED_BYTES = 1_000_000
_END_S = 2.0


class Silence(enum.Enum):
    """Why no answer came."""

    LATE = "late"
    DIED = "died"


class PythonTools:
    """Starts the host at the first call, and again after it had to be ended."""

    def __init__(
        self,
        folder: str,
        session_id: str,
        environment: Mapping[str, str],
        lease: Lease,
        sandbox: Sandbox,
    ) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._lease = lease
        # No token in it: tools act for the session only through calls that were decided.
        kept = {name: environment[name] for name in KEPT if name in environment}
        self._environment = {**kept, "HOLDFAST_SESSION": session_id}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Reply | Silence]] = {}
        self._serial = 0

    async def run(
        self,
        target: str,
        arguments: dict[str, Any],
        context: ToolContext,
        *,
        timeout_s: float,
        max_output_bytes: int,
    ) -> ToolResult:
        """One call of a tool; never raises for what the tool does. Errors: LeaseLost."""
        request = Request(
            op="run",
            target=target,
            arguments=arguments,
            context=context,
            max_output_bytes=max_output_bytes,
        )
        reply = await self._ask(request, timeout_s)
        if reply is Silence.LATE:
            text = f"the tool did not answer within {timeout_s:g} s"
            return ToolResult(ok=False, error_code=TOOL_TIMEOUT, error=text, uncertain=True)
        if reply is Silence.DIED:
            text = "the tool's process ended before it answered"
            return ToolResult(ok=False, error_code=TOOL_DIED, error=text, uncertain=True)
        if reply.ok:
            if reply.too_large:
                text = f"the output is larger than {max_output_bytes} bytes and is left out"
                return ToolResult(ok=True, output={"notice": text})
            return ToolResult(ok=True, output=reply.output)
        return ToolResult(
            ok=False,
            error_code=reply.code or "tool_execution_failed",
            error=reply.error,
            nothing_happened=reply.refused,
            uncertain=reply.raised,
        )

    async def probe(
        self,
        target: str,
        arguments: dict[str, Any],
        context: ToolContext,
        *,
        timeout_s: float,
    ) -> Probed:
        """Ask whether an earlier attempt took; `target` is a tool with a probe, or a probe.

        Errors: LeaseLost.
        """
        request = Request(
            op="probe",
            target=target,
            arguments=arguments,
            context=context,
            max_output_bytes=_MAX_PROBED_BYTES,
        )
        reply = await self._ask(request, timeout_s)
        if isinstance(reply, Silence) or not reply.ok:
            return Probed(found="cannot_tell")
        return Probed(found=reply.found, output=reply.output)

    async def _ask(self, request: Request, timeout_s: float) -> "Reply | Silence":
        """The host's answer, or why none came. Errors: LeaseLost, and nothing was begun."""
        while True:
            await self._lease.held()
            self._serial += 1
            until_s = self._lease.until_s
            asked = msgspec.structs.replace(request, id=self._serial, until_s=until_s)
            reply = await self._answer(asked, timeout_s)
            # Too late for what the lease was then, not for what it is by now, if it still is.
            if isinstance(reply, Silence) or not reply.late:
                return reply

    async def _answer(self, request: Request, timeout_s: float) -> "Reply | Silence":
        process = await self._started()
        answer: asyncio.Future[Reply | Silence] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            if process.stdin is None:
                return Silence.DIED
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            await process.stdin.drain()
            # Not `wait_for`, which takes an answer for more than a cancellation (Python 3.11).
            async with asyncio.timeout(timeout_s):
                return await answer
        except (TimeoutError, ConnectionError) as error:
            # A tool that hangs cannot be taken out of its process: the whole host goes.
            await self.close()
            return Silence.LATE if isinstance(error, TimeoutError) else Silence.DIED
        finally:
            self._waiting.pop(request.id, None)

    async def _started(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                given = ("-P", "-m", "holdfast.tools.host", self._folder, str(os.getpid()))
                self._process = await self._sandbox.start(
                    Program(
                        arguments=(sys.executable, *given),
                        stdin=Pipes.PIPE,
                        stdout=Pipes.PIPE,
                        environment=self._environment,
                        folder=self._folder,
                        most_line_bytes=_MAX_LINE_BYTES,
                    )
                )
                loop = asyncio.get_running_loop()
                self._reader = loop.create_task(self._read(self._process))
            return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        decoder = msgspec.json.Decoder(Reply)
        with contextlib.suppress(ValueError, ConnectionError):
            while process.stdout is not None and (line := await process.stdout.readline()):
                reply = decoder.decode(line)
                waiting = self._waiting.get(reply.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
        # It ended, or wrote what no host writes: whoever waits gets no answer.
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(Silence.DIED)
        _end_group(process.pid)

    async def close(self) -> None:
        """End the host and everything in its process group; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        _end_group(process.pid)
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            await asyncio.wait_for(process.wait(), _END_S)


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
