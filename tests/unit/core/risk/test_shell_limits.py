"""Each limit of the judge at its edge: what is just within is read, what is one more is not."""

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.risk.arguments import judge_arguments
from holdfast.core.risk.searches import misses_tokens
from holdfast.core.risk.shell import classify
from holdfast.core.risk.shell_awk import read_program
from holdfast.core.risk.shell_calls import MOST_NAMED
from holdfast.core.risk.shell_jq import only_computes
from holdfast.core.risk.shell_parse import too_tangled, words_of_broken_text
from holdfast.core.risk.shell_sed import read_script
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract

FOLDER = "/home/alice/project"
TOOLS: dict[str, Contract] = {contract.name: contract for contract in BUILTIN_TOOLS}


def codes(command):
    return {reason.code for reason in classify(command, folder=FOLDER).reasons}


def refused(command):
    return "shell.unparseable" in codes(command)


def arguments():
    assert not refused("ls " + "a " * 1_999)
    assert refused("ls " + "a " * 2_000)


def lists():
    many = "; ".join(f"cat a{n}" for n in range(201))
    assert len(classify(many, folder=FOLDER).reads) == 200
    assert len(classify("; ".join(f"x{n} a" for n in range(201))).programs) == 200
    assert len(classify("; ".join(f"./x{n}" for n in range(201))).reasons) == 200
    hosts = "; ".join(f"curl https://h{n}.example" for n in range(201))
    assert len(classify(hosts).hosts) == 200
    writes = classify("; ".join(f"touch w{n}" for n in range(201)), folder=FOLDER).writes
    assert len(writes) == 200
    named = classify("cat " + " ".join(f"a{n}" for n in range(600)), folder=FOLDER).named
    assert len(named) == MOST_NAMED + 1 == 513
    folders = classify("; ".join(f"cd d{n}" for n in range(40)), folder=FOLDER).folders
    assert len(folders) == 31
    assert [len(path) for path in classify("cat " + "a" * 300).reads] == [200]
    assert [len(one.where) for one in classify("touch " + "a" * 300).reasons] == [200]
    assert [len(name) for name in classify("a" * 300).programs] == [200]
    assert [len(host) for host in classify(f"curl https://{'a' * 300}.example").hosts] == [200]


def texts():
    assert not refused("ls " + "a" * (65_536 - 3))
    assert refused("ls " + "a" * (65_536 - 2))
    within, beyond = "echo x;" * 3, "eval " * 80 + "ls"
    assert not refused(within)
    assert refused(beyond)


def fields():
    assert len(classify("touch {1..64}").writes) == 64
    assert classify("touch {1..65}").writes == ("?",)
    assert classify("touch {a,b}{1..32}").writes[-1] == "b32"
    assert classify("touch {a,b}{1..33}").writes == ("?",)
    set_to = "".join(f"x=v{n}; " for n in range(16))
    assert len(classify(set_to + "touch $x").writes) == 16
    assert classify(set_to + "x=v17; touch $x").writes == ("?",)
    held = f"x={'a' * 8_190}; touch "
    assert classify(held + '"b$x"').writes[0][0] == "b"
    assert classify(held + '"bcd$x"').writes == ("?",)


def tangles():
    assert not too_tangled("|" * 3_000)
    assert too_tangled("|" * 3_001)
    assert not too_tangled("(" * 150)
    assert too_tangled("(" * 151)
    assert not too_tangled("(" * 150 + ")" + "(")
    assert too_tangled("(" * 150 + ")" + "((")
    assert not too_tangled(")" * 9 + "(" * 150)
    assert not too_tangled("`" * 300)
    assert too_tangled("`" * 301)
    for opens, ends in (
        ("if ", "fi "),
        ("case ", "esac "),
        ("do ", "done "),
        ("{ ", "} "),
        ("[", "]"),
    ):
        assert not too_tangled((opens + ends) * 151)
        assert too_tangled(opens * 151)
    assert words_of_broken_text("a 'b c'd; e > f") == [["a", "b cd"], ["e", "f"]]
    assert words_of_broken_text('a "b"c \\d\n\n(x)') == [["a", "bc", "d"], ["x"]]


def redirections():
    many = "".join(f"ls > o{n}; " for n in range(64))
    later = classify(f"{{ {many} cd /srv; }} > z", folder=FOLDER)
    assert later.level is RiskLevel.HIGH
    assert len(classify(f"{many} ls > last", folder=FOLDER).writes) == 65


def sed():
    assert read_script("p" + " " * 8_191) is not None
    assert read_script("p" + " " * 8_192) is None


def awk():
    assert read_program("{print}" + " " * (4_096 - 7)) is not None
    assert read_program("{print}" + " " * (4_096 - 6)) is None


def jq():
    assert only_computes("." + " " * 8_191)
    assert not only_computes("." + " " * 8_192)


def javascript():
    plain = "shell.inline_code"
    assert plain in codes(f"node -e '1{' ' * 8_191}'")
    assert plain not in codes(f"node -e '1{' ' * 8_192}'")


def python():
    plain = "shell.inline_code"
    for within, beyond in (
        (f"1{' ' * 8_191}", f"1{' ' * 8_192}"),
        ("(" * 60 + "1" + ")" * 60, "(" * 61 + "1" + ")" * 61),
        ("-" * 400 + "1", "-" * 401 + "1"),
        ("~" * 400 + "1", "~" * 401 + "1"),
        ("not " * 80 + "1", "not " * 401 + "1"),
    ):
        assert plain in codes(f"python -c '{within}'"), within[:20]
        assert plain not in codes(f"python -c '{beyond}'"), beyond[:20]


def system_calls():
    calls = "".join(f'os.system("touch f{n}");' for n in range(17))
    assert len(classify(f"python -c '{calls}'").writes) == 16
    words = " ".join(f"'touch w{n}'" for n in range(9))
    assert len(classify(f"x=1; bash -c ls {words}").writes) == 7


def operands():
    shown = classify("tee " + "a " * 500 + "--x=/etc/shadow", folder=FOLDER)
    assert "shell.secret_read" not in {reason.code for reason in shown.reasons}
    shown = classify("tee " + "a " * 499 + "--x=/etc/shadow", folder=FOLDER)
    assert "shell.secret_read" in {reason.code for reason in shown.reasons}


def of_calls():
    def found(values):
        given = {"command": "ls", "description": "d", "paths": values}
        return [reason.code for reason in judge_arguments(TOOLS["Monitor"], given, folder=FOLDER)]

    assert found(["a"] * 2_000) == []
    assert found(["a"] * 2_001) == ["risk.unread_path"]
    assert found(["a" * 65_536]) == []
    assert found(["a" * 65_537]) == ["risk.unread_path"]


def guesses():
    assert misses_tokens("|".join(["AB"] * 16))
    assert not misses_tokens("|".join(["AB"] * 17))
    given = " ".join(["-e AB"] * 16)
    assert "shell.secret_read" not in codes(f"grep -r {given} .")
    assert "shell.secret_read" in codes(f"grep -r {given} -e AB .")


LIMITS = {
    "shell_judge": arguments,
    "shell_calls": lists,
    "shell_rules": texts,
    "shell_words": fields,
    "shell_parse": tangles,
    "shell_walk": redirections,
    "shell_sed": sed,
    "shell_awk": awk,
    "shell_jq": jq,
    "shell_javascript": javascript,
    "shell_python": python,
    "shell_interpreters": system_calls,
    "shell_programs": operands,
    "arguments": of_calls,
    "searches": guesses,
    "shell_whole": guesses,
}


@pytest.mark.parametrize("module", [f"holdfast.core.risk.{name}" for name in LIMITS])
def test_what_is_one_more_than_a_limit_is_not_read(module):
    LIMITS[module.rpartition(".")[2]]()
