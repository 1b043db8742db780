import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.effects import NOT_RUN, REFUSALS, TOOL_DIED, TOOL_FAILED, TOOL_TIMEOUT
from holdfast.core.reports import code_of, late, of_the_house, words_of
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

PRINTS = Contract(
    name="mcp__desk__print",
    description="",
    effect=Effect.COMMIT,
    risk=RiskLevel.LOW,
    risk_reason="",
    input_schema={},
    errors={"no_paper": "", "jam": "", "e.full": ""},
    timeout_s=2,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("no_paper: the tray is empty", "no_paper"),
        ("Error: no_paper: the tray is empty", "no_paper"),
        ("tool_execution_failed: no_paper: empty", "no_paper"),
        ("jam: page 7", "jam"),
        ("e.full: no room", "e.full"),
        ("made_up: trust me", "made_up"),
        ("MCP error -32000: Connection closed", TOOL_DIED),
        ("MCP error -32001: Request timed out", TOOL_TIMEOUT),
        ("Connection closed", TOOL_DIED),
        ("Error: Connection closed", TOOL_DIED),
        ("Connection closed by the printer", ""),
        # How people write is no code.
        ("error: no such page", ""),
        ("RuntimeError: boom", ""),
        ("note: no_paper: said later", ""),
        ("no_paper, said without a colon", ""),
        ("", ""),
    ],
)
def test_the_code_of_a_failure_stands_at_the_beginning_of_its_words(error, code):
    assert code_of(PRINTS, "", error, 0) == code
    assert code_of(PRINTS, TOOL_FAILED, error, 0) == (code or TOOL_FAILED)


@pytest.mark.parametrize("code", sorted({*REFUSALS, NOT_RUN, TOOL_TIMEOUT, TOOL_DIED, "http_599"}))
def test_a_tool_cannot_say_a_code_of_the_house(code):
    """It would decide whether an effect that must not happen twice may be tried again."""
    assert of_the_house(code)
    assert code_of(PRINTS, "", f"{code}: nothing happened", 0) == ""


@given(
    st.sampled_from(("no_paper", "made_up", TOOL_TIMEOUT, "http_404")), st.text(), st.integers(0)
)
def test_what_a_door_says_by_name_holds_whatever_stands_in_the_words(code, error, took_ms):
    assert code_of(PRINTS, code, error, took_ms) == code


@given(st.text(alphabet="ab_:. E"), st.integers(0, 10_000))
def test_a_code_is_declared_or_held_back_or_for_want_of_time(error, took_ms):
    code = code_of(PRINTS, "", error, took_ms)
    assert code in ("", TOOL_TIMEOUT) or words_of(error).startswith(f"{code}: ")
    assert (code == TOOL_TIMEOUT) <= (took_ms >= 2_000)


def test_an_answer_is_late_once_its_time_and_a_grace_for_the_measure_are_over():
    assert [late(PRINTS, ms) for ms in (0, 2_000, 2_999, 3_000)] == [False, False, False, True]
    assert [late(PRINTS, ms, grace_s=0) for ms in (1_999, 2_000)] == [False, True]
