"""Which commands count as reads: an allow-list, tried with both corpora."""

import pytest

from holdfast.core.risk.registry import assess
from holdfast.core.risk.shell import classify
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect
from tests.corpora import shell as corpora

READING = [command for command in corpora.ordinary() if command.reads and not command.apart]
OTHER = [command for command in corpora.ordinary() if not command.reads]


def test_what_only_reads_is_known_as_such():
    missed = [c.text for c in READING if not classify(c.text, folder=corpora.FOLDER).read_only]
    assert len(missed) <= 0.05 * len(READING), missed


@pytest.mark.parametrize("command", [c.text for c in OTHER])
def test_what_changes_or_reaches_something_is_no_read(command):
    assert not classify(command).read_only


@pytest.mark.parametrize(
    "command",
    [
        "cat .env", "cat x > y", "ls; touch x", "sort -o b a", "sort $x", "sort *", "find . -delete",
        "find . -fls x", "tree -o x", "uniq a b", "xxd a b", "xxd -r a", "date -s 10:00", "ss -K", "rg --pre x y",
        "sed -i s/a/b/ x", "sed -n 'w x' a", "sed s/a/b/e x", "sed -f x y", "awk '{print > \"x\"}' y",
        "awk -f x y", "git log --output=x", "git diff --ext-diff", "git -c a.b=c log", "git branch new", "git tag v1",
        "git stash", "git grep -Osh x", "git config a.b c", "git reflog expire", "npm ls; npm test", "tar xf a",
        "echo $(touch x)", "cat <(touch x)", "f() { ls; }; f", "x=1", "PATH=. ls", "./ls", "ls | tee x", "xargs rm",
        "find . -exec touch {} +", "time touch x", "curl localhost", "ls & rm x", "git fetch", "python -c 1", "bash x",
        'echo "${x@P}"', "unzip a", "fd -x rm", "export A=1", "read x", "printf -v x y", "ls \u202e",
    ],
)  # fmt: skip
def test_one_option_or_word_that_does_more_makes_it_no_read(command):
    assert not classify(command).read_only


def contract(effect, shell=""):
    return Contract(
        name="t",
        description="d",
        effect=effect,
        risk=RiskLevel.LOW,
        risk_reason="registered",
        input_schema={},
        shell=shell,
    )


def test_a_call_reads_when_its_contract_or_its_command_does():
    assert assess(contract(Effect.READ), "t", {"path": "a"}).read_only
    assert not assess(contract(Effect.WRITE), "t", {"path": "a"}).read_only
    assert not assess(None, "t", {}).read_only
    shell = contract(Effect.COMMIT, "command")
    assert assess(shell, "t", {"command": "git diff | head"}).read_only
    assert not assess(shell, "t", {"command": "git pull"}).read_only
    assert not assess(shell, "t", {"command": ["ls"]}).read_only
    assert not assess(shell, "t", {}).read_only
    assert not assess(contract(Effect.READ), "t", {"path": ".holdfast"}).read_only
