"""A burst of parallel calls from two client processes, and what it cost by the provider's bill."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.burst_client import Job, Outcome
from benchmarks.processes import Child, python
from benchmarks.upstream import Bill

SIZES = (1, 10, 50, 200, 1000)
QUICK_SIZES = (1, 10, 50)
MARK = "BENCH-BURST"
OUTPUT_TOKENS = 500
WIDE_TOKENS = 32_000
# List prices of the model, nano-dollars a token, written here by hand: the bill must not be
# reckoned with the price table that it checks.
INPUT, WRITE_5M, WRITE_1H, READ, OUTPUT = 3_000, 3_750, 6_000, 300, 15_000
_FILLER = "the quick brown fox jumps over the lazy dog and runs on "


def scenario() -> dict[str, Any]:
    """What the provider answers: 500 tokens, after long enough for calls to pile up."""
    text = "word " * (OUTPUT_TOKENS * 4 // 5)
    turn = {"text": text, "pacing": {"first_event_delay_ms": 60}}
    return {"name": "burst", "match": {"text": MARK}, "turns": [turn], "loop": True}


def spent_nusd(bill: Bill) -> int:
    """The bill at list prices."""
    return (
        bill.input_tokens * INPUT
        + bill.cache_write_5m_tokens * WRITE_5M
        + bill.cache_write_1h_tokens * WRITE_1H
        + bill.cache_read_tokens * READ
        + bill.output_tokens * OUTPUT
    )


CALL_NUSD = 10_500_000
"""What one small request costs."""


def small_request(model: str, *, max_tokens: int = OUTPUT_TOKENS) -> bytes:
    """About 1,000 tokens in, and 500 out of those that it asks for: $0.0105."""
    content = f"{MARK} " + _FILLER * (4000 // len(_FILLER))
    body = {
        "model": model,
        "max_tokens": max_tokens,
        "stream": True,
        "messages": [{"role": "user", "content": content}],
    }
    return msgspec.json.encode(body)


def large_request(model: str, number: int) -> bytes:
    """As Claude Code asks: 42 KB of system prompt and tools, 58 KB of conversation, thinking.

    Everything but the last words is the same in each and marked for caching.
    """
    marked = {"cache_control": {"type": "ephemeral"}}
    tools = [
        {
            "name": name,
            "description": _FILLER * 22,
            "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}},
        }
        for name in ("Bash", "Read", "Edit", "Write", "Glob", "Grep", "Task", "WebFetch")
    ]
    system = [{"type": "text", "text": _FILLER * 560, **marked}]
    history = [
        {"role": "user", "content": [{"type": "text", "text": _FILLER * 1030, **marked}]},
        {"role": "assistant", "content": "Understood."},
        {"role": "user", "content": f"{MARK} {number}"},
    ]
    body = {
        "model": model,
        "max_tokens": 128_000,
        "stream": True,
        "thinking": {"type": "adaptive"},
        "system": system,
        "tools": tools,
        "messages": history,
    }
    return msgspec.json.encode(body)


async def burst(
    url: str, calls: Sequence[tuple[str, bytes]], folder: Path, *, path: str = "/v1/messages"
) -> tuple[Counter[int], float]:
    """Ask all calls at once from two processes: answers by HTTP status, and seconds."""
    halves = [list(calls[0::2]), list(calls[1::2])]
    return await asyncio.to_thread(_burst, url, [h for h in halves if h], folder, path)


def _burst(
    url: str, parts: list[list[tuple[str, bytes]]], folder: Path, path: str
) -> tuple[Counter[int], float]:
    command = python("-m", "benchmarks.burst_client")
    children = [
        Child(command, log=folder / f"client{n}.log", piped=True) for n in range(len(parts))
    ]
    try:
        for child, part in zip(children, parts, strict=True):
            child.tell(msgspec.json.encode(Job(url, path, part)))
        for child in children:
            child.line()
        for child in children:
            child.tell(b"go")
        outcomes = [msgspec.json.decode(child.line(200), type=Outcome) for child in children]
    finally:
        for child in children:
            child.stop()
    statuses = Counter(status for outcome in outcomes for status in outcome.statuses)
    return statuses, max(outcome.lasted_s for outcome in outcomes)


def told(statuses: Counter[int]) -> str:
    """Statuses in words: `25 x 200, 25 x 402`."""
    return ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(statuses.items()))
