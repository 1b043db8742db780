"""What a session may believe, at each bound of its memory; large bodies and envelopes at theirs."""

import json
from decimal import Decimal

import msgspec
import pytest

from holdfast.core import large
from holdfast.core.edits import Edits
from holdfast.core.envelopes import check_envelope, to_wire
from holdfast.core.flow import Given, Vouched, vouched
from holdfast.core.large import (
    Count,
    Edit,
    Parse,
    Parsed,
    Read,
    Requested,
    Unusable,
    Written,
    compact,
    counted,
    done,
    kept_content,
    read_outcome,
    result_text,
)
from holdfast.core.messages import BadRequest, ModelRequest, edited, read_request
from holdfast.core.wire.reading import ResultText
from holdfast.core.wire.splicing import Change
from holdfast.model.envelopes import Envelope, EnvelopeError
from holdfast.model.tools import ArgumentRole

WHO, URL, MUCH = ArgumentRole.WHO, ArgumentRole.URL, ArgumentRole.MUCH


def session(*, typed=(), brought=(), said=(), **given):
    made = Vouched()
    for text in typed:
        made.trust(text)
    for arguments in brought:
        made.bring(arguments)
    for text in said:
        made.learn(Given(text=text))
    if given:
        made.learn(Given(**given))
    return made


@pytest.mark.parametrize(
    ("brought", "value", "counts"),
    [
        ([], "zoe lane", True),
        ([{"a": "zoe"}], "zoe lane", True),
        ([{"a": "zoe"}, {"b": "lane"}], "zoe lane", False),
        ([{"zoe": "lane"}], "zoe lane", False),
        ([{"a": "evil.com"}], "evil.com", False),
        ([{"a": "www.evil.com"}], "evil.com", False),
        ([{"a": "evil.com/x"}], "evil.com", False),
        ([{"a": "other.com"}], "evil.com", True),
        ([{"a": "evil"}], "evil.com", False),
        ([{"a": "ev"}, {"b": "il"}], "evil.com", False),
        ([{"a": "ev"}], "evil.com", True),
        ([{"a": "eve@evil.com"}], "evil.com", False),
        ([{"a": 77}], "77 pages", True),
        ([{"a": "77 pages"}], "77 pages", False),
    ],
)
def test_what_a_first_party_says_counts_unless_the_model_brought_it_before(brought, value, counts):
    made = session(brought=brought, said=[f"go to {value} now"])
    assert made.said(value) is counts
    late = session(said=[f"go to {value} now"])
    for arguments in brought:
        late.bring(arguments)
    assert late.said(value) is True


@pytest.mark.parametrize(
    ("typed", "brought", "counts"),
    [
        ("see evil.com", "evil.com", True),
        ("evil com", "evil.com", False),
        ("mail ann@evil.com", "evil.com", True),
        ("see www.evil.com", "evil.com", True),
        ("hello", "evil.com", False),
    ],
)
def test_a_host_that_was_typed_as_one_is_believed_though_the_model_brought_it(
    typed, brought, counts
):
    made = session(typed=[typed], brought=[{"a": brought}], said=["go to evil.com now"])
    assert made.said("evil.com") is counts
    assert made.knows_domain("evil.com") is counts


def test_an_entry_of_domains_is_known_where_it_was_typed_or_first_said():
    made = session(typed=["see typed.com"], brought=[{"a": "brought.com"}],
                   said=["see said.com and brought.com"])  # fmt: skip
    told = {
        entry: made.knows_domain(entry)
        for entry in ("typed.com", "said.com", "brought.com", "other.com", "com", "*.said.com")
    }
    assert list(told.values()) == [True, True, False, False, False, False]
    blind = session(brought=[None], said=["see said.com"])
    assert blind.knows_domain("said.com") is False


def test_a_link_is_known_bare_or_whole_and_from_records():
    made = session(typed=["see https://a.com/x"], said=["see b.com/y"],
                   records={WHO: ("ann@c.com",), URL: ("https://d.com/z",), MUCH: ("e.com",)})  # fmt: skip
    known = [
        "https://a.com/x",
        "http://b.com/y",
        "b.com/y/",
        "ann@c.com",
        "d.com/z",
        "https://d.com/z",
    ]
    assert [made.knows_link(link) for link in known] == [True, True, True, True, False, True]
    assert not made.knows_link("e.com")
    assert not made.knows_link("https://a.com")
    assert made.said_link("https://b.com/y")
    assert not made.said_link("https://a.com/x")


@pytest.mark.parametrize(
    ("value", "found"), [("ann", True), ("13", False), ("1234", True), ("a1", False)]
)
def test_short_digits_prove_nothing_in_prose(value, found):
    assert session(typed=["ann 13 1234 a1"]).typed(value) is found


def test_words_and_numbers_count_by_their_first_moment():
    made = session(brought=[{"a": "kim 5"}], said=["kim zoe 5 6"])
    assert [made.knows_word(word) for word in ("kim", "zoe", "eve")] == [False, True, False]
    assert [made.knows_number(Decimal(n)) for n in (5, 6, 7)] == [False, True, False]
    typed = session(typed=["kim 5"], brought=[{"a": "kim 5"}])
    assert typed.knows_word("kim")
    assert typed.knows_number(Decimal(5))
    records = session(brought=[{"a": 5}], records={MUCH: ("5", "6"), WHO: ("7",)})
    assert [records.knows_number(Decimal(n)) for n in (5, 6, 7)] == [False, True, False]


def test_no_more_values_are_kept_than_the_most(monkeypatch):
    monkeypatch.setattr(vouched, "_KEPT_VALUES", 2)
    made = session(records={WHO: ("a", "b", "c")}, members=("x", "y", "z"))
    assert [made.recorded(one, WHO) for one in "abc"] == [True, True, False]
    assert [made.member(one) for one in "xyz"] == [True, True, False]
    made.learn(Given(records={WHO: ("d",)}, members=("w",)))
    assert not made.recorded("d", WHO)
    assert not made.member("w")


def test_no_more_addresses_and_files_are_kept_than_the_most(monkeypatch):
    monkeypatch.setattr(vouched, "_KEPT_KEYS", 1)
    made = session(typed=["see a.com"], said=["see b.com"])
    made.trust("see c.com and x/y.py")
    made.learn(Given(text="see d.com"))
    assert [made.knows_domain(one) for one in ("a.com", "b.com", "c.com", "d.com")] == [
        True, True, False, False,
    ]  # fmt: skip
    files = Vouched()
    files.trust("see src/a.py and src/b.py")
    assert (files.typed_file("src/a.py"), files.typed_file("src/b.py")) == (True, False)


def test_who_writes_more_than_is_followed_is_believed_nothing_after_it(monkeypatch):
    monkeypatch.setattr(vouched, "_BROUGHT_MOST", 3)
    for words, believed in (("a b c", True), ("a b c d", False)):
        made = session(brought=[{"": words}], said=["zoe"])
        assert made.said("zoe") is believed
    monkeypatch.undo()
    monkeypatch.setattr(vouched, "_MOST_BROUGHT_PARTS", 2)
    for hosts, believed in (("a.com b.com", True), ("a.com b.com c.com", False)):
        made = session(brought=[{"": hosts}], said=["zoe"])
        assert made.said("zoe") is believed
    monkeypatch.undo()
    monkeypatch.setattr(vouched, "_MOST_PARTS", 2)
    made = session(said=["a.com b.com c.com"])
    assert made.said("a.com b.com")
    assert not made.said("a.com b.com c.com")


def test_a_copy_is_the_session_so_far():
    made = session(typed=["ann src/a.py see t.com"], brought=[{"a": "kim"}], said=["zoe see s.com"],
                   records={WHO: ("rec",)}, members=("mem",))  # fmt: skip
    made.taint("fetch")
    other = made.copy()
    for one in (made, other):
        assert (one.tainted, one.tainted_by) == (True, "fetch")
        assert one.typed("ann")
        assert one.typed_file("src/a.py")
        assert one.said("zoe")
        assert one.recorded("rec", WHO)
        assert one.member("mem")
        assert one.knows_domain("t.com")
        assert one.knows_domain("s.com")
    other.learn(Given(text="kim"))
    assert not other.said("kim")
    other.bring(None)
    other.learn(Given(text="late"))
    made.learn(Given(text="late"))
    assert (made.said("late"), other.said("late")) == (True, False)
    blind = other.copy()
    blind.learn(Given(text="later"))
    assert not blind.said("later")


# ---- large bodies --------------------------------------------------------------------------------


def body(**fields):
    return json.dumps({"model": "m", "max_tokens": 5, "messages": []} | fields).encode()


def test_each_job_has_its_answer():
    given = body(system="s", stream=True)
    answer, made = done(Edit(edits=Edits(max_tokens=3)), given)
    assert (answer, made and json.loads(made)["max_tokens"]) == (Written(), 3)
    answer, made = done(Count(edits=Edits(model="n")), given)
    assert answer == Written()
    assert made is not None
    assert json.loads(made) == {"model": "n", "messages": [], "system": "s"}
    answer, made = done(Read(), b"[]")
    assert (answer, made) == (Requested(bad="the body must be a JSON object"), None)
    answer, made = done(Read(counting=True), b'{"model":"m","messages":[]}')
    assert isinstance(answer, Requested)
    assert answer.request is not None
    answer, _ = done(Read(without=(Change(("novel",)),)), body(novel=1))
    assert isinstance(answer, Requested)
    assert answer.bad == ""
    assert done(Parse(), b'{"a":1}') == (Parsed(value={"a": 1}), None)
    assert done(Parse(), b"{") == (
        Unusable(text="the body is not usable JSON: the body is not json at character 1"), None,
    )  # fmt: skip


def test_a_count_keeps_what_is_counted_and_changes_within_it():
    given = body(
        tools=[{"type": "web_search_20250305", "name": "web_search"}], temperature=1,
        tool_choice={"type": "auto"}, thinking={"type": "disabled"}, thread={"type": "create"}, g=1,
    )  # fmt: skip
    edits = Edits(
        max_tokens=1,
        changes=(
            Change(("tools", 0, "max_uses"), 2),
            Change(("temperature",), 3),
            Change(("model",), "x"),
        ),
        removed=(Change(("g",)), Change(("thinking",))),
    )
    assert json.loads(counted(given, edits)) == {
        "model": "m",
        "messages": [],
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        "tool_choice": {"type": "auto"},
        "thread": {"type": "create"},
    }


def results(*texts):
    blocks = [
        {"type": "tool_result", "tool_use_id": f"t{at}", "content": text}
        for at, text in enumerate(texts)
    ]
    request = read_request(body(messages=[{"role": "user", "content": blocks}]))
    assert isinstance(request, ModelRequest)
    return [one.result for one in compact(request).evidence]


def test_the_newest_results_come_along_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(large, "_RESULTS_CHARACTERS", 10)
    monkeypatch.setattr(large, "_RESULT_CHARACTERS", 6)
    old, mid, new = results("a" * 5, "b" * 5, "c" * 5)
    assert (new, mid) == (ResultText(5, "c" * 5), ResultText(5, "b" * 5))
    assert (old.characters, old.text, len(old.digest)) == (5, None, 71)
    long, short = results("d" * 7, "e" * 6)
    assert (long.text, short.text) == (None, "e" * 6)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "x"),
        ([{"text": "a"}, 5, {"text": 6}, {"text": "b"}, {}], "a\nb\n"),
        (None, ""),
        (5, ""),
    ],
)
def test_the_text_of_a_result_is_that_of_its_blocks(content, text):
    assert result_text({"content": content}) == text


def test_what_a_model_reads_of_one_call_is_bounded_and_says_so_once():
    most = 1_000_000
    assert kept_content("x" * most) == "x" * most
    cut = kept_content("x" * (most + 5))
    assert cut == "x" * most + "\n[5 further characters are left out]"
    assert kept_content(cut) == cut
    assert kept_content("x" * most + "\n[y]") != "x" * most + "\n[y]"


def test_a_report_is_read_whatever_it_is_and_says_what_was_replaced():
    assert read_outcome(b'{"a":1}') == Parsed(value={"a": 1})
    got = read_outcome(b'{"a":NaN,"b":1,"b":2}')
    assert isinstance(got, Parsed)
    assert got.value == {"a": "nan", "b": 2}
    assert len(got.replaced) == 2
    assert isinstance(read_outcome(b"{"), Unusable)
    long = read_outcome(b'{"a":' + b"9" * 1_001 + b',"b":NaN}')
    assert isinstance(long, Parsed)
    assert long.value["a"] == "9" * 1_001
    whole, _ = done(Parse(outcome=True), json.dumps({"output": "x" * (5 << 20), "k": 1}).encode())
    assert isinstance(whole, Parsed)
    assert (len(whole.value["output"]) < 5 << 20, whole.value["k"]) == (True, 1)
    assert whole.replaced == ("what exceeds 4194304 bytes",)
    many = read_outcome(b"[" + b"1," * 200_001 + b"1]")
    assert isinstance(many, Unusable)
    assert many.too_large
    assert many.text.endswith("; report it as one text")


def test_a_body_is_edited_value_by_value_and_others_keep_their_bytes():
    given = b'{"model": "m", "max_tokens": 5, "messages": [{"role":"user","content":[{"type":"a", "x" : 1},{"content":"y","is_error":false}]}]}'
    assert edited(given) == given
    assert edited(given, max_tokens=0) == (
        b'{"model":"m","max_tokens":0,"messages":[{"role":"user","content":[{"type":"a", "x" : 1},'
        b'{"content":"y","is_error":false}]}]}'
    )
    assert edited(given, model="n", contents={(0, 1): "z"}) == (
        b'{"model":"n","max_tokens":5,"messages":[{"role":"user","content":[{"type":"a", "x" : 1},'
        b'{"content":"z","is_error":true}]}]}'
    )
    assert isinstance(read_request(b"x"), BadRequest)


# ---- envelopes -----------------------------------------------------------------------------------

GOOD = Envelope(ok=True, tool="t", call_id="c", output={"a": 1}, duration_ms=5)
GONE = EnvelopeError(code="gone", message="it is gone", retryable=False)
BAD = Envelope(ok=False, tool="t", call_id="c", error=GONE, duration_ms=5)


def test_an_envelope_is_written_with_every_field():
    assert to_wire(GOOD) == {
        "ok": True, "tool": "t", "call_id": "c", "output": {"a": 1}, "error": None, "duration_ms": 5,
    }  # fmt: skip
    assert to_wire(BAD) == {
        "ok": False, "tool": "t", "call_id": "c", "output": None, "duration_ms": 5,
        "error": {"code": "gone", "message": "it is gone", "retryable": False},
    }  # fmt: skip
    assert check_envelope(GOOD) == check_envelope(BAD) == check_envelope(to_wire(BAD)) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"ok": False}, {"ok": 1}, {"tool": ""}, {"tool": 5}, {"call_id": ""}, {"duration_ms": -1},
        {"duration_ms": 1.5}, {"error": {}}, {"more": 1},
    ],
)  # fmt: skip
def test_an_envelope_of_success_is_refused_where_a_field_is_off(change):
    assert check_envelope(to_wire(GOOD) | change)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "Gone"}, {"code": "9x"}, {"code": "x" * 65}, {"code": None}, {"message": ""},
        {"message": "x" * 4_097}, {"retryable": 0}, {"more": 1},
    ],
)  # fmt: skip
def test_an_envelope_of_failure_is_refused_where_its_error_is_off(change):
    wire = to_wire(BAD)
    assert check_envelope(wire | {"error": wire["error"] | change})
    assert check_envelope(wire | {"output": 1})
    assert check_envelope(wire | {"error": None})


@pytest.mark.parametrize("field", ["ok", "tool", "call_id", "output", "error", "duration_ms"])
def test_an_envelope_lacks_no_field(field):
    wire = to_wire(GOOD)
    del wire[field]
    assert check_envelope(wire)
    error = to_wire(BAD)["error"]
    for name in error:
        left = {one: value for one, value in error.items() if one != name}
        assert check_envelope(to_wire(BAD) | {"error": left})


def test_the_limits_of_an_envelope_are_allowed():
    error = {"code": "x" * 64, "message": "m" * 4_096, "retryable": True}
    assert check_envelope(to_wire(BAD) | {"error": error, "duration_ms": 0}) == ()
    assert isinstance(msgspec.structs.replace(GOOD, output=None), Envelope)
