"""Which turn answers a request, by the conversation alone, so that a retry gets the same turn.

Order: an inline `FAKE:[...]` list in the latest user text that has one; then the scenario whose
marker stands in the latest user text; then by system prompt or model; then the default. Requests
for structured output without tools (a client's side calls, such as a session's title) get a minimal
matching object, and the web-search side call a search, unless a scenario asks for them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from .api_errors import invalid
from .conversation import Body, last_user_text, replies_after, system_text, text_of, wanted_schema
from .schema_answers import minimal_value
from .script import (
    Scenario,
    Script,
    ScriptError,
    ServerToolUse,
    Text,
    Turn,
    check_templates,
    parse_turn,
    say,
)

INLINE_MARK = "FAKE:"
CLOSING_TURN = say("The script ends here.")
NO_SCENARIO_TURN = say("No scenario matches this conversation.")


class Chosen(msgspec.Struct, frozen=True):
    """A turn to play: of which scenario, its index there, and the user text that chose it."""

    scenario: str
    index: int
    turn: Turn
    anchor: str


def choose(script: Script, body: Body) -> Chosen:
    """The turn that answers `body`; raises `ApiError` 400 if an inline list does not parse."""
    messages: list[dict[str, Any]] = body["messages"]
    schema = wanted_schema(body)
    if schema is not None and not body.get("tools"):
        return _structured(script, body, schema)
    users = [
        (place, text)
        for place, message in enumerate(messages)
        if message["role"] == "user" and (text := text_of(message))
    ]
    for place, text in reversed(users):
        inline = _inline_source(text)
        if inline is not None:
            return _at(_inline_scenario(inline), replies_after(messages, place), text)
        marked = _first(script, body, text)
        if marked is not None:
            return _at(marked, replies_after(messages, place), text)
    if _is_web_search(body):
        return Chosen(
            "web_search", 0, _web_search_turn(last_user_text(messages)), last_user_text(messages)
        )
    anchor = users[0][1] if users else ""
    general = _first(script, body, None)
    if general is None:
        return Chosen("none", 0, NO_SCENARIO_TURN, anchor)
    return _at(general, replies_after(messages, -1), anchor)


def _first(script: Script, body: Body, text: str | None) -> Scenario | None:
    """The best fitting scenario marked by `text`, or, for no text, one that needs no mark."""
    fitting = [
        scenario
        for scenario in script.scenarios
        if not scenario.match.json_schema
        and (scenario.match.text is None) == (text is None)
        and (text is None or (scenario.match.text or "") in text)
        and _fits(scenario, body)
    ]
    return max(fitting, key=_specificity, default=None)


def _fits(scenario: Scenario, body: Body) -> bool:
    match = scenario.match
    if match.model is not None and match.model != body["model"]:
        return False
    return match.system is None or match.system in system_text(body)


def _specificity(scenario: Scenario) -> int:
    return 2 * (scenario.match.system is not None) + (scenario.match.model is not None)


def _at(scenario: Scenario, index: int, anchor: str) -> Chosen:
    if index < len(scenario.turns):
        turn = scenario.turns[index]
    else:
        turn = scenario.turns[-1] if scenario.loop else CLOSING_TURN
    return Chosen(scenario.name, index, turn, anchor)


def _structured(script: Script, body: Body, schema: dict[str, Any]) -> Chosen:
    anchor = last_user_text(body["messages"])
    for scenario in script.scenarios:
        marker = scenario.match.text
        if (
            scenario.match.json_schema
            and (marker is None or marker in anchor)
            and _fits(scenario, body)
        ):
            return _at(scenario, replies_after(body["messages"], -1), anchor)
    answer = msgspec.json.encode(minimal_value(schema)).decode()
    return Chosen("json_schema", 0, say(answer), anchor)


def _inline_source(text: str) -> str | None:
    start = text.find(INLINE_MARK + "[")
    return None if start < 0 else text[start + len(INLINE_MARK) :]


@lru_cache(maxsize=256)
def _inline_scenario(source: str) -> Scenario:
    """The turns in the JSON list `source` starts with; text after the list is ignored."""
    try:
        raw = msgspec.json.decode(_json_list(source))
        turns = tuple(parse_turn(item) for item in raw)
        for turn in turns:
            check_templates(turn)
    except (msgspec.DecodeError, ScriptError) as error:
        raise invalid(f"inline script is not valid: {error}") from error
    return Scenario(name="inline", turns=turns or (CLOSING_TURN,))


def _json_list(source: str) -> str:
    """The start of `source` up to the bracket that closes its first one, strings skipped."""
    depth, quoted, escaped = 0, False, False
    for place, char in enumerate(source):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return source[: place + 1]
    return source


def _is_web_search(body: Body) -> bool:
    tools = body.get("tools") or []
    return bool(tools) and all(
        str(tool.get("type", "")).startswith("web_search_") for tool in tools
    )


def _web_search_turn(query: str) -> Turn:
    found = {"type": "web_search_result", "url": "https://example.com/", "title": "Example Domain"}
    result = [{**found, "encrypted_content": "c2NyaXB0ZWQ=", "page_age": None}]
    return Turn(
        blocks=(
            ServerToolUse(name="web_search", input={"query": query[-200:]}, result=result),
            Text(text="One scripted result: https://example.com/"),
        )
    )
