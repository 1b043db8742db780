"""A policy process of a test's own: its folder, its life, clients of it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from holdfast.backends.frames.client import FrameClient
from holdfast.backends.policyd_client.client import RemotePolicy
from holdfast.testing.conformance.policy import (
    SUITE_CEDAR,
    SUITE_CONTRACTS,
    SUITE_TASK_ATTRIBUTES,
)


def write_inputs(folder: Path, contracts: Any = SUITE_CONTRACTS, **fields: Any) -> Path:
    """`contracts.json` in the folder."""
    path = folder / "contracts.json"
    standing = {
        "version": 1,
        "contracts": list(contracts),
        "task_attributes": SUITE_TASK_ATTRIBUTES,
        "tenant_attributes": {},
    }
    path.write_bytes(msgspec.json.encode(standing | fields))
    return path


def suite_folder(folder: Path, cedar: str = SUITE_CEDAR) -> Path:
    """The folder with the suite's contracts and one policy file in `policies/`."""
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "suite.cedar").write_text(cedar)
    write_inputs(folder)
    return folder


class PolicyProcess:
    """`with PolicyProcess(folder) as process:` serves the folder until the block ends."""

    def __init__(self, folder: Path, *, baseline: bool = False) -> None:
        self.folder = folder
        self.socket = folder / "run" / "p.sock"
        self.arguments: tuple[str, ...] = () if baseline else ("--no-baseline",)
        self.clients: list[RemotePolicy] = []
        self.running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self.running is not None
        return self.running.pid

    def start(self, *, waits: bool = True) -> None:
        """Begin it; who does not wait has gone before it says that it is ready."""
        ready, told = os.pipe()
        if not waits:
            os.close(ready)
        try:
            self.running = subprocess.Popen(
                [
                    *(sys.executable, "-m", "holdfast.apps.policyd"),
                    *("--socket", str(self.socket)),
                    *("--policies", str(self.folder / "policies")),
                    *("--contracts", str(self.folder / "contracts.json")),
                    *("--ready-fd", str(told)),
                    *self.arguments,
                ],
                pass_fds=[told],
                stderr=subprocess.PIPE,
            )
        finally:
            os.close(told)
        if not waits:
            return
        line = os.read(ready, 16)
        os.close(ready)
        assert line == b"ready\n", self.stop()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> str:
        """End it and wait; what it wrote to stderr."""
        if self.running is None:
            return ""
        if self.running.poll() is None:
            self.running.send_signal(how)
            self.running.send_signal(signal.SIGCONT)
        _, said = self.running.communicate(timeout=10)
        self.running = None
        return said.decode()

    def client(self, **options: Any) -> RemotePolicy:
        policy = RemotePolicy(FrameClient(self.socket), **options)
        self.clients.append(policy)
        return policy

    def run(self, body: Callable[[], Awaitable[None]]) -> None:
        """Run `body` in a loop of its own and close the clients it made."""

        async def whole() -> None:
            try:
                await body()
            finally:
                while self.clients:
                    await self.clients.pop().close()

        asyncio.run(whole())


def offline(folder: Path, verb: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of `check` or `test`."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "holdfast.apps.policyd", verb, "--json"),
            *("--policies", str(folder / "policies")),
            *("--contracts", str(folder / "contracts.json")),
            *arguments,
        ],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout, ended.stderr.decode()
    return ended.returncode, msgspec.json.decode(ended.stdout)
