"""Streams that break the protocol on purpose.

The frames of a good stream come in, the writes of a bad one go out.

A write is one chunk on the wire. Where a stream ends early, it ends as a well-formed HTTP body.
"""

from __future__ import annotations

import msgspec

from .api_errors import envelope
from .script import BrokenSse
from .sse import frame

_INVALID_JSON = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":\n\n'
)


def broken(frames: list[bytes], kind: BrokenSse, after_events: int, request_id: str) -> list[bytes]:
    """The writes of `frames`, broken as `kind` says after `after_events` good events."""
    place = min(after_events, len(frames) - 1)
    frames = list(frames)
    match kind:
        case "half_event":
            return [*frames[:place], frames[place][: len(frames[place]) // 2]]
        case "invalid_json":
            return [*frames[:place], _INVALID_JSON, *frames[place:]]
        case "split_utf8":
            at = _with_wide_character(frames)
            return [*frames[:at], *_split_in_character(frames[at]), *frames[at + 1 :]]
        case "truncated_utf8":
            at = _with_wide_character(frames)
            return [*frames[:at], _split_in_character(frames[at])[0]]
        case "crlf":
            return [item.replace(b"\n", b"\r\n") for item in frames]
        case "byte_by_byte":
            return [bytes((byte,)) for item in frames for byte in item]
        case "no_usage":
            return [_without_usage(item) for item in frames]
        case "missing_message_stop":
            return frames[:-1]
        case "error_event":
            error = b"event: error\ndata: %b\n\n" % envelope(
                "overloaded_error", "Overloaded", request_id
            )
            return [*frames[:place], error]


def _with_wide_character(frames: list[bytes]) -> int:
    """Place of the first frame with a character of several bytes.

    If there is none, a ping that has one is added.
    """
    for place, item in enumerate(frames):
        if not item.isascii():
            return place
    frames.insert(2, frame({"type": "ping", "note": "\u20ac"}))
    return 2


def _split_in_character(item: bytes) -> list[bytes]:
    at = next(place for place, byte in enumerate(item) if byte >= 0x80) + 1
    return [item[:at], item[at:]]


def _without_usage(item: bytes) -> bytes:
    if not item.startswith((b"event: message_start", b"event: message_delta")):
        return item
    event = msgspec.json.decode(item.split(b"data: ", 1)[1])
    event.pop("usage", None)
    event.get("message", {}).pop("usage", None)
    return frame(event)
