"""A tool's result as its contract speaks of it, whatever its door wraps it in.

Doors of other makers hand on a result as content blocks, or as a body that holds both blocks and
the structured value; text in a block may be the value's JSON. Not here: checking it
(`core/contracts`).
"""

import json
from collections.abc import Iterator
from typing import Any

_JSON_MOST = 1_000_000
_STRUCTURED = ("structuredContent", "structured_content")


def values_of(output: Any) -> Iterator[Any]:
    """What `output` may stand for: itself first, then what it wraps."""
    yield output
    blocks = output
    if isinstance(output, dict):
        for name in _STRUCTURED:
            if output.get(name) is not None:
                yield output[name]
        blocks = output.get("content")
    text = blocks if isinstance(blocks, str) else _text(blocks)
    if text is None:
        return
    if text is not output:
        yield text
    if len(text) <= _JSON_MOST:
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            return


def text_of_result(output: Any) -> str:
    """A result as a model reads it: its text, the text of its blocks, or its JSON.

    Empty for blocks that are not all text: nothing else stands for a picture.
    """
    blocks = output.get("content") if isinstance(output, dict) and "content" in output else output
    text = blocks if isinstance(blocks, str) else _text(blocks)
    if text is None and _are_blocks(blocks):
        return ""
    return text if text is not None else json.dumps(output, ensure_ascii=False)


def _are_blocks(blocks: Any) -> bool:
    if not isinstance(blocks, list) or not blocks:
        return False
    return all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in blocks)


def _text(blocks: Any) -> str | None:
    """The text of content blocks that are nothing else; None for whatever is no such list."""
    if not isinstance(blocks, list) or not blocks:
        return None
    texts: list[str] = []
    for block in blocks:
        if not isinstance(block, dict) or block.get("type") != "text":
            return None
        if not isinstance(block.get("text"), str):
            return None
        texts.append(block["text"])
    return "".join(texts)
