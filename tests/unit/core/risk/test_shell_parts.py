"""Parts of the judge by themselves, each beside what would be decided if one word of it were another."""

from typing import Any

import msgspec
import pytest

from holdfast.core.risk.arguments import judge_arguments
from holdfast.core.risk.path_patterns import below, same
from holdfast.core.risk.places import Governed, covers_folder, governed
from holdfast.core.risk.shell_calls import MOST_LISTED, Call, Feed, Findings, Role
from holdfast.core.risk.shell_jq import only_computes
from holdfast.core.risk.shell_paths import (
    is_beyond_repair,
    is_foreign,
    is_raw_device,
    is_superusers,
    is_system,
    localised,
    normalise,
    places,
    views,
)
from holdfast.core.risk.shell_rules import DEFAULT_RULES
from holdfast.core.risk.shell_spec import spec, take
from holdfast.core.risk.shell_walk import OutOfSteps, Walk
from holdfast.core.risk.shell_wrappers import (
    WRAPPERS,
    Wrapper,
    has_flag,
    operands,
    option_values,
    takes_next,
    unwrap,
)
from holdfast.core.risk.spellings import is_address, spellings
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

COMPUTES = (
    "{a: (1), env: 2}",
    "{a: [1], env: 2}",
    '{a: "\\(1)", env: 2}',
    "[{env: 1}]",
    '"\\({x: 1})"',
    '"\\((1) + 1)"',
    '"\\(.a | "\\((1) + 2)")"',
    "def f(g): g; f(.a)",
    ". # env",
)
NOT_ONLY = (
    ". # \0",
    "{a: (1, env, 2)}",
    "{a: [1, env, 2]}",
    "[{a: 1}, env, 2]",
    "$ ENV",
    "map(g) def",
    "def f(g): g; map(h)",
    '"\\(.a | "\\((1) + env)")"',
    '"\\(1)" ) env "',
    '{a: "\\(1, env, 2)"}',
    '{"x" env: 1}',
    '"\\((1) + env)"',
    '"\\(1 + "\\((2) + env)")"',
)
PROJECT = "/srv/shop"


def jq():
    assert [one for one in COMPUTES if not only_computes(one)] == []
    assert [one for one in NOT_ONLY if only_computes(one)] == []


def found(rules_in=""):
    return Findings(DEFAULT_RULES, PROJECT, Governed(folder=rules_in))


def reasons(findings):
    return [(code.removeprefix("shell."), where) for code, where in findings.reasons]


def calls():
    feed = Feed("x", frozenset({"cat"}), present=True)
    call = Call(("sudo", "ls"), "sudo ls", feed, frozenset({"id"}), 3)
    assert call.inner(("ls",)) == Call(("ls",), "sudo ls", feed, frozenset({"id"}), 4)
    assert (Call(("/bin/ls", "a"), "").name, Call(("/",), "").name, call.args) == (
        "ls",
        "/",
        ("ls",),
    )
    assert found().steps == 0
    assert [Findings(DEFAULT_RULES, one).folder for one in ("a/b", "/a/../b")] == ["", "/b"]
    _what_is_listed()
    _where_it_may_be()
    _what_is_named_and_installed()


def _what_is_listed():
    one = found()
    one.add("shell.file_write", "a\0b", opaque=True)
    one.add("shell.file_write", "a\0b")
    one.add("shell.network", "c")
    assert reasons(one) == [("file_write", "a?b"), ("network", "c")]
    assert (one.opaque, one.level) == (True, one.rules.findings["shell.network"][0])
    for host in ("", "\0.example", "u@a.example:b", "b.example:80", "https://u@c.example:1/x"):
        one.host(host)
    one.program("a\0")
    assert (list(one.hosts), list(one.programs)) == (
        ["a.example", "b.example", "c.example"],
        ["a?"],
    )
    one = found()
    one.delete("a\0", "rm", forced=False)
    one.delete("/srv/x", "rm -r", forced=True)
    assert reasons(one) == [
        ("file_delete", "rm"), ("dynamic_path", "rm"), ("recursive_delete", "rm -r"),
        ("outside_write", "rm -r"), ("system_write", "rm -r"),
    ]  # fmt: skip
    assert (list(one.writes), list(one.named)) == (
        ["a?", "/srv/x"],
        [("a\0", Role.ENTRY), ("/srv/x", Role.ENTRY)],
    )


def _where_it_may_be():
    one = found()
    assert (one.here, one.in_system("a"), one.foreign("a"), one.outside("../a")) == (
        "",
        False,
        False,
        True,
    )
    one.change_directory("/opt/x")
    one.enter("-")
    assert (one.here, one.bases, list(one.named)) == (None, ("/opt/x",), [("/opt/x", Role.READ)])
    assert (one.foreign("a"), one.outside("a"), one.in_system("a")) == (True, True, True)
    assert (one.foreign("a/../../shop/b"), one.in_system("/srv/shop/a")) == (True, False)
    for path, here in (("a", "a"), ("a/..", "."), ("", None), ("a\0", None), ("-", None)):
        one.here = ""
        one.enter(path)
        assert one.here == here, path
    one.here = None
    one.enter("a")
    assert one.here is None
    nobody = Findings(DEFAULT_RULES)
    nobody.change_directory("/opt/x")
    assert nobody.in_system("a") is True
    assert nobody.in_system("b/../../../etc/a") is True
    other = found("/srv/rules")
    assert other.views("/srv/rules/a") == ("/srv/rules/a", "a")
    assert found().views("/srv/rules/a") == ("/srv/rules/a",)
    asked = [one.covers_state(path) for path in ("", "a\0", "src", ".", "/srv", "/opt")]
    assert asked == [False, False, False, True, True, False]


def _what_is_named_and_installed():
    one = found()
    for n in range(18):
        one.change_directory(f"/opt/x{n}")
    assert one.bases == tuple(f"/opt/x{n}" for n in range(16))
    one = found("/srv/rules")
    for n in range(15):
        one.change_directory(f"/opt/x{n}")
    one.change_directory("a/b")
    assert len(one.bases) == 31
    one = Findings(DEFAULT_RULES)
    one.bases = tuple(f"/opt/x{n}/y" for n in range(15))
    one.change_directory("../a")
    assert len(one.bases) == 32
    one = found()
    one.package([(f"p{n}", "1") for n in range(MOST_LISTED)], "pip install")
    assert (len(one.packages), reasons(one)) == (200, [("named_install", "pip install")])
    one.package([("more", "1")], "and one")
    assert reasons(one)[1:] == [("package_install", "and one")]


def wrappers():
    told: Any
    sudo = WRAPPERS["sudo"]
    for args, told in {
        "-u bob A=1 ls -la": ("ls -la", "A=1", "-u bob"),
        "-u -- ls": ("ls", "", "-u --"),
        "-- -u ls": ("-u ls", "", ""),
        "-- -- ls": ("-- ls", "", ""),
        "- ls": ("- ls", "", ""),
        "A=1 -u": ("", "A=1", "-u"),
        "-nu bob ls": ("ls", "", "-nu bob"),
        "-ubob ls": ("ls", "", "-ubob"),
        "--user bob ls": ("ls", "", "--user bob"),
        "--user=bob ls": ("ls", "", "--user=bob"),
    }.items():
        seen = unwrap(sudo, tuple(args.split()))
        shown = (" ".join(seen.argv), " ".join(seen.assignments), " ".join(seen.options))
        assert shown == told, args
    seen = unwrap(Wrapper(skip=2), ("-x", "a", "A=1", "ls", "b"))
    assert (seen.argv, seen.assignments, seen.options) == (("ls", "b"), (), ("-x", "a", "A=1"))
    values = frozenset({"-o", "--out"})
    given = ("-o", "-xo", "-ox", "-x", "--out", "--outx", "--out=a", "-")
    assert [takes_next(one, values) for one in given] == [True, True, False, False, True] + [
        False
    ] * 3
    words = ("a", "-o", "b", "-xo", "c", "-", "--out", "d", "-x", "e", "--", "-o", "--", "f")
    assert operands(words, values) == ["a", "-", "e", "-o", "--", "f"]
    assert operands(("-o", "b")) == ["b"]
    for args, told in {
        "-f": True, "-xf": True, "--force": True, "--fo": True, "--force=a": True, "--f=x": True,
        "--forced": False, "-x": False, "f": False, "-- -f": False, "-x -- --force": False,
        "--=f": False, "a -f": True, "": False, "--x -f": True,
    }.items():  # fmt: skip
        assert has_flag(tuple(args.split()), "fg", "force") is told, args
    for args, told in {
        "-o a b": "a", "-oa b": "a", "--out a b": "a", "--out=a b": "a", "-xo a b": "a", "-o": "",
        "--outx a": "", "--xo a": "", "-xy a": "", "-o= a": "=", "-o a -xo b --out=c": "a b c",
        "--out= x": "", "-- -o a": "a",
    }.items():  # fmt: skip
        assert " ".join(option_values(tuple(args.split()), "-o", "--out")) == told, args
    assert option_values(("-Xab", "--", "-X", "c", "x"), "-X") == ["ab", "c"]
    assert option_values(("-o", "x"), "-out") == []
    assert option_values(("--n", "a", "-n"), "-n") == []


def paths():
    for path, told in {
        "": ".", "a//b/../c": "a/c", "file:///a": "/a", "~+/a": "a", "~+": ".", "~root/a": "/root/a",
        "~bob/a": "~/a", "~bob": "~", "/home/bob/a": "~/a", "/Users/bob": "~", "/homes/bob": "/homes/bob",
        "//a": "/a", "///a": "/a", "/proc/self/root/a": "/a", "/proc/12/cwd": "/", "/proc/self/rooted": "/proc/self/rooted",
        "/proc/thread-self/root": "/", "~+a": "~+a", "~1/a": "~1/a",
    }.items():  # fmt: skip
        assert normalise(path) == told, path
    assert [normalise(one, "b") for one in ("a", "/a", "~/a", "../a", "")] == [
        "b/a",
        "/a",
        "~/a",
        "a",
        "b",
    ]
    assert len(normalise("a" * 5_000)) == len(localised("a" * 5_000, "")) == 4_096
    for path, told in {
        "a": "a", "/srv/shop": ".", "/srv/shop/a/../b": "b", "/srv/shopx/a": "/srv/shopx/a",
        "../shop/a": "a", "../a": "/srv/a", "~+/a": "a", "~+": ".", "file:///srv/shop/a": "a",
        "/proc/self/cwd/a": "a", "/proc/self/cwd/../a": "/proc/self/cwd/../a", "~/a": "~/a", "\0a": "\0a", "": "",
    }.items():  # fmt: skip
        assert localised(path, PROJECT) == told, path
    for path, told in {
        "~": "~", "~/shop": ".", "~/shop/a": "a", "~/a": "~/a", "~bob/shop/a": "~bob/shop/a",
        "../a": "/home/ann/a",
    }.items():  # fmt: skip
        assert localised(path, "/home/ann/shop") == told, path
    assert [localised("~/shop/a", one) for one in ("/root/shop", "/root", "/roots/shop")] == [
        "a", "shop/a", "~/shop/a",
    ]  # fmt: skip
    _several_places()
    _kinds_of_places()


def _several_places():
    assert views("a", ("b", "/srv/shop/c"), PROJECT) == ("a", "b/a", "c/a")
    assert views("../../a", (), "") == ("../../a", "/a", "~/a")
    assert views("..") == ("..",)
    assert views("~/../a", ("b",)) == ("a",)
    assert views("~/a", ("b",)) == ("~/a",)
    assert views("\0/a", ("b",)) == ("\0/a",)
    assert views("/a", ("b",)) == ("/a",)
    assert places("../a", ("", "b", "/opt"), "") == ("../a", "a", "/a")
    assert [places(one, ("b",), "") for one in ("/a", "~/a", "\0a")] == [
        ("/a",),
        ("~/a",),
        ("\0a",),
    ]


def _kinds_of_places():
    asked: tuple[str, ...]
    asked = (
        "..",
        "../a",
        "..a",
        "a",
        "/a",
        "~",
        "~/a",
        "/root/a",
        "/root/.a",
        "/root/a/b",
        "/root",
    )
    known = [is_foreign(one, known=True) for one in asked]
    assert known == [True, True, False, False] + [True] * 7
    unknown = [is_foreign(one, known=False) for one in asked]
    assert unknown == [True, True, False, False, True, True, False, True, True, False, True]
    asked = ("/root", "/root/a", "/root/a/b", "/root/.a/b", "/a/root", "root/a")
    assert [is_superusers(one) for one in asked] == [True, True, False, True, False, False]
    asked = (
        "/",
        "/etc/a",
        "/x",
        "/x/y",
        "/tmp",
        "/tmp/a",
        "/dev/null",
        "/dev/fd/3",
        "/root/a/b",
        "/root/a",
        "a",
    )
    assert [is_system(one) for one in asked] == [
        True, True, True, False, False, False, False, False, False, True, False,
    ]  # fmt: skip
    assert [is_raw_device(one) for one in ("/dev/sda", "/dev/null", "/dev/pts/0", "sda")] == [
        True, False, False, False,
    ]  # fmt: skip
    asked = (
        "/",
        "/*",
        "/etc",
        "/etc/*",
        "/etc/.*",
        "/etc/?*",
        "/etc/{}",
        "/etc/[a]*",
        "~",
        "~/*",
        "/home/bob",
        "/etc/x",
        "a/*",
        "/home/b/c",
    )
    assert [is_beyond_repair(one) for one in asked] == [True] * 11 + [False] * 3
    for path, pattern, under, equal in (
        ("/a/b", "/a", True, False), ("/a", "/a", True, True), ("/a", "/a/b", False, False),
        ("/ab", "/a*", True, True), ("/a?", "/ab", True, True), ("/*", "/.a", False, False),
        ("/\0", "/a", False, False), ("/a\0", "/ab", True, True), ("/b", "/a?", False, False),
        ("/.\0", "/.a", True, True), ("/?b", "/.b", False, False), ("a/b", "/a", False, False),
        ("/" + "a" * 255, "/a*", True, True), ("/" + "a" * 256, "/a*", False, False),
    ):  # fmt: skip
        assert (below(path, pattern), same(path, pattern)) == (under, equal), (path, pattern)


def spec_of_options():
    known = spec("-o=r -q -Q -e?r -x=. --out=w --flag --maybe? -W*l @r")
    for args, told in {
        "-o a b": ("-o:r:a", "b", ""), "-oa": ("-o:r:a", "", ""), "-o=a": ("-o:r:a", "", ""), "-o": ("-o:r:", "", ""),
        "-qoa b": ("-q::None -o:r:a", "b", ""), "-q=a": ("-q:None:a", "", ""),
        "--out a": ("--out:w:a", "", ""), "--out=a": ("--out:w:a", "", ""), "--out=": ("--out:w:", "", ""),
        "--flag=a": ("--flag:None:a", "", ""), "--flag=true": ("--flag::true", "", ""), "--flag": ("--flag::None", "", ""),
        "--other": ("--other:None:None", "", ""), "--other=a=b": ("--other:None:a=b", "", ""),
        "-Wall": ("-W:l:all", "", ""), "-W=all": ("-W:l:all", "", ""), "-W": ("-W:l:None", "", ""),
        "a -q -- -q b": ("-q::None", "a", "-q b"), "- -q": ("-q::None", "-", ""), "-z q": ("-z:None:None", "q", ""),
        "+q": ("", "+q", ""), "-e a": ("-e:r:None", "a", ""), "-ea": ("-e:r:a", "", ""),
        "-x a b -q c": ("-x::a", "b -q c", ""),
    }.items():  # fmt: skip
        taken = take(known, tuple(args.split()))
        options = " ".join(f"{one.option}:{one.kind}:{one.value}" for one in taken.given)
        assert (options, " ".join(taken.operands), " ".join(taken.behind)) == told, args


def protected():
    own = Governed(folder="/srv/rules")
    asked = (
        ".",
        "/",
        "~",
        "..",
        "./*",
        "../a",
        "/srv/rules",
        "/SRV/",
        "/srv/rule",
        "a",
        "/srv/shop",
        "/opt",
    )
    seen = [covers_folder([one], own, PROJECT) for one in asked]
    assert seen == [True] * 8 + [False, False, True, False]
    assert covers_folder(["a", "/srv"], own) is True
    assert covers_folder([], own) is False
    assert covers_folder(["/srv/shop"], Governed()) is False


SHOP = "/home/ann/shop"
WRITER = Contract(
    name="w", description="w", effect=Effect.WRITE, risk=RiskLevel.LOW, risk_reason="w", input_schema={}
)  # fmt: skip
READER = msgspec.structs.replace(WRITER, effect=Effect.READ)


def said(contract, given, folder=SHOP, **more):
    found = judge_arguments(contract, given, folder=folder, **more)
    return [(one.code.removeprefix("risk."), one.where) for one in found]


def of_calls():
    told: Any
    for value, told in {
        "a": ("a",), "a\\b": ("a\\b", "a/b"), "%2e%2e/a": ("%2e%2e/a", "../a"), "%252e": ("%252e", "%2e", "."),
        "%2525252e": ("%2525252e", "%25252e", "%252e", "%2e"), "a%5cb": ("a%5cb", "a\\b", "a/b"),
        "$HOME/a": ("~/a",), "${HOME}/a": ("~/a",), "$HOMES/a": ("$HOMES/a",), "file:///a": ("/a",),
        "FILE://localhost/a": ("/a",), "a\0b ": ("ab",), "a\u200bb": ("a\u200bb", "ab"), "\uff41": ("\uff41", "a"),
        "a//.//b/./c": ("a/b/c",), "a/../b": ("a/../b",), "%ff": ("%ff", "\ufffd"),
    }.items():  # fmt: skip
        assert spellings(value) == told, value
    room = "./" * 2_046
    assert spellings("a/" + room + "b") == ("a/b",)
    assert spellings("x/../" + room + "b") == ("./b",)
    assert spellings("../../" + room + "b/..") == ("../..",)
    assert spellings("/../" + room + "b//c") == ("/../b/c",)
    assert [is_address(one) for one in ("s3://a", "http:/a", "c:/a", "a/b:/c")] == [
        True,
        True,
        False,
        False,
    ]
    assert said(WRITER, {"path": ".env", "filePath": ".env", "note": "../.env", "other": "x .env"}) == [
        ("secret_path", ".env"), ("secret_path", "../.env"),
    ]  # fmt: skip
    assert said(WRITER, {"path": "/etc/a"}) == [("system_path", "/etc/a")]
    assert said(WRITER, {"path": "/root/.a"}) == [("system_path", "/root/.a")]
    assert said(READER, {"path": "/etc/a"}) == [("system_path", "/etc/a")]
    assert said(WRITER, {"path": ".git/HEAD"}) == [("protected_path", ".git/HEAD")]
    assert said(READER, {"path": ".git/HEAD"}) == []
    assert said(READER, {"path": ".git/config"}) == [("protected_path", ".git/config")]
    assert said(READER, {"path": "https://x.example/.env"}) == []
    assert said(READER, {"path": ["https://x.example/a", ".holdfast/a"]}) == [
        ("own_state", ".holdfast/a")
    ]
    assert said(READER, {"x": {"deep": {"file": "holdfast.yaml"}}}) == [
        ("own_rules", "holdfast.yaml")
    ]
    assert said(READER, {"root": "/etc", "pattern": "!shadow"}) == [
        ("system_path", "/etc"), ("secret_path", "/etc/shadow"),
    ]  # fmt: skip
    assert said(READER, {"paths": ["a"] * 1_999 + [".env"]}) == [("secret_path", ".env")]
    assert said(READER, {"paths": ["a"] * 2_000 + [".env", ".env"]}) == [("unread_path", "paths")]
    assert said(READER, {"paths": ["a" * 65_537, ".env"]}) == [("unread_path", "paths")]
    long = ".env/" + "a" * 300
    assert said(READER, {"path": long}) == [("secret_path", long[:200])]
    own = governed("/srv/rules", ("/srv/rules/code",), "/srv/rules/kept")
    for path, told in {
        "code/a": "own_rules", "/srv/rules/code/a": "own_rules", "kept/a": "own_state",
        "/srv/rules/kept": "own_state", "co*/a": "own_rules",
    }.items():  # fmt: skip
        assert said(READER, {"path": path}, own=own) == [(told, path)], path
    assert [
        said(READER, {"path": one}, own=own) for one in ("~/code/a", "c*/a", "codes", "a/code")
    ] == [[]] * 4
    assert said(READER, {"path": "../kept/a"}, "", own=own) == [("own_state", "../kept/a")]
    assert own == Governed(
        folder="/srv/rules", rules=("code", "/srv/rules/code"), state=("kept", "/srv/rules/kept")
    )


LEVELS = {
    ("( ", " )"): 5, ("{ ", "; }"): 5, ("if ", "; then a; fi"): 5, ("while ", "; do a; done"): 4,
    ("echo $(", ")"): 2, ("cat <(", ")"): 2, ("a=$(", ")"): 2, ("export a=$(", ")"): 2, ("x | (", ")"): 2,
    ("x && (", ")"): 2, ("f() { ", "; }"): 2, ("{ ", "; } > o"): 2,
}  # fmt: skip
"""How often each fits into itself where seven levels of a tree are read."""


def walked(command, **limits):
    """The findings, and whether the work was done."""
    rules = msgspec.structs.replace(DEFAULT_RULES, **limits)
    one = Findings(rules, PROJECT)
    try:
        Walk(one).code(command, where="w")
    except OutOfSteps:
        return one, False
    return one, True


def codes_of(command, **limits):
    return [code.removeprefix("shell.") for code, _ in walked(command, **limits)[0].reasons]


def walks():
    fits = {
        (opens, ends): [
            n
            for n in range(1, 8)
            if "unparseable" not in codes_of(opens * n + "ls a" + ends * n, max_depth=6)
        ]
        for opens, ends in LEVELS
    }
    assert fits == {one: list(range(1, most + 1)) for one, most in LEVELS.items()}
    assert codes_of("ls > aaaa", max_bytes=9) == ["file_write"]
    assert codes_of("ls > aaaa", max_bytes=8) == ["unparseable"]
    assert list(walked("ls > aaaa; rm b", max_bytes=8)[0].programs) == ["ls"]
    for command in (
        "ls a",
        "x=1; for y in a b; do rm $x $y; done",
        "cat <<< a | sh > b",
        "[[ a -eq b ]]",
    ):
        steps = walked(command)[0].steps
        assert walked(command, max_steps=steps)[1], command
        assert not walked(command, max_steps=steps - 1)[1], command
    assert codes_of("ls \ud800") == []


EVALUATES = (
    "a[0]=x; echo $((a))",
    "readarray < f; echo $((MAPFILE))",
    "mapfile < f; echo $((MAPFILE))",
    "a=$(cat f); b=$a; c=$b; d=$c; e=$d; f=$e; echo $((f))",
    "for i in {a..c}; do echo $((i)); done",
    "x='x1'; echo $((x))",
    "x=$(date 'x+%s'); echo $((x))",
    "x=$(cat f); echo $(($'x'))",
    'x=$(cat f); echo $(("x"))',
    "x=$(cat f); echo ${s:x}",
    "x=$(cat f); a=([x]=1)",
    "declare +n r=$1",
    "x=$-; echo $((x))",
    "((echo ${x%a}",
    "[[ -v  [ x ]]",
    "local -n r==x",
)
COUNTS = (
    "read x; echo $((read))",
    "for ((x=1+2;x<3;x++)); do :; done; echo $((x))",
    "x='11'; echo $((x))",
    "x=$(date '+%s'); echo $((x))",
    "a=([x]=1)",
    "declare -n r=b",
    "x1f=$(cat f); echo $((0x1f))",
    "x=$(cat f); echo $((0x1f))",
    "echo $((MAPFILE))",
    "for i in {1..3}; do echo $((i)); done",
    "b; echo ${a[$b]}",
    "x=0$#; echo $((x))",
)
LIVE = "cat <<{start}\n$x $[y]\nEOF"


def evaluations():
    def seen(command):
        one = walked(command)[0]
        found = {code.removeprefix("shell.") for code, _ in one.reasons}
        return found & {"evaluated", "unaccounted"}, one.only_reads

    assert {command: seen(command) for command in EVALUATES} == dict.fromkeys(
        EVALUATES, ({"evaluated"}, False)
    )
    assert [command for command in COUNTS if seen(command)[0]] == []
    assert seen(LIVE.format(start="EOF")) == ({"unaccounted"}, False)
    for start in ("'EOF'", '"EOF"', "\\EOF"):
        assert seen(LIVE.format(start=start)) == (set(), True), start
    assert seen("cat <<xEOF\n$x $[y]\nxEOF") == ({"unaccounted"}, False)
    assert seen("cat <<EOF\nb $[y]\nEOF") == ({"unaccounted"}, False)
    for command, reads in {
        "echo ${x:=a}": False, "echo ${x=a}": False, "echo ${x:-a}": True, "echo ${x-a}": True, "((1))": False,
        "echo $((1))": True, "for ((;;)); do ls; done": False, "echo ${a[*]} ${a[@]}": True,
    }.items():  # fmt: skip
        assert seen(command) == (set(), reads), command


PARTS = {
    "shell_evaluation": evaluations,
    "arguments": of_calls,
    "shell_walk": walks,
    "shell_jq": jq,
    "shell_calls": calls,
    "shell_wrappers": wrappers,
    "shell_paths": paths,
    "places": protected,
    "shell_spec": spec_of_options,
}


@pytest.mark.parametrize("module", [f"holdfast.core.risk.{name}" for name in PARTS])
def test_a_part_of_the_judge_decides_by_each_of_its_words(module):
    PARTS[module.rpartition(".")[2]]()
