"""Nothing of a call is shown as something else, and nothing runs on an answer to another."""

import asyncio
import json
import re
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.cli.approvals import show_question
from holdfast.apps.cli.printing import emit
from holdfast.model.approvals import ApprovalState as S
from holdfast.model.budgets import Dimension
from holdfast.model.lookalikes import read_as
from holdfast.model.showing import one_line, shown_arguments
from holdfast.runtime.guard.asking import Terms
from holdfast.testing.conformance.store_approvals import an_approval
from tests.corpora.dialogs import APART, DIALOGS, HONEST, KNOWN, Dialog
from tests.unit.runtime.house import House, contract, limit
from tests.unit.runtime.test_approvals import ASKING, answer

_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_ROW = re.compile(r"([ a-z]{12})  (.*)")
_OURS = ("tool", "resource", "agent", "session", "risk", "asked", "digest", "asks")


def rows(text: str) -> list[tuple[str, str]]:
    """Labels and what stands behind them; a row that is none of ours fails."""
    first, *others = text.removesuffix("\n").split("\n")
    assert first == "apr_1 is pending"
    found = []
    for line in others:
        match = _ROW.fullmatch(line) or _ROW.fullmatch(f"{line}  ")
        assert match, f"{line!r} is a row of its own"
        label = match[1].strip()
        assert label or match[2][:1] in "|!", line
        found.append((label, match[2]))
    return found


def fault(dialog: Dialog, text: str) -> str:
    """What is wrong with what is shown of a dialog; empty where nothing is."""
    for char in text:
        if char != "\n" and unicodedata.category(char) in _HIDDEN and char not in "\u200d\ufe0f":
            return f"U+{ord(char):04X} is shown as it is"
    try:
        found = rows(text)
    except AssertionError as wrong:
        return str(wrong)
    labels = [label for label, _ in found if label]
    if labels != [*_OURS, *["argument"] * len(dialog.arguments)]:
        return f"the fields are {labels}"
    shown = "".join(said for label, said in found if not label and said.startswith("|"))
    for one in shown_arguments(dialog.arguments):
        for line in one.lines:
            bare = re.sub(r"[\s|]", "", line)
            if bare not in re.sub(r"[\s|]", "", shown):
                return f"{line[:80]!r} is not shown"
    whole = re.sub(r"\s*\n +[|!] ", "", text)
    if not any(tells in whole or tells in text for tells in dialog.tells.split("|")):
        return f"{dialog.tells!r} is not said"
    return ""


def shown(arguments: dict[str, Any], capsys: Any) -> str:
    show_question(an_approval(arguments=arguments))
    first, rest = str(capsys.readouterr().out).split("\n", 1)
    return first.removeprefix("\x1b[1m").removesuffix("\x1b[0m") + "\n" + rest


@pytest.mark.parametrize("columns", [0, 60, 80, 97, 120])
@pytest.mark.parametrize("part", ["known", "apart"])
def test_no_dialog_is_shown_wrongly(part, columns, capsys, monkeypatch):
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    dialogs = KNOWN if part == "known" else APART
    faults = {one.name: fault(one, shown(one.arguments, capsys)) for one in dialogs}
    wrong = {name: said for name, said in faults.items() if said}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{part}, {columns or 'piped'}: {len(wrong)} of {len(dialogs)} shown wrongly\n"
        )
    assert not wrong


def test_there_are_dialogs_enough_and_a_third_of_them_is_apart():
    assert len(DIALOGS) >= 200
    assert len({one.name for one in DIALOGS}) == len(DIALOGS)
    assert 0.25 < len(APART) / len(DIALOGS) < 0.42


@pytest.mark.parametrize("value", HONEST, ids=lambda one: str(one)[:20])
def test_an_honest_value_is_shown_sign_for_sign_and_warned_of_by_nothing(value):
    (one,) = shown_arguments({"x": value})
    spelled = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    assert "\n".join(one.lines) == spelled.replace("\t", "⇥   ")
    assert one.warnings == ()


def test_what_a_program_reads_is_what_was_asked(capsys):
    for one in DIALOGS:
        emit(an_approval(arguments=one.arguments))
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert json.loads(out)["arguments"] == json.loads(json.dumps(one.arguments))


@given(st.text(), st.text())
def test_no_two_texts_are_shown_alike(one, other):
    assert (one_line(one) == one_line(other)) == (one == other)


@given(st.text(alphabet="a \n⟨⟩⇥\t1blanks"), st.text(alphabet="a \n⟨⟩⇥\t1blanks"))
def test_no_text_is_spelt_as_the_marks_of_another(one, other):
    first, then = (next(shown_arguments({"x": text})).lines for text in (one, other))
    assert (first == then) == (one == other)


@given(st.text())
def test_a_line_is_one_line_that_hides_nothing(text):
    line = one_line(text)
    assert not {unicodedata.category(c) for c in line} & (_HIDDEN - {"Cf"})
    assert "\n" not in line
    assert len(line.splitlines()) <= 1


def test_what_decides_comes_first():
    given_ = {"body": "x" * 5000, "to": "ann"}
    assert [one.name for one in shown_arguments(given_, ("to", "gone"))] == ["to", "body"]


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_words_are_never_named(word):
    assert not read_as(word) or "xn--" in word.lower()


def _others(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Calls that a person would take for the one that was shown."""
    found = []
    for name, value in arguments.items():
        if isinstance(value, str):
            bare = "".join(c for c in value if unicodedata.category(c) not in _HIDDEN)
            texts = (bare, unicodedata.normalize("NFKC", value), value.strip(), value + " ")
            found += [arguments | {name: text} for text in texts]
        found.append({key: one for key, one in arguments.items() if key != name})
    return [one for one in found if one != arguments]


def test_nothing_runs_on_an_answer_to_something_else(capsys):
    async def main() -> tuple[int, int]:
        ran = tried = 0
        mail = contract("mail", input_schema={"type": "object", "additionalProperties": True})
        house = House(contracts=(mail,), decided={"approvals": Terms(most_pending=100)})
        house.policy.rules = ASKING
        for one in DIALOGS:
            live = await house.open(limit(Dimension.TOOL_CALLS, 50))
            ruling = await house.decide(live, "c0", "mail", one.arguments)
            assert live.approvals, (one.name, ruling.message)
            (asked,) = live.approvals.values()
            await answer(house, asked)
            for at, other in enumerate(_others(one.arguments)[:12]):
                tried += 1
                ran += bool((await house.decide(live, f"d{at}", "mail", other)).permit)
            assert live.approvals[asked.tool, asked.digest].state is S.APPROVED
            assert (await house.decide(live, "c1", "mail", one.arguments)).permit
        return ran, tried

    ran, tried = asyncio.run(main())
    with capsys.disabled():
        sys.stdout.write(f"\n{ran} of {tried} calls ran on an answer to another\n")
    assert ran == 0
    assert tried > 1000
