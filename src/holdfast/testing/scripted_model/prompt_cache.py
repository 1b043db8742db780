"""Prompt caching: which input tokens are fresh, written to the cache, or read from it.

A prefix first seen with `cache_control` is written (under its `ttl`), seen again it is read;
prefixes belong to an API key and a model. There is no minimum size, and entries leave only when
there are more than `ENTRY_LIMIT`, oldest first, never by age: the numbers depend on the requests
alone.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from .tokenizer import block_bytes, pieces, tokens_of_bytes

ENTRY_LIMIT = 20_000
_encode = msgspec.json.Encoder(order="sorted").encode


class InputUsage(msgspec.Struct, frozen=True):
    """Input tokens by how they are billed; their sum is what `count_tokens` says."""

    fresh: int
    written_5m: int = 0
    written_1h: int = 0
    read: int = 0


class PromptCache:
    """The prefixes seen so far. `enabled=False` bills every token as fresh."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._seen: dict[bytes, None] = {}

    def clear(self) -> None:
        """Forget every prefix."""
        self._seen.clear()

    def account(self, owner: str, body: dict[str, Any]) -> InputUsage:
        """Split the request's input tokens, and remember its marked prefixes for `owner`."""
        blocks = pieces(body)
        sizes = [block_bytes(block) for block in blocks]
        total = max(1, tokens_of_bytes(sum(sizes)))
        marks = self._marks(blocks, body)
        if not self._enabled or not marks:
            return InputUsage(total)
        hashes, ends = _prefixes(f"{owner}\0{body['model']}", blocks[: max(marks) + 1], sizes)
        hit = next(
            (place for place in range(max(marks), -1, -1) if hashes[place] in self._seen), -1
        )
        read = ends[hit] if hit >= 0 else 0
        written = {"5m": 0, "1h": 0}
        done = read
        for place in sorted(marks):
            if place > hit:
                written[marks[place]] += ends[place] - done
                done = ends[place]
            self._remember(hashes[place])
        return InputUsage(total - done, written["5m"], written["1h"], read)

    def _marks(self, blocks: list[Any], body: dict[str, Any]) -> dict[int, str]:
        """Places of `cache_control`, with their ttl.

        A mark on the request itself stands for its last block.
        """
        marks = {
            place: _ttl(block["cache_control"])
            for place, block in enumerate(blocks)
            if isinstance(block, dict) and block.get("cache_control")
        }
        if body.get("cache_control") and blocks:
            marks.setdefault(len(blocks) - 1, _ttl(body["cache_control"]))
        return marks

    def _remember(self, prefix: bytes) -> None:
        self._seen[prefix] = None
        if len(self._seen) > ENTRY_LIMIT:
            del self._seen[next(iter(self._seen))]


def _ttl(cache_control: Any) -> str:
    return "1h" if isinstance(cache_control, dict) and cache_control.get("ttl") == "1h" else "5m"


def _prefixes(owner: str, blocks: list[Any], sizes: list[int]) -> tuple[list[bytes], list[int]]:
    """For each block, the hash of all up to it, and the tokens up to its end."""
    rolling = hashlib.blake2b(owner.encode(), digest_size=16)
    hashes, ends, size = [], [], 0
    for block, block_size in zip(blocks, sizes, strict=False):
        kept = (
            block
            if not isinstance(block, dict)
            else {k: v for k, v in block.items() if k != "cache_control"}
        )
        # A plain string and the text block that says the same are the same prompt.
        kept = {"type": "text", "text": kept} if isinstance(kept, str) else kept
        rolling.update(_encode(kept) + b"\0")
        hashes.append(rolling.copy().digest())
        size += block_size
        ends.append(tokens_of_bytes(size))
    return hashes, ends
