"""From what the model says to the events of a stream, as bytes, framed as the real API frames them.

Delta frames of turns that never change are made once. Broken streams are made in `broken_streams`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .rendering import Rendered
from .script import Pacing
from .tokenizer import BYTES_PER_TOKEN

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_encode = msgspec.json.Encoder().encode
_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
    "server_tool_use": ("input_json_delta", "partial_json"),
}


def frame(event: dict[str, Any]) -> bytes:
    """One event: `event: <type>`, `data: <json>`, a blank line."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event))


def content_frames(blocks: tuple[Rendered, ...], pacing: Pacing) -> list[bytes]:
    """The frames of all content blocks, with the ping that follows the first block's start."""
    frames: list[bytes] = []
    texts = sum(1 for block in blocks if block.start["type"] == "text")
    for index, block in enumerate(blocks):
        frames.append(
            frame({"type": "content_block_start", "index": index, "content_block": block.start})
        )
        if index == 0:
            frames.append(PING)
        is_text = block.start["type"] == "text"
        pieces = _share(pacing.events, texts) if pacing.events is not None and is_text else None
        frames.extend(_delta_frames(index, block, pacing, pieces))
        frames.append(frame({"type": "content_block_stop", "index": index}))
    return frames


def _share(events: int, blocks: int) -> int:
    return max(1, events // blocks)


def _delta_frames(index: int, block: Rendered, pacing: Pacing, pieces: int | None) -> list[bytes]:
    kind = block.start["type"]
    if kind not in _DELTAS:
        return []
    delta_type, field = _DELTAS[kind]
    if pieces is None:
        size = max(1, pacing.tokens_per_delta * BYTES_PER_TOKEN)
        texts = [block.streamed[at : at + size] for at in range(0, len(block.streamed), size)]
    else:
        texts = _even(block.streamed, pieces)
    if field == "partial_json":
        texts = ["", *texts]
    deltas: list[dict[str, Any]] = [{"type": delta_type, field: text} for text in texts]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": block.final["signature"]})
    return [
        frame({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas
    ]


def _even(text: str, pieces: int) -> list[str]:
    """`text` in exactly `pieces` parts of nearly equal length, empty ones if it is short."""
    return [text[len(text) * at // pieces : len(text) * (at + 1) // pieces] for at in range(pieces)]
