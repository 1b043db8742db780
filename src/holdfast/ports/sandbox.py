"""Where processes are started that run code for a session or serve beside the server.

A sandbox says what it holds, and refuses a program that needs more: nothing is weakened in
silence. Not here: ending what such a process started in turn (`processes`).
"""

import asyncio
import enum
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

Talk = TypeVar("Talk", bound=asyncio.SubprocessProtocol)


class Isolation(enum.IntEnum):
    """What stands between a program and this machine, the weaker first."""

    PROCESS = 1
    """A process: its own memory, and whatever its user may do."""
    KERNEL = 2
    """The kernel keeps files, network and other processes from it."""
    MACHINE = 3
    """A machine of its own."""


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """What a sandbox keeps a program from, as it is and not as it is meant."""

    isolation: Isolation
    files: bool
    network: bool
    memory: bool


class Pipes(enum.Enum):
    """What a standard stream of a program is: nothing, a pipe to us, or ours."""

    NOTHING = enum.auto()
    PIPE = enum.auto()
    OURS = enum.auto()


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is started, without a shell: `arguments` begin with the program.

    `environment` are all of its variables (None: ours), `folder` is where it begins (None: where we
    are), `handed` are descriptors that it gets under their numbers. It leads a session and a group
    of its own. `ends_with_us`: also when we are killed, where the system can say so.
    `most_line_bytes` bounds a line that is read of it. `needs` is the least that has to hold.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    folder: str | None = None
    stdin: Pipes = Pipes.NOTHING
    stdout: Pipes = Pipes.OURS
    stderr: Pipes = Pipes.OURS
    handed: tuple[int, ...] = ()
    ends_with_us: bool = False
    most_line_bytes: int = 64 * 1024
    needs: Isolation = Isolation.PROCESS


class Sandbox(Protocol):
    """Starts programs.

    Errors of both verbs: OSError where one cannot be started, ValueError where its words cannot be
    said to the system, ConfigInvalid where it needs more than is held.
    """

    @property
    def holds(self) -> Holds:
        """What every program is kept from."""
        ...

    async def start(self, program: Program) -> asyncio.subprocess.Process:
        """Start it; its pipes are streams."""
        ...

    async def talk(self, program: Program, protocol: Callable[[], Talk]) -> Talk:
        """Start it; its pipes are the protocol's, which is told of its end."""
        ...
