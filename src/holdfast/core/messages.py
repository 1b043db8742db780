"""A Messages API request, read for what the gateway must know, and edited without being rewritten.

Reads by the table (`core/wire`): what the table does not know is refused where it stands. Takes:
model, money (`max_tokens`, thinking), streaming, tools that run at the provider, evidence (every
block that answers a tool call), and what bounds the input. Edits splice single values; every value
that is not edited keeps its bytes, so the provider's prompt cache still matches.
A text that is added goes behind all of `system`, past every mark of the cache there.

Not here: whether evidence is covered (`core/evidence`), prices (`core/work`), HTTP.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.core.canonical import Unreadable, parse_json
from holdfast.core.history import Misshapen, ShownCall, shown_calls
from holdfast.core.wire.admitted import NOTHING, Admitted
from holdfast.core.wire.reading import Evidence, NotInTable, Walked, walk

__all__ = [
    "BadRequest",
    "Evidence",
    "ModelRequest",
    "edited",
    "read_count",
    "read_request",
    "renamed",
]

# The model reads an image as at most this many tokens, whatever its size.
_IMAGE_TOKENS_MAX = 5_000
# What the provider adds around tools and system that is not in the body.
_FIXED_TOKENS = 2_000
_OPENS_BYTES = 8


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway knows of one request.

    `input_tokens_bound` is None where bytes bound nothing (documents, files, a held thread that
    is not ours to measure): then only the provider's count or the context window does.
    `thinking_budget` is 0 without one; `opaque` when tokens may be billed that are not shown.
    `server_tools` names what only a grant allows; `asks` is all that the walk gathered.
    `calls` are the calls shown in it, None where `fields` hold them still: only a request that was
    read elsewhere (`core/large`) has them, and no body. `messages` is how many it shows, `opens`
    the digest of the first, which says which conversation it is.
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
    asks: Walked
    calls: tuple[ShownCall, ...] | Misshapen | None = None
    messages: int = 0
    opens: str = ""

    def shown(self) -> "tuple[ShownCall, ...] | Misshapen":
        """Every call in its messages, whoever says that it made it."""
        if self.calls is not None:
            return self.calls
        found = shown_calls(self.fields.get("messages"))
        return found if isinstance(found, Misshapen) else tuple(found)


class BadRequest(msgspec.Struct, frozen=True):
    """The request cannot be admitted; one sentence says why."""

    text: str


def read_request(body: bytes, admitted: Admitted = NOTHING) -> ModelRequest | BadRequest:
    """Read one `POST /v1/messages` body; `admitted` may pass beyond the table.

    Errors: none raised; BadRequest for anything that is not a request the gateway can govern.
    """
    return _read(body, admitted, counting=False)


def read_count(body: bytes, admitted: Admitted = NOTHING) -> ModelRequest | BadRequest:
    """Read one `count_tokens` body: the same without `max_tokens`, which is then 0.

    Errors: as `read_request`.
    """
    return _read(body, admitted, counting=True)


def _read(body: bytes, admitted: Admitted, *, counting: bool) -> ModelRequest | BadRequest:
    parsed = parse_json(body)
    if isinstance(parsed, Unreadable):
        return BadRequest(f"the body is not usable JSON: {parsed.reason}")
    if not isinstance(parsed, dict):
        return BadRequest("the body must be a JSON object")
    try:
        return _request(body, parsed, walk(parsed, admitted), counting=counting)
    except NotInTable as fault:
        return BadRequest(str(fault))


def _request(body: bytes, fields: dict[str, Any], asks: Walked, *, counting: bool) -> ModelRequest:
    model, max_tokens = fields.get("model"), fields.get("max_tokens", 0 if counting else None)
    if not model:
        raise NotInTable("`model` must be a string")
    if max_tokens is None or max_tokens < 0:
        raise NotInTable("`max_tokens` must be a positive integer, or 0 to warm the cache")
    if "messages" not in fields:
        raise NotInTable("`messages` must be a list")
    if fields.get("thread") is not None and any(t.steps[0] == "messages" for t in asks.server):
        # The thread would keep the tool, and the next request would say nothing of it.
        raise NotInTable(
            "a tool of the provider that a message defines would stay in the `thread` unseen:"
            " define it in `tools`"
        )
    thinking_budget, opaque = _thinking(fields.get("thinking"))
    bound = None
    if not asks.unbounded:
        bound = len(body) - asks.media_bytes + asks.images * _IMAGE_TOKENS_MAX + _FIXED_TOKENS
        bound += asks.hidden_tokens + sum(line.tokens for line in asks.admitted)
    return ModelRequest(
        body=body,
        model=model,
        max_tokens=max_tokens,
        stream=fields.get("stream") or False,
        thinking_budget=thinking_budget,
        opaque=opaque,
        cached=asks.cached,
        # Any mark for an hour prices the whole input at its dearer rate.
        cached_1h=asks.cached_1h,
        input_tokens_bound=bound,
        evidence=tuple(asks.evidence),
        server_tools=tuple(asks.grants),
        tool_names=tuple(asks.client_tools),
        continues=_thread(fields.get("thread")),
        fields=fields,
        asks=asks,
        messages=len(fields["messages"]),
        opens=_opens(fields["messages"]),
    )


def _opens(messages: list[Any]) -> str:
    """The digest of the first message's texts: where marks of the cache stand is no part of it."""
    content = messages[0].get("content") if messages else ""
    parts = content if isinstance(content, list) else [{"text": content}]
    found = hashlib.blake2b(digest_size=_OPENS_BYTES)
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else None
        found.update((text if isinstance(text, str) else "").encode("utf-8", "surrogatepass"))
        found.update(b"\0")
    return found.hexdigest()


def _thinking(thinking: Mapping[str, Any] | None) -> tuple[int, bool]:
    if thinking is None or thinking.get("type") == "disabled":
        return 0, False
    budget = thinking.get("budget_tokens") or 0
    if budget < 0:
        raise NotInTable("`thinking.budget_tokens` must be a positive integer")
    return budget, True


def _thread(thread: Mapping[str, Any] | None) -> str:
    previous: str = (thread or {}).get("previous_message_id") or ""
    if thread is not None and thread.get("type") == "continue" and not previous:
        raise NotInTable("`thread.previous_message_id` is missing")
    return previous


def renamed(request: ModelRequest, model: str) -> ModelRequest:
    """The same request for another model; of one that was read elsewhere, as it has no body."""
    bound = request.input_tokens_bound
    if bound is not None:
        bound += max(len(msgspec.json.encode(model)) - len(msgspec.json.encode(request.model)), 0)
    fields = {**request.fields, "model": model}
    return msgspec.structs.replace(request, model=model, input_tokens_bound=bound, fields=fields)


_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def edited(
    body: bytes,
    *,
    max_tokens: int | None = None,
    contents: Mapping[tuple[int, int], str] | None = None,
    model: str | None = None,
    told: str = "",
) -> bytes:
    """The body with `max_tokens`, `model` and the `content` of some blocks replaced.

    `told` stands behind all of `system`, in a block of its own. `contents` maps (message, block)
    to the text that takes the place of the block's content; the block becomes an error. All other
    values keep their bytes. With nothing to edit, the very same bytes come back.
    """
    if max_tokens is None and model is None and not contents and not told:
        return body
    top = _RAW_OBJECT.decode(body)
    if model is not None:
        top["model"] = msgspec.Raw(msgspec.json.encode(model))
    if max_tokens is not None:
        top["max_tokens"] = msgspec.Raw(str(max_tokens).encode())
    if told:
        top["system"] = _with_text(top.get("system"), told)
    if contents:
        messages = _RAW_LIST.decode(top["messages"])
        by_message: dict[int, dict[int, str]] = {}
        for (m, b), text in contents.items():
            by_message.setdefault(m, {})[b] = text
        for m, blocks in by_message.items():
            messages[m] = _edited_message(messages[m], blocks)
        top["messages"] = _join_list(messages)
    return bytes(_join(top))


def _with_text(system: msgspec.Raw | None, text: str) -> msgspec.Raw:
    """`system` as a list, with one more block of text behind all that it holds."""
    found = bytes(system or b"null").strip()
    if found.startswith(b"["):
        blocks = _RAW_LIST.decode(found)
    else:
        blocks = [] if found in (b"null", b'""') else [_text_block(msgspec.Raw(found))]
    return _join_list([*blocks, _text_block(msgspec.Raw(msgspec.json.encode(text)))])


def _text_block(text: msgspec.Raw) -> msgspec.Raw:
    return _join({"type": msgspec.Raw(b'"text"'), "text": text})


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
