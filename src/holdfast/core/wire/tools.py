"""The table, third part: tool definitions, wherever they stand, and who runs each.

A tool of the provider never meets the guard, so its name has to be granted, and it starts work of
its own: how often at most, how much each result adds to the prompt and what a call costs is
declared here where the request does not say it.
"""

from collections.abc import Mapping

import msgspec

from holdfast.core.wire.shapes import Row, Use, row

_TOOL = {
    "name": "text",
    "allowed_callers": "[text]",
    "cache_control": "priced:cache_control",
    "defer_loading": "flag",
    "strict": "flag",
}
_CLIENT = {**_TOOL, "input_examples": "[{any}]"}
_DOMAINS = {"allowed_domains": "[text]", "blocked_domains": "[text]"}
_FETCHED = "fetch_all|fetch_none|fetch_only|fetch_except"
_MEMBER = "toolset_member"


def _client(types: str, **more: str) -> Row:
    return Row(types, {**_CLIENT, **more})


def _server(types: str, **more: str) -> Row:
    return Row(types, {**_TOOL, **more}, Use.GRANTED)


ROWS: Mapping[str, Row] = {
    "custom_tool": Row(
        "custom",
        {
            **_CLIENT,
            "description": "text",
            "input_schema": "{any}",
            "eager_input_streaming": "flag",
        },
        untyped=True,
    ),
    "bash": _client("bash_20241022 bash_20250124"),
    "text_editor": _client(
        "text_editor_20241022 text_editor_20250124 text_editor_20250429 text_editor_20250728",
        max_characters="whole",
    ),
    "computer": _client(
        "computer_20241022 computer_20250124 computer_20251124",
        display_height_px="whole",
        display_width_px="whole",
        display_number="whole",
        enable_zoom="flag",
    ),
    "memory": _client("memory_20250818"),
    "browser_toolset": Row(
        "browser_toolset_20260801",
        {"configs": "{toolset_member}", "cache_control": "priced:cache_control"},
    ),
    "computer_toolset": Row(
        "computer_toolset_20260801",
        {"configs": "{toolset_member}", "cache_control": "priced:cache_control"},
    ),
    _MEMBER: row(defer_loading="flag", enabled="flag", strict="flag"),
    "web_search": _server(
        "web_search_20250305 web_search_20260209 web_search_20260318",
        max_uses="priced:whole",
        user_location="user_location",
        response_inclusion="text",
        **_DOMAINS,
    ),
    "user_location": row(
        "approximate", city="text", country="text", region="text", timezone="text"
    ),
    "web_fetch": _server(
        "web_fetch_20250910 web_fetch_20260209 web_fetch_20260309 web_fetch_20260318",
        max_uses="priced:whole",
        max_content_tokens="bounded:whole",
        citations="citing",
        response_inclusion="text",
        url_sources="fetch_sources",
        use_cache="flag",
        **_DOMAINS,
    ),
    "fetch_sources": row(
        client_tool_results=_FETCHED, server_tool_results=_FETCHED, user_input=_FETCHED
    ),
    "fetch_all": row("all"),
    "fetch_none": row("none"),
    "fetch_only": row("only", tools="[tool_reference_by_name]"),
    "fetch_except": row("except", tools="[tool_reference_by_name]"),
    "code_execution": _server(
        "code_execution_20250522 code_execution_20250825 code_execution_20260120"
        " code_execution_20260521"
    ),
    "tool_search_tool_bm25": _server("tool_search_tool_bm25_20251119 tool_search_tool_bm25"),
    "tool_search_tool_regex": _server("tool_search_tool_regex_20251119 tool_search_tool_regex"),
    "advisor": _server(
        "advisor_20260301",
        model="priced:text",
        max_tokens="priced:whole",
        max_uses="priced:whole",
        caching="priced:cache_control",
    ),
    "mcp_toolset": Row(
        "mcp_toolset",
        {
            "mcp_server_name": "connector",
            "configs": "{mcp_member}",
            "default_config": "mcp_member",
            "tools": "[mcp_tool]",
            "cache_control": "priced:cache_control",
        },
        Use.GRANTED,
    ),
    "mcp_member": row(defer_loading="flag", enabled="flag"),
}

UNIONS: Mapping[str, str] = {
    "tool": (
        "custom_tool bash text_editor computer memory browser_toolset computer_toolset web_search"
        " web_fetch code_execution tool_search_tool_bm25 tool_search_tool_regex advisor mcp_toolset"
    ),
}


class ServerWork(msgspec.Struct, frozen=True, kw_only=True):
    """What one tool of the provider may do within a request, where the request says no less.

    `calls`: sampling goes on after each, at most so many times. `limited`: the definition takes
    `max_uses`, which is written into it where it is missing or more than can be paid; otherwise
    the provider's own loop pauses after `calls`. `tokens`: what one result adds to the prompt.
    `nusd`: the price of a call that the provider's usage does not name, `request_nusd` of having
    the tool at all.
    """

    calls: int
    tokens: int
    limited: bool = False
    nusd: int = 0
    request_nusd: int = 0


# The provider's own loop pauses after so many samplings (`pause_turn`).
_LOOP = 10

WORK: Mapping[str, ServerWork] = {
    "web_search": ServerWork(calls=5, tokens=20_000, limited=True),
    # The provider's figure for a large page; a longer one is asked for by `max_content_tokens`.
    "web_fetch": ServerWork(calls=5, tokens=25_000, limited=True),
    # A container is billed by time, five minutes at least: an hour at $0.05 is held and charged.
    "code_execution": ServerWork(calls=_LOOP, tokens=5_000, request_nusd=50_000_000),
    # What is found is a definition that stands in the request and is counted there.
    "tool_search_tool_bm25": ServerWork(calls=_LOOP, tokens=1_000),
    "tool_search_tool_regex": ServerWork(calls=_LOOP, tokens=1_000),
    # Its output is priced as the advisor's, then read as so much prompt.
    "advisor": ServerWork(calls=3, tokens=32_000, limited=True),
    "mcp_servers": ServerWork(calls=_LOOP, tokens=10_000),
}
# What the provider's own definition of a tool adds to the prompt, at most.
HIDDEN_TOKENS: Mapping[str, int] = {
    "custom_tool": 0,
    "browser_toolset": 12_000,
    "computer_toolset": 8_000,
    "mcp_toolset": 0,
}
HIDDEN_TOKENS_OTHERWISE = 2_000
