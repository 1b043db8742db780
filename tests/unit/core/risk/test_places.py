"""The table of protected places: what file tools and shells may not reach, and what they may."""

import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.risk.places import STATE_FILES, governed
from holdfast.core.risk.registry import assess
from holdfast.core.risk.searches import misses_tokens, reaches_state
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect

TOOLS = {contract.name: contract for contract in BUILTIN_TOOLS}
PROJECT = "/home/alice/project"
OWN = governed(
    PROJECT,
    (f"{PROJECT}/holdfast.yaml", f"{PROJECT}/rules", f"{PROJECT}/bots", f"{PROJECT}/hooks.py"),
    f"{PROJECT}/state",
)
L, M, H, B = RiskLevel


def level(tool, arguments, own=OWN, folder=""):
    contract = TOOLS[tool] if isinstance(tool, str) else tool
    return assess(contract, contract.name, arguments, folder, own).level


def write(path):
    return level("Write", {"file_path": path, "content": "x"})


def read(path):
    return level("Read", {"file_path": path})


STATE = [
    ".holdfast", ".holdfast/admin.token", f"{PROJECT}/.holdfast/signing.key", ".HoldFast/x",
    "src/../.holdfast/x", "file:///home/alice/project/.holdfast/x", "%2eholdfast/admin.token",
    "%252eholdfast/x", ".hold\u200bfast/x", "\uff0eholdfast/x", "./" * 5000 + ".holdfast/x",
    "a/../" * 3000 + ".holdfast/x", "/proc/self/cwd/.holdfast/x", "src\\..\\.holdfast\\x",
    "state/admin.token", f"{PROJECT}/state/x", "../state/x", "/etc/claude-code/a.json",
    "$HOME/project/.holdfast/x", ".hold*/admin.token",
]  # fmt: skip
RULES = [
    "holdfast.yaml", f"{PROJECT}/holdfast.yaml", "HOLDFAST.YAML", "rules/zz.cedar", "rules",
    "./rules/../rules/a", f"file://{PROJECT}/rules/a.cedar", "bots/helper.yaml", "hooks.py",
    f"{PROJECT}/src/../hooks.py", "../rules/a", "elsewhere/b.cedar", "r%75les/a",
]  # fmt: skip
SECRETS = [
    "~/.ssh/id_rsa", "/home/alice/.aws/credentials", "$HOME/.netrc", "${HOME}/.docker/config.json",
    "/etc/shadow", "/proc/1/environ", "/proc/self/root/etc/shadow", ".env", "config/.env.production",
    "/root/.ssh/id_ed25519", "~/.local/share/keyrings/login.keyring", "server.pem", "~bob/.ssh/config",
]  # fmt: skip
PROTECTED = [
    "~/.bashrc", "/home/alice/.zshrc", "/root/.profile", ".git/hooks/pre-commit", ".git/config",
    f"{PROJECT}/.git/config", "~/.gitconfig", ".claude/settings.json",
    ".claude/settings.local.json", "~/.claude/settings.json", ".claude/hooks/x.sh",
    ".husky/pre-push", ".githooks/pre-commit", "sub/.git/modules/lib/hooks/x", "~/.config/git/config",
]  # fmt: skip
LATER = [".mcp.json", ".claude/agents/x.md", "~/.config/autostart/a.desktop", "~/.local/bin/ls"]
ORDINARY = [
    "src/app.py", f"{PROJECT}/README.md", "docs/policies/privacy.md", "src/agents/planner.py",
    "holdfast.md", "tests/rules_test.py", "src/hooks.py", "package.json", ".gitignore",
    ".github/workflows/ci.yml", ".env.example", "Makefile", "/tmp/out.txt", "state.py",
    "src/state/reducer.ts", ".claude.md", "CLAUDE.md", "environ.py", "a b/c d.txt", "docs/100%.md",
    "keys/README.md", "src/%20/x.py", "../sibling/src/a.py", "src/settings.json",
]  # fmt: skip


@pytest.mark.parametrize("path", STATE)
def test_no_file_tool_reaches_the_state(path):
    assert write(path) is B
    assert read(path) is B
    assert level("NotebookEdit", {"notebook_path": path, "new_source": ""}) is B
    assert level("LS", {"path": path}) is B
    assert level("LSP", {"operation": "hover", "filePath": path}) is B


@pytest.mark.parametrize("path", [*RULES, *SECRETS, *PROTECTED])
def test_what_governs_and_what_is_secret_is_high_to_read_and_to_write(path):
    assert write(path) is H
    assert read(path) is H


@pytest.mark.parametrize("path", LATER)
def test_what_is_run_later_is_high_to_write_and_free_to_read(path):
    assert write(path) is H
    assert read(path) is L


@pytest.mark.parametrize("path", ORDINARY)
def test_ordinary_files_are_ordinary(path):
    assert read(path) is L
    assert write(path) is M
    assert level("Grep", {"pattern": "def main", "path": path}) is L


def test_another_argument_that_names_the_place_is_judged_alike():
    tool = Contract(
        name="sync", description="x", effect=Effect.WRITE, risk=L, risk_reason="x",
        input_schema={"type": "object"},
    )  # fmt: skip
    blocked: list[dict[str, object]] = [
        {"outputFile": ".holdfast/x"},
        {"files": ["a", {"where": {"path": ".holdfast/x"}}]},
        {"src": "a", "dst": ".holdfast"},
        {"anything": "./.holdfast/x"},
        {"root": ".holdfast", "pattern": "*"},
        {"root": ".", "pattern": ".holdfast/*"},
        {"uri": "file://localhost/home/alice/project/.holdfast/x"},
    ]
    for arguments in blocked:
        assert level(tool, arguments) is B, arguments
    assert level(tool, {"path": ["a"] * 3000}) is H
    assert level(tool, {"path": "a" * 70_000}) is H
    free: list[dict[str, object]] = [
        {"title": "what .holdfast/x is for"},
        {"content": ".holdfast/x"},
        {"url": "https://example.com/.env"},
        {"count": 3, "files": ["a.py", "b/c.py"], "deep": [[{"name": "x"}]]},
    ]
    for arguments in free:
        assert level(tool, arguments) is L, arguments


def test_text_that_only_mentions_a_place_is_text():
    edit = {"file_path": ".gitignore", "old_string": ".env", "new_string": ".env\n.holdfast/"}
    assert level("Edit", edit) is M
    assert level("Grep", {"pattern": ".holdfast/admin.token", "path": "docs"}) is L
    assert level("Grep", {"pattern": "holdfast.yaml"}) is L


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"pattern": "hfa_", "path": "."}, L),  # the state folder's ignore file stands
        ({"pattern": "hfa_", "glob": "*.token"}, H),
        ({"pattern": "hfa_", "path": PROJECT, "glob": "*"}, H),
        ({"pattern": ".", "path": "..", "glob": "**/*.{py,token}"}, H),
        ({"pattern": "(hfa|x)_", "path": "/home/alice", "glob": "*"}, H),
        ({"pattern": "[a-z]{40}", "glob": "*.token", "path": "src"}, L),
        ({"pattern": "hfa_", "glob": "*.py"}, L),
        ({"pattern": "hfa_", "glob": "src/**"}, L),
        ({"pattern": "hfa_", "glob": "!*.token"}, L),
        ({"pattern": "TODO", "glob": "*"}, L),
        ({"pattern": "x", "glob": ".holdfast/*"}, B),
        ({"pattern": "x", "path": ".holdfast"}, B),
        ({"pattern": "x", "path": "/"}, H),
        ({"pattern": "x", "path": "~"}, H),
        ({"pattern": "x", "glob": ".env*"}, H),
        ({"pattern": "x", "path": ".git", "glob": "hooks/*"}, H),
        ({"pattern": "TODO", "path": "src"}, L),
        ({"pattern": "class User", "glob": "*.{ts,tsx}", "path": "web"}, L),
    ],
)
def test_a_search_is_worth_what_it_returns(arguments, expected):
    assert level("Grep", arguments) is expected


def test_a_listing_of_names_is_free_unless_it_spells_a_protected_one():
    for pattern in ("**/*.py", "*", "src/**", "**/*.json"):
        assert level("Glob", {"pattern": pattern}) is L
    assert level("Glob", {"pattern": ".holdfast/*"}) is B
    assert level("Glob", {"pattern": "id_rsa*", "path": "~/.ssh"}) is H


@pytest.mark.parametrize(
    "pattern", ["TODO", "foo bar", "def main", r"\bHello\b", "import os|Error:", "login", "x=1"]
)
def test_a_plain_search_matches_no_token(pattern):
    assert misses_tokens(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "hfa_",
        "h",
        "",
        ".",
        "a|hfa_",
        "[a-z]+",
        "login?|x",
        "(TODO)?",
        "tod*o?",
        "fa_",
        "_",
        "ab",
        "|".join(map(str, range(20))),
    ],
)
def test_a_search_that_could_match_a_token_is_known(pattern):
    assert not misses_tokens(pattern)


def test_folding_case_takes_away_what_only_case_told_apart():
    assert misses_tokens("AB")
    assert not misses_tokens("AB", folded=True)


@pytest.mark.parametrize("name", STATE_FILES)
def test_a_glob_that_takes_a_file_of_the_state_reaches_it(name):
    assert reaches_state(name)
    assert reaches_state("*")
    assert reaches_state(f"**/{name}")
    assert not reaches_state(f"src/{name}")
    assert not reaches_state("*.tsx")


SHELL_BLOCKED = [
    "cat .HOLDFAST/admin.token", "cat state/admin.token", f"cat {PROJECT}/state/x",
    "holdfast policy apply", "holdfast sessions kill s1", "uv run holdfast budget set x",
    "python -m holdfast operators add ann", ".venv/bin/holdfast effects resolve 1",
    "sh -c 'holdfast sessions open'", "env -i holdfast policy apply", "python3 -mholdfast up",
]  # fmt: skip
SHELL_HIGH = [
    "echo x > rules/zz.cedar", "rm rules/base.cedar", f"cp a {PROJECT}/rules/b.cedar",
    "cat holdfast.yaml", "sed -i s/a/b/ bots/helper.yaml", "cat ~/.bashrc", "cat .git/config",
    "cat .claude/settings.json", "grep -r hfa_ .", "grep -rn . .", "grep -rE '[a-z]{50}'",
    "grep -rv TODO .", "rg -uu hfa_", "rg --hidden --no-ignore '.*'", "cp -r . /tmp/x",
    "tar czf /tmp/x.tgz .", "zip -r x.zip .", "find . -type f -exec cat {} +",
    "grep -ra TODO .", "find . -exec cp {} /tmp/y \\;", f"cp -a {PROJECT} /tmp/z",
    "grep -r hfa_ --include='*.token'",
]  # fmt: skip
SHELL_ORDINARY = [
    "grep -rn TODO .", "grep -rn 'def main' .", "rg foo", "rg hfa_ src", "rg --files",
    "grep -r hfa_ src", "grep -rn hfa_ . --exclude-dir=.holdfast", "grep -rl x . --include='*.py'",
    "find . -name '*.py' -exec grep -l foo {} +", "tar czf x.tgz src", "cp -r src /tmp/x",
    "tar xzf x.tgz -C .", "cat docs/policies/a.md", "ls", "wc -l *", "grep -rc foo .",
    "tar czf x.tgz --exclude=.holdfast .", "rg -i todo", "cat src/state/a.ts",
]  # fmt: skip


@pytest.mark.parametrize("command", SHELL_BLOCKED)
def test_no_shell_of_an_agent_reaches_the_controls(command):
    assert level("Bash", {"command": command}, folder=PROJECT) is B
    assert level("Bash", {"command": command}) is B


@pytest.mark.parametrize("command", SHELL_HIGH)
def test_shells_are_judged_by_the_same_table(command):
    assert level("Bash", {"command": command}, folder=PROJECT) >= H


@pytest.mark.parametrize("command", SHELL_ORDINARY)
def test_ordinary_commands_are_not_asked(command):
    assert level("Bash", {"command": command}, folder=PROJECT) <= M
