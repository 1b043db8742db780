"""An answer of the Messages API, streamed or whole, read while it passes.

Frames server-sent events on blank lines, so that only whole events are ever forwarded and a cut
can always end the stream well-formed. Keeps what money and evidence need: usage and output so far
(`core/metering`), and every tool call whose block is complete. Bytes of whole events are handed on
untouched, and so are events that nobody here knows.

Not here: sockets, prices, what to do with any of it (`runtime/model_calls`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from holdfast.core.metering import Metered, Reading
from holdfast.core.pieces import Unread, joined, piece_of

__all__ = ["AnswerStream", "Broken", "EmittedCall", "Metered", "Reading", "read_answer"]

_EVENT_BYTES_MAX = 8 * 1024 * 1024
# Tokens that a tool call costs around its name and arguments.
_CALL_TOKENS = 64
_KNOWN = frozenset(
    {
        "ping",
        "error",
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    }
)


# The deltas that nearly all of a stream is made of, in the one form that providers write, whole.
_TEXT = re.compile(
    rb'event: content_block_delta\ndata: \{"type": ?"content_block_delta", ?"index": ?'
    rb'(0|[1-9][0-9]{0,3}), ?"delta": ?\{"type": ?'
    rb'"(?:text_delta", ?"text|thinking_delta", ?"thinking)": ?'
    rb'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt])*+)" *\} *\}\n\n'
)


class EmittedCall(msgspec.Struct, frozen=True):
    """A complete `tool_use` of the model; `arguments` is None when they are not a JSON object.

    `at_server`: the provider runs it (`server_tool_use`), no permit will follow. `answered` is the
    block that the provider sent as the result of such a call, `type` and `content` alone, without
    `content` where nobody could read it: then it is this result that is told of, and the call was
    before.
    """

    call_id: str
    tool: str
    arguments: dict[str, Any] | None
    at_server: bool
    answered: dict[str, Any] | None = None


class Broken(msgspec.Struct, frozen=True):
    """The provider broke its own protocol; one sentence says how."""

    text: str


class _Block(msgspec.Struct):
    type: Any = ""
    id: Any = ""
    name: Any = ""
    text: Any = ""
    input: Any = None
    tool_use_id: Any = ""
    content: Any = None


class _Delta(msgspec.Struct):
    text: Any = ""
    thinking: Any = ""
    partial_json: Any = ""
    content: Any = ""
    stop_reason: Any = None


class _Message(msgspec.Struct):
    id: Any = ""
    type: Any = ""
    model: Any = ""
    usage: Any = None
    content: list[_Block] | None = None
    stop_reason: Any = None


# Only what an event of a known type needs is decoded; the rest of it passes as it is.
_NONE = msgspec.Raw(b"null")
# Bedrock counts each answer once more, at its end, by names of its own.
_BEDROCK = {
    "inputTokenCount": "input_tokens",
    "outputTokenCount": "output_tokens",
    "cacheReadInputTokenCount": "cache_read_input_tokens",
    "cacheWriteInputTokenCount": "cache_creation_input_tokens",
}


class _Event(msgspec.Struct):
    type: Any = ""
    index: Any = 0
    message: msgspec.Raw = _NONE
    content_block: msgspec.Raw = _NONE
    delta: msgspec.Raw = _NONE
    usage: msgspec.Raw = _NONE
    error: msgspec.Raw = _NONE
    counted: msgspec.Raw = msgspec.field(default=_NONE, name="amazon-bedrock-invocationMetrics")


_EVENT = msgspec.json.Decoder(_Event)
_START = msgspec.json.Decoder(_Message)
_BLOCK = msgspec.json.Decoder(_Block)
_DELTA = msgspec.json.Decoder(_Delta)
_ANY = msgspec.json.Decoder()
_TOOL_BLOCKS = ("tool_use", "server_tool_use", "mcp_tool_use")
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError)


class AnswerStream:
    """Reads one event stream; feed it chunks, forward the whole events it returns, say so.

    `calls` gathers complete tool calls; take them before forwarding the events that hold them.
    `error` is the kind of the provider's error event once it `failed`, `error_said` all of it.
    `seen` counts events of known types besides pings.
    Events of unknown types pass unread.
    """

    def __init__(self, *, cached_1h: bool) -> None:
        self.metered = Metered(cached_1h=cached_1h)
        self.calls: list[EmittedCall] = []
        self.started = False
        self.error = ""
        self.error_said: object = None
        self.seen = 0
        self._carry = b""
        self._open: dict[int, tuple[_Block, list[str]]] = {}
        # What results of the provider's own tools got since they began, by the block's index.
        self._pieces: dict[int, list[tuple[str, str]]] = {}
        self._last_call = ""
        self._every_call: list[str] = []
        self._shown_open: tuple[int, ...] = ()
        self._shown_started = self._shown_ended = False

    @property
    def ended(self) -> bool:
        """Whether the provider ended the answer as one ends."""
        return self.metered.ended

    @property
    def failed(self) -> bool:
        """Whether the provider ended it by an error."""
        return self.metered.failed

    @property
    def stopping(self) -> bool:
        """Whether the provider said why the model stopped, or ended the answer."""
        return self.metered.ended or bool(self.metered.stop_reason)

    def torn(self, *, over: bool) -> tuple[str, ...]:
        """Calls that may be half-written, even where their JSON happens to close: no permit.

        It is the call right before the end, unless the model said that it wrote all it meant to;
        after a refusal it is every call. `over`: nothing more will come.
        """
        if self.metered.stop_reason == "refusal":
            return tuple(self._every_call)
        if self.metered.torn or (over and not self.metered.stop_reason):
            return (self._last_call,) if self._last_call else ()
        return ()

    def unfinished(self) -> list[EmittedCall]:
        """Calls that were begun and not ended, for a client that answers them all the same."""
        blocks = [block for block, _ in self._open.values() if block.type in _TOOL_BLOCKS]
        return [EmittedCall(b.id, b.name, None, b.type != "tool_use") for b in blocks if b.id]

    def shown(self) -> None:
        """What `feed` returned so far goes to the client; `ending` continues from here."""
        self._shown_open = tuple(sorted(self._open)) if len(self._open) > 1 else tuple(self._open)
        self._shown_started = self.started
        self._shown_ended = self.ended or self.failed

    def feed(self, chunk: bytes) -> bytes | Broken:
        """Whole events completed by `chunk`, as they came; a partial one waits for more."""
        buffer = self._carry + chunk if self._carry else chunk
        end = last_boundary(buffer)
        if end == 0:
            self._carry = buffer
            if len(buffer) > _EVENT_BYTES_MAX:
                return Broken("one event is larger than 8 MiB")
            return b""
        whole, self._carry = buffer[:end], buffer[end:]
        lines = whole.replace(b"\r\n", b"\n") if b"\r" in whole else whole
        at, size = 0, len(lines)
        while at < size:
            told = _TEXT.match(lines, at)
            if told is not None and self._counted(told[1], told[2]):
                at = told.end()
                continue
            end = lines.find(b"\n\n", at)
            end = size if end < 0 else end
            event, at = lines[at:end], end + 2
            if event and (broken := self._take(event)) is not None:
                return broken
        return whole

    def _counted(self, index: bytes, text: bytes) -> bool:
        """Count a delta of text as `_delta` does, whose only content is in front of us, undecoded.

        False where it has to be read. Each escape in `text` stands for one byte.
        """
        opened = self._open.get(int(index))
        if opened is None or opened[0].tool_use_id:
            return False
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                return False
        escapes = text.count(b"\\") - text.count(b"\\\\")
        self.metered.output_bytes += len(text) - escapes
        self.metered.deltas += 1
        self.seen += 1
        return True

    def _take(self, event: bytes) -> Broken | None:
        name, body = _parts(event)
        if not body:
            return None
        try:
            seen = _EVENT.decode(body)
            kind = seen.type if seen.type in _KNOWN else name
        except (*_FAULTS, TypeError):
            if name and name not in _KNOWN:
                return None
            return Broken("an event is not valid JSON of the Messages API")
        if kind not in _KNOWN:
            named = kind or (isinstance(seen.type, str) and seen.type)
            return None if named else Broken("an event has no type")
        try:
            return self._apply(kind, seen)
        except _FAULTS:
            return Broken(f"an event `{kind}` is not one of the Messages API")

    def _apply(self, kind: str, seen: _Event) -> Broken | None:
        self.seen += kind != "ping"
        if kind == "content_block_delta":
            return self._delta(seen)
        if kind == "content_block_start":
            if not isinstance(seen.index, int):
                return Broken("a content block has no index")
            block = _plain(_BLOCK.decode(seen.content_block))
            self._open[seen.index] = (block, [])
            self.metered.opened = True
            self.metered.output_bytes += _opening_bytes(block)
        elif kind == "content_block_stop":
            self._close_block(seen.index)
        elif kind == "message_start":
            message = _START.decode(seen.message)
            self.started = True
            self.metered.named(message.id, message.model)
            self.metered.take(message.usage, final=False)
        elif kind == "message_delta":
            self.metered.take(_ANY.decode(seen.usage), final=True)
            if seen.delta != _NONE:
                self.metered.stopped(_DELTA.decode(seen.delta).stop_reason)
        elif kind == "message_stop":
            self.metered.take(_counted(_ANY.decode(seen.counted)), final=False)
            self.metered.ended = True
        elif kind == "error":
            self.error_said = _ANY.decode(seen.error)
            self.error = error_kind(self.error_said)
            self.metered.failed = True
        return None

    def _delta(self, seen: _Event) -> Broken | None:
        opened = self._open.get(seen.index) if isinstance(seen.index, int) else None
        if opened is None:
            return Broken("a content delta came without an open block")
        delta = _DELTA.decode(seen.delta)
        self.metered.deltas += 1
        if opened[0].tool_use_id and (piece := piece_of(delta)) is not None:
            self._pieces.setdefault(seen.index, []).append(piece)
        for shown in (delta.text, delta.thinking, delta.partial_json, delta.content):
            if isinstance(shown, str) and shown:
                self.metered.output_bytes += len(shown) if shown.isascii() else len(shown.encode())
        if isinstance(delta.partial_json, str) and delta.partial_json:
            opened[1].append(delta.partial_json)
        return None

    def _close_block(self, index: object) -> None:
        if not isinstance(index, int) or index not in self._open:
            return
        block, parts = self._open.pop(index)
        pieces = self._pieces.pop(index, [])
        self._last_call = ""
        if block.type in _TOOL_BLOCKS:
            self._last_call = block.id
            self._every_call.append(block.id)
            self.calls.append(_call(block, "".join(parts)))
        elif block.tool_use_id:
            self.calls.append(_result(block, pieces))

    def ending(self) -> bytes:
        """Events that end well-formed, as if at `max_tokens`, what was `shown` so far.

        Empty when nothing was shown yet or the stream has ended by itself.
        """
        if not self._shown_started or self._shown_ended:
            return b""
        tokens = max(self.metered.usage().output_tokens, 1)
        out = [
            _event("content_block_stop", {"type": "content_block_stop", "index": index})
            for index in self._shown_open
        ]
        self._shown_ended = True
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
            "usage": {"output_tokens": tokens},
        }
        out.append(_event("message_delta", delta))
        out.append(_event("message_stop", {"type": "message_stop"}))
        return b"".join(out)


def read_answer(body: bytes, *, cached_1h: bool) -> tuple[Metered, list[EmittedCall]] | Broken:
    """Read a whole (not streamed) answer."""
    try:
        message = _START.decode(body)
    except _FAULTS:
        return Broken("the answer is not valid JSON of the Messages API")
    metered = Metered(cached_1h=cached_1h)
    metered.named(message.id, message.model)
    metered.stopped(message.stop_reason)
    metered.take(message.usage, final=True)
    metered.ended = True
    content = [_plain(block) for block in message.content or ()]
    metered.output_bytes = sum(_opening_bytes(block) for block in content)
    calls = [
        _call(block, "") if block.type in _TOOL_BLOCKS else _result(block)
        for block in content
        if block.type in _TOOL_BLOCKS or block.tool_use_id
    ]
    whole = metered.stop_reason and not metered.torn
    for at, call in enumerate(calls):
        last = at == len(calls) - 1 and content[-1].type in _TOOL_BLOCKS
        if not whole and (last or metered.stop_reason == "refusal"):
            calls[at] = msgspec.structs.replace(call, arguments=None)
    return metered, calls


def error_kind(error: object) -> str:
    """The provider's word for an error; `api_error` where it has none."""
    kind = error.get("type") if isinstance(error, dict) else None
    return kind[:100] if isinstance(kind, str) and kind else "api_error"


def _counted(metrics: object) -> dict[str, Any] | None:
    if not isinstance(metrics, dict):
        return None
    return {ours: metrics[theirs] for theirs, ours in _BEDROCK.items() if theirs in metrics}


def _plain(block: _Block) -> _Block:
    """The block with text where text belongs; what is something else there says nothing."""
    texts = (block.type, block.id, block.name, block.text)
    kind, call_id, name, text = (one if isinstance(one, str) else "" for one in texts)
    found = _Block(type=kind, id=call_id, name=name, text=text, input=block.input)
    if kind.endswith("tool_result") and isinstance(block.tool_use_id, str):
        found.tool_use_id, found.content = block.tool_use_id, block.content
    return found


def _opening_bytes(block: _Block) -> int:
    """What the start of a block already shows of the output."""
    size = len(block.text.encode())
    if block.type in _TOOL_BLOCKS:
        size += _CALL_TOKENS + len(block.name.encode())
        size += len(msgspec.json.encode(block.input)) if block.input else 0
    return size


def _result(block: _Block, pieces: Sequence[tuple[str, str]] = ()) -> EmittedCall:
    content = joined(block.content, pieces)
    answered = {"type": block.type}
    if not isinstance(content, Unread):
        answered["content"] = content
    return EmittedCall(block.tool_use_id, "", None, at_server=True, answered=answered)


def _call(block: _Block, partial: str) -> EmittedCall:
    arguments: Any = block.input
    if partial:
        try:
            arguments = msgspec.json.decode(partial)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            arguments = None
    elif arguments is None:
        arguments = {}
    return EmittedCall(
        block.id,
        block.name,
        arguments if isinstance(arguments, dict) else None,
        block.type != "tool_use",
    )


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def last_boundary(buffer: bytes) -> int:
    """End of the last whole event, 0 when none is whole."""
    lf, crlf = buffer.rfind(b"\n\n"), buffer.rfind(b"\r\n\r\n")
    return max(lf + 2 if lf >= 0 else 0, crlf + 4 if crlf >= 0 else 0)


def _parts(event: bytes) -> tuple[str, bytes]:
    """Name and data of one event; both may be empty."""
    name, found, body = event.partition(b"\ndata: ")
    if found and b"\n" not in body and b"\n" not in name and name.startswith(b"event: "):
        return name[7:].decode(errors="replace"), body
    # Not in the form that providers use: read as the standard says.
    names = [line[6:] for line in event.split(b"\n") if line.startswith(b"event:")]
    told = names[-1].removeprefix(b" ").decode(errors="replace") if names else ""
    return told, _data_of(event)


def _data_of(event: bytes) -> bytes:
    """The data of an event in any form that the standard allows; empty when it has none."""
    lines = (line for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)
