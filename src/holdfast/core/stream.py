"""An answer of the Messages API, streamed or whole, read while it passes.

Frames server-sent events on blank lines, so that only whole events are ever forwarded and a cut
can always end the stream well-formed. Keeps what money and evidence need: the provider's usage,
bytes of output so far, and every tool call whose block is complete. Bytes of whole events are
handed on untouched.

Not here: sockets, prices, what to do with any of it (`runtime/model_calls`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model.money import Usage

_EVENT_BYTES_MAX = 8 * 1024 * 1024
# Tokens that a tool call costs around its name and arguments.
_CALL_TOKENS = 64
# No answer has more of anything; a count beyond it must not overflow a store.
_COUNT_MAX = 1_000_000_000


class EmittedCall(msgspec.Struct, frozen=True):
    """A complete `tool_use` of the model; `arguments` is None when they are not a JSON object.

    `at_server`: the provider runs it (`server_tool_use`), no permit will follow.
    """

    call_id: str
    tool: str
    arguments: dict[str, Any] | None
    at_server: bool


class Broken(msgspec.Struct, frozen=True):
    """The provider broke its own protocol; one sentence says how."""

    text: str


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    input: Any = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _WireUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    server_tool_use: dict[str, Any] | None = None


class _Message(msgspec.Struct):
    id: str = ""
    usage: _WireUsage | None = None
    content: list[_Block] = []
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _WireUsage | None = None


_EVENT = msgspec.json.Decoder(_Event)
_MESSAGE = msgspec.json.Decoder(_Message)
_TOOL_BLOCKS = ("tool_use", "server_tool_use", "mcp_tool_use")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter shows at one moment; the fields are those of `Metered`."""

    usage: Usage = Usage()
    message_id: str = ""
    stop_reason: str = ""
    saw_usage: bool = False
    final: bool = False
    output_bytes: int = 0


class Metered:
    """Usage and output of one answer so far.

    `saw_usage`: the provider named input tokens; `final`: it named the final output tokens.
    `output_bytes` counts the UTF-8 bytes of text, thinking and tool calls, never fewer than the
    visible tokens. `deltas` counts content events.
    """

    def __init__(self, *, cached_1h: bool) -> None:
        self._cached_1h = cached_1h
        self._wire: dict[str, int] = {}
        self._tools: dict[str, int] = {}
        self.message_id = ""
        self.stop_reason = ""
        self.saw_usage = False
        self.final = False
        self.output_bytes = 0
        self.deltas = 0

    def take(self, usage: _WireUsage | None, *, final: bool) -> None:
        """Take over what the provider reports; later reports replace earlier ones."""
        if usage is None:
            return
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens"):
            value = getattr(usage, name)
            if value is not None:
                self._wire[name] = _count(value)
        split, whole = usage.cache_creation, usage.cache_creation_input_tokens
        if split is not None:
            self._wire["5m"] = _count(split.ephemeral_5m_input_tokens or 0)
            self._wire["1h"] = _count(split.ephemeral_1h_input_tokens or 0)
        elif whole is not None:
            self._take_unsplit(_count(whole))
        for name, value in (usage.server_tool_use or {}).items():
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                self._tools[name.removesuffix("_requests")] = _count(value)
        self.saw_usage = self.saw_usage or usage.input_tokens is not None
        self.final = self.final or (final and usage.output_tokens is not None)

    def _take_unsplit(self, whole: int) -> None:
        """A total without lifetimes: what an earlier report split stays split.

        The rest counts at the dearer of the lifetimes that the request names.
        """
        name, other = ("1h", "5m") if self._cached_1h else ("5m", "1h")
        if whole < self._wire.get(other, 0):
            self._wire[other] = 0
        self._wire[name] = whole - self._wire.get(other, 0)

    def usage(self) -> Usage:
        """What the provider reported so far."""
        wire = self._wire
        return Usage(
            input_tokens=wire.get("input_tokens", 0),
            cache_read_tokens=wire.get("cache_read_input_tokens", 0),
            cache_write_5m_tokens=wire.get("5m", 0),
            cache_write_1h_tokens=wire.get("1h", 0),
            output_tokens=wire.get("output_tokens", 0),
            server_tool_calls=dict(self._tools),
        )

    def reading(self) -> Reading:
        """What stands here now, for whoever settles on it."""
        return Reading(
            usage=self.usage(),
            message_id=self.message_id,
            stop_reason=self.stop_reason,
            saw_usage=self.saw_usage,
            final=self.final,
            output_bytes=self.output_bytes,
        )


class AnswerStream:
    """Reads one event stream; feed it chunks, forward the whole events it returns, say so.

    `calls` gathers complete tool calls; take them before forwarding the events that hold them.
    `torn` names the last call when the answer ended at `max_tokens` right behind it: it may be
    half-written even where its JSON happens to close, and must never be permitted.
    """

    def __init__(self, *, cached_1h: bool) -> None:
        self.metered = Metered(cached_1h=cached_1h)
        self.calls: list[EmittedCall] = []
        self.torn = ""
        self.started = False
        self.ended = False
        self.failed = False
        self._carry = b""
        self._open: dict[int, tuple[_Block, list[str]]] = {}
        self._last_call = ""
        self._shown_open: tuple[int, ...] = ()
        self._shown_started = self._shown_ended = False

    def shown(self) -> None:
        """What `feed` returned so far goes to the client; `ending` continues from here."""
        self._shown_open = tuple(sorted(self._open))
        self._shown_started = self.started
        self._shown_ended = self.ended or self.failed

    def feed(self, chunk: bytes) -> bytes | Broken:
        """Whole events completed by `chunk`, as they came; a partial one waits for more."""
        buffer = self._carry + chunk if self._carry else chunk
        end = _last_boundary(buffer)
        if end == 0:
            self._carry = buffer
            if len(buffer) > _EVENT_BYTES_MAX:
                return Broken("one event is larger than 8 MiB")
            return b""
        whole, self._carry = buffer[:end], buffer[end:]
        lines = whole.replace(b"\r\n", b"\n") if b"\r" in whole else whole
        for event in lines.split(b"\n\n"):
            if event:
                broken = self._take(event)
                if broken is not None:
                    return broken
        return whole

    def _take(self, event: bytes) -> Broken | None:
        name, found, body = event.partition(b"\ndata: ")
        if not found or b"\n" in body or b"\n" in name or not name.startswith(b"event:"):
            # Not in the form that providers use: read as the standard says.
            body = _data_of(event)
            if not body:
                return None
        try:
            seen = _EVENT.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Broken("an event is not valid JSON of the Messages API")
        return self._apply(seen)

    def _apply(self, seen: _Event) -> Broken | None:
        kind = seen.type
        if kind == "content_block_delta":
            return self._delta(seen)
        if kind == "content_block_start" and seen.content_block is not None:
            self._open[seen.index] = (seen.content_block, [])
            self.metered.output_bytes += _opening_bytes(seen.content_block)
        elif kind == "content_block_stop":
            self._close_block(seen.index)
        elif kind == "message_start" and seen.message is not None:
            self.started = True
            self.metered.message_id = seen.message.id
            self.metered.take(seen.message.usage, final=False)
        elif kind == "message_delta":
            self.metered.take(seen.usage, final=True)
            if seen.delta is not None and seen.delta.stop_reason:
                self.metered.stop_reason = seen.delta.stop_reason
                if seen.delta.stop_reason == "max_tokens":
                    self.torn = self._last_call
        elif kind == "message_stop":
            self.ended = True
        elif kind == "error":
            self.failed = True
        return None

    def _delta(self, seen: _Event) -> Broken | None:
        delta, opened = seen.delta, self._open.get(seen.index)
        if delta is None or opened is None:
            return Broken("a content delta came without an open block")
        self.metered.deltas += 1
        shown = delta.text or delta.thinking or delta.partial_json
        self.metered.output_bytes += len(shown) if shown.isascii() else len(shown.encode())
        if delta.partial_json:
            opened[1].append(delta.partial_json)
        return None

    def _close_block(self, index: int) -> None:
        block, parts = self._open.pop(index, (_Block(), []))
        self._last_call = block.id if block.type in _TOOL_BLOCKS else ""
        if block.type in _TOOL_BLOCKS:
            self.calls.append(_call(block, "".join(parts)))

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
        message = _MESSAGE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Broken("the answer is not valid JSON of the Messages API")
    metered = Metered(cached_1h=cached_1h)
    metered.message_id = message.id
    metered.stop_reason = message.stop_reason or ""
    metered.take(message.usage, final=True)
    calls = [_call(block, "") for block in message.content if block.type in _TOOL_BLOCKS]
    torn = metered.stop_reason == "max_tokens" and message.content[-1:]
    if torn and torn[0].type in _TOOL_BLOCKS:
        calls[-1] = msgspec.structs.replace(calls[-1], arguments=None)
    return metered, calls


def _count(value: int) -> int:
    return min(max(value, 0), _COUNT_MAX)


def _opening_bytes(block: _Block) -> int:
    """What the start of a block already shows of the output."""
    size = len(block.text.encode())
    if block.type in _TOOL_BLOCKS:
        size += _CALL_TOKENS + len(block.name.encode())
        size += len(msgspec.json.encode(block.input)) if block.input else 0
    return size


def _call(block: _Block, partial: str) -> EmittedCall:
    arguments: Any = block.input
    if partial:
        try:
            arguments = msgspec.json.decode(partial)
        except (msgspec.DecodeError, UnicodeDecodeError):
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


def _last_boundary(buffer: bytes) -> int:
    """End of the last whole event, 0 when none is whole."""
    lf, crlf = buffer.rfind(b"\n\n"), buffer.rfind(b"\r\n\r\n")
    return max(lf + 2 if lf >= 0 else 0, crlf + 4 if crlf >= 0 else 0)


def _data_of(event: bytes) -> bytes:
    """The data of an event in any form that the standard allows; empty when it has none."""
    lines = (line for line in event.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)
