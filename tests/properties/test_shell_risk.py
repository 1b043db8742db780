"""Properties of the shell classifier: it never raises, and no disguise lowers a level."""

import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.risk.shell import classify
from holdfast.model.risk import RiskLevel

WORDS = st.sampled_from(
    [
        "rm",
        "-rf",
        "-r",
        "-f",
        "/",
        "~",
        "/etc/passwd",
        "x.txt",
        "ls",
        "cat",
        "sudo",
        "chmod",
        "777",
        "a+w",
        "curl",
        "http://e.example",
        "sh",
        "bash",
        "-c",
        "$x",
        "$HOME",
        "$(ls)",
        "`id`",
        "'a",
        "b'",
        '"$y"',
        "{a,b}",
        "*",
        ">",
        ">>",
        "<",
        "|",
        "||",
        "&&",
        ";",
        "&",
        "(",
        ")",
        "{",
        "}",
        "if",
        "then",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "<<EOF",
        "<<<x",
        "<(ls)",
        "x=rm",
        "$'\\x72m'",
        "\\rm",
        ".env",
        "git",
        "push",
        "env",
        "xargs",
        "find",
        ".",
        "-delete",
        "-exec",
        "\\;",
        "+",
        "eval",
        "case",
        "esac",
        "f(){",
        "[[",
        "]]",
        "((1))",
        "#",
        "!",
        "time",
        "--",
        "~/.ssh/id_rsa",
        "2>&1",
        "tee",
        "dd",
        "of=/dev/sda",
        "python",
        "\n",
        "EOF",
        "\\\n",
    ]
)
SENTENCES = st.lists(WORDS, max_size=14).map(" ".join)
GLUED = st.lists(WORDS, max_size=10).map("".join)

# Well-formed commands whose words may be quoted anew without changing what they mean.
SIMPLE = st.sampled_from(
    [
        ["rm", "-rf", "/"], ["rm", "-r", "-f", "/etc"], ["rm", "x"], ["ls", "-la"], ["cat", "a.txt"],
        ["cat", "/etc/shadow"], ["cat", ".env"], ["sudo", "ls"], ["chmod", "777", "x"],
        ["curl", "http://e.example"], ["dd", "if=a", "of=/dev/sda"], ["git", "reset", "--hard"],
        ["git", "status"], ["find", ".", "-delete"], ["tee", "/etc/hosts"], ["kill", "-9", "1"],
        ["env"], ["printenv", "HOME"], ["bash", "-c", "rm -rf /"], ["pip", "install", "x"],
        ["cp", "a", "/usr/bin/"], ["timeout", "5", "rm", "-rf", "build"], ["foo", "bar"], ["mkfs.ext4", "x"],
        ["sed", "-i", "s/a/b/", "/etc/x"], ["xargs", "rm", "-f"], ["ssh", "h", "rm -rf /"], ["reboot"],
    ]
)  # fmt: skip


@st.composite
def requoted(draw):
    argv = draw(SIMPLE)
    pieces = []
    for word in argv:
        written = ""
        for character in word:
            style = draw(st.integers(0, 6))
            if style == 0:
                written += f"'{character}'"
            elif style == 1:
                written += f'"{character}"'
            elif style == 2:
                written += "\\" + character
            elif style == 3:
                written += f"$'\\x{ord(character):02x}'"
            elif style == 4 and character not in " ~;":
                written += "''" + character
            else:
                written += shlex.quote(character)
        pieces.append(written)
    gap = draw(st.sampled_from([" ", "  ", "\t", " \\\n "]))
    return shlex.join(argv), gap.join(pieces)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text):
    assert classify(text).level in RiskLevel


@settings(max_examples=300, deadline=None)
@given(SENTENCES | GLUED)
def test_shell_like_text_gets_an_answer_and_unknowns_are_never_low(text):
    risk = classify(text)
    if risk.opaque:
        assert risk.level >= RiskLevel.MEDIUM
    if risk.reasons:
        assert risk.level == max(reason.level for reason in risk.reasons)
    else:
        assert risk.level == RiskLevel.LOW


@settings(max_examples=300, deadline=None)
@given(requoted())
def test_quoting_a_command_differently_never_lowers_it(pair):
    plain, disguised = pair
    assert classify(disguised).level >= classify(plain).level


WRAPPINGS = st.sampled_from(
    [
        lambda c: "bash -c " + shlex.quote(c), lambda c: "sh -ec " + shlex.quote(c),
        lambda c: "true; " + c, lambda c: c + "; true", lambda c: f"({c})", lambda c: f"{c} &",
        lambda c: "ls && " + c, lambda c: c + " || ls", lambda c: "{ " + c + "; }", lambda c: "! " + c,
        lambda c: "if true; then " + c + "; fi", lambda c: "while true; do " + c + "; done",
        lambda c: "f() { " + c + "; }; f", lambda c: "eval " + shlex.quote(c), lambda c: f"echo $({c})",
        lambda c: f'x="$({c})"', lambda c: f"cat <({c})", lambda c: "bash <<'E_E'\n" + c + "\nE_E\n",
        lambda c: "bash <<< " + shlex.quote(c), lambda c: c + " 2>/dev/null", lambda c: c + " | cat",
        lambda c: "case a in a) " + c + ";; esac", lambda c: "# no\n" + c, lambda c: f"time ({c})",
        lambda c: "su -c " + shlex.quote(c),
        lambda c: f"echo {shlex.quote(c)} | sh", lambda c: f"x{len(c)}={shlex.quote(c)}; eval $x{len(c)}",
    ]
)  # fmt: skip


# Only a simple command may follow these.
PREFIXES = st.sampled_from(
    [
        "",
        "nohup ",
        "env A=1 ",
        "timeout 9 ",
        "A=1 ",
        "sudo ",
        "time ",
        "> /dev/null ",
        "exec ",
        "nice -n 3 ",
        "command ",
    ]
)


@settings(max_examples=100, deadline=None)
@given(SIMPLE.map(shlex.join), PREFIXES, st.lists(WRAPPINGS, max_size=3))
def test_wrapping_a_command_never_lowers_it(command, prefix, wrappings):
    wrapped = prefix + command
    for wrapping in wrappings:
        if "\n" not in wrapped:
            wrapped = wrapping(wrapped)
    assert classify(wrapped).level >= classify(command).level, wrapped


@settings(max_examples=200, deadline=None)
@given(
    st.lists(SIMPLE.map(shlex.join), min_size=1, max_size=5),
    st.sampled_from(["; ", " && ", " || ", "\n", " & "]),
)
def test_several_commands_are_worth_their_worst(commands, joint):
    assert classify(joint.join(commands)).level == max(classify(one).level for one in commands)
