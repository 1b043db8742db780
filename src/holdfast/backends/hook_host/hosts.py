"""One host process for each agent that has hooks: started on first use, ended with its server.

Not here: one line to a process (`line`), what keeps it (`keeper`), what runs in it (`process`).
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from holdfast.backends.hook_host.line import Ended, Line
from holdfast.backends.hook_host.survivors import MARK
from holdfast.model.hooks import HookAnswer, HookInput
from holdfast.ports.hooks import Hook, HookFault
from holdfast.ports.sandbox import Pipes, Program, Sandbox

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "PYTHONPATH", "VIRTUAL_ENV")
"""What hooks see of the server's environment, besides what their settings name."""
MOST_HOSTS = 32
MOST_BYTES = 1024**3
LOAD_S = 10.0
_MOST_PAUSE_S = 30.0


class _Host:
    """The process of one agent, begun anew when it had to be ended."""

    def __init__(self, folder: Path, environment: Mapping[str, str], sandbox: Sandbox) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._sandbox = sandbox
        self._line: Line | None = None
        self._starting = asyncio.Lock()
        self._pause_s = 0.0
        self._not_before = 0.0
        self._fault = ""
        self.busy = 0
        self.used = 0.0

    async def ask(self, name: str, given: HookInput, timeout_s: float) -> HookAnswer | None:
        """One hook's answer. Errors: HookFault.

        A process that ends for another question's sake is not this one's fault: once more then.
        """
        self.busy += 1
        self.used = asyncio.get_running_loop().time()
        try:
            for _ in range(2):
                try:
                    line = await self.ready(name)
                    return await line.ask(name, given, timeout_s)
                except Ended:
                    continue
            raise HookFault("ended its process")
        finally:
            self.busy -= 1

    async def ready(self, name: str) -> Line:
        """The process, with this hook loaded. Errors: HookFault, Ended.

        What hangs or fails where it is loaded is not tried again at once, but refused.
        """
        async with self._starting:
            loop = asyncio.get_running_loop()
            if loop.time() < self._not_before:
                raise HookFault(self._fault)
            line = self._line = await self._running()
            await line.ready()
            if name not in line.loaded:
                try:
                    await line.ask(name, None, LOAD_S)
                except HookFault as fault:
                    self._pause_s = min(max(2 * self._pause_s, 1.0), _MOST_PAUSE_S)
                    self._not_before, self._fault = loop.time() + self._pause_s, str(fault)
                    raise
                line.loaded.add(name)
                self._pause_s = 0.0
            return line

    async def _running(self) -> Line:
        if self._line is not None:
            if not self._line.closed:
                return self._line
            await self._line.gone()
        given = (str(self._folder), str(os.getpid()), str(MOST_BYTES))
        mark = secrets.token_hex(16)
        module = ("-P", "-m", "holdfast.backends.hook_host.keeper")
        program = Program(
            arguments=(sys.executable, *module, *given),
            stdin=Pipes.PIPE,
            stdout=Pipes.PIPE,
            environment=self._environment | {MARK: mark},
            folder=str(self._folder),
        )
        try:
            return await self._sandbox.talk(program, lambda: Line(mark))
        except OSError as error:
            raise HookFault("cannot be given a process") from error

    async def close(self) -> None:
        """End the process; idempotent."""
        if self._line is not None:
            await self._line.gone()


class HookHosts:
    """The hosts of one server; `folder` is where its hooks' modules are looked for first."""

    def __init__(self, folder: Path, environment: Mapping[str, str], sandbox: Sandbox) -> None:
        self._folder = folder
        self._environment = environment
        self._sandbox = sandbox
        self._hosts: dict[str, _Host] = {}

    def hook(self, name: str, timeout_s: float, sees: Iterable[str] = ()) -> Hook:
        """`package.module:function` as the runtime calls it, `timeout_s` seconds a time.

        `sees` names variables of the server's environment that it gets besides `KEPT`.
        """
        seen = tuple(sees)

        async def hosted(given: HookInput) -> HookAnswer | None:
            host = await self._host(given.principal.agent, seen)
            return await host.ask(name, given, timeout_s)

        return hosted

    async def check(self, names: Iterable[str], sees: Iterable[str] = ()) -> None:
        """Load hooks once, in a process that is ended then. Errors: HookFault."""
        host = _Host(self._folder, self._seen(sees), self._sandbox)
        try:
            for name in dict.fromkeys(names):
                try:
                    await host.ready(name)
                except (HookFault, Ended) as fault:
                    text = str(fault) or "ended its process when it was loaded"
                    raise HookFault(f"`{name}` {text}") from fault
        finally:
            await host.close()

    def _seen(self, sees: Iterable[str]) -> dict[str, str]:
        names = (*KEPT, *sees)
        return {name: self._environment[name] for name in names if name in self._environment}

    async def _host(self, agent: str, sees: Iterable[str]) -> _Host:
        host = self._hosts.get(agent)
        if host is None:
            idle = self._idlest() if len(self._hosts) >= MOST_HOSTS else None
            host = self._hosts[agent] = _Host(self._folder, self._seen(sees), self._sandbox)
            if idle is not None:
                await idle.close()
        return host

    def _idlest(self) -> _Host:
        """Take out the host that was not used for the longest time."""
        idle = [agent for agent, host in self._hosts.items() if not host.busy]
        if not idle:
            raise HookFault(f"has to wait: those of {MOST_HOSTS} agents are at work")
        return self._hosts.pop(min(idle, key=lambda agent: self._hosts[agent].used))

    async def close(self) -> None:
        """End every host."""
        hosts = list(self._hosts.values())
        self._hosts.clear()
        await asyncio.gather(*(host.close() for host in hosts))
