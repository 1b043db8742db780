"""Small parts of the core, each with whole answers beside its limits and its other cases."""

import json
from typing import Any

import msgspec
import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.claude_cli import embedded, runs_without_hooks
from holdfast.core.place import Place, absolute, meet
from holdfast.core.risk.held import artefacts_alone, settled
from holdfast.core.risk.queried import queried
from holdfast.core.risk.registry import Risk, assess
from holdfast.core.risk.shell import classify
from holdfast.core.tidying import (
    Emitted,
    NoForm,
    emitted,
    javascript,
    results,
    same_tool,
    unsaid,
    without_nulls,
)
from holdfast.core.vendors import (
    ErrorReader,
    Moved,
    betas_of,
    error_body,
    error_fields,
    in_path,
    moved,
)
from holdfast.core.workplace import below, inside, is_inside, is_work, leaves_stale, written
from holdfast.core.writable import Written, fault_of, text_of
from holdfast.core.writable import written as as_json
from holdfast.model.risk import RiskLevel, RiskReason

TOOLS = {contract.name: contract for contract in BUILTIN_TOOLS}
SHOP = Place(folder="/data/ann/shop", own=True)
LEFT_OUT = "… (left out)"
DEEP, ENDLESS = "nesting that is too deep, or without end", "what exceeds 150000 values"


def places():
    told: Any
    for one, other, told in (
        ("", "/a", True), ("/a", "", True), ("/a", "/a", True), ("/a/b", "/a", True), ("/a", "/a/b", True),
        ("/ab", "/a", False), ("/a", "/ab", False), ("/a", "/b", False),
    ):  # fmt: skip
        assert meet(one, other) is told, (one, other)
    told = [absolute(path, SHOP) for path in ("x/y", "", "/x/", "~x", "~/../a")]
    assert told == ["/data/ann/shop/x/y", "/data/ann/shop", "/x", "~x", "a"]


def nested(depth):
    return [nested(depth - 1)] if depth else 1


class Dumps:
    def model_dump(self, mode):
        return {"mode": mode, 1: b"\xff"}


def writables():
    assert as_json(nested(48)) == Written(nested(48))
    assert as_json(nested(49)).replaced == (DEEP,)
    for value, most, told in (
        ("abcd", 4, Written("abcd")),
        ("abcde", 4, Written("abcd" + LEFT_OUT, ("what exceeds 4 bytes",))),
        (["ab", "cd", "e"], 4, Written(["ab", "cd", LEFT_OUT], ("what exceeds 4 bytes",))),
        ({"ab": "cd", "e": 1}, 4, Written({"ab": "cd", LEFT_OUT: None}, ("what exceeds 4 bytes",))),
        (["é", "é", 1], 4, Written(["é", "é", LEFT_OUT], ("what exceeds 4 bytes",))),
        (b"abcd", 4, Written("abcd", ("bytes",))),
        (b"abcde", 4, Written("abcd" + LEFT_OUT, ("bytes", "what exceeds 4 bytes"))),
        ("\ud800", 9, Written("\\ud800", ("text that is no utf-8",))),
        (2**64, 99, Written("0x10000000000000000", ("numbers beyond 64 bits",))),
        (-(2**63) - 1, 99, Written("-0x8000000000000001", ("numbers beyond 64 bits",))),
        (float("nan"), 9, Written("nan", ("numbers that json has no word for",))),
        ({1: 2, "1": 3}, 9, Written({"1": 2, "1 (1)": 3}, ("keys that are no text",))),
        (Dumps(), 99, Written({"mode": "json", "1": "\ufffd"}, ("bytes", "keys that are no text"))),
        (frozenset({1}), 9, Written([1])),
    ):
        assert as_json(value, most_bytes=most) == told, value
    values = as_json([0] * 150_000)
    assert (len(values.value), values.value[-2:], values.replaced) == (
        150_000,
        [0, LEFT_OUT],
        (ENDLESS,),
    )
    assert as_json([0] * 149_999) == Written([0] * 149_999)
    assert [len(text_of("x" * n)) for n in (1_999, 2_000, 2_001)] == [1_999, 2_000, 2_000]
    assert (fault_of(ValueError("abc"), 13), fault_of(ValueError("abc"), 14)) == (
        "ValueError: a",
        "ValueError: ab",
    )


def bottom(depth, kind):
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def tidied():
    told: Any
    value: Any
    assert same_tool("Task", "Agent")
    assert same_tool("Task", "Task")
    assert not same_tool("Agent", "Task")
    assert (unsaid("Edit"), unsaid("Bash")) == ({"replace_all": False}, {})
    for kind in (list, dict):
        assert (
            without_nulls(bottom(120, kind)) == javascript(bottom(120, kind)) == bottom(120, kind)
        )
        for change in (without_nulls, javascript):
            with pytest.raises(NoForm):
                change(bottom(122, kind))
    assert without_nulls({"a": None, "b": [None, {"c": None}]}) == {"b": [None, {}]}
    assert results({"a": None, "b": 1.0}) == [{"b": 1.0}, {"b": 1}]
    for value, told in (
        (1e20, 10**20), (1e21, 1e21), (2**53 + 1, 2**53), (-1e20, -(10**20)), (1.5, 1.5), ((1.0,), [1]),
        ({"__proto__": 1, "a": 2.0}, {"a": 2}), (True, True), (None, None),
    ):  # fmt: skip
        shown = javascript(value)
        assert (shown, type(shown)) == (told, type(told))
    for value in (float("inf"), float("nan"), 10**400, object(), b"x"):
        with pytest.raises(NoForm):
            javascript(value)
    assert emitted("X", {"a": "\\u0041", "__proto__": 1}) == [
        Emitted(("a",), ("\\u0041", "\\u0041", "A")),
        Emitted(("__proto__",), (1, 1, 1), may_go=True),
    ]
    assert emitted("Edit", {"old_str": 1, "old_string": 2}) == [
        Emitted(("old_str",), (1, 1, 1), may_go=True),
        Emitted(("old_string",), (2, 2, 2)),
    ]
    assert emitted("Edit", {"old_str": 1})[0].names == ("old_str", "old_string")
    assert emitted("X", {"\\u0061": 1})[0].names == ("\\u0061", "a")
    assert [one.names for one in emitted("X", {"\\u0061": 1, "a": 2})] == [("\\u0061",), ("a",)]
    for text, told in {
        "\\u0020": " ", "\\u001f": "\\u001f", "\\ud800": "\\ud800", "\\udfff": "\\udfff", "\\ue000": "\ue000",
        "\\\\u0041": "\\\\u0041", "\\ud83d\\ude00": "😀", "\\uD83D\\uDE00": "😀", "\\\\\\u0041": "\\\\A", "u0041": "u0041",
    }.items():  # fmt: skip
        assert emitted("X", {"a": text})[0].readings[2] == told, text
    for name, text, told in (
        ("Bash", "cd /a && ls", "ls"), ("Bash", "cd C:\\a && ls", "ls"), ("Bash", "cd a && ls", "cd a && ls"),
        ("Bash", "cd /a; ls", "cd /a; ls"), ("Bash", "a \\\\\\; b ; c", "a \\; b ; c"),
    ):  # fmt: skip
        assert told in emitted(name, {"command": text})[0].readings, text
    assert (
        "cd /" + "a" * 1_024 + " && ls"
        in emitted("Bash", {"command": f"cd /{'a' * 1_024} && ls"})[0].readings
    )
    assert "ls" not in emitted("Bash", {"command": f"cd /{'a' * 1_024} && ls"})[0].readings
    assert "ls" in emitted("Bash", {"command": f"cd /{'a' * 1_023} && ls"})[0].readings
    assert "a\r\nb\rc\n" in emitted("Write", {"content": "a \t\r\nb\ufeff\rc \n "})[0].readings
    assert "<name></error>< x >" in emitted("Edit", {"old_string": "<n></e>< x >"})[0].readings
    for text, told in (
        ("[1.0]", [1]),
        ("1.0", 1),
        ("true", True),
        ("-1e3", -1000),
        (' {"a": 1}', {"a": 1}),
    ):
        assert told in emitted("X", {"a": text})[0].readings, text
    for text in ("null", "1.", "x[1]", "[1", '"a"'):
        assert set(map(str, emitted("X", {"a": text})[0].readings)) == {text}, text


def vendors():
    body = b'{"model":"m","stream":true,"n":1.0,"x":2}'
    assert moved(body, version="v", drop=("model", "stream"), betas="a, ,b") == Moved(
        "m", True, b'{"n":1.0,"x":2,"anthropic_version":"v","anthropic_beta":["a","b"]}'
    )
    kept = b'{"model":"m","stream":null,"anthropic_version":"w","anthropic_beta":["c"]}'
    assert moved(kept, version="v", drop=("y",), betas="a") == Moved("m", False, kept)
    assert moved(b'{"model":"m"}', version="v", drop=("model",), betas=" , ") == Moved(
        "m", False, b'{"anthropic_version":"v"}'
    )
    assert [in_path(one) for one in ("a-B.9_~", "a/b:é", "..", ".", "")] == [
        "a-B.9_~",
        "a%2Fb%3A%C3%A9",
        "%2E%2E",
        "%2E",
        "",
    ]
    assert betas_of({"Anthropic-Beta": "a,b", "x": "c"}) == "a,b"
    for status, told, kind, text in (
        (400, b'{"message":"m"}', "invalid_request_error", "m"), (401, b'{"Message":"m"}', "authentication_error", "m"),
        (503, b'[{"error":{"message":"m","code":1}}]', "overloaded_error", "m"), (500, b"[]", "api_error", "the vendor answered 500"),
        (418, b"\xff", "api_error", "the vendor answered 418"), (429, b'{"error":"x","message":7}', "rate_limit_error", "7"),
        (404, b'{"type":"error","error":"x"}', "not_found_error", "the vendor answered 404"),
    ):  # fmt: skip
        assert json.loads(error_body(status, told)) == error_fields(kind, text), told
    own = b'{ "type":"error","error":{"type":"x"}}'
    assert error_body(400, own) == own
    texts = [error_fields("k", "x" * n)["error"] for n in (2_000, 2_001)]
    assert texts == [{"type": "k", "message": "x" * 2_000}] * 2
    reader = ErrorReader(404, {"a": "b"})
    assert (reader.feed(b'{"message":'), reader.feed(b'"m"}'), reader.headers) == (
        b"",
        b"",
        {"a": "b"},
    )
    assert json.loads(reader.end()) == error_fields("not_found_error", "m")
    for more, whole in ((0, True), (1, False)):
        reader = ErrorReader(400, {})
        reader.feed(b'{"message":"m"' + b" " * (65_536 - 15 + more) + b"}")
        assert (json.loads(reader.end())["error"]["message"] == "m") is whole


def clients():
    assert [runs_without_hooks(f"claude-cli/{one}") for one in ("2.1.294", "2.1.295", "2.1.295-a", "2.1.296-a")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert [embedded(one) for one in ("x sdk-py", "sdk-ts", "sdk-pyx", "xsdk-ts")] == [
        True,
        True,
        False,
        False,
    ]


def works():
    assert [is_work(TOOLS.get(name)) for name in ("Bash", "Write", "Edit", "Read", "None")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert [is_inside({"dangerouslyDisableSandbox": one}) for one in (True, False, 1)] == [
        False,
        True,
        True,
    ]
    for path, bases, told in (
        ("a", (), True), ("../a", (), False), ("../shop/a", (), True), ("/data/ann/shop", (), True), ("/data/ann/shopx", (), False),
        ("~/a", (), False), ("a?", (), False), ("a", ("b",), True), ("../a", ("b",), False), ("a", ("/srv",), False),
        ("a", ("~",), False), ("a", ("b", "/data/ann/shop/c"), True), ("a", ("..",), False),
    ):  # fmt: skip
        assert inside(path, SHOP, bases) is told, (path, bases)
    assert [below(one, SHOP) for one in ("a/../b", "/data/ann/shop/c", ".", "../d")] == [
        "b",
        "c",
        "",
        "",
    ]
    for command, files in {
        "echo x > a": ["a"],
        "rm a": [],
        "echo x > a; rm b": [],
        "ls": [],
    }.items():
        given = {"command": command}
        assert (
            written(TOOLS["Bash"], given, assess(TOOLS["Bash"], "Bash", given, SHOP.folder))
            == files
        )
    write = assess(TOOLS["Write"], "Write", {"file_path": "a"}, SHOP.folder)
    assert [
        written(TOOLS["Write"], given, write)
        for given in ({"file_path": "a"}, {"file_path": 1}, {})
    ] == [["a"], [], []]
    assert written(None, {}, write) == []
    for name, command, clean, tainted in (
        ("Bash", "ls", False, False), ("Bash", "echo x > a", False, True), ("Bash", "pytest", False, False),
        ("Bash", "npm ci", True, True), ("Bash", "gh pr checkout 7", True, True), ("Bash", "gh pr view 7", False, False),
        ("Bash", "sudo ls", False, True), ("Write", "", False, True), ("Read", "", False, False),
    ):  # fmt: skip
        given = {"command": command} if command else {"file_path": "a"}
        risk = assess(TOOLS[name], name, given, SHOP.folder)
        seen = [leaves_stale(TOOLS[name], risk, tainted=one) for one in (False, True)]
        assert seen == [clean, tainted], (name, command)
    assert leaves_stale(None, write, tainted=True) is False


def milder():
    for command, told in {
        "rm -rf build": True, "rm -rf build/": True, "rm -rf a/dist": True, "rm -rf ../build": False, "rm -rf /build": False,
        "rm -rf ~/build": False, "rm -rf build src": False, "rm a.pyc": True, "rm *.pyc": True, "rm */a.pyc": False,
        "rm -rf buil?": False, "cd a; rm -rf build": False, "cd .; rm -rf build": True, "ls": False,
    }.items():  # fmt: skip
        assert artefacts_alone(classify(command, folder="/p")) is told, command
    one = assess(TOOLS["Bash"], "Bash", {"command": "pip install a==1.0"}, "/p")
    assert settled(one, held=False, heard=False) == one
    assert settled(one, held=False, heard=True, typed=lambda word: word == "a") == one
    declared = settled(one, held=False, heard=True, typed=lambda _: True)
    text = "installs a package that the user named, at the version that the user named"
    why = RiskReason("shell.declared_install", text, RiskLevel.MEDIUM, "pip install a==1.0")
    assert (declared.level, why in declared.reasons) == (RiskLevel.MEDIUM, True)
    assert declared.shell is not None
    assert (declared.shell.level, why in declared.shell.reasons) == (RiskLevel.MEDIUM, True)


def searches():
    kept = RiskReason("risk.secret_path", "k", RiskLevel.HIGH, "a")
    registered = RiskReason("risk.registered", "r", RiskLevel.HIGH, "s")
    low = RiskReason("risk.registered", "r", RiskLevel.LOW, "s")
    risk = Risk(RiskLevel.HIGH, (registered,))
    text = "a bounded query to a search provider"
    assert queried(risk, "") == Risk(
        RiskLevel.MEDIUM, (RiskReason("risk.bounded_query", text, RiskLevel.MEDIUM, "s"),)
    )
    assert queried(Risk(RiskLevel.LOW, (low,)), "").level is RiskLevel.LOW
    both = msgspec.structs.replace(risk, reasons=(kept, registered))
    assert queried(both, "").level is RiskLevel.HIGH
    why = RiskReason("risk.unbounded_query", "the query is long", RiskLevel.HIGH, "query")
    assert queried(both, "is long") == msgspec.structs.replace(
        risk, reasons=(why, kept, registered)
    )


PARTS = {
    "place": places,
    "writable": writables,
    "tidying": tidied,
    "vendors": vendors,
    "claude_cli": clients,
    "workplace": works,
    "risk.held": milder,
    "risk.queried": searches,
}


@pytest.mark.parametrize("module", [f"holdfast.core.{name}" for name in PARTS])
def test_a_small_part_answers_in_every_word(module):
    PARTS[module.removeprefix("holdfast.core.")]()
