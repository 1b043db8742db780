"""Children of one process: each is forked from an interpreter that has imported what is slow.

A child runs one task, writes one JSON answer and ends; one that takes too long is ended with all
that it started. Not here: what the tasks do.
"""

import contextlib
import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MOST_MEMORY = 4 << 30
_SLOW = (
    "pytest", "hypothesis", "hypothesis.stateful", "hypothesis.extra", "_pytest.assertion.rewrite",
    "aiohttp", "anyio", "apsw", "asyncpg", "cedarpy", "msgspec", "yaml", "rich",
    "cryptography.hazmat.primitives.asymmetric.ed25519", "httptools",
    "jsonschema_rs", "rfc8785", "starlette.testclient", "tree_sitter", "tree_sitter_bash", "typer",
    "uvicorn", "uvloop", "anthropic", "genai_prices", "claude_agent_sdk", "mcp", "coverage",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """What one child does: `run` gets a folder of its own and returns what JSON can hold."""

    key: Any
    run: Callable[[Path], Any]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task: `answer` is None where the child ended without one."""

    key: Any
    answer: Any
    timed_out: bool
    seconds: float
    cpu_seconds: float


@dataclass
class _Child:
    task: Task
    pid: int
    pipe: int
    folder: Path
    started: float
    read: bytearray = field(default_factory=bytearray)


def preload() -> None:
    """Import what no mutant touches, once."""
    for name in _SLOW:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    loaded = [name for name in sys.modules if name.partition(".")[0] == "holdfast"]
    if loaded:
        raise RuntimeError(f"{loaded[0]} was imported before the fork: its mutants would not count")


def run_all(tasks: Iterable[Task], jobs: int) -> Iterator[Done]:
    """Run the tasks in `jobs` children at a time; answers come as they are ready."""
    waiting, running = iter(tasks), list[_Child]()
    try:
        while True:
            while len(running) < jobs and (task := next(waiting, None)) is not None:
                running.append(_fork(task))
            if not running:
                return
            ready, _, _ = select.select([child.pipe for child in running], [], [], 0.2)
            for child in list(running):
                late = time.monotonic() - child.started > child.task.timeout_s
                if child.pipe in ready:
                    part = os.read(child.pipe, 1 << 20)
                    child.read += part
                    if part and not late:
                        continue
                elif not late:
                    continue
                running.remove(child)
                yield _ended(child, timed_out=late)
    finally:
        for child in running:
            _ended(child, timed_out=True)


def _fork(task: Task) -> _Child:
    read, write = os.pipe()
    folder = Path(tempfile.mkdtemp(prefix="hfm"))
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _be_child(task, write, folder)
    os.close(write)
    return _Child(task, pid, read, folder, time.monotonic())


def _be_child(task: Task, write: int, folder: Path) -> None:
    """Never returns: nothing of the parent's may run here, its exit handlers least of all."""
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        if told := os.environ.get("MUTANTS_LOG"):
            os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
            os.dup2(1, 2)
        answer = memoryview(json.dumps(task.run(folder)).encode())
        while answer:
            answer = answer[os.write(write, answer) :]
        code = 0
    except BaseException:  # noqa: BLE001 - the parent reads that there is no answer
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _ended(child: _Child, *, timed_out: bool) -> Done:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    _, _, used = os.wait4(child.pid, 0)
    os.close(child.pipe)
    shutil.rmtree(child.folder, ignore_errors=True)
    answer = None
    if not timed_out:
        with contextlib.suppress(ValueError):
            answer = json.loads(bytes(child.read))
    return Done(
        key=child.task.key,
        answer=answer,
        timed_out=timed_out,
        seconds=time.monotonic() - child.started,
        cpu_seconds=used.ru_utime + used.ru_stime,
    )
