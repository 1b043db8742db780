"""The result of a tool that ran at the provider, put together where it came in pieces.

A block may begin with some of its content and get the rest in deltas: text that is appended, JSON
that is complete once all of it is there, or content that takes the place of what was there.
Not here: what becomes of it (`core/stream`, `core/assembled`).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

_MOST_BYTES = 8 * 1024 * 1024


class Unread(msgspec.Struct, frozen=True):
    """The pieces make no whole that anybody could compare or show."""


UNREAD = Unread()


def piece_of(delta: Any) -> tuple[str, str] | None:
    """The kind of a delta's piece and the piece; None where it adds nothing to a result."""
    for kind in ("text", "partial_json", "content"):
        value = getattr(delta, kind, None) if not isinstance(delta, dict) else delta.get(kind)
        if isinstance(value, str) and value:
            return kind, value
    return None


def joined(content: Any, pieces: Sequence[tuple[str, str]]) -> Any | Unread:
    """The whole content of a block that began with `content`."""
    if not pieces:
        return content
    kinds = {kind for kind, _ in pieces}
    if len(kinds) > 1 or sum(len(piece) for _, piece in pieces) > _MOST_BYTES:
        return UNREAD
    whole = "".join(piece for _, piece in pieces)
    if kinds == {"text"}:
        return _with_text(content, whole)
    if kinds == {"content"}:
        return pieces[-1][1]
    try:
        found = msgspec.json.decode(whole)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return UNREAD
    if not content:
        return found
    both = isinstance(content, list) and isinstance(found, list)
    return [*content, *found] if both else UNREAD


def _with_text(content: Any, text: str) -> Any | Unread:
    if content is None or isinstance(content, str):
        return (content or "") + text
    if not isinstance(content, list):
        return UNREAD
    if not content:
        return [{"type": "text", "text": text}]
    last = content[-1]
    if not isinstance(last, dict) or not isinstance(last.get("text"), str):
        return UNREAD
    return [*content[:-1], {**last, "text": last["text"] + text}]
