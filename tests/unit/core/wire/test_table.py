"""The table says something of all that the pinned package types, and the reader holds to it."""

import json
import random
from typing import Any

import msgspec
import pytest

from holdfast.core.messages import BadRequest, ModelRequest, read_count, read_request
from holdfast.core.wire import betas, headers, table
from holdfast.core.wire.admitted import NOTHING, Admission, Admitted, Sort
from holdfast.core.wire.reading import NotInTable
from holdfast.core.wire.splicing import Change, spliced
from scripts.render_requests import MARK, PAGE, rendered
from tests.unit.core.wire import sdk_types

BASE = {"model": "m", "max_tokens": 1, "messages": []}


def test_the_table_is_silent_about_nothing_that_the_pinned_package_types():
    assert sorted(sdk_types.silences()) == []


def test_the_table_names_every_beta_and_every_header_of_the_package():
    assert sorted(sdk_types.betas() - set(betas.BETAS)) == []
    assert sorted(sdk_types.header_names() - set(headers.HEADERS)) == []


def test_the_page_shows_the_table_as_it_is():
    _, mark, made = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark
    assert made == rendered(), "run `python -m scripts.render_requests`"


@pytest.mark.parametrize(
    ("kind", "field"),
    [("web_search", "max_uses"), ("cache_control", "ttl"), ("fallback", "speed"),
     ("tool_addition", "tool"), ("compact", "trigger"), ("cited_pages", "file_id")],
)  # fmt: skip
def test_a_field_taken_out_of_the_table_is_found(monkeypatch, kind, field):
    whole = table.KINDS[kind]
    fields = {name: one for name, one in whole.fields.items() if name != field}
    monkeypatch.setitem(table.KINDS, kind, msgspec.structs.replace(whole, fields=fields))
    assert any(path.endswith(f".{field}") for path in sdk_types.silences())


@pytest.mark.parametrize("kind", ["web_fetch", "direct_caller", "fallback_block", "base64_source"])
def test_a_type_taken_out_of_the_table_is_found(monkeypatch, kind):
    whole = table.KINDS[kind]
    monkeypatch.setitem(table.KINDS, kind, msgspec.structs.replace(whole, types=("other",)))
    assert any(f"<{whole.types[-1]}>" in path for path in sdk_types.silences())


def text(body) -> str:
    got = read_request(json.dumps(BASE | body).encode())
    assert isinstance(got, BadRequest), got
    return got.text


def said(*blocks, role="user"):
    return {"messages": [{"role": role, "content": list(blocks)}]}


NOVEL = {"type": "novel_block", "x": 1}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": []}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"novel": 1}, "`novel`"),
        ({"metadata": {"novel": 1}}, "`metadata.novel`"),
        (said({"type": "text", "text": "x", "novel": 1}), "`messages[0].content[0].novel`"),
        (said(NOVEL), "novel_block"),
        (said(RESULT | {"content": [NOVEL]}), "messages[0].content[0].content[0]"),
        (said(RESULT | {"content": [RESULT]}), "content[0].content[0]"),
        (said({"type": "text", "text": "x", "tool_use_id": "t"}), "tool_use_id"),
        (said(RESULT, role="system"), "tool_result"),
        (said({"type": "text", "text": "x"}, role="tool"), "messages[0].role"),
        (said({"type": "text", "text": "x"}, role="developer"), "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"tools": [{"type": "novel_20990101", "name": "x"}]}, "novel_20990101"),
        ({"tools": [{"type": "web_search_20990101", "name": "web_search"}]}, "20990101"),
        ({"tools": [{"type": "web_search_20250305", "name": "Read"}]}, "`tools[0].name`"),
        ({"tools": [{"name": None}]}, "null"),
        ({"tools": [{"name": "x", "run_at": "provider"}]}, "`tools[0].run_at`"),
        ({"cache_control": {"type": "ephemeral", "ttl": "24h"}}, "`cache_control.ttl`"),
        ({"cache_control": {"type": "lasting"}}, "lasting"),
        ({"service_tier": "priority"}, "`service_tier`"),
        ({"speed": "ludicrous"}, "`speed`"),
        ({"fallbacks": "default"}, "`fallbacks`"),
        ({"fallbacks": [{"model": "m", "tools": []}]}, "`fallbacks[0].tools`"),
        ({"fallbacks": [{"max_tokens": 3}]}, "`fallbacks[0].model`"),
        ({"context_management": {"edits": [{"type": "compact_20990101"}]}}, "compact_20990101"),
        ({"billing_policy": {"type": "billing_policy"}}, "`billing_policy`"),
        ({"user_profile_id": "u"}, "`user_profile_id`"),
        ({"workspace_id": "w"}, "`workspace_id`"),
        ({"betas": ["x"]}, "`betas`"),
        ({"stream": "true"}, "`stream`"),
        ({"max_tokens": -1}, "`max_tokens`"),
        ({"max_tokens": True}, "`max_tokens`"),
        ({"tools": [{"type": "web_search_20250305", "max_uses": -1}]}, "`tools[0].max_uses`"),
        (said({"type": "tool_result", "tool_use_id": "t", "is_error": 0}), "is_error"),
        ({"mcp_servers": {"url": "x"}}, "`mcp_servers`"),
        ({"container": {"id": "c", "network": "open"}}, "`container.network`"),
    ],
)  # fmt: skip
def test_what_the_table_does_not_know_is_refused_by_its_place(body, names):
    found = text(body)
    assert names in found
    assert len(found) < 400
    assert "\n" not in found


def test_a_refusal_says_how_an_operator_may_admit_it_and_that_admits_it():
    found = text(said({"type": "text", "text": "x", "novel": 1}))
    assert "`gateway.admit: [{field: messages.content.novel, as: inert}]`" in found
    lines = Admitted([Admission(sort=Sort.FIELD, name="messages.content.novel")])
    body = json.dumps(BASE | said({"type": "text", "text": "x", "novel": 1})).encode()
    assert isinstance(read_request(body, lines), ModelRequest)
    assert isinstance(read_request(body, NOTHING), BadRequest)


def test_an_admitted_block_that_answers_a_call_is_evidence_all_the_same():
    lines = Admitted([Admission(sort=Sort.BLOCK, name="novel_block")])
    body = json.dumps(BASE | said(NOVEL | {"tool_use_id": "t9"})).encode()
    got = read_request(body, lines)
    assert isinstance(got, ModelRequest)
    assert [(e.call_id, e.kind) for e in got.evidence] == [("t9", "novel_block")]


def test_an_admitted_tool_needs_a_grant_of_its_name():
    lines = Admitted([Admission(sort=Sort.TOOL, name="oracle_20990101")])
    body = json.dumps(BASE | {"tools": [{"type": "oracle_20990101", "name": "oracle"}]}).encode()
    got = read_request(body, lines)
    assert isinstance(got, ModelRequest)
    assert got.server_tools == ("oracle",)


@pytest.mark.parametrize("absent", ["stream", "thinking", "thread", "speed", "container", "tools",
                                    "fallbacks", "service_tier", "inference_geo"])  # fmt: skip
def test_null_is_read_as_absent(absent):
    got = read_request(json.dumps(BASE | {absent: None}).encode())
    assert isinstance(got, ModelRequest)
    assert got.stream is False


def test_a_null_error_flag_is_no_error():
    got = read_request(json.dumps(BASE | said(RESULT | {"is_error": None})).encode())
    assert isinstance(got, ModelRequest)
    assert [e.is_error for e in got.evidence] == [False]


def test_a_warm_up_of_the_cache_asks_for_no_output():
    got = read_request(json.dumps(BASE | {"max_tokens": 0}).encode())
    assert isinstance(got, ModelRequest)
    assert got.max_tokens == 0


def test_a_count_is_read_by_the_same_table():
    body = {"model": "m", "messages": []}
    assert isinstance(read_count(json.dumps(body).encode()), ModelRequest)
    got = read_count(json.dumps(body | {"novel": 1}).encode())
    assert isinstance(got, BadRequest)


@pytest.mark.parametrize(
    ("tools", "grants"),
    [
        ([{"type": "web_search_20260318", "name": "web_search"}], ("web_search",)),
        ([{"type": "mcp_toolset", "mcp_server_name": "s"}], ("mcp_servers",)),
        ([{"type": "tool_search_tool_bm25", "name": "tool_search_tool_bm25"}],
         ("tool_search_tool_bm25",)),
        ([{"type": "bash_20250124", "name": "bash"}, {"name": "x"}], ()),
        ([{"type": "computer_toolset_20260801"}], ()),
    ],
)  # fmt: skip
def test_what_runs_at_the_provider_needs_a_grant_and_what_runs_here_does_not(tools, grants):
    got = read_request(json.dumps(BASE | {"tools": tools}).encode())
    assert isinstance(got, ModelRequest)
    assert got.server_tools == grants


@pytest.mark.parametrize(
    ("body", "grant"),
    [
        ({"mcp_servers": [{"type": "url", "name": "s", "url": "https://x"}]}, "mcp_servers"),
        ({"container": "c"}, "code_execution"),
        ({"container": {"skills": [{"type": "anthropic", "skill_id": "pdf"}]}}, "code_execution"),
        (said({"type": "container_upload", "file_id": "f"}), "code_execution"),
        ({"compaction": {"type": "summarize"}}, "compaction"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "compaction"),
    ],
)
def test_work_at_the_provider_that_is_no_tool_needs_a_grant_too(body, grant):
    got = read_request(json.dumps(BASE | body).encode())
    assert isinstance(got, ModelRequest)
    assert got.server_tools == (grant,)


@pytest.mark.parametrize(
    "thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "m"}]
)
def test_a_thread_cannot_keep_a_tool_of_the_provider_that_later_requests_do_not_name(thread):
    search = {"type": "web_search_20250305", "name": "web_search"}
    inline = {"type": "tool_definition", "definition": search}
    message = {"role": "system", "content": [{"type": "tool_addition", "tool": inline}]}
    assert "thread" in text({"thread": thread, "messages": [message]})
    got = read_request(json.dumps(BASE | {"thread": thread, "tools": [search]}).encode())
    assert isinstance(got, ModelRequest)
    own = {"type": "tool_definition", "definition": {"name": "mine", "input_schema": {}}}
    mine = {"role": "system", "content": [{"type": "tool_addition", "tool": own}]}
    got = read_request(json.dumps(BASE | {"thread": thread, "messages": [mine]}).encode())
    assert isinstance(got, ModelRequest)


def test_betas_are_judged_alike_in_header_and_body():
    got = betas.read_betas(
        "context-1m-2025-08-07, effort-2025-11-24", ["oauth-2025-04-20"], NOTHING
    )
    assert got.wide
    assert got.dropped == ("oauth-2025-04-20",)
    assert betas.read_betas("", ["context-1m-2025-08-07"], NOTHING).wide
    for header, body in (("brand-new-2099-01-01", None), ("", ["brand-new-2099-01-01"])):
        with pytest.raises(NotInTable, match="brand-new-2099-01-01"):
            betas.read_betas(header, body, NOTHING)
    with pytest.raises(NotInTable, match="billed"):
        betas.read_betas("user-profiles-billing-2026-10-01", None, NOTHING)
    lines = Admitted([Admission(sort=Sort.BETA, name="*", dropped=True)])
    assert betas.read_betas("brand-new-2099-01-01", None, lines).sent == ()


def test_headers_that_say_who_pays_or_what_is_asked_are_refused_and_unknown_ones_stay_here():
    for name in ("Anthropic-Workspace-Id", "anthropic-user-profile-id", "X-HTTP-Method-Override"):
        with pytest.raises(NotInTable, match=name.lower()):
            headers.check_headers([name], NOTHING)
    with pytest.raises(NotInTable, match="more than once"):
        headers.check_headers(["content-encoding", "Content-Encoding"], NOTHING)
    given = {"user-agent": "a", "traceparent": "b", "x-api-key": "c", "anthropic-beta": "d"}
    assert dict(headers.sent_on(given, NOTHING)) == {"user-agent": "a", "anthropic-beta": "d"}
    assert headers.with_betas({"Anthropic-Beta": "d", "A": "b"}, "e") == {
        "anthropic-beta": "e",
        "a": "b",
    }
    assert "anthropic-beta" not in headers.with_betas(given, "")
    admitted = Admitted([Admission(sort=Sort.HEADER, name="traceparent")])
    assert "traceparent" in dict(headers.sent_on(given, admitted))


def test_a_splice_changes_single_values_and_keeps_the_bytes_of_all_others():
    body = b'{ "a":[{"x": 1.0 ,"y":"\\u00e9"},{"x":3}],"b":1E2 }'
    assert spliced(body, ()) is body
    changes = [Change(("a", 0, "x")), Change(("a", 1, "max"), 5), Change(("c",), "q")]
    want = b'{"a":[{"y":"\\u00e9"},{"x":3,"max":5}],"b":1E2,"c":"q"}'
    assert spliced(body, changes) == want


def test_any_request_of_the_table_with_one_thing_changed_is_read_or_refused_never_more():
    """Whatever is put where in a request, the answer is a reading or one sentence."""
    dice = random.Random(7)
    values: list[Any] = [
        None,
        1,
        -1,
        1.5,
        True,
        "x",
        [],
        [[]],
        {},
        {"type": "text"},
        {"type": 7},
        "web_search",
    ]
    whole = BASE | {
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 10},
        "fallbacks": [{"model": "m"}],
        **said(RESULT, {"type": "document", "source": {"type": "text", "data": "x"}}),
    }
    for _ in range(3000):
        body = json.loads(json.dumps(whole))
        at: Any = body
        while True:
            step = dice.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if not isinstance(at[step], dict | list) or not at[step] or dice.random() < 0.3:
                break
            at = at[step]
        at[step] = dice.choice(values)
        assert isinstance(read_request(json.dumps(body).encode()), ModelRequest | BadRequest)
