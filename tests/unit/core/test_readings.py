"""What is read of times, numbers, links, vendors' errors, results and emitted calls, entry by entry.

`readings.json` holds what is given and what is read; it was read over when it was
written.
"""

import json
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from holdfast.core.flow.words import (
    amount,
    bare,
    folded,
    links,
    names_file,
    number,
    numbers,
    plain,
)
from holdfast.core.outputs import OutputSettings, check_output, settings_fault
from holdfast.core.tidying import (
    NoForm,
    emitted,
    javascript,
    results,
    same_tool,
    unsaid,
    without_nulls,
)
from holdfast.core.vendors import (
    ErrorReader,
    Moved,
    betas_of,
    error_body,
    error_fields,
    in_path,
    moved,
)
from holdfast.core.when import read_when

READ = json.loads(Path(__file__).with_name("readings.json").read_text(encoding="utf-8"))
NOW = 1_795_015_820_000_000_000  # wednesday 2026-11-18 15:30:20 UTC
ZONES = {"UTC": UTC, "Europe/Berlin": ZoneInfo("Europe/Berlin")}


def told(value):
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize("zone", list(ZONES))
def test_each_time_that_is_said_is_a_stretch_and_said_back_or_refused(zone):
    entries = [entry for entry in READ["when"] if entry["zone"] == zone]
    assert len(entries) > 90
    for entry in entries:
        assert told(read_when(entry["said"], NOW, ZONES[zone])) == entry["meant"], entry["said"]


def test_a_said_time_may_have_a_hundred_characters_and_no_more():
    assert "from_ns" in told(read_when("now" + " " * 97, NOW, UTC))
    assert "reason" in told(read_when("now" + " " * 98, NOW, UTC))


def test_before_1970_there_is_no_moment():
    assert told(read_when("1 second ago", 10**9, UTC))["from_ns"] == 0
    assert told(read_when("2 seconds ago", 10**9, UTC)) == {"reason": "that is before 1970"}


def test_each_text_is_the_number_that_it_spells_or_none():
    for entry in READ["number"]:
        found = number(entry["given"])
        assert (None if found is None else str(found)) == entry["read"], entry["given"]
    for entry in READ["numbers"]:
        assert [str(one) for one in numbers(entry["given"])] == entry["read"]
    for entry in READ["amount"]:
        value = amount(entry["given"])
        assert (None if value is None else str(value)) == entry["read"], entry["given"]
    assert amount(5) == Decimal(5)


def test_each_link_of_a_text_is_found_without_what_follows_it():
    for entry in READ["links"]:
        assert sorted(links(entry["given"], 99)) == entry["read"], entry["given"]
    many = " ".join(f"h{at}.com" for at in range(9))
    assert [len(links(many, most)) for most in (0, 3, 8, 9)] == [1, 4, 9, 9]


def test_texts_are_brought_to_one_spelling_letter_by_letter():
    for name, change in (("bare", bare), ("folded", folded), ("plain", plain)):
        for entry in READ[name]:
            assert change(entry["given"]) == entry["read"]
    assert [names_file(one) for one in ("py", "com", "PY", "")] == [True, False, False, False]


def test_a_request_moves_its_model_into_the_path():
    for entry in READ["moved"]:
        body = json.dumps(entry["body"]).encode()
        got = moved(body, version="v1", drop=tuple(entry["drop"]), betas=entry["betas"])
        model, stream, after = entry["read"]
        assert got == Moved(model, stream, after.encode())
    for entry in READ["in_path"]:
        assert in_path(entry["given"]) == entry["read"]
    assert betas_of({"Anthropic-Beta": "a", "x": "b", "anthropic-beta": "c"}) == "a,c"


def test_a_vendors_error_is_put_into_the_envelope():
    for entry in READ["error_body"]:
        body = entry["body"].encode("latin-1")
        assert error_body(entry["status"], body).decode() == entry["read"]
        reader = ErrorReader(entry["status"], {"k": "v"})
        assert reader.headers == {"k": "v"}
        for at in range(0, len(body), 7):
            assert reader.feed(body[at : at + 7]) == b""
        assert reader.end().decode() == entry["read"]
    assert error_fields("k", "t" * 2_001) == {
        "type": "error",
        "error": {"type": "k", "message": "t" * 2_000},
    }


def test_of_an_error_no_more_than_64_kib_is_kept():
    said = json.dumps({"message": "m", "pad": ""}).encode()
    for pad, kind in ((64 * 1024 - len(said), "m"), (64 * 1024 - len(said) + 1, "the vendor")):
        reader = ErrorReader(400, {})
        reader.feed(json.dumps({"message": "m", "pad": "x" * pad}).encode())
        assert json.loads(reader.end())["error"]["message"].startswith(kind)


def test_a_result_passes_its_schema_and_rules_or_says_each_that_it_breaks():
    for entry in READ["outputs"]:
        settings = msgspec.convert(entry["settings"], OutputSettings)
        assert told(check_output(settings, entry["text"])) == entry["read"], entry
    for entry in READ["settings_fault"]:
        settings = msgspec.convert(entry["settings"], OutputSettings)
        assert settings_fault(settings) == entry["read"]


def test_the_usual_settings_of_an_output_are_said():
    assert OutputSettings() == OutputSettings(schema=None, rules=[], attempts=2, judge=None)


def test_each_argument_of_an_emitted_call_has_its_names_and_readings():
    for entry in READ["emitted"]:
        assert told(emitted(entry["tool"], entry["arguments"])) == entry["read"], entry["tool"]
    for entry in READ["results"]:
        assert told(results(entry["given"])) == entry["read"]
    for one, other, same in READ["same_tool"]:
        assert same_tool(one, other) is same, (one, other)
    for tool, arguments in READ["unsaid"]:
        assert dict(unsaid(tool)) == arguments


def nested(depth):
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("read", [without_nulls, javascript])
def test_a_value_nests_as_deep_as_the_deepest_and_no_deeper(read):
    assert read(nested(120)) == nested(120)
    with pytest.raises(NoForm):
        read(nested(122))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, {"a": object()}, b"x"])
def test_what_is_no_json_has_no_form(value):
    with pytest.raises(NoForm):
        javascript(value)


@pytest.mark.parametrize(
    ("value", "spelt"),
    [(1.0, 1), (-0.0, 0), (1.5, 1.5), (2**53 + 1, 2**53), (1e20, 10**20), (1e21, 1e21),
     (999999999999999868928.0, 999999999999999900000), (True, True), (None, None), ("x", "x")],
)  # fmt: skip
def test_a_number_is_the_nearest_double_as_javascript_writes_it(value, spelt):
    got = javascript(value)
    assert (got, type(got)) == (spelt, type(spelt))
