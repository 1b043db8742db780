"""Requests are read for money and evidence, and edited without touching another byte."""

import json

import pytest

from holdfast.core.messages import BadRequest, ModelRequest, edited, read_request

BASE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": []}


def read(**more):
    got = read_request(json.dumps(BASE | more).encode())
    assert isinstance(got, ModelRequest), got
    return got


def user(*blocks):
    return [{"role": "user", "content": list(blocks)}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"model":"m","max_tokens":1,"messages":[],"model":"n"}',
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a","content":"b"}]}',
        b'{"model":"m","max_tokens":NaN,"messages":[]}',
        b'{"model":"m","max_tokens":1e999,"messages":[]}',
        b'{"model":"m","max_tokens":1.5,"messages":[]}',
        b'{"model":"m","max_tokens":true,"messages":[]}',
        b'{"model":"m","max_tokens":-1,"messages":[]}',
        b'{"model":"m","messages":[]}',
        b'{"model":"","max_tokens":1,"messages":[]}',
        b'{"model":7,"max_tokens":1,"messages":[]}',
        b'{"model":"m","max_tokens":1}',
        b'{"model":"m","max_tokens":1,"messages":{}}',
        b'{"model":"m","max_tokens":1,"messages":["x"]}',
        b'{"model":"m","max_tokens":1,"messages":[{"content":7}]}',
        b'{"model":"m","max_tokens":1,"messages":[{"content":["x"]}]}',
        b'{"model":"m","max_tokens":1,"messages":[],"stream":"true"}',
        b'{"model":"m","max_tokens":1,"messages":[],"tools":{}}',
        b'{"model":"m","max_tokens":1,"messages":[],"tools":["x"]}',
        b'{"model":"m","max_tokens":1,"messages":[],"tools":[{"type":7}]}',
        b'{"model":"m","max_tokens":1,"messages":[],"thinking":"on"}',
        b'{"model":"m","max_tokens":1,"messages":[],"thinking":{"budget_tokens":-1}}',
        b'{"model":"m","max_tokens":1,"messages":[],"thread":"x"}',
        b'{"model":"m","max_tokens":1,"messages":[],"thread":{"type":"continue"}}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe",
        b'{"model":"\\ud800","max_tokens":1,"messages":[]}',
        b'{"model":"m","max_tokens":1,"messages":[' + b"[" * 500 + b"]" * 500 + b"]}",
        b'{"model":"m","max_tokens":1,"messages":' + b"[" * 100_000,
    ],
)
def test_body_that_cannot_be_governed_is_refused_in_one_sentence(body):
    got = read_request(body)
    assert isinstance(got, BadRequest)
    assert "\n" not in got.text
    assert len(got.text) < 200


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_result"},
        {"type": "tool_result", "tool_use_id": 7},
        {"type": "tool_result", "tool_use_id": ""},
        {"type": "tool_result", "tool_use_id": None},
        {"type": "tool_result", "tool_use_id": "x", "is_error": "no"},
        {"type": "brand_new_tool_result"},
        {"tool_use_id": "x"},
    ],
)
def test_result_that_hides_which_call_it_answers_is_refused(block):
    assert isinstance(
        read_request(json.dumps(BASE | {"messages": user(block)}).encode()), BadRequest
    )


@pytest.mark.parametrize(
    ("kind", "flagged"),
    [
        ("tool_result", {"is_error": True}),
        ("mcp_tool_result", {"is_error": True}),
        ("web_search_tool_result", {}),
        ("web_fetch_tool_result", {}),
        ("advisor_tool_result", {}),
        ("code_execution_tool_result", {}),
        ("bash_code_execution_tool_result", {}),
        ("text_editor_code_execution_tool_result", {}),
        ("tool_search_tool_result", {}),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_every_block_that_answers_a_call_is_evidence_whatever_its_kind_and_role(
    kind, flagged, role
):
    block = {"type": kind, "tool_use_id": "t1", **flagged}
    got = read(messages=[{"role": role, "content": [{"type": "text", "text": "a"}, block]}])
    assert [(e.message, e.block, e.kind, e.call_id, e.is_error) for e in got.evidence] == [
        (0, 1, kind, "t1", bool(flagged))
    ]


def test_evidence_comes_in_the_order_of_the_messages():
    block = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    got = read(messages=[*user(block, block), *user(block)])
    assert [(e.message, e.block) for e in got.evidence] == [(0, 0), (0, 1), (1, 0)]


def test_big_integers_and_bidi_text_pass_where_free_values_stand():
    text = "\u202egnp.exe\u2066 \x7f"
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {"n": 2**63}}
    got = read(messages=user({"type": "text", "text": text}, call))
    assert got.evidence == ()


def test_tools_are_told_apart_by_where_they_run():
    got = read(
        tools=[
            {"name": "mine"},
            {"type": "custom", "name": "too"},
            {"type": None, "name": "null"},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        mcp_servers=[{"type": "url", "name": "x", "url": "https://x"}],
    )
    assert got.tool_names == ("mine", "too", "null", "bash")
    assert sorted(got.server_tools) == ["mcp_servers", "web_search"]


def test_built_in_tools_widen_the_bound_by_their_hidden_definition():
    plain = read().input_tokens_bound or 0
    got = read(tools=[{"type": "computer_20250124", "name": "computer"}]).input_tokens_bound or 0
    assert got - plain > 1_500


def test_ten_thousand_tools_are_read():
    got = read(tools=[{"name": f"tool_{n}", "input_schema": {}} for n in range(10_000)])
    assert len(got.tool_names) == 10_000


IMAGE = {"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}


def test_images_are_bounded_by_number_wherever_they_stand():
    result = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE, LINK]}
    inner = {"type": "document", "source": {"type": "content", "content": [LINK]}}
    for blocks, images in (([IMAGE], 1), ([LINK] * 3, 3), ([result], 2), ([inner], 1)):
        bound = read(messages=user(*blocks)).input_tokens_bound
        assert bound is not None
        assert images * 5_000 <= bound < images * 5_000 + 4_000


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "base64", "data": "AA"}},
        {"type": "document", "source": {"type": "url", "url": "https://x"}},
        {"type": "container_upload", "file_id": "f"},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [{"type": "document", "source": {"type": "base64", "data": "A" * 50}}],
        },
    ],
)
def test_what_bytes_do_not_bound_has_no_bound(block):
    assert read(messages=user(block)).input_tokens_bound is None


def test_caching_is_seen_however_it_is_spelt():
    for mark in ('"cache_control"', '"cache_contr\\u006fl"'):
        for hour in ('"1h"', '"1\\u0068"'):
            body = (
                '{"model":"m","max_tokens":1,"messages":[],"system":[{"type":"text","text":"x",'
                + mark
                + ':{"type":"ephemeral","ttl":'
                + hour
                + "}}]}"
            )
            got = read_request(body.encode())
            assert isinstance(got, ModelRequest)
            assert (got.cached, got.cached_1h) == (True, True)
    plain = read(messages=user({"type": "text", "text": "caf\u00e9"}))
    assert (plain.cached, plain.cached_1h) == (False, False)


def test_thinking_and_threads_are_read():
    assert read(thinking={"type": "disabled"}).opaque is False
    assert read(thinking={"type": "adaptive"}).opaque is True
    got = read(thinking={"type": "enabled", "budget_tokens": 2000})
    assert (got.thinking_budget, got.opaque) == (2000, True)
    assert read(thread={"type": "continue", "previous_message_id": "m1"}).continues == "m1"


def test_nothing_to_edit_gives_the_very_same_bytes():
    body = b'{ "model" : "m" }'
    assert edited(body) is body


def test_edit_changes_one_value_and_keeps_the_bytes_of_all_others():
    odd = '{ "b":1.50, "a":"\\u00e9\\/x", "z":[ 1 ,2 ],"n":1E2,"big":123456789012345678901}'
    message = '{"role":"user","content":[{"type":"text","text":"\\u00e9"},%s]}'
    block = '{"type":"tool_result","cache_control":{ "type":"ephemeral"},"tool_use_id":"t","content":"no"}'
    body = f'{{"model":"m","messages":[{message % block},{message % odd}],"max_tokens":9,"meta":{odd}}}'
    out = edited(body.encode(), max_tokens=5, contents={(0, 1): 'say "no"'}).decode()
    mended = block.replace('"content":"no"', '"content":"say \\"no\\"","is_error":true')
    want = body.replace('"max_tokens":9', '"max_tokens":5').replace(block, mended)
    assert out == want


def test_edit_of_a_block_list_and_of_an_error_flag_keeps_the_rest():
    body = (
        b'{"max_tokens":1,"messages":[{"role":"user","content":[{"is_error":false,"content":[1,2],'
        b'"type":"tool_result","tool_use_id":"t"}]}]}'
    )
    out = json.loads(edited(body, contents={(0, 0): "denied"}))
    assert out["messages"][0]["content"][0] == {
        "is_error": True,
        "content": "denied",
        "type": "tool_result",
        "tool_use_id": "t",
    }


TASK = "Task: shelf\nKeep it in order, “always”."


@pytest.mark.parametrize(
    ("system", "before"),
    [
        (b"", []),
        (b"null", []),
        (b'""', []),
        (b'"Be kind."', [{"type": "text", "text": "Be kind."}]),
        (b"[]", []),
        (
            b'[{"type":"text", "text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]',
            [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "b"},
            ],
        ),
    ],
)
def test_what_is_told_stands_behind_all_of_system_to_the_letter(system, before):
    more = b',"system":' + system if system else b""
    body = b'{"model":"m","max_tokens": 9,"messages":[]' + more + b"}"
    found = edited(body, told=TASK)
    assert json.loads(found)["system"] == [*before, {"type": "text", "text": TASK}]
    assert found.startswith(b'{"model":"m","max_tokens":9,"messages":[]')
    assert edited(body, told="") is body


def test_blocks_before_what_is_told_keep_their_bytes():
    block = b'{ "type" : "text",  "text":"\\u00e9", "cache_control" : {"type":"ephemeral"} }'
    body = b'{"system":[' + block + b'],"model":"m"}'
    assert block in edited(body, told=TASK)


def opens(*messages):
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": list(messages)}).encode()
    found = read_request(body)
    assert isinstance(found, ModelRequest), found
    return found.opens, found.messages


def test_a_conversation_is_known_by_its_first_message_wherever_its_marks_stand():
    said = {"type": "text", "text": "tidy up"}
    marked = {**said, "cache_control": {"type": "ephemeral"}}
    answer = {"role": "assistant", "content": "done"}
    first = opens({"role": "user", "content": "tidy up"})
    assert (
        first
        == opens({"role": "user", "content": [said]})
        == opens({"role": "user", "content": [marked]})
    )
    assert opens({"role": "user", "content": [marked]}, answer) == (first[0], 2)
    others = (
        {"role": "user", "content": "tidy  up"},
        {"role": "user", "content": [said, said]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "tidy"}, {"type": "text", "text": " up"}],
        },
    )
    assert len({first[0], *(opens(one)[0] for one in others)}) == 4
