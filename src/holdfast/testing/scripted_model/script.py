"""The words of a script (scenarios, turns, blocks, pacing, faults), from YAML, JSON or Python.

Everything is a frozen struct. Playing a script (choosing, rendering, sending) lives in the sibling
modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import yaml

_T = TypeVar("_T")
JsonObject = dict[str, Any]
StopReason = Literal[
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]
BrokenSse = Literal[
    "half_event",
    "invalid_json",
    "split_utf8",
    "truncated_utf8",
    "crlf",
    "byte_by_byte",
    "no_usage",
    "missing_message_stop",
    "error_event",
]

TEMPLATE_ROOTS = frozenset(
    {"turn", "last_tool_result", "last_user_text", "model", "scenario", "message_count"}
)
_TEMPLATE = re.compile(r"\{\{\s*([a-z_]+)((?:\.[A-Za-z0-9_-]+)*)\s*\}\}")


class ScriptError(ValueError):
    """A script that cannot be played: unknown field, wrong type, unknown template.

    A scenario without turns cannot be played either.
    """


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every struct of a script: frozen, and a misspelt field is an error."""


class Text(Strict, frozen=True, tag_field="type", tag="text"):
    """Visible text: `text` repeated `repeat` times, followed by `words` generated words."""

    text: str = ""
    words: int = 0
    repeat: int = 1


class Thinking(Strict, frozen=True, tag_field="type", tag="thinking"):
    """Thinking: `text` is shown, `hidden_tokens` more are billed as output without being shown."""

    text: str = ""
    hidden_tokens: int = 0


class ToolUse(Strict, frozen=True, tag_field="type", tag="tool_use"):
    """A call of a client's tool; without `id` a fresh one is generated."""

    name: str
    input: JsonObject = {}
    id: str | None = None


class ServerToolUse(Strict, frozen=True, tag_field="type", tag="server_tool_use"):
    """A call of a server tool such as `web_search`, and the content of its result block."""

    name: str
    input: JsonObject = {}
    id: str | None = None
    result: Any = None


Block = Text | Thinking | ToolUse | ServerToolUse


class Usage(Strict, frozen=True):
    """Overrides of the computed usage; `None` leaves the computed number. All are token counts."""

    input_tokens: int | None = None
    cache_creation_5m: int | None = None
    cache_creation_1h: int | None = None
    cache_read: int | None = None
    output_tokens: int | None = None
    server_tool_use: dict[str, int] | None = None


class Pacing(Strict, frozen=True):
    """How a body is cut into events and spread over time.

        `events` is the exact number of text deltas a reply's text is cut into (shared between
    its text blocks); without it a delta carries `tokens_per_delta` tokens. `events_per_write`
    coalesces events into one write.
    """

    event_interval_ms: float = 0.0
    first_event_delay_ms: float = 0.0
    events: int | None = None
    tokens_per_delta: int = 4
    events_per_write: int = 1


class Fault(Strict, frozen=True):
    """One misbehaviour, for the first `times` attempts at the turn (`None`: for ever).

        `status` answers an error envelope instead of a reply. `after_events` says how many
    events pass unharmed before `broken_sse` strikes; `hang_after_events` and
    `close_after_events` count the same way. A hang ends after `hang_s` and the stream goes on,
    unless the client left first.
    """

    times: int | None = None
    status: int | None = None
    error_type: str | None = None
    message: str | None = None
    headers: dict[str, str] = {}
    retry_after_s: float | None = None
    hang_before_headers_s: float = 0.0
    hang_after_events: int | None = None
    hang_s: float = 3600.0
    close_after_events: int | None = None
    close_mid_event: bool = True
    broken_sse: BrokenSse | None = None
    after_events: int = 3
    slow_bytes: int | None = None
    slow_interval_ms: float = 1.0


class Turn(Strict, frozen=True):
    """One reply of the model.

    `stop_reason` `None` means `tool_use` if it calls a client's tool, else `end_turn`.
    """

    blocks: tuple[Block, ...] = ()
    stop_reason: StopReason | None = None
    usage: Usage = Usage()
    pacing: Pacing = Pacing()
    honour_max_tokens: bool = True
    faults: tuple[Fault, ...] = ()


class Match(Strict, frozen=True):
    """When a scenario is played; every field given must hold, none given makes it the default.

        `text` is a substring of a user's text, `system` one of the system prompt, `model` the
    exact model name. `json_schema` scenarios answer requests for structured output without
    tools, and only those.
    """

    text: str | None = None
    system: str | None = None
    model: str | None = None
    json_schema: bool = False


class Scenario(Strict, frozen=True):
    """An ordered list of turns; past its end the last one repeats (`loop`) or a closing is said."""

    name: str
    turns: tuple[Turn, ...]
    match: Match = Match()
    loop: bool = False


class Script(Strict, frozen=True):
    """All scenarios one server plays; of several that match equally well the first listed wins."""

    scenarios: tuple[Scenario, ...] = ()


def say(text: str = "", **turn_fields: Any) -> Turn:
    """A turn that says `text`; further fields are those of `Turn`."""
    return Turn(blocks=(Text(text=text),), **turn_fields)


def call(
    tool_name: str,
    tool_input: JsonObject | None = None,
    *,
    call_id: str | None = None,
    **turn_fields: Any,
) -> Turn:
    """A turn that calls one tool; further fields are those of `Turn`."""
    return Turn(
        blocks=(ToolUse(name=tool_name, input=tool_input or {}, id=call_id),), **turn_fields
    )


def as_script(
    source: Script | Scenario | Turn | Path | Mapping[str, Any] | Sequence[Any] | None,
) -> Script:
    """The script `source` stands for: itself, one scenario, a list of scenarios or turns.

    A mapping or a file is read as `parse_script` and `load_script` do.

        Raises `ScriptError` for anything that is not one.
    """
    if source is None:
        return Script()
    if isinstance(source, Script):
        return _checked(source)
    if isinstance(source, Scenario):
        return _checked(Script(scenarios=(source,)))
    if isinstance(source, Turn):
        return _checked(Script(scenarios=(Scenario(name="default", turns=(source,)),)))
    if isinstance(source, Path):
        return load_script(source)
    if isinstance(source, Mapping):
        return parse_script(source)
    items = list(source)
    if items and all(isinstance(item, Scenario) for item in items):
        return _checked(Script(scenarios=tuple(items)))
    turns = tuple(item if isinstance(item, Turn) else parse_turn(item) for item in items)
    return _checked(Script(scenarios=(Scenario(name="default", turns=turns),)))


def load_script(path: Path) -> Script:
    """The script in a YAML or JSON file; raises `ScriptError` if it does not parse."""
    try:
        return parse_script(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ScriptError(f"script {path.name} is not valid yaml: {error}") from error


def parse_script(raw: Any) -> Script:
    """The script in plain lists and mappings: `{scenarios: [...]}`, one scenario.

    A list is the turns of the one default scenario.
    """
    if isinstance(raw, list):
        raw = {"scenarios": [{"name": "default", "turns": raw}]}
    if not isinstance(raw, Mapping):
        raise ScriptError("a script is a mapping with scenarios or turns, or a list of turns")
    if "turns" in raw:
        raw = {"scenarios": [{"name": "default", **raw}]}
    scenarios = raw.get("scenarios", [])
    if not isinstance(scenarios, list) or not all(isinstance(item, Mapping) for item in scenarios):
        raise ScriptError("scenarios must be a list of mappings")
    expanded = [
        {**item, "turns": [_longhand(turn) for turn in item.get("turns", [])]} for item in scenarios
    ]
    return _checked(_convert({**raw, "scenarios": expanded}, Script))


def parse_turn(raw: Any) -> Turn:
    """One turn, in full (`blocks: [...]`) or in shorthand.

    Shorthand keys: `text`, `words`, `repeat`, `thinking`, `tool` + `input`, `tools`, `fault`.
    """
    return _convert(_longhand(raw), Turn)


def _longhand(raw: Any) -> JsonObject:
    if isinstance(raw, str):
        return {"blocks": [{"type": "text", "text": raw}]}
    if not isinstance(raw, Mapping):
        raise ScriptError("a turn must be a mapping or a string")
    turn = dict(raw)
    blocks = list(turn.pop("blocks", []))
    if "thinking" in turn:
        blocks.append(
            {
                "type": "thinking",
                "text": turn.pop("thinking"),
                "hidden_tokens": turn.pop("hidden_tokens", 0),
            }
        )
    text = {key: turn.pop(key) for key in ("text", "words", "repeat") if key in turn}
    if text:
        blocks.append({"type": "text", **text})
    if "tool" in turn:
        single = {key: turn.pop(key) for key in ("tool", "input", "id") if key in turn}
        blocks.append(_tool_block(single))
    blocks.extend(_tool_block(item) for item in turn.pop("tools", []))
    if "fault" in turn:
        turn["faults"] = [*turn.get("faults", []), turn.pop("fault")]
    return {**turn, "blocks": blocks}


def _tool_block(raw: Any) -> JsonObject:
    if not isinstance(raw, Mapping):
        raise ScriptError("a tool call must be a mapping with tool and input")
    block = dict(raw)
    if "tool" in block:
        block["name"] = block.pop("tool")
    return {"type": "tool_use", **block}


def _convert(raw: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ScriptError(f"script is not valid: {error}") from error


def _checked(script: Script) -> Script:
    names = [scenario.name for scenario in script.scenarios]
    if len(set(names)) != len(names):
        raise ScriptError("scenario names must be unique")
    for scenario in script.scenarios:
        if not scenario.turns:
            raise ScriptError(f"scenario {scenario.name} has no turns")
        for turn in scenario.turns:
            check_templates(turn)
    return script


def check_templates(turn: Turn) -> None:
    """Raise `ScriptError` if the turn uses a template name nobody fills."""
    for text in template_texts(turn):
        for found in _TEMPLATE.finditer(text):
            if found.group(1) not in TEMPLATE_ROOTS:
                raise ScriptError(f"unknown template name {found.group(1)}")


def template_texts(turn: Turn) -> Iterable[str]:
    """Every string of the turn in which a template may stand."""
    for block in turn.blocks:
        if isinstance(block, Text | Thinking):
            yield block.text
        else:
            yield from _strings(block.input)


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def has_template(text: str) -> bool:
    """Whether `text` holds at least one template."""
    return "{{" in text and _TEMPLATE.search(text) is not None


def substitute(text: str, values: Mapping[str, str]) -> str:
    """`text` with its templates filled.

    A path as in `{{name.a.0}}` walks into `name`'s JSON and is empty where that ends.
    """

    def fill(found: re.Match[str]) -> str:
        value = values.get(found.group(1), "")
        return _walk(value, found.group(2).split(".")[1:]) if found.group(2) else value

    return _TEMPLATE.sub(fill, text)


def _walk(text: str, path: Sequence[str]) -> str:
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return ""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return ""
    return (
        value
        if isinstance(value, str)
        else ""
        if value is None
        else msgspec.json.encode(value).decode()
    )
