"""How a call may look once a client shows it again: the changes that recorded clients make.

What the model emitted is the truth, and each change leads away from it: a reading is what may be
shown for it, never the other way round. The changes are the table of decision record 0004; each
line of it stands in one function here. Not here: comparing (`core/history`).
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

_DEEPEST = 120
# Past it JavaScript writes a whole number with an exponent, and so does everybody.
_FIRST_EXPONENT = 1e21
# A name that no object of JavaScript keeps.
_LOST = "__proto__"
_RENAMED_TOOLS = {"Task": "Agent", "KillShell": "TaskStop", "KillBash": "TaskStop"}
_RENAMED = {"Edit": {"old_str": "old_string", "new_str": "new_string"}}
_SAID: Mapping[str, Mapping[str, Any]] = {"Edit": {"replace_all": False}}
_ESCAPE = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(?:([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    r"|([0-9a-fA-F]{4}))"
)
_FIRST_SEEN = 0x20
_SURROGATES = range(0xD800, 0xE000)
_JSON_TEXT = re.compile(r"\s*[\[{].*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|true|false", re.DOTALL)
_LINE_END = re.compile(r"(\r\n|\r|\n)")
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


class NoForm(Exception):
    """A value that is no JSON, or nests too deep."""


class Emitted(msgspec.Struct, frozen=True):
    """One argument: the names it may be shown under, its readings, and whether it may be lost."""

    names: tuple[str, ...]
    readings: tuple[Any, ...]
    may_go: bool = False


def same_tool(emitted: str, shown: str) -> bool:
    """Whether a shown name is that of the call."""
    return shown in (emitted, _RENAMED_TOOLS.get(emitted))


def unsaid(tool: str) -> Mapping[str, Any]:
    """The arguments that a client gives by itself where the model did not, with their values."""
    return _SAID.get(tool, {})


def emitted(tool: str, arguments: Mapping[str, Any]) -> list[Emitted]:
    """Each argument with all that a client may show of it. Errors: NoForm."""
    names = _names(tool, arguments)
    older = _RENAMED.get(tool, {})
    return [
        Emitted(
            names[name],
            tuple(_readings(tool, name, value)),
            name == _LOST or older.get(name) in arguments,
        )
        for name, value in arguments.items()
    ]


def results(content: Any) -> list[Any]:
    """What a client may show of the content of a provider's result. Errors: NoForm."""
    return [without_nulls(content), without_nulls(javascript(content))]


def without_nulls(value: Any, depth: int = 0) -> Any:
    """A value without fields that are null. Errors: NoForm."""
    if depth > _DEEPEST:
        raise NoForm
    if isinstance(value, Mapping):
        return {k: without_nulls(v, depth + 1) for k, v in value.items() if v is not None}
    return [without_nulls(v, depth + 1) for v in value] if isinstance(value, list) else value


def javascript(value: Any) -> Any:
    """A value as JavaScript has it. Errors: NoForm."""
    return _walked(value, lambda text: text)


def _names(tool: str, arguments: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names that each argument may have; none that another one may have as well."""
    renamed = _RENAMED.get(tool, {})
    may = {name: {name, _decoded(name), renamed.get(name, name)} for name in arguments}
    return {
        name: (name, *sorted(one for one in names - {name} if _one_has(may, one)))
        for name, names in may.items()
    }


def _one_has(may: Mapping[str, set[str]], name: str) -> bool:
    return sum(name in names for names in may.values()) == 1


def _readings(tool: str, name: str, value: Any) -> Iterator[Any]:
    plain = javascript(value)
    found: list[Any] = [value, plain, *_spelt(plain)]
    for text in {value, _decoded(value)} if isinstance(value, str) else ():
        if _JSON_TEXT.fullmatch(text):
            try:
                read = javascript(msgspec.json.decode(text))
            except (msgspec.DecodeError, RecursionError, UnicodeError, NoForm):
                continue
            found += [read, *_spelt(read)]
    for change in _TIDY.get((tool, name), ()):
        found += [change(one) for one in found if isinstance(one, str)]
    yield from found


def _spelt(value: Any) -> list[Any]:
    """The value with its escapes read, unless two names of one object become one by that."""
    try:
        return [_walked(value, _decoded)]
    except NoForm:
        return []


def _walked(value: Any, text: Callable[[str], str], depth: int = 0) -> Any:
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if depth > _DEEPEST:
        raise NoForm
    if isinstance(value, Mapping):
        kept = {name: inner for name, inner in value.items() if name != _LOST}
        made = {text(name): _walked(inner, text, depth + 1) for name, inner in kept.items()}
        if len(made) != len(kept):
            raise NoForm
        return made
    if isinstance(value, list | tuple):
        return [_walked(inner, text, depth + 1) for inner in value]
    raise NoForm


def _number(value: float) -> float:
    """The nearest double, written as JavaScript does: `1.0` is 1, 2^53 + 1 is 2^53."""
    try:
        exact = float(value)
    except OverflowError:
        raise NoForm from None
    if not math.isfinite(exact):
        raise NoForm
    whole = exact.is_integer() and abs(exact) < _FIRST_EXPONENT
    return int(Decimal(repr(exact))) if whole else exact


def _decoded(text: str) -> str:
    """An escape that stands in a text by its letters is the character, if one can see it."""
    return _ESCAPE.sub(_character, text) if "\\u" in text else text


def _character(found: re.Match[str]) -> str:
    before, high, low, plain = found.groups()
    if plain is None:
        return before + (bytes.fromhex(high) + bytes.fromhex(low)).decode("utf-16-be")
    code = int(plain, 16)
    return found[0] if code < _FIRST_SEEN or code in _SURROGATES else before + chr(code)


def _trimmed(text: str) -> str:
    """A text without blanks at the ends of its lines."""
    lines = _LINE_END.split(text)
    lines[::2] = [line.rstrip().rstrip("\ufeff").rstrip() for line in lines[::2]]
    return "".join(lines)


def _respelt(text: str) -> str:
    for spelt, meant in _RESPELT:
        text = text.replace(spelt, meant)
    return text


def _in_place(command: str) -> str:
    """Claude Code leaves out the change to the folder that it is in."""
    place = _PLACE.match(command)
    return command[place.end() :] if place else command


def _one_backslash(command: str) -> str:
    """Any backslashes before a semicolon are one."""
    if "\\;" not in command:
        return command
    *parts, last = command.split(";")
    joined = "".join(part.rstrip("\\") + ("\\;" if part.endswith("\\") else ";") for part in parts)
    return joined + last


_TIDY: dict[tuple[str, str], Iterable[Callable[[str], str]]] = {
    ("Bash", "command"): (_in_place, _one_backslash),
    ("Write", "content"): (_trimmed,),
    ("Edit", "old_string"): (_respelt,),
    ("Edit", "old_str"): (_respelt,),
    ("Edit", "new_string"): (_trimmed, _respelt),
    ("Edit", "new_str"): (_trimmed, _respelt),
}
