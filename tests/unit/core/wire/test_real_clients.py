"""What real clients send passes: Claude Code as it was seen, and each feature of the SDKs."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.core.messages import ModelRequest, read_request
from holdfast.core.wire.admitted import NOTHING
from holdfast.core.wire.betas import read_betas
from holdfast.core.wire.headers import check_headers
from holdfast.core.wire.reading import NotInTable
from holdfast.core.wire.takes import ALL, VENDORS, fitted

SEEN = json.loads(Path(__file__).with_name("claude_code_2_1_329.json").read_text("utf-8"))
MARK = {"type": "ephemeral"}
TEXT = {"type": "text", "text": "x"}
CALL = {"type": "tool_use", "id": "t1", "name": "Read", "input": {"a": {"b": [1, None]}}}
BYTES = {"type": "base64", "media_type": "image/png", "data": "AA"}
SERVER_CALL = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}
CITED = {
    "type": "web_search_result_location",
    "url": "u",
    "title": None,
    "encrypted_index": "i",
    "cited_text": "c",
}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def model(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content} | more


FEATURES: dict[str, dict[str, Any]] = {
    "plain": {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.3, "top_k": 4},
    "stop sequences": {"stop_sequences": ["a", "b"], "top_p": 1, "metadata": {"user_id": None}},
    "system and caching": {"system": [TEXT | {"cache_control": MARK | {"ttl": "1h"}}]},
    "parallel and failing calls": {"messages": [user(TEXT), model(CALL, CALL), user(
        result("a"), result([TEXT], is_error=True), result([], cache_control=MARK))]},
    "images": {"messages": [user({"type": "image", "source": BYTES},
        result([{"type": "image", "source": BYTES}]))]},
    "a pdf with citations": {"messages": [user({"type": "document", "title": "t", "context": "c",
        "source": BYTES | {"media_type": "application/pdf"}, "citations": {"enabled": True}})]},
    "documents of text and blocks": {"messages": [user(
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        {"type": "document", "source": {"type": "content", "content": [TEXT]}},
        {"type": "document", "source": {"type": "content", "content": "x"}})]},
    "search results": {"messages": [user(result([{"type": "search_result", "source": "s",
        "title": "t", "content": [TEXT], "citations": {"enabled": True}}]))]},
    "thinking with signatures": {"thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [model({"type": "thinking", "thinking": "", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"}, TEXT)]},
    "adaptive thinking": {"thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "max", "task_budget": {"type": "tokens", "total": 9}}},
    "structured output": {"output_config": {"format": {"type": "json_schema", "schema": {
        "type": "object", "$defs": {"type": {"type": "tool_result"}}}}}},
    "structured output, as it was": {"output_format": {"type": "json_schema", "schema": {}}},
    "context editing": {"context_management": {"edits": [
        {"type": "clear_tool_uses_20250919", "trigger": {"type": "input_tokens", "value": 9},
         "keep": {"type": "tool_uses", "value": 3}, "clear_at_least": {
             "type": "input_tokens", "value": 5}, "exclude_tools": ["a"],
         "clear_tool_inputs": True},
        {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}}]}},
    "eager streaming and strict tools": {"tools": [{"name": "a", "description": "d", "strict": True,
        "eager_input_streaming": True, "input_schema": {"type": "object", "x-odd": 1},
        "input_examples": [{"a": 1}], "cache_control": MARK}],
        "tool_choice": {"type": "tool", "name": "a", "disable_parallel_tool_use": True}},
    "500 tools": {"tools": [{"name": f"t{n}", "input_schema": {}, "defer_loading": True}
                            for n in range(500)]},
    "tools of the client that the API knows": {"tools": [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool",
         "max_characters": 9},
        {"type": "computer_20251124", "name": "computer", "display_width_px": 9,
         "display_height_px": 9, "display_number": 1, "enable_zoom": True},
        {"type": "memory_20250818", "name": "memory"},
        {"type": "browser_toolset_20260801", "configs": {"zoom": {"enabled": False}}}]},
    "a search that paused": {"messages": [user(TEXT), model(SERVER_CALL, {
        "type": "web_search_tool_result", "tool_use_id": "s1", "content": [FOUND],
        "caller": {"type": "direct"}}, TEXT | {"citations": [CITED]})]},
    "a search that failed": {"messages": [model(SERVER_CALL, {"type": "web_search_tool_result",
        "tool_use_id": "s1", "content": {"type": "web_search_tool_result_error",
                                         "error_code": "unavailable"}})]},
    "a page that was fetched": {"messages": [model({"type": "web_fetch_tool_result",
        "tool_use_id": "s1", "content": {"type": "web_fetch_result", "url": "u",
            "retrieved_at": None, "content": {"type": "document", "source": {
                "type": "text", "media_type": "text/plain", "data": "x"}}}})]},
    "code that ran": {"messages": [model({"type": "code_execution_tool_result",
        "tool_use_id": "s1", "content": {"type": "code_execution_result", "stdout": "",
            "stderr": "", "return_code": 0, "content": []}})]},
    "a call from code": {"messages": [model(CALL | {"caller": {
        "type": "code_execution_20260120", "tool_id": "s1"}})]},
    "tools that were searched": {"messages": [user(result([
        {"type": "tool_reference", "tool_name": "WebFetch"}]))]},
    "mcp at the provider": {"messages": [model({"type": "mcp_tool_use", "id": "m1", "name": "n",
        "server_name": "s", "input": {}}, {"type": "mcp_tool_result", "tool_use_id": "m1",
        "is_error": False, "content": [TEXT]})]},
    "a compacted conversation": {"messages": [model({"type": "compaction", "content": "so far",
        "encrypted_content": None, "signature": "s"}), user(TEXT)]},
    "system messages": {"messages": [user(TEXT), {"role": "system", "content": "be brief",
        "clear_at": "never", "output_config": {"effort": "low"}}]},
    "threads": {"thread": {"type": "continue", "previous_message_id": "m"}, "messages": []},
    "diagnostics": {"diagnostics": {"previous_message_id": None}, "service_tier": "auto"},
    "a model that stood in": {"messages": [model({"type": "fallback", "from": {"model": "a"},
        "to": {"model": "b"}, "trigger": {"type": "refusal", "category": "cyber"}})]},
    "an answer sent back as the SDK dumps it": {"messages": [model(
        {"type": "text", "text": "x", "citations": None},
        CALL | {"caller": None, "toolset_name": None, "cache_control": None})]},
}  # fmt: skip


@pytest.mark.parametrize("feature", list(FEATURES))
def test_each_feature_of_the_sdks_passes_without_a_grant(feature):
    body = {"model": "m", "max_tokens": 10, "messages": []} | FEATURES[feature]
    got = read_request(json.dumps(body).encode())
    assert isinstance(got, ModelRequest), got
    assert got.server_tools == ()
    assert fitted(got.fields, got.asks, read_betas("", None, NOTHING), ALL).changes == ()


FETCHED = {
    "web_fetch": {"messages": [user(*({"type": kind, "source": {"type": "url", "url": "https://x"}}
                                      for kind in ("image", "document")))]},
    "files": {"messages": [user(*({"type": kind, "source": {"type": "file", "file_id": "f"}}
                                  for kind in ("image", "document")))]},
}  # fmt: skip


@pytest.mark.parametrize("grant", list(FETCHED))
def test_what_the_provider_goes_and_gets_passes_with_its_grant(grant):
    body = {"model": "m", "max_tokens": 10, "messages": []} | FETCHED[grant]
    got = read_request(json.dumps(body).encode())
    assert isinstance(got, ModelRequest), got
    assert got.server_tools == (grant,)


@pytest.mark.parametrize("number", range(len(SEEN)))
@pytest.mark.parametrize("vendor", list(VENDORS))
def test_claude_code_passes_at_every_vendor(number, vendor):
    headers, body = SEEN[number]["headers"], SEEN[number]["body"]
    check_headers(headers, NOTHING)
    betas = read_betas(headers["anthropic-beta"], body.get("anthropic_beta"), NOTHING)
    got = read_request(json.dumps(body).encode())
    assert isinstance(got, ModelRequest), got
    assert got.server_tools == ()
    fits = fitted(got.fields, got.asks, betas, VENDORS[vendor])
    assert "interleaved-thinking-2025-05-14" in fits.betas
    deferred = [c.steps for c in fits.changes if c.steps[-1] == "defer_loading"]
    wanted = [t for t in body["tools"] if "defer_loading" in t] if vendor != "anthropic" else []
    assert len(deferred) == len(wanted)


def fits(vendor, betas=(), strict=False, **fields):
    """A request fitted to a vendor, as JSON would show what is left out."""
    got = read_request(
        json.dumps({"model": "m", "max_tokens": 1, "messages": []} | fields).encode()
    )
    assert isinstance(got, ModelRequest), got
    takes = msgspec.structs.replace(VENDORS[vendor], strict=strict)
    return fitted(got.fields, got.asks, read_betas(",".join(betas), None, NOTHING), takes)


@pytest.mark.parametrize("vendor", ["bedrock", "vertex"])
def test_a_vendor_gets_what_it_takes_and_refuses_what_would_mean_something_else(vendor):
    betas = ("effort-2025-11-24", "message-threads-2026-08-12")
    got = fits(vendor, betas, diagnostics={}, anthropic_beta=[], speed="standard")
    assert got.betas == "effort-2025-11-24"
    assert {change.steps for change in got.changes} == {
        ("anthropic_beta",),
        ("diagnostics",),
        ("speed",),
    }
    for heavy in ({"inference_geo": "us"}, {"container": "c"}, {"fallbacks": [{"model": "m"}]}):
        with pytest.raises(NotInTable, match=next(iter(heavy))):
            fits(vendor, **heavy)
    with pytest.raises(NotInTable, match="diagnostics"):
        fits(vendor, strict=True, diagnostics={})
    with pytest.raises(NotInTable, match="message-threads"):
        fits(vendor, betas, strict=True)
    assert fits("anthropic", betas, diagnostics={}).betas == ",".join(betas)
