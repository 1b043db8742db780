"""What a kill needs of the machine that the agent runs on."""

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found and ended. `how` names the mechanism (`cgroup`, `marker`, `none`).

    `unproved` says what could be left that was not looked for; empty where nothing can.
    """

    how: str
    found: int
    survivors: int
    unproved: str = ""


class Processes(Protocol):
    """The processes of a session, found without their help."""

    async def adopt(self, session_id: str) -> str:
        """Fence in the session's processes as far as this machine can; names the mechanism.

        May be asked before every permit: processes that came since are fenced in, too.
        """
        ...

    async def seen(self, session_id: str) -> frozenset[tuple[int, int]]:
        """The session's processes that live, each told apart from a later one of its number."""
        ...

    async def stop(self, session_ids: Collection[str]) -> Mapping[str, StopReport]:
        """End every process of these sessions at once, tools in sessions of their own included.

        A report of each session.
        """
        ...
