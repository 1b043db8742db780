"""Allow-lists: every program the judge knows has a spec, a reader of its own, or is inert."""

import pytest

from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell import classify
from holdfast.core.risk.shell_accounts import accounted
from holdfast.core.risk.shell_awk import read_program
from holdfast.core.risk.shell_jq import only_computes
from holdfast.core.risk.shell_programs import HANDLERS
from holdfast.core.risk.shell_reading import PURE
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_sed import read_script
from holdfast.core.risk.shell_spec import Given, spec, table, take
from holdfast.core.risk.shell_wrappers import WRAPPERS
from holdfast.model.risk import RiskLevel

FOLDER = "/home/alice/project"
# Judged by allow-lists of their own: predicates of find, options of editors, names of builtins.
READ_ELSEWHERE = words(
    """
    find ed ex vi vim nvim nano emacs tmux screen init telinit kill
    alias unalias shopt trap umask ulimit enable disown bind complete fg bg suspend renice read wait
    readonly local printf readarray declare times unset set mapfile help hash typeset shift jobs
    getopts let export
    """
)


def codes(command):
    return {reason.code for reason in classify(command, folder=FOLDER).reasons}


def test_every_program_the_judge_knows_is_accounted_for():
    milder = {
        name for name, code in tables.PROGRAMS.items() if tables.FINDINGS[code][0] < RiskLevel.HIGH
    }
    high = set(tables.PROGRAMS) - milder
    known = (
        milder | tables.SAFE | set(WRAPPERS) | tables.INTERPRETERS | tables.SHELLS | set(HANDLERS)
    )
    lacking = {n for n in known - high if not accounted(n)} - PURE - READ_ELSEWHERE
    assert not lacking


def test_an_option_nobody_listed_is_asked_and_a_listed_one_is_not():
    assert "shell.unaccounted_option" in codes("ruff check --frobnicate src")
    assert "shell.unaccounted_option" in codes("ruff frobnicate src")
    assert "shell.unaccounted_option" not in codes("ruff check --fix src")
    assert classify("ls --frobnicate", folder=FOLDER).level == RiskLevel.LOW


def test_options_are_read_in_every_spelling():
    known = spec("-q -k= -j? --out=w --color? -W* -fplugin*! @l")
    taken = take(known, ("-qkx", "-j4", "--out", "a", "--color=no", "-Wall", "-fplugin=b", "c"))
    assert taken.operands == ("c",)
    assert taken.given == (
        Given("-q", ""), Given("-k", "", "x"), Given("-j", "", "4"), Given("--out", "w", "a"),
        Given("--color", "", "no"), Given("-W", "", "all"), Given("-fplugin", "!", "b"),
    )  # fmt: skip


def test_an_empty_value_does_not_swallow_the_next_word():
    taken = take(spec("--out=w"), ("--out=", "--evil"))
    assert taken.given == (Given("--out", "w", ""), Given("--evil", None))


def test_a_shortened_long_option_is_not_known():
    assert [one.kind for one in take(spec("--quiet"), ("--qui",)).given] == [None]
    assert [one.kind for one in take(spec("-q"), ("-qz",)).given] == ["", None]


def test_a_table_shares_words_and_heads_verbs():
    read = table("&both\n    -a -b\nx >\n    -g\nx > run\n  .. test\n    &both -c=\ny z\n    -d\n")
    assert set(read) == {"x", "y", "z"}
    assert set(read["x"].verbs) == {"run", "test"}
    assert set(read["x"].verbs["test"].options) == {"-a", "-b", "-c"}
    assert set(read["x"].own.options) == {"-g"}


@pytest.mark.parametrize(
    ("script", "reads", "writes", "runs"),
    [
        ("1e id", [], [], True), ("s/a/b/gew x", [], ["x"], True), ("w/etc/x", [], ["/etc/x"], False),
        ("$r/etc/x", ["/etc/x"], [], False), ("s,a,b,;W y\np", [], ["y"], False), ("/a/,+2!{=;p}", [], [], False),
        ("a\\\nw x\\\ne y", [], [], False), ("s/[/]/x_/", [], [], False), ("s/[[:space:]/]/x/", [], [], False),
        ("y/abc/def/;:a;ta;bend;:end", [], [], False), ("0~3d;$!N;P;D", [], [], False), ("# e id\np", [], [], False),
    ],
)  # fmt: skip
def test_a_sed_script_is_read_by_its_grammar(script, reads, writes, runs):
    read = read_script(script)
    assert read is not None
    assert (read.reads, read.writes, read.runs) == (reads, writes, runs)


@pytest.mark.parametrize(
    "script", ["k", "s/[/]/e/", "s/a", "{p", "p}", "s/a/b/q", "pp", "r", "s/[/]/e", "1,p", "y/a/b"]
)
def test_a_sed_script_that_nobody_can_read_is_not_accounted_for(script):
    assert read_script(script) is None


def test_an_awk_slash_is_told_from_a_pattern():
    for text in (
        '{print $1 / "x"}',
        "{print /a#b/}",
        "/a/ {print}",
        "{if (1) /x/}",
        "{n = (1 + 2) / 3}",
    ):
        assert read_program(text) is not None, text
    for text in (
        '{print /#/; system("id")}',
        '{if (1) /"/; system("id")}',
        '{x++ / system("id") / 2}',
    ):
        assert read_program(text) is None, text


def test_awk_names_what_it_reads_and_writes():
    read = read_program('{ getline l < "in"; print l > "out"; printf "x" >> "more" }')
    assert read is not None
    assert (read.reads, read.writes) == (["in"], ["out", "more"])


def test_a_jq_filter_calls_only_what_computes():
    for text in (
        ".env",
        "{env: 1, id}",
        "def f(g): g; f(.a)",
        '"\\(.a | length)"',
        ".a[]?.b // empty",
    ):
        assert only_computes(text), text
    for text in (
        "env",
        "$ENV.A",
        '"\\(env)"',
        "{a: env}",
        "[env]",
        'import "a" as a; .',
        "f(.a)",
        '"',
    ):
        assert not only_computes(text), text
