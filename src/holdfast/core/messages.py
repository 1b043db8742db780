"""A Messages API request, read for what the gateway must know, and edited without being rewritten.

Reads: model, money (`max_tokens`, thinking), streaming, tools that run at the provider, evidence
(every block that answers a tool call), and what bounds the input. Edits splice single values;
every value that is not edited keeps its bytes, so the provider's prompt cache still matches.

Unknown fields and blocks pass; a field that would hide money or evidence is refused.
Not here: whether evidence is covered (`core/evidence`), prices, HTTP.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.canonical import Unreadable, parse_json

# A tool with one of these type prefixes runs at the client and ends in a `tool_use` block.
_CLIENT_TOOL_TYPES = ("bash_", "text_editor_", "computer_", "memory_")
# What the provider's own definition of such a tool adds to the prompt, at most.
_BUILT_IN_TOOL_TOKENS = 2_000
# The model reads an image as at most this many tokens, whatever its size.
_IMAGE_TOKENS_MAX = 5_000
# What the provider adds around tools and system that is not in the body.
_FIXED_TOKENS = 2_000


class Evidence(msgspec.Struct, frozen=True):
    """One block that claims to answer a call; `message` and `block` are its positions."""

    message: int
    block: int
    kind: str
    call_id: str
    is_error: bool


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway knows of one request.

    `input_tokens_bound` is None where bytes bound nothing (documents, files, a held thread that
    is not ours to measure): then only the provider's count or the context window does.
    `thinking_budget` is 0 without one; `opaque` when tokens may be billed that are not shown.
    """

    body: bytes
    model: str
    max_tokens: int
    stream: bool
    thinking_budget: int
    opaque: bool
    cached: bool
    cached_1h: bool
    input_tokens_bound: int | None
    evidence: tuple[Evidence, ...]
    server_tools: tuple[str, ...]
    tool_names: tuple[str, ...]
    continues: str
    fields: dict[str, Any]


class BadRequest(msgspec.Struct, frozen=True):
    """The request cannot be admitted; one sentence says why."""

    text: str


class _Fault(Exception):
    pass


def read_request(body: bytes) -> ModelRequest | BadRequest:
    """Read one `POST /v1/messages` body.

    Errors: none raised; BadRequest for anything that is not a request the gateway can govern.
    """
    parsed = parse_json(body)
    if isinstance(parsed, Unreadable):
        return BadRequest(f"the body is not usable JSON: {parsed.reason}")
    if not isinstance(parsed, dict):
        return BadRequest("the body must be a JSON object")
    try:
        return _read(body, parsed)
    except _Fault as fault:
        return BadRequest(str(fault))


def _read(body: bytes, fields: dict[str, Any]) -> ModelRequest:
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise _Fault("`model` must be a string")
    max_tokens = fields.get("max_tokens")
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
        raise _Fault("`max_tokens` must be a positive integer")
    stream = fields.get("stream", False)
    if not isinstance(stream, bool):
        raise _Fault("`stream` must be true or false")
    thinking_budget, opaque = _thinking(fields.get("thinking"))
    server_tools, tool_names, built_in = _tools(fields)
    evidence, unbounded, media_bytes, images = _walk(fields.get("messages"))
    continues = _thread(fields.get("thread"))
    escaped = b"\\u" in body
    marks = b'"cache_control"' in body or (escaped and _mentions(fields, "cache_control"))
    hour = b'"1h"' in body or (escaped and _mentions(fields, "1h"))
    bound = None
    if not unbounded:
        bound = len(body) - media_bytes + images * _IMAGE_TOKENS_MAX + _FIXED_TOKENS
        bound += _BUILT_IN_TOOL_TOKENS * built_in
    return ModelRequest(
        body=body,
        model=model,
        max_tokens=max_tokens,
        stream=stream,
        thinking_budget=thinking_budget,
        opaque=opaque,
        cached=marks,
        # Any mention of the one-hour lifetime prices the whole input at its dearer rate.
        cached_1h=marks and hour,
        input_tokens_bound=bound,
        evidence=tuple(evidence),
        server_tools=server_tools,
        tool_names=tool_names,
        continues=continues,
        fields=fields,
    )


def _thinking(thinking: object) -> tuple[int, bool]:
    if thinking is None:
        return 0, False
    if not isinstance(thinking, dict):
        raise _Fault("`thinking` must be an object")
    if thinking.get("type") == "disabled":
        return 0, False
    budget = thinking.get("budget_tokens", 0)
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
        raise _Fault("`thinking.budget_tokens` must be a positive integer")
    return budget, True


def _thread(thread: object) -> str:
    if thread is None:
        return ""
    if not isinstance(thread, dict):
        raise _Fault("`thread` must be an object")
    previous = thread.get("previous_message_id", "")
    if not isinstance(previous, str):
        raise _Fault("`thread.previous_message_id` must be a string")
    if thread.get("type") == "continue" and not previous:
        raise _Fault("`thread.previous_message_id` is missing")
    return previous


def _mentions(value: object, word: str) -> bool:
    """Whether a key or a text anywhere in a JSON value is exactly `word`, however spelt."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if word in one:
                return True
            todo.extend(one.values())
        elif isinstance(one, list):
            todo.extend(one)
        elif one == word:
            return True
    return False


def _tools(fields: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Names of tools the provider runs, of those the client runs; how many are built in."""
    server, client, built_in = [], [], 0
    tools = fields.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise _Fault("`tools` must be a list")
    for tool in tools or ():
        if not isinstance(tool, dict):
            raise _Fault("every entry of `tools` must be an object")
        kind = "custom" if tool.get("type") is None else tool["type"]
        name = tool.get("name", "")
        if not isinstance(kind, str) or not isinstance(name, str):
            raise _Fault("a tool's `type` and `name` must be strings")
        if kind == "custom" or kind.startswith(_CLIENT_TOOL_TYPES):
            client.append(name)
            built_in += kind != "custom"
        else:
            server.append(name or kind)
    servers = fields.get("mcp_servers")
    if servers:
        # The connector runs MCP tools at the provider, out of the guard's reach.
        server.append("mcp_servers")
    return tuple(server), tuple(client), built_in


def _walk(messages: object) -> tuple[list[Evidence], bool, int, int]:
    """Evidence, whether bytes bound nothing, base64 bytes, images."""
    if not isinstance(messages, list):
        raise _Fault("`messages` must be a list")
    evidence: list[Evidence] = []
    unbounded, media_bytes, images = False, 0, 0
    for m, message in enumerate(messages):
        if not isinstance(message, dict):
            raise _Fault("every entry of `messages` must be an object")
        content = message.get("content")
        if isinstance(content, str) or content is None:
            continue
        if not isinstance(content, list):
            raise _Fault("a message's `content` must be a string or a list")
        for b, block in enumerate(content):
            if not isinstance(block, dict):
                raise _Fault("every content block must be an object")
            if "tool_use_id" in block:
                evidence.append(_evidence(m, b, block))
            elif str(block.get("type", "")).endswith("tool_result"):
                raise _Fault("a tool result needs a `tool_use_id`")
            _no_result_within(block)
            for kind, size in _media(block):
                images += kind == "image"
                media_bytes += size
                unbounded = unbounded or kind != "image"
    return evidence, unbounded, media_bytes, images


def _no_result_within(block: Mapping[str, Any]) -> None:
    """A result is evidence only where a message holds it; deeper ones would be overlooked."""
    content = block.get("content")
    for inner in content if isinstance(content, list) else ():
        if isinstance(inner, dict):
            if "tool_use_id" in inner or str(inner.get("type", "")).endswith("tool_result"):
                raise _Fault("a tool result cannot stand inside another block")
            _no_result_within(inner)


def _evidence(m: int, b: int, block: Mapping[str, Any]) -> Evidence:
    call_id, kind = block["tool_use_id"], block.get("type")
    is_error = block.get("is_error", False)
    if not isinstance(call_id, str) or not call_id or not isinstance(kind, str):
        raise _Fault("a tool result needs a string `tool_use_id` and `type`")
    if not isinstance(is_error, bool):
        raise _Fault("`is_error` must be true or false")
    return Evidence(m, b, kind, call_id, is_error)


def _media(block: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Kind and base64 length of every image or document in a block, nested ones included."""
    source = block.get("source")
    if isinstance(source, dict):
        kind = str(block.get("type", ""))
        encoded = source.get("data") if source.get("type") == "base64" else None
        if kind == "document" and source.get("type") in ("text", "content"):
            yield from _inner_media(source.get("content"))
            return
        yield kind, len(encoded) if isinstance(encoded, str) else 0
    elif block.get("type") in ("container_upload", "file"):
        yield "file", 0
    yield from _inner_media(block.get("content"))


def _inner_media(content: object) -> Iterator[tuple[str, int]]:
    if isinstance(content, list):
        for inner in content:
            if isinstance(inner, dict):
                yield from _media(inner)


_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def edited(
    body: bytes,
    *,
    max_tokens: int | None = None,
    contents: Mapping[tuple[int, int], str] | None = None,
    model: str | None = None,
) -> bytes:
    """The body with `max_tokens`, `model` and the `content` of some blocks replaced.

    `contents` maps (message, block) to the text that takes the place of the block's content; the
    block becomes an error. All other values keep their bytes. With nothing to edit, the very
    same bytes come back.
    """
    if max_tokens is None and model is None and not contents:
        return body
    top = _RAW_OBJECT.decode(body)
    if model is not None:
        top["model"] = msgspec.Raw(msgspec.json.encode(model))
    if max_tokens is not None:
        top["max_tokens"] = msgspec.Raw(str(max_tokens).encode())
    if contents:
        messages = _RAW_LIST.decode(top["messages"])
        for m in sorted({m for m, _ in contents}):
            blocks = {b: text for (i, b), text in contents.items() if i == m}
            messages[m] = _edited_message(messages[m], blocks)
        top["messages"] = _join_list(messages)
    return bytes(_join(top))


def _edited_message(raw: msgspec.Raw, texts: Mapping[int, str]) -> msgspec.Raw:
    message = _RAW_OBJECT.decode(raw)
    blocks = _RAW_LIST.decode(message["content"])
    for b, text in texts.items():
        block = _RAW_OBJECT.decode(blocks[b])
        block["content"] = msgspec.Raw(msgspec.json.encode(text))
        block["is_error"] = msgspec.Raw(b"true")
        blocks[b] = _join(block)
    message["content"] = _join_list(blocks)
    return _join(message)


def _join(fields: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
    pairs = (msgspec.json.encode(key) + b":" + bytes(raw) for key, raw in fields.items())
    return msgspec.Raw(b"{" + b",".join(pairs) + b"}")


def _join_list(items: list[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(bytes(item) for item in items) + b"]")
