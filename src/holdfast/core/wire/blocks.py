"""The table, second part: content blocks, wherever they may stand.

A kind whose use is `evidence` answers a call, and is judged by `core/evidence`: it stands in a
message's `content` and nowhere else.
"""

from collections.abc import Mapping

from holdfast.core.wire.shapes import Row, Use, row

_CACHE = "priced:cache_control"
_ERROR = {"error_code": "text", "error_message": "text"}


def _answer(types: str, content: str, **more: str) -> Row:
    fields = {"tool_use_id": "evidence:text", "content": content, "cache_control": _CACHE, **more}
    return Row(types, fields, Use.EVIDENCE)


def _cited(types: str, *places: str, **more: str) -> Row:
    named = {"cited_text": "text", **dict.fromkeys(places, "whole"), **more}
    return Row(types, named)


_DOCUMENT = {"document_title": "text", "file_id": "label"}

ROWS: Mapping[str, Row] = {
    "text_block": row("text", text="text", citations="[citation]", cache_control=_CACHE),
    "image": row(
        "image",
        Use.BOUNDED,
        source="image_source",
        transformations="transformations",
        cache_control=_CACHE,
    ),
    "transformations": row(oversized_image="text"),
    "document": row(
        "document",
        Use.BOUNDED,
        source="document_source",
        citations="citing",
        title="text",
        context="text",
        cache_control=_CACHE,
    ),
    "search_result": row(
        "search_result",
        content="[text_block]",
        source="label",
        title="text",
        citations="citing",
        cache_control=_CACHE,
    ),
    "thinking": row("thinking", thinking="text", signature="text"),
    "redacted_thinking": row("redacted_thinking", data="text"),
    "tool_use": row(
        "tool_use",
        id="text",
        name="text",
        input="{any}",
        caller="caller",
        toolset_name="text",
        cache_control=_CACHE,
    ),
    "server_tool_use": row(
        "server_tool_use",
        id="text",
        name="text",
        input="{any}",
        caller="caller",
        cache_control=_CACHE,
    ),
    "mcp_tool_use": row(
        "mcp_tool_use",
        id="text",
        name="text",
        input="{any}",
        server_name="label",
        cache_control=_CACHE,
    ),
    "tool_result": _answer(
        "tool_result", "text|[result_block]", is_error="flag", toolset_name="text"
    ),
    "mcp_tool_result": _answer("mcp_tool_result", "text|[text_block]", is_error="flag"),
    "web_search_answer": _answer(
        "web_search_tool_result", "[web_search_result]|web_search_error", caller="caller"
    ),
    "web_fetch_answer": _answer(
        "web_fetch_tool_result", "web_fetch_result|web_fetch_error", caller="caller"
    ),
    "advisor_answer": _answer(
        "advisor_tool_result", "advisor_result|advisor_redacted_result|advisor_error"
    ),
    "code_execution_answer": _answer(
        "code_execution_tool_result",
        "code_execution_result|encrypted_code_execution_result|code_execution_error",
    ),
    "bash_code_execution_answer": _answer(
        "bash_code_execution_tool_result",
        "bash_code_execution_result|bash_code_execution_error",
    ),
    "text_editor_code_execution_answer": _answer(
        "text_editor_code_execution_tool_result",
        "text_editor_view|text_editor_create|text_editor_replace|text_editor_error",
    ),
    "tool_search_answer": _answer("tool_search_tool_result", "tool_search_found|tool_search_error"),
    "container_upload": row("container_upload", Use.GRANTED, file_id="file", cache_control=_CACHE),
    "compaction": row(
        "compaction",
        content="text",
        encrypted_content="text",
        signature="text",
        tool_changes="[tool_change]",
        cache_control=_CACHE,
    ),
    "tool_addition": row(
        "tool_addition",
        tool="tool_reference_by_name|mcp_tool_reference|mcp_toolset_reference|tool_definition",
        cache_control=_CACHE,
    ),
    "tool_removal": row(
        "tool_removal",
        tool="tool_reference_by_name|mcp_tool_reference|mcp_toolset_reference",
        cache_control=_CACHE,
    ),
    "tool_definition": row("tool_definition", definition="tool"),
    "tool_reference_by_name": row("tool_reference", name="text"),
    "mcp_tool_reference": row(
        "mcp_tool_reference", Use.GRANTED, name="text", server_name="connector"
    ),
    "mcp_toolset_reference": row("mcp_toolset_reference", Use.GRANTED, server_name="connector"),
    "mcp_tool_listing": row(
        "mcp_tool_listing", Use.GRANTED, mcp_server_name="connector", tools="[mcp_tool]"
    ),
    "mcp_tool": row(name="text", description="text", input_schema="{any}"),
    "fallback_block": Row(
        "fallback", {"from": "fallback_model", "to": "fallback_model", "trigger": "any"}
    ),
    "fallback_model": row(model="text"),
    "tool_reference": row("tool_reference", tool_name="text", cache_control=_CACHE),
    "browser_state": row(
        "browser_state",
        tabs="[browser_tab]",
        state_changes="[browser_change]",
        cache_control=_CACHE,
    ),
    "browser_tab": row(tab_id="text", title="text", url="label", active="flag"),
    "browser_tab_opened": row("tab_opened", tab_id="text"),
    "browser_download": row(
        "download_started download_completed download_failed",
        download_id="text",
        url="label",
        path="label",
        size_bytes="whole",
        error="text",
    ),
    "direct_caller": row("direct"),
    "code_caller": row("code_execution_20250825 code_execution_20260120", tool_id="text"),
    "base64_source": row("base64", data="bounded:text", media_type="text"),
    "url_source": row("url", Use.GRANTED, url="url"),
    "file_source": row("file", Use.GRANTED, file_id="file"),
    "text_source": row("text", data="text", media_type="text"),
    "content_source": row("content", content="text|[source_block]"),
    "citing": row(enabled="flag"),
    "cited_characters": _cited(
        "char_location", "document_index", "start_char_index", "end_char_index", **_DOCUMENT
    ),
    "cited_pages": _cited(
        "page_location", "document_index", "start_page_number", "end_page_number", **_DOCUMENT
    ),
    "cited_blocks": _cited(
        "content_block_location",
        "document_index",
        "start_block_index",
        "end_block_index",
        **_DOCUMENT,
    ),
    "cited_search_result": _cited(
        "search_result_location",
        "search_result_index",
        "start_block_index",
        "end_block_index",
        source="label",
        title="text",
    ),
    "cited_web_page": _cited(
        "web_search_result_location", encrypted_index="text", title="text", url="label"
    ),
    "web_search_result": row(
        "web_search_result", encrypted_content="text", page_age="text", title="text", url="label"
    ),
    "web_search_error": Row("web_search_tool_result_error", _ERROR),
    "web_fetch_result": row(
        "web_fetch_result", content="document", retrieved_at="text", url="label"
    ),
    "web_fetch_error": Row("web_fetch_tool_result_error", _ERROR),
    "advisor_result": row("advisor_result", text="text", stop_reason="text"),
    "advisor_redacted_result": row(
        "advisor_redacted_result", encrypted_content="text", stop_reason="text"
    ),
    "advisor_error": Row("advisor_tool_result_error", _ERROR),
    "code_execution_result": row(
        "code_execution_result",
        content="[code_execution_output]",
        return_code="whole",
        stdout="text",
        stderr="text",
    ),
    "encrypted_code_execution_result": row(
        "encrypted_code_execution_result",
        content="[code_execution_output]",
        return_code="whole",
        encrypted_stdout="text",
        stderr="text",
    ),
    "code_execution_output": row("code_execution_output", file_id="label"),
    "code_execution_error": Row("code_execution_tool_result_error", _ERROR),
    "bash_code_execution_result": row(
        "bash_code_execution_result",
        content="[bash_code_execution_output]",
        return_code="whole",
        stdout="text",
        stderr="text",
    ),
    "bash_code_execution_output": row("bash_code_execution_output", file_id="label"),
    "bash_code_execution_error": Row("bash_code_execution_tool_result_error", _ERROR),
    "text_editor_view": row(
        "text_editor_code_execution_view_result",
        content="text",
        file_type="text",
        num_lines="whole",
        start_line="whole",
        total_lines="whole",
    ),
    "text_editor_create": row("text_editor_code_execution_create_result", is_file_update="flag"),
    "text_editor_replace": row(
        "text_editor_code_execution_str_replace_result",
        lines="[text]",
        new_lines="whole",
        new_start="whole",
        old_lines="whole",
        old_start="whole",
    ),
    "text_editor_error": Row("text_editor_code_execution_tool_result_error", _ERROR),
    "tool_search_found": row("tool_search_tool_search_result", tool_references="[tool_reference]"),
    "tool_search_error": Row("tool_search_tool_result_error", _ERROR),
}

UNIONS: Mapping[str, str] = {
    "block": (
        "text_block image document search_result thinking redacted_thinking tool_use"
        " server_tool_use mcp_tool_use tool_result mcp_tool_result web_search_answer"
        " web_fetch_answer advisor_answer code_execution_answer bash_code_execution_answer"
        " text_editor_code_execution_answer tool_search_answer container_upload compaction"
        " tool_addition tool_removal mcp_tool_listing fallback_block"
    ),
    "system_block": "text_block tool_addition tool_removal",
    "result_block": "text_block image document search_result tool_reference browser_state",
    "source_block": "text_block image",
    "tool_change": "tool_addition tool_removal",
    "image_source": "base64_source url_source file_source",
    "document_source": "base64_source url_source file_source text_source content_source",
    "citation": ("cited_characters cited_pages cited_blocks cited_search_result cited_web_page"),
    "caller": "direct_caller code_caller",
    "browser_change": "browser_tab_opened browser_download",
}
