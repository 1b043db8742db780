"""What is looked up of a call's paths, and what the places that they lead to are worth."""

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.risk.links import Named, followed, named, unresolved
from holdfast.core.risk.registry import assess
from holdfast.core.risk.shell_calls import MOST_NAMED, Role
from holdfast.core.risk.shell_paths import MAX_PATH
from holdfast.model.risk import RiskLevel

TOOLS = {contract.name: contract for contract in BUILTIN_TOOLS}
FOLDER = "/home/alice/shop"
MODULE = ["holdfast.core.risk.links"]


def of(tool, **arguments):
    contract = TOOLS[tool]
    risk = assess(contract, tool, arguments, FOLDER)
    return contract, arguments, risk


def looked_up(tool, **arguments):
    contract, given, risk = of(tool, **arguments)
    return named(contract, given, risk, FOLDER)


def led(tool, places, **arguments):
    contract, given, risk = of(tool, **arguments)
    paths = named(contract, given, risk, FOLDER)
    assert paths is not None
    return followed(risk, contract, given, paths, places, folder=FOLDER)


def shown(found):
    return [(reason.code, reason.where, reason.text) for reason in found.risk.reasons[1:]]


@pytest.mark.parametrize("module", MODULE)
def test_every_path_of_a_call_is_looked_up_as_it_is_used(module):
    assert looked_up("Read", file_path="a/b") == (Named("a/b", "a/b"),)
    assert looked_up("Read", file_path="/proc/self/cwd/a") == (
        Named("/proc/self/cwd/a", f"{FOLDER}/a"),
    )
    assert looked_up("Read", file_path="/proc/7/root") == (Named("/proc/7/root", "/"),)
    assert looked_up("Read", file_path="https://x.example/a") == ()
    assert looked_up("Read", file_path="%61") == (Named("%61", "%61"), Named("%61", "a"))
    assert looked_up("Bash", command="cat a > b; rm c; rm d/; grep -r x e") == (
        Named("b", "b", Role.WRITE),
        Named("a", "a", Role.READ),
        Named("c", ".", Role.ENTRY, "/c"),
        Named("d/", "d/", Role.ENTRY),
        Named("e", "e", Role.TREE),
        Named("e", "e", Role.READ),
    )
    assert looked_up("Bash", command="rm /c /a/c") == (
        Named("/c", "/", Role.ENTRY, "/c"),
        Named("/a/c", "/a", Role.ENTRY, "/c"),
    )


@pytest.mark.parametrize("module", MODULE)
def test_what_is_only_known_when_it_runs_is_looked_up_as_far_as_it_is_known(module):
    assert looked_up("Bash", command="cat a/b$x") == (Named("a/b\0", "a", Role.READ),)
    assert looked_up("Bash", command="cat b$x") == (Named("b\0", ".", Role.READ),)
    assert looked_up("Bash", command="cd s && cat a /b ~/c") == (
        Named("s", "s", Role.READ),
        Named("s", "s/s", Role.READ),
        Named("a", "a", Role.READ),
        Named("a", "s/a", Role.READ),
        Named("/b", "/b", Role.READ),
        Named("~/c", "~/c", Role.READ),
    )


@pytest.mark.parametrize("module", MODULE)
def test_more_or_longer_paths_than_are_looked_up_are_none(module):
    many = [f"a{n}" for n in range(MOST_NAMED)]
    found = looked_up("Monitor", description="d", paths=many)
    assert found is not None
    assert len(found) == MOST_NAMED
    assert looked_up("Monitor", description="d", paths=[*many, "b"]) is None
    assert looked_up("Read", file_path="a" * MAX_PATH) is not None
    assert looked_up("Read", file_path="a" * (MAX_PATH + 1)) is None


@pytest.mark.parametrize("module", MODULE)
def test_a_link_of_a_file_tool_is_worth_where_it_leads(module):
    found = led("Read", {"notes": ("/home/alice/.ssh",)}, file_path="notes")
    assert found.risk.level is RiskLevel.HIGH
    assert not found.risk.read_only
    assert found.arguments == {"file_path": "/home/alice/.ssh"}
    text = "`notes` leads to /home/alice/.ssh: the path names keys or credentials"
    assert shown(found) == [("risk.secret_path", "notes", text)]


@pytest.mark.parametrize("module", MODULE)
def test_a_link_within_the_folder_changes_the_arguments_alone(module):
    found = led("Read", {"notes": (f"{FOLDER}/docs",)}, file_path="notes")
    assert (found.risk.level, found.risk.read_only) == (RiskLevel.LOW, True)
    assert found.arguments == {"file_path": f"{FOLDER}/docs"}
    assert shown(found) == []
    deep = led("MultiEdit", {"a": ("/srv/a",)}, file_path="a", edits=[{"x": ("a", 1)}])
    assert deep.arguments == {"file_path": "/srv/a", "edits": [{"x": ["/srv/a", 1]}]}


@pytest.mark.parametrize("module", MODULE)
def test_a_command_through_a_link_writes_and_deletes_where_it_leads(module):
    found = led("Bash", {"out": ("/srv/out",)}, command="echo x > out")
    assert found.risk.level is RiskLevel.HIGH
    assert found.risk.shell is not None
    assert found.risk.shell.writes == ("out", "/srv/out")
    told = {(code, where) for code, where, _ in shown(found)}
    assert {("shell.outside_write", "out"), ("shell.system_write", "out")} <= told
    gone = led("Bash", {".": ("/srv",)}, command="rm c")
    assert gone.risk.shell is not None
    assert gone.risk.shell.writes == ("c", "/srv/c")
    assert ("shell.outside_write", "c") in {(code, where) for code, where, _ in shown(gone)}
    read = led("Bash", {"a": ("/home/alice/.ssh",)}, command="grep -r x a")
    assert read.risk.shell is not None
    assert read.risk.shell.writes == ()
    assert {code for code, _, _ in shown(read)} == {"shell.secret_read"}
    high = led("Bash", {"a": ("/home/alice",)}, command="grep -r x a")
    assert {code for code, _, _ in shown(high)} == {"shell.secret_read"}
    plain = led("Bash", {"a": ("/home/alice",)}, command="cat a")
    assert shown(plain) == []
    assert plain.risk.read_only


@pytest.mark.parametrize("module", MODULE)
def test_what_is_told_of_a_link_is_bounded(module):
    name, real = "a" * 100, "/home/alice/.ssh/" + "b" * 100
    ((_, where, text),) = shown(led("Read", {name: (real,)}, file_path=name))
    assert where == "a" * 90
    assert text.startswith(f"`{'a' * 90}` leads to {real[:90]}: the path")


@pytest.mark.parametrize("module", MODULE)
def test_links_that_could_not_be_looked_up_are_high_and_no_read(module):
    _, _, risk = of("Bash", command="ls")
    found = unresolved(risk)
    assert (found.level, found.read_only, found.shell) == (RiskLevel.HIGH, False, risk.shell)
    *before, last = found.reasons
    assert tuple(before) == risk.reasons
    assert (last.code, last.level, last.where) == ("risk.unresolved_links", RiskLevel.HIGH, "")
    blocked = of("Bash", command="rm -rf /")[2]
    assert unresolved(blocked).level is RiskLevel.BLOCK
