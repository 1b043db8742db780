"""Requests, scopes, verdicts, resources, refusals, places and written values, entry by entry.

`kept_readings.json` holds what is given and what comes of it; it was read over when it was
written.
"""

import json
from pathlib import Path

import msgspec
import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.contracts import ContractBook
from holdfast.core.judging import JudgeSettings, judge_request, read_verdict
from holdfast.core.large import compact
from holdfast.core.messages import BadRequest, ModelRequest, read_count, read_request, renamed
from holdfast.core.place import Place
from holdfast.core.resources import resource_of, template_variables
from holdfast.core.risk.registry import assess
from holdfast.core.scopes import fits, outside, scope_fault
from holdfast.core.workplace import below, gate_work, inside, is_work, leaves_stale
from holdfast.core.workplace import written as written_files
from holdfast.core.writable import fault_of, text_of, written
from holdfast.errors import ConfigInvalid
from holdfast.model.tools import Contract

READ = json.loads(Path(__file__).with_name("kept_readings.json").read_text(encoding="utf-8"))


def told(value):
    return json.loads(msgspec.json.encode(value))


# ---- requests ----------------------------------------------------------------------------------


# What came since then, or is told apart: `test_messages` reads these.
_NEWER = ("asks", "body", "messages", "opens")


def shown(request):
    if isinstance(request, BadRequest):
        return {"bad": request.text}
    fields = told(msgspec.structs.replace(request, body=b""))
    return {name: value for name, value in fields.items() if name not in _NEWER}


@pytest.mark.parametrize("at", range(len(READ["requests"])))
def test_a_request_is_read_whole_also_to_count_it_and_without_its_texts(at):
    entry = READ["requests"][at]
    given = {"model": "m", "max_tokens": 9, "messages": []} | entry["body"]
    body = json.dumps(given).encode()
    request = read_request(body)
    assert shown(request) == entry["read"]
    if isinstance(request, ModelRequest):
        assert request.body == body
        assert shown(compact(request)) == entry["compact"]
    counted = json.dumps({name: one for name, one in given.items() if name != "max_tokens"})
    assert shown(read_count(counted.encode())) == entry["count"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[1]", "the body must be a JSON object"),
        (b"{", "the body is not usable JSON: the body is not json at character 1"),
        (b'{"model":"m","max_tokens":1}', "`messages` must be a list"),
        (b'{"messages":[],"max_tokens":1}', "`model` must be a string"),
        (
            b'{"model":"m","messages":[]}',
            "`max_tokens` must be a positive integer, or 0 to warm the cache",
        ),
    ],
)
def test_what_is_no_request_says_why(body, text):
    assert read_request(body) == BadRequest(text)


@pytest.mark.parametrize(("model", "more"), [("mmmmm", 4), ("m", 0), ("", 0), ("é", 1)])
def test_a_request_for_a_longer_name_is_bounded_by_so_much_more(model, more):
    request = read_request(b'{"model":"m","messages":[],"max_tokens":1}')
    assert isinstance(request, ModelRequest)
    bound = request.input_tokens_bound
    assert bound is not None
    other = renamed(request, model)
    assert (other.model, other.fields["model"]) == (model, model)
    assert other.input_tokens_bound == bound + more
    unbounded = msgspec.structs.replace(request, input_tokens_bound=None)
    assert renamed(unbounded, model).input_tokens_bound is None


# ---- scopes, verdicts, resources, contracts ------------------------------------------------------


def test_a_call_lies_in_its_scopes_or_it_is_said_why_not():
    for *given, said in READ["scopes"]:
        assert outside(*given) == said, given
    for scope, said in READ["scope_fault"]:
        assert scope_fault(scope) == said
    for pattern, path, fit in READ["fits"]:
        assert fits(pattern, path) is fit, (pattern, path)


def test_a_judge_is_asked_in_these_words_and_read_strictly():
    plain, own = READ["judge"]
    assert judge_request(JudgeSettings(), "m", "t", {"a": "é"}) == plain
    settings = JudgeSettings(model="j", instructions="Be strict.", max_output_tokens=5)
    assert judge_request(settings, "m", "t", "r") == own
    for text, verdict in READ["verdicts"]:
        assert told(read_verdict(text)) == verdict
    assert JudgeSettings() == JudgeSettings(
        model="", instructions="", max_output_tokens=1_024, on_fail="retry"
    )


def contract(**more):
    given = {
        "name": "t", "description": "d", "effect": "read", "risk": 0, "risk_reason": "r",
        "input_schema": {"type": "object", "properties": {"a": {}, "b": {}}},
    }  # fmt: skip
    return msgspec.convert(given | more, Contract)


def test_a_resource_is_its_template_filled_or_a_violation():
    for template, arguments, named in READ["resources"]:
        assert told(resource_of(contract(resource=template), arguments)) == named, template
    for template, names in READ["variables"]:
        assert told(template_variables(template)) == names


def test_a_contract_that_cannot_be_held_is_refused_in_words():
    for more, said in READ["refusals"]:
        if not said:
            assert len(ContractBook([contract(**more)])) == 1
            continue
        with pytest.raises(ConfigInvalid) as refused:
            ContractBook([contract(**more)])
        assert str(refused.value) == said
    with pytest.raises(ConfigInvalid) as refused:
        ContractBook([contract(), contract()])
    assert str(refused.value) == READ["twice"]


# ---- places --------------------------------------------------------------------------------------

TOOLS = {one.name: one for one in BUILTIN_TOOLS}
PLACES = {
    "shop": Place(folder="/data/ann/shop"),
    "none": Place(),
    "root": Place(folder="/"),
    "tmp": Place(folder="/tmp"),
}


@pytest.mark.parametrize("at", range(len(READ["files"])))
def test_a_file_tool_is_judged_by_where_its_file_lies(at):
    tool, arguments, where, work, asked, stale, tainted, files, within, name = READ["files"][at]
    place, path = PLACES[where], next(iter(arguments.values()), "")
    risk = assess(TOOLS[tool], tool, arguments, place.folder)
    assert is_work(TOOLS[tool]) is work
    if work:
        reasons = gate_work(TOOLS[tool], arguments, risk, place, "Read")
        assert [[one.code, one.text] for one in reasons] == asked
    assert leaves_stale(TOOLS[tool], risk, tainted=False) is stale
    assert leaves_stale(TOOLS[tool], risk, tainted=True) is tainted
    assert written_files(TOOLS[tool], arguments, risk) == files
    assert inside(path, place) is within
    if path:
        assert below(path, place) == name


# ---- written values ------------------------------------------------------------------------------


def test_a_value_is_written_up_to_its_bound_and_what_was_left_out_is_named():
    for value, most, kept in READ["written"]:
        assert told(written(value, most_bytes=most)) == kept, value


class Odd:
    def __str__(self):
        return "odd" * 1_000


class Silent:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "kept", "replaced"),
    [
        (float("inf"), "inf", ("numbers that json has no word for",)),
        (b"ab\xff", "ab\ufffd", ("bytes",)),
        (2**64, "0x10000000000000000", ("numbers beyond 64 bits",)),
        (2**64 - 1, 2**64 - 1, ()),
        (-(2**63), -(2**63), ()),
        (-(2**63) - 1, "-0x8000000000000001", ("numbers beyond 64 bits",)),
        ({1: "a"}, {"1": "a"}, ("keys that are no text",)),
        ({1: "a", "1": "b"}, {"1": "a", "1 (1)": "b"}, ("keys that are no text",)),
        ((1, {2}), [1, [2]], ()),
        (Odd(), ("odd" * 1_000)[:2_000], ("values that are no json",)),
        (Silent(), "a Silent that cannot be shown (RuntimeError)", ("values that are no json",)),
        ("\ud800", "\\ud800", ("text that is no utf-8",)),
    ],
)
def test_what_has_no_place_in_json_is_replaced_where_it_stands(value, kept, replaced):
    got = written(value)
    assert (got.value, got.replaced) == (kept, replaced)


def test_nesting_is_written_up_to_a_depth_and_a_loop_once():
    def nested(depth):
        value: object = 1
        for _ in range(depth):
            value = [value]
        return value

    assert written(nested(48)).replaced == ()
    assert written(nested(49)).replaced == ("nesting that is too deep, or without end",)
    loop: list[object] = [1]
    loop.append(loop)
    assert written(loop).value == [1, "… (left out)"]
    shared = [1]
    assert written([shared, shared]).replaced == ()


def test_texts_of_values_and_errors_are_bounded():
    assert text_of(Odd(), 5) == "oddod"
    assert fault_of(ValueError("x" * 9), 14) == "ValueError: xx"
    assert fault_of(ValueError("x")) == "ValueError: x"
