"""What the real API refuses about a Messages request, in its wording; unknown fields pass.

Each function raises `ApiError`; none changes the body. Scripted faults are no concern of this
module.
"""

from __future__ import annotations

from typing import Any

from .api_errors import ApiError, invalid
from .catalogue import Catalogue, Model
from .tokenizer import pieces, request_tokens

ROLES = frozenset({"user", "assistant", "system"})
MAX_CACHE_BREAKPOINTS = 4


def check_message_request(
    body: dict[str, Any], catalogue: Catalogue, *, empty_messages: bool = False
) -> Model:
    """The model a `POST /v1/messages` asks for; raises `ApiError` where the API would refuse.

    `empty_messages` allows none, as a thread that continues from a paused turn may send.
    """
    model = check_count_request(body, catalogue, empty_messages=empty_messages)
    max_tokens = _required_int(body, "max_tokens")
    if max_tokens < 0:
        raise invalid("max_tokens: must be greater than or equal to 0")
    if max_tokens > model.max_output_tokens:
        raise invalid(
            f"max_tokens: {max_tokens} > {model.max_output_tokens}, which is the maximum allowed "
            f"number of output tokens for {body['model']}"
        )
    _check_thinking(body.get("thinking"), max_tokens)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise invalid("stream: Input should be a valid boolean")
    size = request_tokens(body)
    if size > model.max_input_tokens:
        raise invalid(f"prompt is too long: {size} tokens > {model.max_input_tokens} maximum")
    return model


def check_count_request(
    body: dict[str, Any], catalogue: Catalogue, *, empty_messages: bool = False
) -> Model:
    """The model a `count_tokens` request asks for; raises `ApiError` where the API would refuse."""
    name = body.get("model")
    if name is None:
        raise invalid("model: Field required")
    if not isinstance(name, str):
        raise invalid("model: Input should be a valid string")
    model = catalogue.find(name)
    if model is None:
        raise ApiError(404, f"model: {name}")
    _check_messages(body.get("messages"), empty_allowed=empty_messages)
    _check_tools(body.get("tools"))
    _check_system(body.get("system"))
    _check_cache_control(body)
    return model


def _required_int(body: dict[str, Any], field: str) -> int:
    value = body.get(field)
    if value is None:
        raise invalid(f"{field}: Field required")
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(f"{field}: Input should be a valid integer")
    return value


def _check_thinking(thinking: Any, max_tokens: int) -> None:
    if thinking is None:
        return
    if not isinstance(thinking, dict) or not isinstance(thinking.get("type"), str):
        raise invalid("thinking: Input should be a valid dictionary")
    if thinking["type"] != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or isinstance(budget, bool):
        raise invalid("thinking.enabled.budget_tokens: Field required")
    if budget < 1024:
        raise invalid(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        )
    if budget >= max_tokens:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_tools(tools: Any) -> None:
    if tools is None:
        return
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid(f"tools.{index}: Input should be a valid dictionary")
        name = tool.get("name")
        if tool.get("type", "custom") == "custom":
            if not isinstance(name, str) or not name:
                raise invalid(f"tools.{index}.custom.name: Field required")
            if not isinstance(tool.get("input_schema"), dict):
                raise invalid(f"tools.{index}.custom.input_schema: Field required")
        if isinstance(name, str):
            if name in names:
                raise invalid("tools: Tool names must be unique.")
            names.add(name)


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or not isinstance(block.get("text"), str):
            raise invalid(f"system.{index}.text: Field required")


def _check_cache_control(body: dict[str, Any]) -> None:
    marked = sum(
        1 for block in pieces(body) if isinstance(block, dict) and block.get("cache_control")
    )
    if marked > MAX_CACHE_BREAKPOINTS:
        raise invalid(
            f"A maximum of {MAX_CACHE_BREAKPOINTS} blocks with cache_control may be provided. "
            f"Found {marked}."
        )


def _check_messages(messages: Any, *, empty_allowed: bool) -> None:
    if messages is None:
        raise invalid("messages: Field required")
    if not isinstance(messages, list):
        raise invalid("messages: Input should be a valid list")
    if not messages and not empty_allowed:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(index, message)
    spoken = [
        (index, message) for index, message in enumerate(messages) if message["role"] != "system"
    ]
    if spoken and spoken[0][1]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    _check_tool_pairs(spoken)


def _check_message(index: int, message: Any) -> None:
    if not isinstance(message, dict):
        raise invalid(f"messages.{index}: Input should be a valid dictionary")
    if message.get("role") not in ROLES:
        raise invalid(f"messages.{index}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    if isinstance(content, str):
        if not content:
            raise invalid(f"messages.{index}: user messages must have non-empty content")
        return
    if not isinstance(content, list):
        raise invalid(f"messages.{index}.content: Field required")
    for place, block in enumerate(content):
        _check_block(f"messages.{index}.content.{place}", block)


def _check_block(where: str, block: Any) -> None:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise invalid(f"{where}.type: Field required")
    kind = block["type"]
    if kind == "text":
        if not isinstance(block.get("text"), str):
            raise invalid(f"{where}.text.text: Field required")
        if not block["text"]:
            raise invalid("messages: text content blocks must be non-empty")
    elif kind == "tool_use":
        if not isinstance(block.get("id"), str) or not isinstance(block.get("name"), str):
            raise invalid(f"{where}.tool_use.id: Field required")
        if not isinstance(block.get("input"), dict):
            raise invalid(f"{where}.tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result" and not isinstance(block.get("tool_use_id"), str):
        raise invalid(f"{where}.tool_result.tool_use_id: Field required")


def _ids(message: dict[str, Any], kind: str, key: str) -> list[str]:
    content = message["content"]
    return (
        [block[key] for block in content if block.get("type") == kind]
        if isinstance(content, list)
        else []
    )


def _joined(
    spoken: list[tuple[int, dict[str, Any]]],
) -> list[tuple[int, str, list[str], list[str]]]:
    """Messages of one role in a row as one, as the API reads them.

    Each is (index of the first, role, ids called, ids answered).
    """
    turns: list[tuple[int, str, list[str], list[str]]] = []
    for index, message in spoken:
        called, answered = (
            _ids(message, "tool_use", "id"),
            _ids(message, "tool_result", "tool_use_id"),
        )
        if turns and turns[-1][1] == message["role"]:
            turns[-1][2].extend(called)
            turns[-1][3].extend(answered)
        else:
            turns.append((index, message["role"], called, answered))
    return turns


def _check_tool_pairs(spoken: list[tuple[int, dict[str, Any]]]) -> None:
    turns = _joined(spoken)
    for position, (index, role, called, answered) in enumerate(turns):
        if role == "assistant" and called:
            following = set(turns[position + 1][3]) if position + 1 < len(turns) else set()
            missing = [call_id for call_id in called if call_id not in following]
            if missing:
                raise invalid(
                    f"messages.{index}: `tool_use` ids were found without `tool_result` blocks "
                    f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                    "corresponding `tool_result` block in the next message."
                )
        if role == "user" and answered:
            preceding = set(turns[position - 1][2]) if position else set()
            unknown = [call_id for call_id in answered if call_id not in preceding]
            if unknown:
                raise invalid(
                    f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` "
                    f"blocks: {', '.join(unknown)}. Each `tool_result` block must have a "
                    "corresponding `tool_use` block in the previous message."
                )
            if len(set(answered)) != len(answered):
                raise invalid(
                    f"messages.{index}: each tool_use must have a single result. Found multiple."
                )
