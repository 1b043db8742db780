"""The policy process is kept running, also one that hangs while it starts."""

import asyncio
import os
from pathlib import Path

import pytest

from holdfast.apps.server import tasks
from holdfast.apps.server.tasks import PolicyProcess
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.errors import PolicyUnavailable

# Its first start serves and ends, its second hangs, its third serves.
STARTS = """
import os, pathlib, sys, time
log = pathlib.Path("starts")
with log.open("a") as starts:
    starts.write(f"{os.getpid()}\\n")
number = len(log.read_text().split())
if number != HANGS:
    os.write(int(sys.argv[-1]), b"ready")
    os.close(int(sys.argv[-1]))
if number != 1 or HANGS == 1:
    time.sleep(60)
"""


def policy(folder: Path, hangs: int, monkeypatch: pytest.MonkeyPatch) -> tuple[PolicyProcess, list]:
    """A process that hangs at its start of that number, and what was said of it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tasks, "_START_TIMEOUT_S", 1.0)
    monkeypatch.setattr(tasks, "_RESTART_DELAY_S", 0.05)
    said: list[str] = []
    process = PolicyProcess(folder / "s", folder, folder, said.append, SystemSandbox())
    process._arguments = ("-c", STARTS.replace("HANGS", str(hangs)))
    return process, said


def alive(folder: Path) -> list[bool]:
    """Of each start, whether it still runs."""
    return [Path(f"/proc/{pid}").exists() for pid in (folder / "starts").read_text().split()]


def test_one_that_hangs_while_it_starts_again_is_ended_and_another_started(tmp_path, monkeypatch):
    async def main():
        process, said = policy(tmp_path, 2, monkeypatch)
        back = asyncio.Event()
        process.on_return = back.set
        await process.begin()
        await process.until_ready()
        try:
            async with asyncio.timeout(20):
                await back.wait()
            assert alive(tmp_path) == [False, False, True]
            assert "the policy process did not start" in said
            assert said[-1] == "the policy process is back"
        finally:
            await process.stop()
        assert alive(tmp_path) == [False, False, False]

    asyncio.run(main())


def test_one_that_hangs_at_the_first_start_is_refused_and_not_left_behind(tmp_path, monkeypatch):
    async def main():
        process, _ = policy(tmp_path, 1, monkeypatch)
        await process.begin()
        with pytest.raises(PolicyUnavailable):
            await process.until_ready()
        await process.stop()
        assert alive(tmp_path) == [False]

    asyncio.run(main())


def test_one_that_was_begun_and_is_not_waited_for_is_ended(tmp_path, monkeypatch):
    async def main():
        process, _ = policy(tmp_path, 1, monkeypatch)
        await process.begin()
        pid = process.pid
        os.kill(pid, 0)
        await process.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert process._told is None

    asyncio.run(main())


def test_one_that_ends_before_it_is_waited_for_is_refused(tmp_path, monkeypatch):
    async def main():
        process, _ = policy(tmp_path, 1, monkeypatch)
        process._arguments = ("-c", "raise SystemExit(1)")
        await process.begin()
        with pytest.raises(PolicyUnavailable, match="ended while it started"):
            await process.until_ready()
        await process.stop()

    asyncio.run(main())
