"""Calls as a client shows them again: whether they are those that the model emitted.

Each request brings the whole conversation back, and clients tidy what they keep. What was emitted
is the truth: of each argument, digests of all that a client may show of it are kept as the *marks*
of the call (`core/tidying` has the changes, and in which direction), and what is shown must be one
of them, no argument more and none less. Digests of a provider's result likewise.

Not here: whether a call was permitted (`core/evidence`).
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.tidying import (
    Emitted,
    NoForm,
    emitted,
    results,
    same_tool,
    unsaid,
    without_nulls,
)

__all__ = [
    "UNREAD",
    "MarkedArguments",
    "MarkedResult",
    "Misshapen",
    "ShownCall",
    "marked_arguments",
    "marked_result",
    "marks",
    "result_marks",
    "same_arguments",
    "same_result",
    "same_tool",
    "shown_calls",
]

UNREAD = "unread/0"
"""Stands for the mark of a result that came in pieces which make no whole: no result has it."""

# What tidying may add to a shown call, at most: a longer one is not looked at.
_SLACK_TIMES, _SLACK_BYTES = 8, 1024
_DIGEST_BYTES = 18
# Begins the marks of one way to emit a call; `purse` adds one without secrets.
_SIZE = "size:"
_MAY_GO = "?"
_encode = msgspec.json.Encoder(order="sorted").encode


class MarkedArguments(msgspec.Struct, frozen=True, array_like=True):
    """What is left of shown arguments that stayed elsewhere: enough to compare them.

    `size_bytes` is that of their JSON, -1 where they have none that could be compared. `said` maps
    the digest of each name to that of its value.
    """

    size_bytes: int
    said: dict[str, str]


class MarkedResult(msgspec.Struct, frozen=True, array_like=True):
    """What is left of a shown result of a provider that stayed elsewhere; `digest` is of its form.

    `size_bytes` as in `MarkedArguments`.
    """

    size_bytes: int
    digest: str


class ShownCall(msgspec.Struct, frozen=True):
    """One call in a request's messages; `message` and `block` are its positions.

    `mark` stands for `arguments`, which are then None, where the request was read elsewhere.
    """

    message: int
    block: int
    kind: str
    call_id: str
    tool: str
    arguments: Any
    mark: MarkedArguments | None = None


class Misshapen(msgspec.Struct, frozen=True, tag=True):
    """A call that cannot be read, or stands where none can; one sentence says why."""

    text: str


def shown_calls(messages: Any) -> list[ShownCall] | Misshapen:
    """Every call in the messages of a request, whoever says that it made it."""
    found: list[ShownCall] = []
    for m, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        for b, block in enumerate(content if isinstance(content, list) else ()):
            if not isinstance(block, dict):
                continue
            if _is_call(block):
                call_id, tool = block.get("id"), block.get("name")
                if not isinstance(call_id, str) or not isinstance(tool, str) or not call_id:
                    return Misshapen("a tool call needs a string `id` and `name`")
                kind, arguments = str(block["type"]), block.get("input")
                found.append(ShownCall(m, b, kind, call_id, tool, arguments))
            if _holds_call(block.get("content")):
                return Misshapen("a tool call cannot stand inside another block")
    return found


def _is_call(block: Mapping[str, Any]) -> bool:
    return str(block.get("type", "")).endswith("tool_use")


def _holds_call(content: Any) -> bool:
    """Whether a call stands in blocks of a block, however deep; there it would be overlooked."""
    todo = list(content) if isinstance(content, list) else []
    while todo:
        inner = todo.pop()
        if isinstance(inner, dict):
            if _is_call(inner):
                return True
            if isinstance(inner.get("content"), list):
                todo += inner["content"]
    return False


def marks(tool: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The marks of a call, one for each argument after one for its size.

    Empty where the arguments have no form to compare. Marks of one call emitted in two ways may be
    put one behind the other.
    """
    try:
        size = len(_encode(arguments))
        return (f"{_SIZE}{size}", *map(_marked, emitted(tool, arguments)))
    except _NO_FORM:
        return ()


def result_marks(block: Mapping[str, Any]) -> tuple[str, ...]:
    """The marks of a result as a provider sent it, of its kind and content; empty without form."""
    try:
        content = block.get("content")
        size = len(_encode(content))
        kind = str(block.get("type", ""))
        return tuple(dict.fromkeys(f"{_digest([kind, form])}/{size}" for form in results(content)))
    except _NO_FORM:
        return ()


def marked_arguments(arguments: Any) -> MarkedArguments:
    """What `same_arguments` needs of the arguments of a shown call."""
    try:
        if isinstance(arguments, Mapping):
            return MarkedArguments(len(_encode(arguments)), _said(arguments))
    except _NO_FORM:
        pass
    return MarkedArguments(-1, {})


def marked_result(block: Mapping[str, Any]) -> MarkedResult:
    """What `same_result` needs of a shown result."""
    try:
        return MarkedResult(len(_encode(block.get("content"))), _result_digest(block))
    except _NO_FORM:
        return MarkedResult(-1, "")


def same_arguments(known: Iterable[str], tool: str, shown: Any) -> bool:
    """Whether shown arguments are those of a call with these marks; `tool` is its emitted name.

    `shown` are the arguments, or the `MarkedArguments` of them.
    """
    if not isinstance(shown, Mapping | MarkedArguments):
        return False
    try:
        size = shown.size_bytes if isinstance(shown, MarkedArguments) else len(_encode(shown))
        ways = [arguments for most, arguments in _ways(known) if 0 <= size <= _longest(most)]
        if not ways:
            return False
        said = shown.said if isinstance(shown, MarkedArguments) else _said(shown)
        return any(_agrees(arguments, tool, said) for arguments in ways)
    except _NO_FORM:
        return False


def same_result(known: Iterable[str], shown: Mapping[str, Any] | MarkedResult) -> bool:
    """Whether a shown result, or what is left of one, is the one with these marks."""
    known = tuple(known)
    try:
        most = _longest(max((int(mark.rpartition("/")[2]) for mark in known), default=0))
        if isinstance(shown, MarkedResult):
            digest = shown.digest if 0 <= shown.size_bytes <= most else ""
        else:
            digest = _result_digest(shown) if len(_encode(shown.get("content"))) <= most else ""
        return bool(digest) and digest in {mark.rpartition("/")[0] for mark in known}
    except _NO_FORM:
        return False


def _longest(size: int) -> int:
    return size * _SLACK_TIMES + _SLACK_BYTES


def _said(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {_digest(name): _digest(value) for name, value in arguments.items()}


def _result_digest(block: Mapping[str, Any]) -> str:
    return _digest([str(block.get("type", "")), without_nulls(block.get("content"))])


_NO_FORM = (NoForm, msgspec.MsgspecError, TypeError, ValueError, RecursionError)


class _Argument(msgspec.Struct, frozen=True):
    names: list[str]
    readings: list[str]
    may_go: bool


def _marked(one: Emitted) -> str:
    names = ",".join(map(_digest, one.names))
    readings = ",".join(dict.fromkeys(map(_digest, one.readings)))
    return f"{_MAY_GO if one.may_go else ''}{names}:{readings}"


def _ways(known: Iterable[str]) -> Iterator[tuple[int, list[_Argument]]]:
    """The ways in which a call was emitted: its size in bytes, and its arguments."""
    size, found = -1, list[_Argument]()
    for mark in known:
        if mark.startswith(_SIZE):
            if size >= 0:
                yield size, found
            size, found = int(mark[len(_SIZE) :]), []
        else:
            names, _, readings = mark.removeprefix(_MAY_GO).partition(":")
            may_go = mark.startswith(_MAY_GO)
            found.append(_Argument(names.split(","), readings.split(","), may_go))
    if size >= 0:
        yield size, found


def _agrees(arguments: list[_Argument], tool: str, shown: Mapping[str, str]) -> bool:
    """Whether each shown argument is one of these, by name and reading, and none is missing."""
    by_name = {name: n for n, one in enumerate(arguments) for name in one.names}
    met = set[int]()
    for name, value in shown.items():
        n = by_name.get(name)
        if n is None:
            if (name, value) not in {(_digest(k), _digest(v)) for k, v in unsaid(tool).items()}:
                return False
        elif n in met or value not in arguments[n].readings:
            return False
        else:
            met.add(n)
    return all(n in met or one.may_go for n, one in enumerate(arguments))


def _digest(value: Any) -> str:
    return b64encode(hashlib.sha256(_encode(value)).digest()[:_DIGEST_BYTES]).decode()
