"""Places: the project's folder, the directory a command runs in, and what bash evaluates."""

import pytest

from holdfast.core.risk.shell import classify
from holdfast.model.risk import RiskLevel

FOLDER = "/home/alice/project"


def codes(command, folder=FOLDER):
    return {reason.code for reason in classify(command, folder=folder).reasons}


@pytest.mark.parametrize(
    "command",
    [
        "echo x > a", "echo x > ./a/../b", f"echo x > {FOLDER}/a", "echo x > ~/project/a", "cd a && echo x > ../b",
        "mkdir -p a && cd a && echo x > ../b", "cd a && cd b && echo x > ../../c", "cd a && ls > ../b 2>&1",
        f"cd {FOLDER}/a && echo x > ../b", "(cd a && echo x > ../b)", "echo x > /tmp/a", "echo x > ../project/a",
        "echo x > /dev/null", "rm a", f"rm {FOLDER}/a",
    ],
)  # fmt: skip
def test_what_lies_in_the_folder_is_written_freely(command):
    assert "shell.outside_write" not in codes(command)
    assert classify(command, folder=FOLDER).level < RiskLevel.HIGH


@pytest.mark.parametrize(
    "command",
    [
        "echo x > ../b", "echo x > ~/b", "echo x > /home/bob/project/a", "echo x > /home/alice/other/a", "echo x > ~+/../b",
        "cd a; echo x > ../b", "(cd a); echo x > ../b", "cd a | true && echo x > ../b", "cd a || echo x > ../b",
        "cd a && cd ../.. && echo x > b", "cd && echo x > b", "cd .. && rm a", "cd a & echo x > ../b",
        "if cd a; then :; fi; echo x > ../b", "mv a ../b", "cp a ~/b", "ln -s /usr a", "rm ../b", "tee -a ../b",
        f"echo x > {FOLDER}x/a", f"echo x > {FOLDER}/../a", "cd / && touch a",
    ],
)  # fmt: skip
def test_what_may_lie_outside_is_not(command):
    assert "shell.outside_write" in codes(command)


def test_without_a_folder_only_what_surely_lies_outside_counts():
    assert "shell.outside_write" not in codes("echo x > /home/bob/project/a", "")
    for outside in ("echo x > ../a", "echo x > /srv/a", "rm /opt/a"):
        assert "shell.outside_write" in codes(outside, "")


@pytest.mark.parametrize(
    "command",
    [
        "x=$(cat f); n=1; echo $((n))", "echo $((1 + 2))", "n=3; echo $((n * 2))", "i=0; ((i++)); echo $((i))", "n=$(wc -l < a); echo $((n))",
        "for i in 1 2 3; do echo $((i + 1)); done", "for i in $(seq 3); do echo $((i)); done", "a=(1 2); echo ${a[1]}",
        "for ((i=0; i<3; i++)); do echo $i; done", "x=abc; echo ${x:0:2}", "[[ 3 -eq 3 ]]", "n=1; m=$n; echo $((m))",
        "t=$(date +%s); echo $(( $(date +%s) - t ))", "echo $(($# + 1))", "declare -i n=3", "let n=1+2",
        "x=abc; echo ${#x} ${x^^} ${x/a/b} ${x%c} ${x@Q}", "echo ${!BASH@}", "n=PATHS; echo ${!n}", "unset x",
        'read x; echo "$x"', "[[ -v x ]]", "printf -v x %s a", "a=([0]=x [1]=y)", "echo $((COLUMNS - 1))",
    ],
)  # fmt: skip
def test_numbers_and_plain_names_may_be_evaluated(command):
    assert not codes(command) & {"shell.evaluated", "shell.unaccounted"}


@pytest.mark.parametrize(
    "command",
    [
        "x=$(cat f); echo $((x))", "read x; echo $((x))", "x=$1; ((x))", "n=1; n=$(cat f); echo $((n))", "[[ $1 -eq 2 ]]",
        "x=$(cat f); y=$x; z=$y; echo $((z))", "for x in $(cat f); do echo $((x)); done", "mapfile a < f; echo $((a[0]))",
        "echo ${a[$x$(cat f)]}", "x=$(cat f); echo ${a[x]}", "x=$(cat f); echo ${s:x}", "echo ${x@P}", "echo ${!1}",
        "x=$(cat f); echo ${!x}", "declare -n r=$1", "declare -i n=$(cat f)", "unset 'a[$(id)]'", "read 'a[$(id)]'",
        "[ -v 'a[x]' ]", 'let "n=$(cat f)"', "a=([$(cat f)]=1)", "x=$(cat f); echo $[x]", "n=1; . ./f; echo $((n))",
        "getopts a 'b[$(id)]'", "printf -v 'a[$(id)]' x", "wait -n -p 'a[$(id)]'", "((a[$(cat f)]=1))", "x='a[1]'; ((x))",
    ],
)  # fmt: skip
def test_what_is_only_known_when_it_runs_may_not(command):
    assert "shell.evaluated" in codes(command)


def test_a_substitution_inside_text_that_the_grammar_does_not_take_apart_is_told():
    for command in ("echo ${x#$(id)}", "echo ${x%%`id`}", 'echo "${x:-`id`}"', "echo ${x^^$(id)}"):
        assert "shell.unaccounted" in codes(command)
    assert "shell.unaccounted" not in codes("echo '${x#$(id)}' \\$\\(id\\)")


def test_a_construct_that_nobody_listed_is_told(monkeypatch):
    from holdfast.core.risk import shell_evaluation

    known = shell_evaluation._KNOWN - {"ternary_expression"}
    monkeypatch.setattr(shell_evaluation, "_KNOWN", known)
    assert "shell.unaccounted" in codes("echo $((1 ? 2 : 3))")
    assert "shell.unaccounted" not in codes("echo $((1 + 2))")


@pytest.mark.parametrize(
    "command",
    [
        "PYTHONPATH=/tmp/x pytest", "PYTHONPATH=src:../x pytest", "NODE_PATH=/tmp node a.js", "CLASSPATH=/x java A",
        "export PYTHONPATH=$(cat f)", "PYTHONPATH=$X pytest; read X", "read PYTHONPATH",
    ],
)  # fmt: skip
def test_modules_from_outside_the_project_are_told(command):
    assert classify(command, folder=FOLDER).level >= RiskLevel.HIGH


def test_modules_of_the_project_are_not():
    for command in (
        "PYTHONPATH=src pytest",
        "PYTHONPATH=src:tests pytest",
        "NODE_PATH=lib node a.js",
    ):
        assert classify(command, folder=FOLDER).level is RiskLevel.MEDIUM


@pytest.mark.parametrize(
    "code",
    [
        "a=/'/;fetch(1);b=/'/", "1/*'*/;fetch(1)/*'*/", "`${fetch(1)}`", "a['fe'+'tch']",
        "a[b]", "f\\u0065tch(1)", "require(x)", "require('/tmp/x')", "process.env", "({}).constructor", "console.log('\\x41')",
    ],
)  # fmt: skip
def test_javascript_that_hides_a_word_is_not_plain(code):
    assert classify(f'node -e "{code}"', folder=FOLDER).level >= RiskLevel.HIGH
