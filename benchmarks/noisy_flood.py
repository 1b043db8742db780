"""The noisy tenant, a process of its own, so that its work is none of the measuring one's loop.

Reads one JSON job from standard input, lets the model ask for what will be decided, says `ready`
and begins at the next line. To every further line it answers with the counts so far; it ends with
its input. Not here: what the quiet tenant feels (`benchmarks/noisy_tenant`).
"""

import asyncio
import contextlib
import sys
from collections import Counter

import msgspec
import uvloop

from benchmarks.sse_client import Connection, Timing, post
from benchmarks.worlds import text_request

TOOLS, SHORT = "BENCH-TOOLS", "BENCH-SHORT"
"""What makes the provider answer with tool calls, or with a short text."""

PER_TURN = 400
"""Tool calls in one answer of the model."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of the sessions that call models, and of those that ask for decisions.

    Each of the latter asks `pause_s` after its last answer, of `calls` that are prepared.
    """

    url: str
    callers: list[str]
    deciders: list[str]
    pause_s: float
    calls: int


class Agent:
    """One session with calls of its model that wait for a decision."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._calls: list[bytes] = []
        self._line: Connection | None = None

    async def prepare(self, count: int) -> None:
        """Let the model ask for at least so many calls."""
        line = await Connection.open(self._url, keep_body=True)
        tool = {"name": "Read", "input_schema": {"type": "object"}}
        asked = text_request(TOOLS, max_tokens=60_000, tools=[tool], stream=False)
        while len(self._calls) < count:
            answer = await line.ask(post("/v1/messages", asked, self._token))
            if answer.status != 200:
                raise RuntimeError(f"the model could not be asked: {answer.body[:300]!r}")
            for block in msgspec.json.decode(answer.body)["content"]:
                body = {"call_id": block["id"], "tool": "Read", "arguments": block["input"]}
                asking = msgspec.json.encode({**body, "door": "claude_agent_sdk"})
                self._calls.append(post("/v1/guard/decide", asking, self._token))
        line.close()

    async def decide(self) -> float:
        """Milliseconds of one decision. Errors: RuntimeError when it is no allow."""
        if not self._calls:
            raise RuntimeError("no call is left to be decided")
        answer = await self._ask(self._calls.pop())
        if answer.status != 200 or b'"verdict":"allow"' not in answer.body:
            raise RuntimeError(f"no allow: {answer.status} {answer.body[:300]!r}")
        return (answer.last_s - answer.sent_s) * 1000

    async def _ask(self, request: bytes) -> Timing:
        """On a kept connection, anew where the server closed it while it stood idle."""
        if self._line is None:
            self._line = await Connection.open(self._url, keep_body=True)
        answer: Timing | None = None
        with contextlib.suppress(ConnectionResetError):
            answer = await self._line.ask(request)
        if answer is None or not answer.status:
            self._line = await Connection.open(self._url, keep_body=True)
            answer = await self._line.ask(request)
        return answer


async def _calling(job: Job, token: str, counts: Counter[str]) -> None:
    """Model calls as fast as they are answered; most wait for the tenant's rate."""
    while True:
        line = await Connection.open(job.url)
        try:
            answer = await line.ask(post("/v1/messages", text_request(SHORT), token))
        finally:
            line.close()
        counts["model calls" if answer.status == 200 else f"refused {answer.status}"] += 1
        if answer.status != 200:
            await asyncio.sleep(0.2)


async def _deciding(agent: Agent, pause_s: float, counts: Counter[str]) -> None:
    while True:
        with contextlib.suppress(ConnectionResetError):
            await agent.decide()
        counts["decisions"] += 1
        await asyncio.sleep(pause_s)


async def _answering(counts: Counter[str]) -> None:
    """The counts so far for every line, until there are no more."""
    while await asyncio.to_thread(sys.stdin.readline):
        _say(msgspec.json.encode(counts).decode())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _run(job: Job) -> None:
    agents = [Agent(job.url, token) for token in job.deciders]
    for agent in agents:
        await agent.prepare(job.calls)
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    counts: Counter[str] = Counter()
    acts = [_calling(job, token, counts) for token in job.callers]
    acts += [_deciding(agent, job.pause_s, counts) for agent in agents]
    noise = [asyncio.create_task(act) for act in acts]
    asked = asyncio.create_task(_answering(counts))
    # Whatever breaks ends the process, and with it the benchmark.
    done, _ = await asyncio.wait([asked, *noise], return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()


def main() -> None:
    """One flood."""
    uvloop.run(_run(msgspec.json.decode(sys.stdin.readline(), type=Job)))


if __name__ == "__main__":
    main()
