"""What the bodies of journal records say, read so that an odd one costs a blank and no error.

Shared by the folds over the journal (`spans`, `turns`). Not here: sentences (`narrate`).
"""

from typing import Any

import msgspec

from holdfast.model.events import Record

_PROMPT_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)


class Why(msgspec.Struct, frozen=True):
    """The reason behind a verdict; empty where nothing objected."""

    code: str = ""
    text: str = ""
    rule: str = ""


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of one model call; the prompt counts cached ones, which are also given apart."""

    prompt: int = 0
    output: int = 0
    cache_read: int = 0
    cache_written: int = 0


def words(record: Record, name: str) -> str:
    """A text of the body, empty where there is none."""
    value = record.body.get(name)
    return value if isinstance(value, str) else ""


def whole(record: Record, name: str) -> int:
    """A number of the body that is not negative, 0 where there is none."""
    return _number(record.body, name)


def why(record: Record) -> Why:
    """The first reason of a decision's own verdict."""
    reasons = record.body.get("reasons")
    for reason in reasons if isinstance(reasons, list | tuple) else ():
        if isinstance(reason, dict) and reason.get("verdict") == record.verdict:
            code, text, rule = (str(reason.get(k) or "") for k in ("code", "text", "rule"))
            return Why(code, text, rule)
    return Why()


def tokens(record: Record) -> Tokens:
    """What a settled model call used."""
    usage = record.body.get("usage")
    if not isinstance(usage, dict):
        return Tokens()
    return Tokens(
        prompt=sum(_number(usage, name) for name in _PROMPT_TOKENS),
        output=_number(usage, "output_tokens"),
        cache_read=_number(usage, "cache_read_tokens"),
        cache_written=sum(_number(usage, name) for name in _PROMPT_TOKENS[2:]),
    )


def arguments(record: Record, most: int) -> str:
    """A decided call's arguments as JSON, at most so many characters; scrubbed like the record."""
    given = record.body.get("arguments")
    return msgspec.json.encode(given).decode()[:most] if isinstance(given, dict) else ""


def _number(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
