"""A session that a scripted model plays: the real guard, admission, ledger and journal, no doors.

The policy permits everything and the agent is autonomous, so that risk and flow decide. Calls are
decided, permitted and admitted as at the doors, in one process, on a store in memory; the gateway's
own reader reads every request. The loop guard is told nothing: it would stop long attacks that the
flow gate let go on. Not here: which calls are played (`benchmarks/agentdojo`,
`benchmarks/families`).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks.in_process import DOOR, InProcess
from holdfast.core.messages import BadRequest, read_request
from holdfast.model.decisions import Verdict
from holdfast.model.tools import CallState, Contract
from holdfast.runtime.guard import Asked
from holdfast.runtime.live import LiveSession
from holdfast.testing.memory_store import MemoryStore

Run = Callable[[], tuple[str, bool]]
"""Runs a tool: the text of its result, and whether it failed."""


class Step(msgspec.Struct, frozen=True):
    """One call that was played: what was decided, by which codes, and what the model then read."""

    tool: str
    verdict: Verdict
    codes: tuple[str, ...]
    text: str


class House:
    """The runtime around one set of tools."""

    def __init__(self, inside: InProcess) -> None:
        self._inside = inside
        self._opened = 0

    @classmethod
    async def of(cls, contracts: Sequence[Contract]) -> "House":
        """A house with these tools, on a store of its own."""
        return cls(await InProcess.on(MemoryStore(), contracts))

    async def begun(self, prompt: str) -> "Played":
        """A new session whose user typed `prompt`."""
        self._opened += 1
        live = await self._inside.session(f"task-{self._opened}", self._opened)
        await self._inside.outcomes.prompt(live, prompt)
        return Played(self._inside, live)


class Played:
    """One session. Made by `House.begun`."""

    def __init__(self, inside: InProcess, live: LiveSession) -> None:
        self._inside = inside
        self.live = live
        self.steps: list[Step] = []

    async def call(
        self, tool: str, arguments: dict[str, Any], run: Run, *, approved: bool = False
    ) -> Step:
        """The model makes one call; where the guard asks, a person answers `approved`.

        A call that may not go on does not run, and what it asked stays asked.
        """
        call_id = f"call-{len(self.steps)}"
        self._inside.emit(self.live, call_id, tool, arguments)
        self.live.counted.add(call_id)
        asked = Asked(call_id=call_id, tool=tool, arguments=arguments, door=DOOR)
        decision = (await self._inside.guard.decide(self.live, asked)).decision
        text = ""
        if decision.verdict is Verdict.ASK and approved:
            self._approve(call_id, arguments)
        if decision.verdict is Verdict.ALLOW or (decision.verdict is Verdict.ASK and approved):
            text = await self._admitted(call_id, tool, arguments, run)
        codes = tuple(reason.code for reason in decision.reasons)
        step = Step(tool=tool, verdict=decision.verdict, codes=codes, text=text)
        self.steps.append(step)
        return step

    def _approve(self, call_id: str, arguments: dict[str, Any]) -> None:
        call = self.live.calls[call_id]
        allowed = msgspec.structs.replace(call, state=CallState.ALLOWED, denial="")
        self.live.calls[call_id] = allowed
        self.live.vouched.bring(arguments)

    async def _admitted(self, call_id: str, tool: str, arguments: dict[str, Any], run: Run) -> str:
        text, failed = run()
        use = {"type": "tool_use", "id": call_id, "name": tool, "input": arguments}
        result = {"type": "tool_result", "tool_use_id": call_id, "content": text}
        messages = [
            {"role": "user", "content": "go on"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result | {"is_error": failed}]},
        ]
        body = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": messages}
        request = read_request(json.dumps(body).encode())
        if isinstance(request, BadRequest):
            raise TypeError(f"the gateway cannot read a result of `{tool}`: {request.text}")
        await self._inside.house.admission.admit(self.live, request)
        return text
