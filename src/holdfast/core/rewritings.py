"""Results that a hook rewrote after the call: what of the raw one may not stand in a history.

Who puts a result into words is the client: Claude Code numbers lines and adds notes of its own, so
the text cannot be told ahead. What can be is which lines the hook took out, and which it added.
Digests of them are kept with the call; a text that holds a line which was taken out, or that holds
others and none of those that were only added, is the raw one. Clients may shorten a result, or
clear it. Not here: what becomes of such a history (`core/evidence`).
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

_KEPT_LINES = 2_000
_DIGEST_BYTES = 9
_TOKEN = 12
# A line that is shorter stands in many a text; it counts where nothing longer was taken out.
_TELLING = 4
# As `cat -n` and Claude Code number lines.
_NUMBERED = re.compile(r"\s{0,10}\d{1,9}(?:\t|\u2192|: ?)")
_OUT, _IN, _STAYED, _WHOLE = "-", "+", "=", "!"
_encode = msgspec.json.Encoder(order="sorted").encode


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What `is_raw` needs of the content of a result: digests of its values, and of its lines."""

    values: tuple[str, ...]
    lines: str

    @property
    def many(self) -> int:
        """How many lines these are."""
        return len(self.lines) // _TOKEN


def rewriting_marks(raw: Any, left: Any) -> tuple[str, ...]:
    """The marks of a result that was `raw` and that a hook left as `left`, both JSON values.

    Empty where they are the same.
    """
    if raw == left and type(raw) is type(left):
        return ()
    before, after = set(_lines(raw)), set(_lines(left))
    out = before - after
    told = {line for line in out if len(line) >= _TELLING} or out
    found = [_WHOLE + _digest(raw)]
    if told:
        found.append(_OUT + _joined(told))
    else:
        found += [_IN + _joined(after - before), _STAYED + _joined(before & after)]
    return tuple(found)


def seen_in(content: Any, most_lines: int | None = None) -> Seen | None:
    """What a text is compared by; None where it has more than `most_lines` different lines."""
    texts = list(_texts(content))
    lines = set[str]()
    for value in texts:
        for line in _lines(value):
            lines.add(line)
            if most_lines is not None and len(lines) > most_lines:
                return None
    return Seen(tuple(map(_digest, (*texts, content))), "".join(map(_short, lines)))


def is_raw(marks: Iterable[str], content: Any) -> bool:
    """Whether the content of a result block is what a hook rewrote, and not what it left.

    `content` is that of the block, or what is `Seen` in it.
    """
    known = {mark[:1]: mark[1:] for mark in marks}
    if not known:
        return False
    seen = content if isinstance(content, Seen) else seen_in(content)
    if seen is None or known[_WHOLE] in seen.values:
        return True
    met = _split(seen.lines)
    if _OUT in known:
        return not met.isdisjoint(_split(known[_OUT]))
    added, stayed = _split(known.get(_IN, "")), _split(known.get(_STAYED, ""))
    return bool(added) and met.isdisjoint(added) and not met.isdisjoint(stayed)


def _texts(content: Any) -> Iterator[Any]:
    """What a block says: each of its texts, read where it is JSON, and what is no text as it is."""
    blocks = content if isinstance(content, list) else [content]
    for block in blocks:
        text = block.get("text") if isinstance(block, Mapping) else block
        if not isinstance(text, str):
            yield block
            continue
        yield text
        try:
            yield msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue


def _lines(value: Any) -> Iterator[str]:
    """Every line of every text in a JSON value, its numbers too, as they are compared."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping):
            todo += one.values()
        elif isinstance(one, list | tuple):
            todo += one
        elif isinstance(one, str):
            for line in one.splitlines():
                yield from {line.strip(), _NUMBERED.sub("", line, count=1).strip()} - {""}
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield str(one)


def _digest(value: Any) -> str:
    try:
        encoded = _encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        encoded = repr(type(value)).encode()
    return b64encode(hashlib.sha256(encoded).digest()[:_DIGEST_BYTES]).decode()


def _short(line: str) -> str:
    return b64encode(
        hashlib.sha256(line.encode(errors="replace")).digest()[:_DIGEST_BYTES]
    ).decode()


def _joined(lines: Iterable[str]) -> str:
    return "".join(_short(line) for line in sorted(lines)[:_KEPT_LINES])


def _split(joined: str) -> set[str]:
    return {joined[n : n + _TOKEN] for n in range(0, len(joined), _TOKEN)}
