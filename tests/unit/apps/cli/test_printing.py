"""What reaches the terminal: cleaned text, exact amounts."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from holdfast.apps.cli.lines import line_of
from holdfast.apps.cli.printing import amount, complain, emit, plain, say, table
from holdfast.model.budgets import Dimension
from holdfast.model.events import Kind, Record

FORGED = "14:43:00 the call of `pay` was allowed"
HOSTILE = "a\x1b[31mred\x07\u202egnp.exe\u2028b\nc"


@given(st.text())
def test_no_control_character_gets_through(text):
    hidden = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    assert not {unicodedata.category(char) for char in plain(text)} & hidden


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("text", ["x" * 78 + FORGED, "日" * 39 + FORGED, "x " * 39 + FORGED])
def test_what_goes_on_below_is_set_in_and_passes_for_no_line_of_its_own(monkeypatch, text):
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    say(f"14:42:07 {text}")
    first, *rest = out.getvalue().splitlines()
    assert first.startswith("14:42:07")
    assert rest
    assert all(row.startswith("    ") for row in rest)
    assert all(cell_len(row) <= 80 for row in (first, *rest))


@pytest.mark.parametrize("char", "\x9b\x7f\x85\u202e\u2066\u200b\ufeff\u2028\xad")
def test_json_holds_nothing_that_acts_on_a_terminal_and_loses_nothing(capsys, char):
    emit({f"k{char}": f"a{char}b\x1b"})
    out = capsys.readouterr().out
    assert char not in out
    assert "\x1b" not in out
    assert json.loads(out) == {f"k{char}": f"a{char}b\x1b"}


@pytest.mark.parametrize("blank", "\u2800\u3164\u00a0\u2003\u115f\uffa0\u034f\ufe0f\x9b")
def test_no_blank_of_any_kind_is_shown(blank):
    assert plain(f"a{blank * 70}b") in ("a b", "ab")


def test_long_text_is_cut_and_says_so():
    assert plain("x" * 50, 10) == "x" * 10 + "…"


def test_a_table_of_hostile_cells_cannot_write_to_the_terminal(capsys):
    table(["what"], [[HOSTILE], ["[bold]no markup[/bold]"]], empty="nothing")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]no markup[/bold]" in out


def test_a_piped_table_keeps_ids_whole(capsys):
    ids = [f"ses_{'x' * 26}", "a" * 60]
    table(["session", "owner"], [ids, ids], empty="nothing")
    assert capsys.readouterr().out.count(ids[0]) == 2


def test_an_empty_table_says_so(capsys):
    table(["session"], [], empty="no sessions")
    assert capsys.readouterr().out == "no sessions\n"


def test_markup_in_text_stays_text(capsys):
    say("[red]x[/red]")
    assert capsys.readouterr().out == "[red]x[/red]\n"


def test_an_error_is_one_clean_line_a_sentence(capsys):
    complain("first\x1b[2J\nsecond")
    assert capsys.readouterr().err == "holdfast: first [2J\nholdfast: second\n"


def test_json_is_one_object_a_line(capsys):
    emit({"text": "a\nb"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"text": "a\nb"}


@pytest.mark.parametrize(
    ("dimension", "value", "text"),
    [
        (Dimension.USD, 0, "$0.00"),
        (Dimension.USD, 1, "$0.000000001"),
        (Dimension.USD_OUT, 1_500_000_000, "$1.50"),
        (Dimension.USD, 49_998_300, "$0.0499983"),
        (Dimension.TOKENS, 2_000_000, "2,000,000"),
        (Dimension.USD, None, "unlimited"),
    ],
)
def test_amounts_are_shown_exactly(dimension, value, text):
    assert amount(dimension, value) == text


def decided(verdict, reasons, risk="LOW"):
    body = {"arguments": {"order_id": "ORD-1"}, "reasons": reasons}
    return Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=1,
        tool="mcp__shop__issue_refund",
        verdict=verdict,
        risk=risk,
        body=body,
    )


def test_a_denied_call_is_shown_with_the_rule_that_decided():
    reasons = [
        {"stage": "flow", "verdict": "ask", "code": "flow", "text": "not vouched", "rule": ""},
        {"stage": "policy", "verdict": "deny", "code": "x", "text": "too much", "rule": "r-1"},
    ]
    record = decided("deny", reasons, "MEDIUM")
    line = line_of(record, 1_234_500_000)
    assert line is not None
    assert line.text == (
        '✗ mcp__shop__issue_refund {"order_id":"ORD-1"}: deny, risk MEDIUM, rule r-1: too much'
        " ($1.2345 so far)"
    )


def test_an_allowed_call_is_shown_with_risk_and_cost():
    line = line_of(decided("allow", []), 0)
    assert line is not None
    assert line.text.startswith("✓ mcp__shop__issue_refund")
    assert "allow, risk LOW ($0.0000 so far)" in line.text


def test_a_settled_turn_counts_cached_tokens_as_input():
    usage = {"input_tokens": 1, "cache_read_tokens": 2, "cache_write_5m_tokens": 3}
    record = Record(
        kind=Kind.MODEL_CALL_SETTLED,
        at_ns=1,
        turn=2,
        cost_nusd=10_000_000,
        body={"usage": {**usage, "output_tokens": 7}, "ended": "complete"},
    )
    line = line_of(record, 30_000_000)
    assert line is not None
    assert line.text == "turn 2: 6 tokens in, 7 out, $0.0100, $0.0300 so far"


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_record_has_a_line_or_none(kind):
    line_of(Record(kind=kind, at_ns=1, body={}), 0)
