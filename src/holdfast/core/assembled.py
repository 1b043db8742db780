"""One answer of the Messages API, put together from its events.

A call whose arguments are no whole JSON object is left out: it can never be permitted, and an
answer that holds it cannot be sent back. Not here: metering (`core/stream`), transport.
"""

from typing import Any

import msgspec

from holdfast.core.pieces import Unread, joined, piece_of

_MAX_EVENT_BYTES = 16_000_000


class Broken(msgspec.Struct, frozen=True):
    """The stream did not come to its end; `code` is the provider's own word where it sent one."""

    code: str
    text: str


class Assembled(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; `content` is as it is sent back, `usage` as the provider reports it."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: dict[str, Any]
    model: str


class Assembly:
    """Feed it bytes; `result` says what came of them."""

    def __init__(self) -> None:
        self._buffer = b""
        self._blocks: dict[int, dict[str, Any]] = {}
        self._json: dict[int, list[str]] = {}
        self._pieces: dict[int, list[tuple[str, str]]] = {}
        self._usage: dict[str, Any] = {}
        self._stop_reason = ""
        self._model = ""
        self._ended = False
        self._broken: Broken | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._buffer += chunk.replace(b"\r\n", b"\n")
        while (cut := self._buffer.find(b"\n\n")) >= 0:
            event, self._buffer = self._buffer[:cut], self._buffer[cut + 2 :]
            self._event(event)
        if len(self._buffer) > _MAX_EVENT_BYTES:
            self._broken = Broken("upstream_unavailable", "an event of the answer is too large")
            self._buffer = b""

    def result(self) -> Assembled | Broken:
        """The answer, once the body is at its end."""
        if self._broken is not None:
            return self._broken
        if not self._ended:
            return Broken("upstream_unavailable", "the answer broke off before its end")
        content = [block for _, block in sorted(self._blocks.items()) if block]
        return Assembled(
            content=content, stop_reason=self._stop_reason, usage=self._usage, model=self._model
        )

    def _event(self, raw: bytes) -> None:
        told = b"\n".join(
            line[5:].strip() for line in raw.split(b"\n") if line.startswith(b"data:")
        )
        if not told or self._broken is not None:
            return
        try:
            event = msgspec.json.decode(told)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._broken = Broken("upstream_unavailable", "an event of the answer is no json")
            return
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind == "error":
            fault = event.get("error") or {}
            self._broken = Broken(
                str(fault.get("type", "api_error")), str(fault.get("message", ""))[:2000]
            )
        elif kind == "message_start":
            message = event.get("message") or {}
            self._model = str(message.get("model", ""))
            self._usage.update(message.get("usage") or {})
        elif kind == "message_delta":
            delta = event.get("delta") or {}
            self._stop_reason = str(delta.get("stop_reason") or self._stop_reason)
            self._usage.update(
                {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
            )
        elif kind == "message_stop":
            self._ended = True
        else:
            self._block(str(kind), event)

    def _block(self, kind: str, event: dict[str, Any]) -> None:
        index = event.get("index")
        if not isinstance(index, int):
            return
        if kind == "content_block_start":
            self._blocks[index] = dict(event.get("content_block") or {})
            self._json[index] = []
            self._pieces[index] = []
        elif kind == "content_block_delta" and index in self._blocks:
            self._delta(index, event.get("delta") or {})
        elif kind == "content_block_stop" and index in self._blocks:
            self._close(index)

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        kind = delta.get("type")
        if str(block.get("type", "")).endswith("tool_result"):
            if (piece := piece_of(delta)) is not None:
                self._pieces[index].append(piece)
        elif kind == "text_delta":
            block["text"] = str(block.get("text", "")) + str(delta.get("text", ""))
        elif kind == "input_json_delta":
            self._json[index].append(str(delta.get("partial_json", "")))
        elif kind == "thinking_delta":
            block["thinking"] = str(block.get("thinking", "")) + str(delta.get("thinking", ""))
        elif kind == "signature_delta":
            block["signature"] = str(block.get("signature", "")) + str(delta.get("signature", ""))
        elif kind == "citations_delta":
            block.setdefault("citations", []).append(delta.get("citation"))

    def _close(self, index: int) -> None:
        block = self._blocks[index]
        if self._pieces[index]:
            whole = joined(block.get("content"), self._pieces[index])
            self._blocks[index] = {} if isinstance(whole, Unread) else {**block, "content": whole}
            return
        if block.get("type") not in ("tool_use", "server_tool_use"):
            if block.get("type") == "text" and not block.get("text"):
                self._blocks[index] = {}  # An empty text block cannot be sent back.
            return
        spelled = "".join(self._json[index])
        try:
            given = msgspec.json.decode(spelled) if spelled else block.get("input", {})
        except (msgspec.DecodeError, RecursionError):
            given = None
        self._blocks[index] = {**block, "input": given} if isinstance(given, dict) else {}
