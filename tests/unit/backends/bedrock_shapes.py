"""What Bedrock sends, built as its documents say: frames around events in base64."""

import base64
import json
import struct
import zlib
from typing import Any


def frame(payload: bytes, **headers: str) -> bytes:
    """One frame as the vendor builds it."""
    raw = b""
    for name, value in headers.items():
        spelled = ":" + name.replace("_", "-")
        raw += bytes([len(spelled)]) + spelled.encode() + b"\x07" + struct.pack(">H", len(value))
        raw += value.encode()
    size = 12 + len(raw) + len(payload) + 4
    prelude = struct.pack(">II", size, len(raw))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + raw + payload
    return body + struct.pack(">I", zlib.crc32(body))


def chunk(event: dict) -> bytes:
    body = base64.b64encode(json.dumps(event).encode()).decode()
    return frame(
        json.dumps({"bytes": body, "p": "abcdefghijk"}).encode(),
        event_type="chunk",
        content_type="application/json",
        message_type="event",
    )


USAGE = {"input_tokens": 11, "output_tokens": 1}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "msg_bdrk_1", "role": "assistant", "usage": USAGE}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüß"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 11}},
]
STREAM = b"".join(map(chunk, EVENTS))
