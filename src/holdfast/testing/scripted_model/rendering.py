"""From a turn to what the model says: blocks, their ids and tokens, cut at `max_tokens`.

Bytes of the stream are made in `sse`; the input side of usage comes from `prompt_cache`.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from .script import (
    Block,
    ServerToolUse,
    Text,
    Thinking,
    ToolUse,
    Turn,
    has_template,
    substitute,
    template_texts,
)
from .tokenizer import cut_to_tokens, text_tokens

_WORDS = [
    "the",
    "order",
    "was",
    "checked",
    "and",
    "found",
    "in",
    "good",
    "state",
    "before",
    "anyone",
    "asked",
    "for",
    "more",
    "time",
    "or",
    "money",
    "so",
    "the",
    "agent",
    "wrote",
    "a",
    "short",
    "note",
    "about",
    "it",
]


class Rendered(msgspec.Struct, frozen=True):
    """One content block: how it starts in a stream, what its deltas carry, what it ends as.

        `streamed` is visible text, thinking, or a call's input as JSON, by the block's type;
    empty for result blocks.
    """

    start: dict[str, Any]
    streamed: str
    final: dict[str, Any]
    tokens: int
    hidden_tokens: int = 0


class Speech(msgspec.Struct, frozen=True):
    """All that a turn says: blocks, why it ends, and the output tokens it costs."""

    blocks: tuple[Rendered, ...]
    stop_reason: str
    stop_sequence: str | None
    output_tokens: int
    thinking_tokens: int


class Ids:
    """A source of unique ids; the same seed gives the same ids in the same order."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = itertools.count()

    def new(self, prefix: str) -> str:
        """A new id, `<prefix>_01` and 22 hex digits, in the length of the real ones."""
        digest = hashlib.blake2b(
            f"{self._seed}/{prefix}/{next(self._count)}".encode(), digest_size=11
        )
        return f"{prefix}_01{digest.hexdigest()}"


@lru_cache(maxsize=256)
def generated_words(count: int) -> str:
    """`count` words, the same ones every time."""
    return " ".join(_WORDS[index % len(_WORDS)] for index in range(count))


def is_static(turn: Turn) -> bool:
    """Whether the turn says the same bytes every time: no templates, no ids to generate."""
    if any(
        isinstance(block, ToolUse | ServerToolUse) and block.id is None for block in turn.blocks
    ):
        return False
    return not any(has_template(text) for text in template_texts(turn))


def render(
    turn: Turn,
    values: Mapping[str, str],
    ids: Ids,
    max_tokens: int,
    stop_sequences: tuple[str, ...],
) -> Speech:
    """What the turn says under `max_tokens`, if it honours that, and the stop sequences."""
    room = max_tokens if turn.honour_max_tokens else None
    spoken: list[Rendered] = []
    cut, stopped_by = False, None
    for block in turn.blocks:
        pieces, stopped_by = _stopped(_render_block(block, values, ids), stop_sequences)
        for piece in pieces:
            kept = piece if room is None else _fit(piece, room)
            cut = kept is not piece
            if kept is not None:
                spoken.append(kept)
                room = None if room is None else room - kept.tokens
            if cut:
                break
        if cut or stopped_by is not None:
            break
    total = max(1, sum(block.tokens for block in spoken))
    thinking = sum(block.tokens for block in spoken if block.start["type"] == "thinking")
    reason = "max_tokens" if cut else "stop_sequence" if stopped_by is not None else _reason(turn)
    return Speech(
        tuple(spoken), reason, stopped_by if reason == "stop_sequence" else None, total, thinking
    )


def _reason(turn: Turn) -> str:
    if turn.stop_reason is not None:
        return turn.stop_reason
    return "tool_use" if any(isinstance(block, ToolUse) for block in turn.blocks) else "end_turn"


def _render_block(block: Block, values: Mapping[str, str], ids: Ids) -> list[Rendered]:
    if isinstance(block, Text):
        return [_text_block(_spoken_text(block, values))]
    if isinstance(block, Thinking):
        return [_thinking_block(substitute(block.text, values), block.hidden_tokens)]
    tool_input = _filled(block.input, values)
    if isinstance(block, ToolUse):
        return [_call_block("tool_use", block.id or ids.new("toolu"), block.name, tool_input)]
    call_id = block.id or ids.new("srvtoolu")
    rendered = [_call_block("server_tool_use", call_id, block.name, tool_input)]
    if block.result is not None:
        result = {
            "type": f"{block.name}_tool_result",
            "tool_use_id": call_id,
            "content": block.result,
        }
        rendered.append(Rendered(result, "", result, 0))
    return rendered


def _spoken_text(block: Text, values: Mapping[str, str]) -> str:
    text = substitute(block.text, values) * block.repeat
    if not block.words:
        return text
    return f"{text} {generated_words(block.words)}" if text else generated_words(block.words)


def _text_block(text: str) -> Rendered:
    return Rendered(
        {"type": "text", "text": ""}, text, {"type": "text", "text": text}, text_tokens(text)
    )


def _thinking_block(text: str, hidden_tokens: int) -> Rendered:
    # The signature only has to be stable and opaque: clients send it back, nobody here checks it.
    signature = base64.b64encode(hashlib.blake2b(text.encode(), digest_size=48).digest()).decode()
    return Rendered(
        {"type": "thinking", "thinking": "", "signature": ""},
        text,
        {"type": "thinking", "thinking": text, "signature": signature},
        text_tokens(text) + hidden_tokens,
        hidden_tokens,
    )


def _call_block(kind: str, call_id: str, name: str, tool_input: dict[str, Any]) -> Rendered:
    streamed = msgspec.json.encode(tool_input).decode()
    start = {"type": kind, "id": call_id, "name": name, "input": {}}
    return Rendered(
        start, streamed, {**start, "input": tool_input}, text_tokens(name) + text_tokens(streamed)
    )


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return substitute(value, values)
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    return [_filled(item, values) for item in value] if isinstance(value, list) else value


def _stopped(
    pieces: list[Rendered], stop_sequences: tuple[str, ...]
) -> tuple[list[Rendered], str | None]:
    """The pieces up to the first stop sequence in visible text, and that sequence."""
    if stop_sequences and pieces[0].start["type"] == "text":
        text = pieces[0].streamed
        found = [
            (place, stop) for stop in stop_sequences if stop and (place := text.find(stop)) >= 0
        ]
        if found:
            place, stop = min(found)
            return ([_text_block(text[:place])] if place else []), stop
    return pieces, None


def _fit(block: Rendered, room: int) -> Rendered | None:
    """The block as far as `room` tokens reach: itself, a cut copy, or nothing.

    A cut call keeps a broken start of its JSON in the stream and an empty input in a whole message.
    """
    if block.tokens <= room:
        return block
    kind = block.start["type"]
    if room <= 0:
        return None
    if kind == "text":
        return _text_block(cut_to_tokens(block.streamed, room))
    if kind == "thinking":
        hidden = min(block.hidden_tokens, room)
        return _thinking_block(cut_to_tokens(block.streamed, room - hidden), hidden)
    left = room - text_tokens(str(block.start["name"]))
    if left <= 0:
        return None
    return Rendered(block.start, cut_to_tokens(block.streamed, left), block.start, room)
