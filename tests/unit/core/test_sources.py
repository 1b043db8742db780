"""Which files have to be own for what a call returns to be no stranger's text."""

from typing import Any

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.place import Place
from holdfast.core.risk.registry import Risk, assess
from holdfast.core.sources import Rewrites, code_run, files_read, may_write, serves
from holdfast.model.tools import Contract

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
        ("git status", [".git/MERGE_HEAD"]),
        ("git status --short", []),
        ("cat src/cart.py", ["src/cart.py"]),
        ("head -5 a.py b.py", ["a.py", "b.py"]),
        ("pytest -q", [".git/index"]),
        (f"cd {ROOT} && git status", [".git/MERGE_HEAD"]),
        ("find . -name '*.py' | head -50", []),
        ("cat src/*.py", ["src"]),
        ("make test", [".git/index"]),
        ("git add -A && git commit -m 'a change'", [".git/MERGE_HEAD"]),
        ("git commit -qam 'a change' 2>&1 | tail -3", [".git/MERGE_HEAD"]),
        ("git commit --amend --no-edit", [".git/HEAD", ".git/MERGE_HEAD"]),
        ("git commit -qa --amend --no-edit", [".git/HEAD", ".git/MERGE_HEAD"]),
        ("git commit -aqsm 'a change'", [".git/MERGE_HEAD"]),
        ("git commit --no-edit", [".git/MERGE_HEAD", ".git/MERGE_MSG"]),
        ("git commit -qa --no-edit", [".git/MERGE_HEAD", ".git/MERGE_MSG"]),
        ("git status -bs", []),
        ("git rm -qn a.py", []),
        ("git switch -qc topic", [".git/HEAD"]),
        ("git tag -am 'first' v1", []),
        ("git stash", [".git/HEAD"]),
        ("git stash push -u", [".git/HEAD"]),
        ("git stash pop", [".git/HEAD", ".git/:stash"]),
        ("git stash apply --index", [".git/HEAD", ".git/:stash"]),
        ("git tag v1", []),
        ("git tag v1 pr-7", [".git/:pr-7"]),
        ("git tag v1 && git log -2 v1 --oneline", [".git/HEAD", ".git/?:v1"]),
        ("git mv a.py b.py && cat b.py", ["b.py"]),
        ("./scripts/check.sh a", ["scripts/check.sh", ".git/index"]),
        ("FOO=1 nohup ./run.sh > out.txt &", ["run.sh", ".git/index"]),
        (".venv/bin/python -m pytest", [".git/index"]),
        ("./node_modules/.bin/jest src/a.test.js", ["src/a.test.js", ".git/index"]),
        ("sqlite3 theirs.db .dump", ["theirs.db"]),
        ("sqlite3 /tmp/theirs.db 'select body from posts'", ["/tmp/theirs.db"]),
        ("ps -e | grep -f /srv/names", ["/srv/names"]),
        ("gzip -dc theirs.gz", ["theirs.gz"]),
        ("split theirs.csv", ["theirs.csv"]),
        ("sqlite3 a.db .dump || make dump", [".git/index"]),
        ("make; sqlite3 /tmp/theirs.db .dump", ["/tmp/theirs.db", "/tmp/theirs.db", ".git/index"]),
        ("make; cat theirs.log > theirs.log", ["theirs.log", ".git/index"]),
        ("cp a.sql /tmp/a.sql && sqlite3 --version", ["a.sql"]),
        ("ss -ltnp | head -5", []),
        ("ps -p $(cat a.pid) -o pid,comm", ["a.pid"]),
        ("pgrep -f shop.app || echo none", []),
        ("lsof -ti :8000 | xargs -r kill", [":8000"]),
        ("git tag -a v1 -m 'the first'", []),
        ("git tag", [".git/*"]),
        ("git log -3 --no-notes", [".git/HEAD"]),
        ("git log -3 --format='%h %s'", [".git/HEAD"]),
        ("git log -1 --format=%N", [".git/HEAD", ".git/notes"]),
        ("git diff main", [".git/HEAD", ".git/=:main"]),
        ("git diff --cached", [".git/HEAD", ROOT]),
        ("git diff", [".git/HEAD", ROOT]),
        ("git log --oneline -5", [".git/HEAD"]),
        ("git log origin/main", [".git/HEAD", ".git/?:origin/main", ".git/notes"]),
        ("git show HEAD~1", [".git/HEAD", ".git/notes"]),
        ("git show pr-7", [".git/HEAD", ".git/!:pr-7", ".git/notes"]),
        ("git show pr-7:src/a.py", [".git/HEAD", ".git/:pr-7", ".git/notes"]),
        ("git log -C pr-7", [".git/HEAD", ".git/?:pr-7", ".git/notes"]),
        ("git log main..pr-7 --format='%an <%ae>'", [".git/HEAD", ".git/?:main", ".git/?:pr-7"]),
        ("git checkout pr-7", [".git/HEAD", ".git/?:pr-7"]),
        ("git log --oneline --graph --all | head -20", [".git/HEAD", ".git/*"]),
        ("git branch -vv", [".git/HEAD", ".git/*"]),
        ("git ls-tree -r HEAD --name-only", [".git/HEAD"]),
        ("git remote -v", []),
        ("git switch -c fix", [".git/HEAD"]),
        ("git switch pr-7", [".git/HEAD", ".git/:pr-7"]),
        ("git merge pr-7", [".git/HEAD", ".git/!:pr-7"]),
        ("git cherry-pick pr-7~2", [".git/HEAD", ".git/:pr-7"]),
        ("git bisect good HEAD~4", [".git/HEAD"]),
        ("git merge --abort", [".git/HEAD", ".git/MERGE_HEAD"]),
        (f"git -C {ROOT} ls-files", []),
        ("git blame -L 9,14 src/a.py", [".git/HEAD", ".git/?:src/a.py"]),
        ("ls build && du -sh build", []),
        ("rm -rf build && ls", []),
        ("find . -name x; head found.md", [ROOT, "found.md"]),
        ('echo "$(<found.md)"', ["found.md"]),
        ('basename "$(<found.md)"', ["found.md"]),
        ("date -f found.md", ["found.md"]),
        ("wc --files0-from=found.md", [ROOT]),
        ("cp found.md b.md", ["found.md"]),
        ("python -c 'print(1)'", [".git/index"]),
        ("python -c \"print(open('a.csv').read())\"", ["a.csv", ".git/index"]),
        (
            "python - <<'EOF'\nimport sqlite3\nsqlite3.connect('a.db').execute(q)\nEOF",
            [".git/index"],
        ),
        (
            "PYTHONPATH=src python -c 'import timeit, shop; timeit.timeit(shop.f)'",
            ["src/shop", ".git/index"],
        ),
        ("python /tmp/a.py", ["/tmp/a.py", "/tmp/a.py", ".git/index"]),
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
        "git checkout -",
        "git switch @{-1}",
        "git merge",
        "git rebase",
        "git log -g",
        "git log --glob=refs/x",
        "git remote update",
        "git config --list",
        "git --git-dir=../x/.git log",
        "git -c core.pager=cat log",
        "git stash list",
        "git stash pop stash@{2}",
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
        "python -c 'import requests; print(requests.get(u).text)'\ncurl https://x.example",
        "python -c 'import urllib.request; print(urllib.request.urlopen(u).read())'",
        "python -c 'import shop; shop.os.system(\"id\")'",
        "python -c 'exec(open(\"a.txt\").read())'",
        "python -c 'import sqlite3; sqlite3.connect(\"/data/other.db\")'",
        "python -c \"import sqlite3; sqlite3.connect('$FILE')\"",
        "cat a.py | python",
        "perl -e 'print 1'",
        "curl -s http://127.0.0.1:8000/health",
        "some-unknown-tool",
        'eval "$(cat a)"',
    ],
)
def test_what_may_bring_a_strangers_text_is_nobodys_own(command):
    assert read("Bash", command=command) is None


@pytest.mark.parametrize(
    "command",
    [
        "git commit -C pr-7",
        "git commit -m x -C pr-7",
        "git commit -m x 2>/dev/null -C pr-7",
        "git commit -m 'two\nlines' -C pr-7",
        "git commit -m x $HOW",
        "git commit -m x {-C,pr-7}",
        'git commit -m x -"C" pr-7',
        "git commit --reuse-message=pr-7",
        "git commit -qc pr-7",
        "git commit --squash=pr-7 -m x",
        "git commit --fixup=pr-7",
        "git commit -F theirs.md",
        "git commit -t theirs.md",
        "git commit -m x --no-edit",
        "git commit --no-edit -C pr-7",
        "git commit -qaC pr-7 --no-edit",
        "git commit -qav",
        "git commit -ma -C pr-7",
        "git switch -qp",
        "git commit --amend",
        "git commit",
        "git commit -p -m x",
        "git commit -m x -v",
        "git commit --dry-run -v",
        "git status -v",
        "git status -sv",
        "git add -p",
        "git add -i",
        "git add *",
        "git merge --continue",
        "git rebase --continue",
        "git rebase -i main",
        "git log --notes=others",
        "git diff --no-index a.md /srv/b.md",
        "git blame --contents=/srv/a a.py",
        "git branch --format='%(contents)'",
        "git stash list",
        "git stash show -p",
        "git tag -l -n9",
        "git tag -v v1",
        "git tag -F theirs.md v1",
    ],
)
def test_a_git_command_with_an_option_that_is_not_known_may_tell_of_others(command):
    assert read("Bash", command=command) is None


@pytest.mark.parametrize(
    "command",
    [
        "echo /srv/*",
        "basename /srv/*",
        "for f in /srv/*; do echo $f; done",
        "D=/srv; echo $D/*",
        "D=/srv/*; echo $D",
        "echo '/srv/'*",
        "echo {/srv,x}/*",
        "printf '%s' ~/*",
        "echo src/../../*",
        "x=(/srv/*); echo ${x[0]}",
        "ps aux",
        "ss -ltn; ss -x",
        "lsof -i :8000",
        "g\\it log pr-7; git status",
        "g'i't log pr-7 && git log -1",
        "some-tool; ./run.sh",
        "$X/run.sh",
        "".join(f"./a{n}.sh; " for n in range(220)) + "some-tool",
        "ps aux | grep shop; cat a.py",
        "pgrep -a python",
        "lsof",
    ],
)
def test_names_of_files_elsewhere_and_of_processes_are_others(command):
    assert read("Bash", command=command) is None


@pytest.mark.parametrize(
    "command",
    [
        "for f in src/*; do echo $f; done",
        "ls *.py; echo $?",
        "echo '/srv/*'",
        f"echo {ROOT}/src/*.py",
        "cat > a.md <<'EOF'\n* /api/*\nEOF",
        "grep -n '^/api/.*' src/a.py",
        "[ -f a.py ] && cat a.py",
    ],
)
def test_a_pattern_in_the_folder_or_between_quotes_names_ones_own(command):
    assert read("Bash", command=command) is not None


def test_a_message_that_is_typed_in_a_document_is_the_commands_own():
    told = 'git commit -m "$(cat <<\'EOF\'\nMend "it"\n\n- a -C b\nEOF\n)"'
    assert read("Bash", command=f"git add a.py && {told}") is not None
    assert read("Bash", command=f"{told} -C pr-7") is None


def test_without_a_folder_nothing_is_own():
    assert read("Read", folder="", file_path="a.py") is None


def test_what_a_sub_agent_answers_is_what_it_was_asked_about_call_by_call():
    assert read("Agent", description="d", prompt="p", subagent_type="general-purpose") == []


def bash(command: str, **arguments: Any) -> tuple[Contract, dict[str, Any], Risk]:
    given = {"command": command, **arguments}
    return TOOLS["Bash"], given, assess(TOOLS["Bash"], "Bash", given, ROOT)


def test_only_a_service_that_the_session_started_from_own_files_tells_own_text():
    place = Place(folder=ROOT)
    begun = serves(*bash("python -m shop.app --port 8123 > a.log 2>&1 & echo started"), place)
    assert begun == ["8123"]
    there = Place(folder=ROOT, serves=frozenset(begun))
    assert files_read(*bash("curl -s http://127.0.0.1:8123/health"), there) == []
    assert files_read(*bash("curl -s http://localhost:8124/health"), there) is None
    assert files_read(*bash("curl -s https://x.example:8123/"), there) is None
    for other in ("http://127.0.0.1:9000/", "https://x.example"):
        assert files_read(*bash(f"curl -s http://127.0.0.1:8123/ {other}"), there) is None


@pytest.mark.parametrize(
    "command", ["python -m shop.app --port 8123", "sleep 8123 &", "curl localhost:8123 & true"]
)
def test_what_ends_with_its_command_or_is_no_program_of_the_project_serves_nothing(command):
    assert serves(*bash(command), Place(folder=ROOT)) == []


def test_a_program_in_the_background_serves_as_well():
    given = bash("exec python -m shop.app --port 8123", run_in_background=True)
    assert serves(*given, Place(folder=ROOT)) == ["8123"]


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
        "echo $$ > a.pid; exec python -m shop.app --port 8123",
        "python -m shop.app > a.log 2>&1 & echo $! > a.pid; sleep 1",
        "npx prettier --write src/a.js",
    ],
)
def test_code_that_stays_in_its_folder_reads_what_git_does_not_ignore(command):
    *named, code = read("Bash", command=command) or [""]
    assert code == ".git/index"
    assert set(named) <= {"tests/test_cart.py", "src", "src/a.js", "a.c"}


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
        ("python -c \"open('a.py', 'w').write(text)\"", Rewrites.ANY),
        ("git merge totals", Rewrites.EACH),
        ("git log", Rewrites.NOTHING),
        ("sed -i s/a/b/ src/a.py", Rewrites.NOTHING),
        ("cat a.py", Rewrites.NOTHING),
    ],
)
def test_a_formatter_writes_each_file_from_itself_and_other_code_whatever_it_likes(
    command, expected
):
    assert may_write(*bash(command)) is expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("grep -rn x src", []),
        ("make docs", [".git/others"]),
        ("npm ci", [".git/others"]),
        ("cd sub && make", [".git/others", "sub/.git/others"]),
        ("python a.py", ["a.py", ".git/others"]),
        ("python dist/a.py", [".git/others"]),
        ("python dist", ["dist", ".git/others"]),
        ("./run.sh data/*.csv", ["run.sh", ".git/others"]),
        ("python /tmp/a.py", ["/tmp/a.py", "/tmp/a.py", ".git/others"]),
        # Nobody can tell.
        ("cd .. && make", None),
        ("cd /srv && make", None),
        ("python /srv/a.py", None),
        ('make "$X"', None),
        ("make | sh", None),
    ],
)
def test_code_that_a_command_runs_is_own_where_its_files_and_its_folders_are(command, expected):
    contract, arguments = TOOLS["Bash"], {"command": command}
    risk = assess(contract, "Bash", arguments, ROOT)
    found = code_run(contract, arguments, risk, Place(folder=ROOT))
    shown = None if found is None else [path.removeprefix(ROOT + "/") for path in found]
    assert shown == expected
    assert code_run(contract, arguments, risk, Place(folder="")) is None
