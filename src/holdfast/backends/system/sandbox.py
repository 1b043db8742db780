"""Processes of this machine, and nothing around them.

What it starts has memory and a process group of its own. Files, network and everything else are
those of the user that the server runs as.
"""

import asyncio
import ctypes
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from holdfast.errors import ConfigInvalid
from holdfast.ports.sandbox import Holds, Isolation, Pipes, Program, Talk

_PR_SET_PDEATHSIG = 1
_STREAMS = {Pipes.NOTHING: subprocess.DEVNULL, Pipes.PIPE: subprocess.PIPE, Pipes.OURS: None}
_HOLDS = Holds(isolation=Isolation.PROCESS, files=False, network=False, memory=False)
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class SystemSandbox:
    """See `ports.sandbox.Sandbox`."""

    @property
    def holds(self) -> Holds:
        """A process of its own, no more."""
        return _HOLDS

    async def start(self, program: Program) -> asyncio.subprocess.Process:
        """Start it; its pipes are streams."""
        return await asyncio.create_subprocess_exec(
            *program.arguments, limit=program.most_line_bytes, **_given(program)
        )

    async def talk(self, program: Program, protocol: Callable[[], Talk]) -> Talk:
        """Start it; its pipes are the protocol's."""
        loop = asyncio.get_running_loop()
        _, made = await loop.subprocess_exec(protocol, *program.arguments, **_given(program))
        return made


def _given(program: Program) -> dict[str, Any]:
    if program.needs > _HOLDS.isolation:
        needed = program.needs.name.lower()
        raise ConfigInvalid(
            f"`{program.arguments[0]}` needs the isolation `{needed}`, and this machine's processes"
            " have none but memory of their own"
        )
    return {
        "stdin": _STREAMS[program.stdin],
        "stdout": _STREAMS[program.stdout],
        "stderr": _STREAMS[program.stderr],
        "env": None if program.environment is None else dict(program.environment),
        "cwd": program.folder,
        "pass_fds": program.handed,
        # Ctrl-C goes to whoever started it, and ends it in order.
        "start_new_session": True,
        "preexec_fn": _end_with_us if program.ends_with_us else None,
    }


def _end_with_us() -> None:
    """In the child: whoever is killed takes it along (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
