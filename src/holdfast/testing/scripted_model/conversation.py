"""Reading a conversation: what users said, what tools answered, how often the model has spoken.

Pure functions over the JSON of a Messages request; which scenario is played is decided in
`selection`.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


def text_of(message: dict[str, Any]) -> str:
    """The text a message says itself, without tool results; blocks joined by newlines."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content or [] if block.get("type") == "text")


def system_text(body: Body) -> str:
    """The system prompt as one text."""
    system = body.get("system")
    if isinstance(system, str):
        return system
    return "\n".join(block["text"] for block in system or [])


def replies_after(messages: list[dict[str, Any]], position: int) -> int:
    """How many times the model has spoken after `position`.

    A run of non-empty assistant messages between two user messages counts once.
    """
    count, speaking = 0, False
    for message in messages[position + 1 :]:
        if message["role"] == "user":
            speaking = False
        elif message["role"] == "assistant" and message.get("content") and not speaking:
            count, speaking = count + 1, True
    return count


def last_user_text(messages: list[dict[str, Any]]) -> str:
    """The latest text a user said, or an empty one."""
    said = (text_of(message) for message in reversed(messages) if message["role"] == "user")
    return next((text for text in said if text), "")


def last_tool_result(messages: list[dict[str, Any]]) -> str:
    """The text of the latest tool result, or an empty one."""
    for message in reversed(messages):
        content = message.get("content")
        if message["role"] != "user" or not isinstance(content, list):
            continue
        for block in reversed(content):
            if block.get("type") == "tool_result":
                return _result_text(block.get("content"))
    return ""


def _result_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(item["text"] for item in content or [] if item.get("type") == "text")


def wanted_schema(body: Body) -> dict[str, Any] | None:
    """The JSON schema the request wants its answer in, or `None`."""
    output = body.get("output_config")
    wanted = output.get("format") if isinstance(output, dict) else body.get("output_format")
    if (
        isinstance(wanted, dict)
        and wanted.get("type") == "json_schema"
        and isinstance(wanted.get("schema"), dict)
    ):
        schema: dict[str, Any] = wanted["schema"]
        return schema
    return None
