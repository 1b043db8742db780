"""The table says something of all that the pinned package types, and the reader holds to it."""

import json
import random
import re
from typing import Any

import msgspec
import pytest

from holdfast.core.messages import BadRequest, ModelRequest, read_count, read_request
from holdfast.core.wire import betas, headers, table
from holdfast.core.wire.admitted import NOTHING, Admission, Admitted, Sort
from holdfast.core.wire.grants import REACH
from holdfast.core.wire.reading import NotInTable
from holdfast.core.wire.shapes import Row, Use, compiled
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


PLAIN = ("file_ids", "href", "n", "server_name", "text", "url", "urls", "x")


def block_lines(*at, fields=PLAIN, **more):
    return Admitted([Admission(sort=Sort.BLOCK, name="novel_block", at=at, fields=fields, **more)])


def read(body, lines):
    return read_request(json.dumps(BASE | body).encode(), lines)


IN_RESULT = said(RESULT | {"content": [NOVEL]})
IN_SYSTEM = {"system": [NOVEL]}
IN_SOURCE = said({"type": "document", "source": {"type": "content", "content": [NOVEL]}})


@pytest.mark.parametrize(
    ("at", "passes", "refused"),
    [
        ("messages.content", [said(NOVEL), said(NOVEL, role="assistant")], [IN_RESULT, IN_SYSTEM]),
        ("user_message.content", [said(NOVEL)], [said(NOVEL, role="assistant"), IN_RESULT]),
        ("tool_result.content", [IN_RESULT], [said(NOVEL), IN_SYSTEM, IN_SOURCE]),
        ("messages.content.content", [IN_RESULT], [said(NOVEL), IN_SOURCE]),
        ("system", [IN_SYSTEM], [said(NOVEL), IN_RESULT]),
        ("request.system", [IN_SYSTEM], [said(NOVEL)]),
        ("content_source.content", [IN_SOURCE], [said(NOVEL), IN_RESULT]),
    ],
)
def test_an_admitted_block_stands_where_the_operator_said_and_nowhere_else(at, passes, refused):
    for body in passes:
        assert isinstance(read(body, block_lines(at)), ModelRequest), body
    for body in refused:
        got = read(body, block_lines(at))
        assert isinstance(got, BadRequest)
        assert "`gateway.admit: [{block: novel_block, at: [" in got.text
    assert isinstance(read(passes[0], block_lines()), BadRequest)


def test_each_admitted_block_is_held_for():
    plain = read(said(NOVEL), block_lines("messages.content"))
    dear = read(said(NOVEL, NOVEL), block_lines("messages.content", tokens=700))
    assert isinstance(plain, ModelRequest)
    assert isinstance(dear, ModelRequest)
    more = len(json.dumps(NOVEL)) + 2
    assert dear.input_tokens_bound == (plain.input_tokens_bound or 0) + 1400 + more


SEARCH_TOOL = {"type": "web_search_20250305", "name": "web_search"}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}


@pytest.mark.parametrize(
    ("inside", "grants"),
    [
        ({"parts": [PICTURE]}, ("web_fetch",)),
        ({"source": {"type": "url", "url": "https://x"}}, ("web_fetch",)),
        ({"source": {"type": "file", "file_id": "f"}}, ("files",)),
        ({"url": "https://x"}, ("web_fetch",)),
        ({"urls": ["https://x"]}, ("web_fetch",)),
        ({"file_ids": ["f"]}, ("files",)),
        ({"server_name": "s"}, ("mcp_servers",)),
        ({"tools": [[SEARCH_TOOL]]}, ("web_search",)),
        ({"tool": {"type": "tool_definition", "definition": SEARCH_TOOL}}, ("web_search",)),
        ({"upload": {"type": "container_upload", "file_id": "f"}}, ("code_execution", "files")),
        ({"href": "https://x"}, ("web_fetch",)),
        ({"text": ["a", ["see ftp://x"]]}, ("web_fetch",)),
        ({"x": "file_011CNha8iCJcU1wXNR6q4V8w"}, ("files",)),
        ({"text": "plain", "n": [1, 2, None, True]}, ()),
        ({"text": "a file_name, profile_abcdefgh and a: //b"}, ()),
        ({"parts": [{"type": "text", "text": "x"}]}, ()),
    ],
)
def test_what_the_table_knows_is_read_within_an_admitted_block_too(inside, grants):
    got = read(said(NOVEL | inside), block_lines("messages.content"))
    assert isinstance(got, ModelRequest), got
    assert set(got.server_tools) == set(grants)


@pytest.mark.parametrize(
    "inside",
    [
        {"parts": [{"type": "other_block"}]},
        {"parts": [NOVEL]},
        {"uri": "https://x"},
        {"source_url": "x"},
        {"container_id": "c"},
        {"sources": [[], ["https://x"]]},
        {"call_id": "zz", "result": "raw"},
        {"model": None},
        {"flag": False},
        {"input_schema": {"type": "url", "url": "https://x", "more": 1}},
        {"input_schema": {"a": {"url": "https://x"}}},
        {"options": {"a": 1}},
        {"parts": [[{"deep": {}}]]},
        {"parts": [{"type": "text", "text": "x", "novel": 1}]},
        {"parts": [{"type": "tool_use", "id": "t", "name": "x", "input": {}}]},
        {"parts": [RESULT]},
        {"cache_control": {"type": "ephemeral", "ttl": "24h"}},
        {"tools": [{"type": "web_search_20990101", "name": "web_search"}]},
        {"type": "novel_block", "x": {"type": 7}},
    ],
)
def test_what_nobody_knows_within_an_admitted_block_stays_refused(inside):
    got = read(said(NOVEL | inside), block_lines("messages.content"))
    assert isinstance(got, BadRequest), got


def test_what_stands_within_an_admitted_block_may_be_admitted_itself():
    lines = Admitted(
        [
            Admission(sort=Sort.BLOCK, name="novel_block", at=("messages.content",), fields=("x",)),
            Admission(sort=Sort.BLOCK, name="other_block", at=("novel_block.parts",)),
            Admission(sort=Sort.FIELD, name="messages.content.options", fields=("a",)),
        ]
    )
    inside = {"parts": [{"type": "other_block"}], "options": {"a": 1}}
    assert isinstance(read(said(NOVEL | inside), lines), ModelRequest)
    assert isinstance(read(said(NOVEL | {"options": {"b": 1}}), lines), BadRequest)
    assert isinstance(read(said({"type": "other_block"}), lines), BadRequest)


def test_a_field_within_an_admitted_block_is_refused_with_the_line_that_admits_it():
    body = said(NOVEL | {"text": "x"})
    got = read(body, block_lines("messages.content", fields=("x",), tokens=40))
    assert isinstance(got, BadRequest)
    says = "{block: novel_block, at: [messages.content], tokens: 40, fields: [x, text]}"
    assert f"`gateway.admit: [{says}]`" in got.text
    assert isinstance(
        read(body, block_lines("messages.content", fields=("x", "text"))), ModelRequest
    )


def test_an_address_in_an_admitted_block_is_all_that_it_may_reach():
    got = read(said(NOVEL | {"x": "https://a.example/b"}), block_lines("messages.content"))
    assert isinstance(got, ModelRequest)
    assert [(one.grant, one.addresses) for one in got.asks.outside] == [
        ("web_fetch", ("https://a.example/b",))
    ]


def test_an_admitted_field_and_an_admitted_tool_are_read_within():
    field = Admitted([Admission(sort=Sort.FIELD, name="novel")])
    got = read({"novel": {"tools": [SEARCH_TOOL], "part": PICTURE}}, field)
    assert isinstance(got, ModelRequest)
    assert set(got.server_tools) == {"web_search", "web_fetch"}
    assert isinstance(read({"novel": {"deep": {"er": 1}}}, field), BadRequest)
    gone = Admitted([Admission(sort=Sort.FIELD, name="novel", dropped=True)])
    assert isinstance(read({"novel": {"deep": {"er": 1}}}, gone), ModelRequest)
    oracle = Admitted([Admission(sort=Sort.TOOL, name="oracle_20990101")])
    tool = {"type": "oracle_20990101", "name": "oracle", "input_schema": {"type": "object"}}
    assert isinstance(read({"tools": [tool]}, oracle), ModelRequest)
    got = read({"tools": [tool | {"inner": SEARCH_TOOL}]}, oracle)
    assert isinstance(got, ModelRequest)
    assert set(got.server_tools) == {"oracle_20990101", "web_search"}
    assert isinstance(read({"tools": [tool | {"options": {"x": 1}}]}, oracle), BadRequest)


NAMES_A_PLACE = re.compile(r"(^|_)(url|uri|file_id|path|source|server_name|host|endpoint)$")


def test_every_field_that_names_something_outside_says_whether_it_is_followed():
    """Those that are followed stand in what is granted, which the table itself sees to."""
    silent = [
        f"{kind.name}.{name}"
        for kind in table.KINDS.values()
        for name, field in kind.fields.items()
        if NAMES_A_PLACE.search(name) and not field.shape.names and not field.shape.kinds
    ]
    assert silent == []


def test_what_reaches_outside_cannot_be_inert():
    for followed in ("url", "file", "connector", "text|url", "[file]", "{connector}"):
        with pytest.raises(ValueError, match=r"novel\.where"):
            compiled({"novel": Row("novel", {"where": followed})}, {})
        compiled({"novel": Row("novel", {"where": followed}, Use.GRANTED)}, {})
        compiled({"novel": Row("novel", {"where": f"refused:{followed}"})}, {})
    compiled({"novel": Row("novel", {"where": "label"})}, {})


URL = {"type": "url", "url": "https://x"}
FILE = {"type": "file", "file_id": "f"}


def anywhere(block):
    """A block in a message, in a result, in a source and in what a summary keeps."""
    source = {"type": "content", "content": [block]}
    return [
        said(block),
        said(block, role="assistant"),
        said(RESULT | {"content": [block]}),
        *([said({"type": "document", "source": source})] if block["type"] == "image" else []),
    ]


def defined(tool):
    """A tool at the top, in a system message, and in what a summary keeps."""
    added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool}}
    return [
        {"tools": [tool]},
        said(added, role="system"),
        said({"type": "compaction", "content": "x", "tool_changes": [added]}, role="assistant"),
    ]


def referred(reference):
    """A reference to a tool in a message and in the system prompt."""
    added = {"type": "tool_addition", "tool": reference}
    return [said(added), said(added, role="system")]


def sourced(source):
    return [
        *anywhere({"type": "image", "source": source}),
        *anywhere({"type": "document", "source": source}),
    ]


TYPED_TOOLS = ("advisor", "code_execution", "tool_search_tool_bm25", "tool_search_tool_regex",
               "web_fetch", "web_search")  # fmt: skip
SAMPLES: dict[str, list[dict[str, Any]]] = {
    **{
        name: [body for t in table.KINDS[name].types for body in defined({"type": t, "name": name})]
        for name in TYPED_TOOLS
    },
    "compact": [{"context_management": {"edits": [{"type": "compact_20260112"}]}}],
    "container": [{"container": {"id": "c"}}, {"container": "c"}],
    "container_upload": [said({"type": "container_upload", "file_id": "f"})],
    "file_source": sourced(FILE),
    "mcp_server": [{"mcp_servers": [{"type": "url", "name": "s", "url": "https://x"}]}],
    "mcp_tool_listing": [said({"type": "mcp_tool_listing", "mcp_server_name": "s", "tools": []})],
    "mcp_tool_reference": referred({"type": "mcp_tool_reference", "name": "t", "server_name": "s"}),
    "mcp_toolset": defined({"type": "mcp_toolset", "mcp_server_name": "s"}),
    "mcp_toolset_reference": referred({"type": "mcp_toolset_reference", "server_name": "s"}),
    "skill": [{"container": {"skills": [{"type": "custom", "skill_id": "s"}]}}],
    "summarize": [{"compaction": {"type": "summarize"}}],
    "url_source": sourced(URL),
}


def test_content_that_stands_in_the_request_needs_no_grant():
    for source in (
        {"type": "base64", "media_type": "image/png", "data": "aGk="},
        {"type": "text", "media_type": "text/plain", "data": "hi"},
        {"type": "content", "content": "hi"},
    ):
        got = read_request(json.dumps(BASE | said({"type": "document", "source": source})).encode())
        assert isinstance(got, ModelRequest)
        assert got.server_tools == ()


@pytest.mark.parametrize("kind", sorted(table.GRANTED))
def test_every_entry_that_reaches_outside_asks_for_its_grant_wherever_it_stands(kind):
    asked = table.GRANTED[kind]
    assert set(asked) <= set(REACH)
    for body in SAMPLES[kind]:
        got = read_request(json.dumps(BASE | body).encode())
        assert isinstance(got, ModelRequest), got
        assert set(asked) <= set(got.server_tools), body


def test_a_refusal_says_how_an_operator_may_admit_it_and_that_admits_it():
    found = text(said({"type": "text", "text": "x", "novel": 1}))
    assert "`gateway.admit: [{field: messages.content.novel, as: inert}]`" in found
    lines = Admitted([Admission(sort=Sort.FIELD, name="messages.content.novel")])
    body = json.dumps(BASE | said({"type": "text", "text": "x", "novel": 1})).encode()
    assert isinstance(read_request(body, lines), ModelRequest)
    assert isinstance(read_request(body, NOTHING), BadRequest)


def test_an_admitted_block_that_answers_a_call_is_evidence_all_the_same():
    lines = block_lines("messages.content")
    body = json.dumps(BASE | said(NOVEL | {"tool_use_id": "t9", "is_error": False})).encode()
    got = read_request(body, lines)
    assert isinstance(got, ModelRequest)
    assert [(e.call_id, e.kind) for e in got.evidence] == [("t9", "novel_block")]


ORACLE = {"type": "oracle_20990101"}


@pytest.mark.parametrize("named", [{}, {"name": "oracle"}, {"name": "oracle_20990101"}])
def test_an_admitted_tool_needs_a_grant_of_its_lines_own_name(named):
    got = read({"tools": [ORACLE | named]}, tool_lines("oracle_20990101"))
    assert isinstance(got, ModelRequest)
    assert got.server_tools == ("oracle_20990101",)
    assert [tool.name for tool in got.asks.server] == ["oracle_20990101"]


@pytest.mark.parametrize(
    "name", ["look", "web_search", "oracle_2099", "Oracle", "", None, 7, ["x"]]
)
def test_an_admitted_tool_does_not_choose_whose_grant_it_runs_under(name):
    for tool in defined(ORACLE | {"name": name}):
        got = read(tool, tool_lines("oracle_20990101"))
        assert isinstance(got, BadRequest), got
        assert "name` must be `oracle`" in got.text


@pytest.mark.parametrize("name", ["web_search", "code_execution", "mcp_servers", "bash"])
def test_a_line_that_bounds_a_tool_of_the_table_admits_no_type_of_that_name(name):
    assert isinstance(read({"tools": [{"type": name, "name": name}]}, tool_lines(name)), BadRequest)


def tool_lines(*names):
    return Admitted([Admission(sort=Sort.TOOL, name=name) for name in names])


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
    gone = [Change(("a", 0)), Change(("a", 1, "x"), 4)]
    assert spliced(body, gone) == b'{"a":[{"x":4}],"b":1E2}'


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
