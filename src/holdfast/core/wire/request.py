"""The table, first part: the request itself, its messages, and what stands around them."""

from collections.abc import Mapping

from holdfast.core.wire.shapes import Row, Use, row

REQUEST = "request"

ROWS: Mapping[str, Row] = {
    REQUEST: row(
        model="priced:text",
        messages="[message]",
        max_tokens="priced:whole",
        stream="flag",
        system="text|[text_block]",
        tools="[tool]",
        tool_choice="tool_choice",
        thinking="thinking",
        metadata="metadata",
        stop_sequences="[text]",
        temperature="number",
        top_k="whole",
        top_p="number",
        cache_control="priced:cache_control",
        output_config="output_config",
        output_format="json_schema",
        service_tier="priced:=auto,standard_only",
        speed="priced:=standard,fast",
        inference_geo="priced:text",
        context_management="context_management",
        compaction="granted:summarize",
        fallbacks="priced:=default|[fallback]",
        fallback_credit_token="text|fallback_credit_token",  # noqa: S106 -- a shape
        container="granted:connector|container",
        mcp_servers="granted:[mcp_server]",
        diagnostics="diagnostics",
        thread="bounded:thread_create|thread_continue",
        anthropic_beta="[text]",
        anthropic_version="text",
        betas="refused:any",
        billing_policy="refused:any",
        user_profile_id="refused:any",
        workspace_id="refused:any",
    ),
    "user_message": Row("user", {"content": "text|[block]"}, tag="role"),
    "assistant_message": Row("assistant", {"content": "text|[block]"}, tag="role"),
    "system_message": Row(
        "system",
        {"content": "text|[system_block]", "clear_at": "text", "output_config": "effort"},
        tag="role",
    ),
    "effort": row(effort="text"),
    "metadata": row(user_id="text"),
    "diagnostics": row(previous_message_id="text"),
    "output_config": row(effort="text", format="json_schema", task_budget="task_budget"),
    "json_schema": row("json_schema", schema="{any}"),
    "task_budget": row("tokens", total="whole", remaining="whole"),
    "fallback": row(
        model="priced:text",
        max_tokens="priced:whole",
        speed="priced:=standard,fast",
        output_config="output_config",
        thinking="thinking",
    ),
    "fallback_credit_token": row(token="text", mode="text"),  # noqa: S106 -- shapes
    "container": row(use=Use.GRANTED, id="connector", skills="bounded:[skill]"),
    "skill": row("anthropic custom", Use.GRANTED, skill_id="connector", version="text"),
    "mcp_server": row(
        "url",
        Use.GRANTED,
        name="text",
        url="url",
        authorization_token="text",  # noqa: S106 -- a shape
        tool_configuration="mcp_tool_configuration",
    ),
    "mcp_tool_configuration": row(allowed_tools="[text]", enabled="flag"),
    "thread_create": row("create"),
    "thread_continue": row("continue", previous_message_id="bounded:text"),
    "thinking_adaptive": row("adaptive", display="text", block_binding="block_binding"),
    "thinking_between_tools": row("between_tools"),
    "thinking_disabled": row("disabled"),
    "thinking_enabled": row(
        "enabled", budget_tokens="bounded:whole", display="text", block_binding="block_binding"
    ),
    "block_binding": row(prefix_mismatch_behavior="text"),
    "choice_auto": row("auto", disable_parallel_tool_use="flag"),
    "choice_any": row("any", disable_parallel_tool_use="flag"),
    "choice_none": row("none"),
    "choice_tool": row("tool", name="text", disable_parallel_tool_use="flag"),
    "context_management": row(edits="[edit]"),
    "clear_thinking": row("clear_thinking_20251015", keep="=all|thinking_turns|all_turns"),
    "thinking_turns": row("thinking_turns", value="whole"),
    "all_turns": row("all"),
    "clear_tool_uses": row(
        "clear_tool_uses_20250919",
        clear_at_least="input_tokens",
        clear_tool_inputs="flag|[text]",
        exclude_tools="[text]",
        keep="tool_uses",
        trigger="input_tokens|tool_uses",
    ),
    "compact": row(
        "compact_20260112",
        Use.GRANTED,
        instructions="text",
        pause_after_compaction="flag",
        trigger="priced:input_tokens",
    ),
    "summarize": row("summarize", Use.GRANTED, instructions="text"),
    "input_tokens": row("input_tokens", value="whole"),
    "tool_uses": row("tool_uses", value="whole"),
    "cache_control": row(
        "ephemeral", Use.PRICED, ttl="priced:=5m,1h", scope="=global,organization"
    ),
}

UNIONS: Mapping[str, str] = {
    "message": "user_message assistant_message system_message",
    "thinking": ("thinking_adaptive thinking_between_tools thinking_disabled thinking_enabled"),
    "tool_choice": "choice_auto choice_any choice_none choice_tool",
    "edit": "clear_thinking clear_tool_uses compact",
}
