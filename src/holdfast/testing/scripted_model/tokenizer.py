"""The one tokenizer of the scripted model: a token is four bytes of UTF-8, rounded up.

`text_tokens("")` is 0. A request counts `ceil(bytes / 4)` over, in this order: each tool definition
as compact JSON, the system prompt's text, and each message's content (text as is; `tool_use` as
name plus compact JSON input; `tool_result` as its content; base64 media as a flat 1,600 tokens;
anything else as compact JSON). `cache_control` never counts. The same numbers stand in
`count_tokens` and in a message's usage.
"""

from __future__ import annotations

from typing import Any

import msgspec

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1600

_encode = msgspec.json.Encoder().encode


def text_tokens(text: str) -> int:
    """Tokens of one text."""
    return tokens_of_bytes(len(text.encode("utf-8")))


def tokens_of_bytes(size_bytes: int) -> int:
    """Tokens of a text of `size_bytes` UTF-8 bytes, rounded up."""
    return -(-size_bytes // BYTES_PER_TOKEN)


def cut_to_tokens(text: str, limit_tokens: int) -> str:
    """The longest start of `text` that has at most `limit_tokens` tokens and whole characters."""
    return text.encode("utf-8")[: limit_tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def request_tokens(body: dict[str, Any]) -> int:
    """Input tokens of a Messages request, at least 1."""
    return max(1, tokens_of_bytes(sum(block_bytes(piece) for piece in pieces(body))))


def pieces(body: dict[str, Any]) -> list[Any]:
    """The blocks of a request in the order they are read and cached: tools, system, messages."""
    found: list[Any] = list(body.get("tools") or [])
    system = body.get("system")
    found.extend([system] if isinstance(system, str) else system or [])
    for message in body.get("messages") or []:
        content = message.get("content")
        found.extend([content] if isinstance(content, str) else content or [])
    return found


def block_bytes(block: Any) -> int:
    """UTF-8 bytes a block counts as."""
    if isinstance(block, str):
        return len(block.encode("utf-8"))
    if not isinstance(block, dict):
        return len(_encode(block))
    match block.get("type"):
        case "text" if isinstance(block.get("text"), str):
            return len(block["text"].encode("utf-8"))
        case "thinking" if isinstance(block.get("thinking"), str):
            return len(block["thinking"].encode("utf-8"))
        case "tool_use" if isinstance(block.get("name"), str):
            return len(block["name"].encode("utf-8")) + len(_encode(block.get("input")))
        case "tool_result":
            content = block.get("content")
            if isinstance(content, list):
                return sum(block_bytes(item) for item in content)
            return block_bytes(content) if isinstance(content, str) else 0
        case "image" | "document":
            return MEDIA_TOKENS * BYTES_PER_TOKEN
        case _:
            return len(
                _encode({key: value for key, value in block.items() if key != "cache_control"})
            )
