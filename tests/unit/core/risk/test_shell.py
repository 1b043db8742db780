"""The shell classifier against a corpus, and the edges of what it can take."""

import importlib.util
import pathlib

import msgspec
import pytest

from holdfast.core.risk.shell import classify
from holdfast.core.risk.shell_rules import DEFAULT_RULES, FINDINGS, PROGRAMS, SAFE
from holdfast.model.risk import RiskLevel

_spec = importlib.util.spec_from_file_location(
    "shell_corpus", pathlib.Path(__file__).with_name("shell_corpus.py")
)
assert _spec is not None
assert _spec.loader is not None
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)


@pytest.mark.parametrize(("command", "level", "code"), corpus.DANGEROUS)
def test_danger_is_seen_through_its_spelling(command, level, code):
    risk = classify(command)
    assert risk.level >= level, risk
    assert code in {reason.code for reason in risk.reasons}, risk


@pytest.mark.parametrize(("command", "level"), corpus.BENIGN)
def test_ordinary_work_raises_no_false_alarm(command, level):
    risk = classify(command)
    assert risk.level == level, risk.reasons


def test_the_corpus_is_large_enough_to_mean_something():
    assert len({command for command, _, _ in corpus.DANGEROUS}) >= 300
    assert len({command for command, _ in corpus.BENIGN}) >= 100


def test_programs_are_named_through_their_wrappers():
    risk = classify("sudo -u bob env A=1 timeout 5 nice -n 3 /bin/cat x | xargs -n1 grep y")
    assert risk.programs == ("sudo", "env", "timeout", "nice", "cat", "xargs", "grep")


def test_paths_and_hosts_are_listed_as_written():
    risk = classify(
        "cat a.txt < b.txt > c.txt; curl -o d.txt https://user@api.example:8443/x; scp e f@g.example:h"
    )
    assert {"a.txt", "b.txt", "e"} <= set(risk.reads)
    assert {"c.txt", "d.txt"} <= set(risk.writes)
    assert risk.hosts == ("api.example", "g.example")


@pytest.mark.parametrize(
    "command",
    [
        'eval "$x"',
        "$cmd",
        "base64 -d x | sh",
        "ls (",
        "cat $f",
        "python -c 'eval(x)'",
        'sh -c "$y"',
    ],
)
def test_what_only_running_would_tell_is_called_opaque(command):
    assert classify(command).opaque


def test_a_plain_command_is_not_opaque():
    assert not classify("sudo rm -rf /tmp/x && bash -c 'ls -la'").opaque


def test_offending_text_is_quoted_and_bounded():
    risk = classify("rm -rf " + "a" * 5_000)
    assert risk.reasons[0].where.startswith("rm -rf aaa")
    assert all(len(reason.where) <= 200 for reason in risk.reasons)
    assert all(len(path) <= 200 for path in risk.writes)


def test_reasons_come_worst_first():
    levels = [reason.level for reason in classify("ls > x; sudo ls; rm -rf /").reasons]
    assert levels == sorted(levels, reverse=True)


def test_text_over_the_limit_is_never_low():
    risk = classify("ls " * 30_000)
    assert (risk.level, risk.opaque) == (RiskLevel.HIGH, True)
    assert "shell.unparseable" in {reason.code for reason in risk.reasons}


def test_danger_in_front_of_unparseable_text_still_blocks():
    assert classify("rm -rf / ; case (").level == RiskLevel.BLOCK


@pytest.mark.parametrize(
    "unit",
    ["a=(", "a=(a=(1)) ", "a|", "[[ a ]] ", "=~ ", "))", ">", "<<<", "${", "$(", "(", "`", "'", '"', "{a,", "{a,b}",
     "if a; then ", "f(){ ", "<<A ", "$x", "\\\n", "x=$x$x;", "bash -c '", "eval ", "sudo ", "case x in a) ", "*/", "../",
     "find . -exec ", "xargs ", "s/a", "b)\n"],
)  # fmt: skip
def test_a_pathological_64_kb_input_comes_back(unit):
    # Without the bounds several of these take half a minute or more.
    text = (unit * (65_000 // len(unit)))[:65_000]
    risk = classify(text)
    assert risk.level >= RiskLevel.LOW


def test_deep_nesting_is_bounded_and_high():
    command = "ls"
    for _ in range(12):
        command = "bash -c " + "'" + command.replace("'", "'\\''") + "'"
        if len(command) > 60_000:
            break
    assert classify(command).level in {RiskLevel.LOW, RiskLevel.HIGH}
    assert classify("(" * 140 + "rm -rf /" + ")" * 140).level >= RiskLevel.HIGH
    assert classify("eval " * 500 + "rm -rf /").level >= RiskLevel.HIGH


def test_empty_text_is_low():
    assert classify("").level == RiskLevel.LOW
    assert classify("  \n# only a comment\n").level == RiskLevel.LOW


def test_every_code_in_the_tables_has_a_finding():
    assert set(PROGRAMS.values()) <= set(FINDINGS)
    assert not SAFE & set(PROGRAMS)


def test_a_stricter_rule_set_is_a_changed_value():
    level, text = FINDINGS["shell.network"]
    stricter = msgspec.structs.replace(
        DEFAULT_RULES, findings={**FINDINGS, "shell.network": (RiskLevel.BLOCK, text)}
    )
    assert level == RiskLevel.HIGH
    assert classify("curl https://x.example").level == RiskLevel.HIGH
    assert classify("curl https://x.example", policy=stricter).level == RiskLevel.BLOCK
