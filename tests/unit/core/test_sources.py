"""Which files have to be own for what a call returns to be no stranger's text."""

from typing import Any

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.place import Place
from holdfast.core.risk.registry import assess
from holdfast.core.sources import Rewrites, files_read, may_write

TOOLS = {contract.name: contract for contract in BUILTIN_TOOLS}
ROOT = "/data/ann/shop"


def read(tool: str, folder: str = ROOT, **arguments: Any) -> list[str] | None:
    contract = TOOLS[tool]
    risk = assess(contract, tool, arguments, folder)
    found = files_read(contract, arguments, risk, Place(folder=folder))
    return None if found is None else [path.removeprefix(ROOT + "/") for path in found]


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        ("Read", {"file_path": f"{ROOT}/a.py"}, ["a.py"]),
        ("Read", {"file_path": "/etc/hosts"}, ["/etc/hosts"]),
        ("Edit", {"file_path": f"{ROOT}/a.py", "old_string": "a", "new_string": "b"}, ["a.py"]),
        ("Write", {"file_path": f"{ROOT}/a.py", "content": "x"}, []),
        ("Grep", {"pattern": "x"}, [ROOT]),
        ("Grep", {"pattern": "x", "path": "src"}, ["src"]),
        ("Glob", {"pattern": "**/*.py"}, []),
        ("Glob", {"pattern": "*", "path": "/etc"}, None),
        ("WebFetch", {"url": "https://x.example", "prompt": "p"}, None),
    ],
)
def test_a_file_tool_reads_the_file_that_it_names(tool, given, expected):
    assert read(tool, **given) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls -la", []),
        ("git status", []),
        ("cat src/cart.py", ["src/cart.py"]),
        ("head -5 a.py b.py", ["a.py", "b.py"]),
        ("pytest -q", [".git/index"]),
        (f"cd {ROOT} && git status", []),
        ("find . -name '*.py' | head -50", []),
        ("cat src/*.py", ["src"]),
        ("make test", [".git/index"]),
        ("git add -A && git commit -m 'a change'", []),
        ("git diff", [".git/HEAD", ROOT]),
        ("git log --oneline -5", [".git/HEAD"]),
        ("git log origin/main", [".git/HEAD", "origin/main"]),
        ("git show HEAD~1", [".git/HEAD"]),
        ("git show pr-7", [".git/HEAD", "pr-7"]),
    ],
)
def test_a_command_has_its_files_its_history_or_nothing_to_be_own(command, expected):
    assert read("Bash", command=command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "curl https://x.example",
        "git pull",
        "git fetch && git log FETCH_HEAD",
        "git checkout pr-7",
        "git stash pop",
        "git log --all",
        "git -C ../other log",
        "npm ci",
        "pip install -e .",
        "pip download x",
        "cargo add serde",
        "gh pr view 7",
        "cat $FILE",
        "find /etc -name '*.conf'",
        "cat ~/notes",
        "cd ../other && cat a.py",
        "python -c 'print(1)'",
        "some-unknown-tool",
        'eval "$(cat a)"',
    ],
)
def test_what_may_bring_a_strangers_text_is_nobodys_own(command):
    assert read("Bash", command=command) is None


def test_without_a_folder_and_in_the_background_nothing_is_own():
    assert read("Read", folder="", file_path="a.py") is None
    assert read("Bash", command="ls", run_in_background=True) is None


@pytest.mark.parametrize(
    "command",
    [
        "pytest ../theirs",
        "make -C ../theirs test",
        "make -C../theirs test",
        "ruff check /srv/theirs",
        "mypy --config-file=../x.ini src",
        "pytest ~/theirs",
        "gcc -I/srv/theirs a.c",
        "npm test --prefix $OTHER/x",
        "go test ../...",
    ],
)
def test_code_that_is_pointed_elsewhere_reads_what_is_nobodys_own(command):
    assert read("Bash", command=command) is None


@pytest.mark.parametrize(
    "command",
    [
        "pytest tests/test_cart.py::test_one -q 2>/dev/null",
        f"ruff check {ROOT}/src",
        "go test ./...",
        "gcc -Isrc/include a.c",
        "/usr/bin/make test",
        "npx prettier --write src/a.js",
    ],
)
def test_code_that_stays_in_its_folder_reads_what_git_does_not_ignore(command):
    assert read("Bash", command=command) == [".git/index"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ruff format .", Rewrites.EACH),
        ("uv run black src", Rewrites.EACH),
        ("cd src && gofmt -w a.go", Rewrites.EACH),
        ("npx prettier --write src", Rewrites.ANY),
        ("ruff format . && python gen.py", Rewrites.ANY),
        ("make format", Rewrites.ANY),
        ("pytest -q", Rewrites.ANY),
        ("sed -i s/a/b/ src/a.py", Rewrites.NOTHING),
        ("cat a.py", Rewrites.NOTHING),
    ],
)
def test_a_formatter_writes_each_file_from_itself_and_other_code_whatever_it_likes(
    command, expected
):
    contract = TOOLS["Bash"]
    assert may_write(contract, assess(contract, "Bash", {"command": command}, ROOT)) is expected
