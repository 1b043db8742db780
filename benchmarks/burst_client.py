"""One of the client processes of a burst: connects, waits for the word, asks everything at once.

Reads one JSON job from standard input, says `ready`, starts at the next line, and answers with one
JSON line.
"""

import asyncio
import sys
import time

import msgspec
import uvloop

from benchmarks.sse_client import Connection, post


class Job(msgspec.Struct):
    """`calls` are (token, body) pairs."""

    url: str
    path: str
    calls: list[tuple[str, bytes]]
    timeout_s: float = 120.0


class Outcome(msgspec.Struct):
    """HTTP status by call (0: none came), and how long the whole burst took."""

    statuses: list[int]
    lasted_s: float


async def _run(job: Job) -> Outcome:
    connections = [await Connection.open(job.url) for _ in job.calls]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    start = time.perf_counter()
    asked = [
        connection.ask(post(job.path, body, token))
        for connection, (token, body) in zip(connections, job.calls, strict=True)
    ]
    await asyncio.wait(asked, timeout=job.timeout_s)
    statuses = [one.result().status if one.done() else 0 for one in asked]
    for connection in connections:
        connection.close()
    return Outcome(statuses, time.perf_counter() - start)


def main() -> None:
    """One burst."""
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    outcome = uvloop.run(_run(job))
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
