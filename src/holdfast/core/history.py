"""Calls as a client shows them again: which of its changes are none, and what else was rewritten.

Each request brings the whole conversation back, and clients tidy what they keep: JavaScript has
one kind of number, Claude Code corrects arguments before it runs them. A *mark* is the digest of
arguments (or of a provider's result) in the one form that all allowed changes lead to, with its
size: equal marks mean that nothing else was changed. The changes are the table of decision record
0004; each line of it stands in one function here.

Not here: whether a call was permitted (`core/evidence`).
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

UNREAD = "unread/0"
"""Stands for the mark of a result that came in pieces which make no whole: no result has it."""

_SAFE_INTEGER = 2**53
_DEEPEST = 120
_ROUNDS = 8
# What tidying may add to a shown call, at most: a longer one is not looked at.
_SLACK_TIMES, _SLACK_BYTES = 8, 1024
# Names that a client writes in place of those that it has given up.
_RENAMED = {"Task": "Agent", "KillShell": "TaskStop", "KillBash": "TaskStop"}
# A name that no object of JavaScript keeps.
_LOST = "__proto__"
_ESCAPE = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})"
)
_JSON_TEXT = re.compile(r"\s*[\[{].*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|true|false", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLACE = re.compile(r"cd (?:/|[A-Za-z]:[\\/])[^\s\"'`$;&|<>*?(){}\[\]!#]{0,1023} && ")
# Spellings that Claude Code takes for others where a file is edited.
_RESPELT = (
    ("<fnr>", "<function_results>"),
    *((f"<{s}{c}>", f"<{s}{name}>")
      for c, name in zip("noesr", ("name", "output", "error", "system", "result"), strict=True)
      for s in ("", "/")),
    *((f"< {name} >", f"<{name}>")
      for name in ("META_START", "META_END", "EOT", "META", "SOS")),
    ("\n\nH:", "\n\nHuman:"),
    ("\n\nA:", "\n\nAssistant:"),
)  # fmt: skip
_encode = msgspec.json.Encoder(order="sorted").encode


class ShownCall(msgspec.Struct, frozen=True):
    """One call in a request's messages; `message` and `block` are its positions."""

    message: int
    block: int
    kind: str
    call_id: str
    tool: str
    arguments: Any


class Misshapen(msgspec.Struct, frozen=True):
    """A call that cannot be read, or stands where none can; one sentence says why."""

    text: str


class _NoForm(Exception):
    pass


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
    """The marks under which a call with these arguments may be shown again; the first is its own.

    Empty where the arguments have no form to compare.
    """
    try:
        forms = [_tidied(tool, arguments)]
        command = arguments.get("command")
        if tool == "Bash" and isinstance(command, str) and (place := _PLACE.match(command)):
            # Claude Code leaves out the change to the folder that it is in.
            forms.append(_tidied(tool, {**arguments, "command": command[place.end() :]}))
        size = len(_encode(arguments))
        return tuple(_mark(form, size) for form in forms)
    except (_NoForm, msgspec.MsgspecError, TypeError, ValueError):
        return ()


def result_mark(block: Mapping[str, Any]) -> str:
    """The mark of a result as a provider sent it, of its kind and content; empty without form."""
    try:
        content = block.get("content")
        form = [str(block.get("type", "")), _walked(content, _same, nulls=False)]
        return _mark(form, len(_encode(content)))
    except (_NoForm, msgspec.MsgspecError, TypeError, ValueError):
        return ""


def same_tool(emitted: str, shown: str) -> bool:
    """Whether a shown name is that of the call."""
    return shown in (emitted, _RENAMED.get(emitted))


def same_arguments(known: Iterable[str], tool: str, shown: Any) -> bool:
    """Whether shown arguments are those of a call with these marks; `tool` is its emitted name."""
    known = tuple(known)
    if not isinstance(shown, Mapping) or not _may_be_of(known, shown):
        return False
    found = marks(tool, shown)
    return bool(found) and _digest(found[0]) in {_digest(mark) for mark in known}


def same_result(known: Iterable[str], block: Mapping[str, Any]) -> bool:
    """Whether a shown result is the one with these marks."""
    known = tuple(known)
    if not _may_be_of(known, block.get("content")):
        return False
    found = result_mark(block)
    return bool(found) and _digest(found) in {_digest(mark) for mark in known}


def _may_be_of(known: tuple[str, ...], shown: Any) -> bool:
    """Whether what is shown is short enough, so that no more is looked at than was ever sent."""
    try:
        most = max((int(mark.rpartition("/")[2]) for mark in known), default=0)
        return len(_encode(shown)) <= most * _SLACK_TIMES + _SLACK_BYTES
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False


def _mark(form: Any, size: int) -> str:
    encoded = _encode(form)
    digest = hashlib.sha256(encoded).hexdigest()
    return f"sha256:{digest}/{max(size, len(encoded))}"


def _digest(mark: str) -> str:
    return mark.rpartition("/")[0]


def _tidied(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in the form that every allowed change leads to."""
    found = {
        _decoded(name): _walked(_value_of(value), _decoded)
        for name, value in arguments.items()
        if name != _LOST
    }
    tidy = _TIDY.get(tool)
    return tidy(found) if tidy else found


def _value_of(value: Any) -> Any:
    """The value that a text spells, where an argument is a number, a list or an object in JSON."""
    for text in (value, _decoded(value)) if isinstance(value, str) else ():
        if _JSON_TEXT.fullmatch(text):
            try:
                return msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                continue
    return value


def _walked(value: Any, text: Callable[[str], str], *, nulls: bool = True, depth: int = 0) -> Any:
    """A JSON value with each text changed and each number as JavaScript has it."""
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if depth > _DEEPEST:
        raise _NoForm
    if isinstance(value, Mapping):
        return {
            text(name): _walked(inner, text, nulls=nulls, depth=depth + 1)
            for name, inner in value.items()
            if (nulls or inner is not None) and name != _LOST
        }
    if isinstance(value, list | tuple):
        return [_walked(inner, text, nulls=nulls, depth=depth + 1) for inner in value]
    raise _NoForm


def _number(value: float) -> float:
    """`1.0` is 1, and a whole number past 2^53 the nearest one that JavaScript knows."""
    try:
        exact = float(value)
    except OverflowError:
        raise _NoForm from None
    if not math.isfinite(exact):
        raise _NoForm
    return int(exact) if exact.is_integer() and abs(exact) <= _SAFE_INTEGER else exact


def _same(text: str) -> str:
    return text


def _decoded(text: str) -> str:
    """An escape that stands in a text by its letters is the character; also one that appears."""
    for _ in range(_ROUNDS):
        if "\\u" not in text:
            break
        text, found = _ESCAPE.subn(_character, text)
        if not found:
            break
    return text


def _character(found: re.Match[str]) -> str:
    high, low, plain = found.groups()
    if plain is None:
        return (bytes.fromhex(high) + bytes.fromhex(low)).decode("utf-16-be")
    code = int(plain, 16)
    return found[0] if 0xD800 <= code <= 0xDFFF else chr(code)


def _trimmed(text: Any) -> Any:
    """A text without blanks at the ends of its lines."""
    if not isinstance(text, str):
        return text
    return "\n".join(line.rstrip().rstrip("\ufeff").rstrip() for line in _LINE_END.split(text))


def _bash(found: dict[str, Any]) -> dict[str, Any]:
    """Any backslashes before a semicolon are one."""
    command = found.get("command")
    if not isinstance(command, str) or "\\;" not in command:
        return found
    *parts, last = command.split(";")
    joined = "".join(part.rstrip("\\") + ("\\;" if part.endswith("\\") else ";") for part in parts)
    return {**found, "command": joined + last}


def _write(found: dict[str, Any]) -> dict[str, Any]:
    return {name: _trimmed(v) if name == "content" else v for name, v in found.items()}


def _edit(found: dict[str, Any]) -> dict[str, Any]:
    """Older names of the arguments, spellings of marks, and what goes without saying."""
    for old, new in (("old_str", "old_string"), ("new_str", "new_string")):
        if old in found:
            value = found.pop(old)
            found.setdefault(new, value)
    if found.get("replace_all") is False:
        del found["replace_all"]
    for name in ("old_string", "new_string"):
        if isinstance(found.get(name), str):
            for spelt, meant in _RESPELT:
                found[name] = found[name].replace(spelt, meant)
    if "new_string" in found:
        found["new_string"] = _trimmed(found["new_string"])
    return found


_TIDY: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Bash": _bash,
    "Edit": _edit,
    "Write": _write,
}
