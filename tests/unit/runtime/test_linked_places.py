"""The guard on calls that go through links in the session's folder."""

import asyncio

import pytest

from holdfast.backends.system.links import SystemLinks
from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind
from holdfast.model.principals import TrustLevel
from tests.unit.runtime.house import CONTRACTS, House

WORK = tuple(t for t in BUILTIN_TOOLS if t.name in ("Bash", "Read", "Write", "Edit", "Grep"))
OUTSIDE = "/srv/another/project"


@pytest.fixture
def root(tmp_path):
    for folder in ("project/src", "project/node_modules/x", "home/.ssh", "beside", "own/.holdfast"):
        (tmp_path / folder).mkdir(parents=True)
    project = tmp_path / "project"
    (project / "src" / "a.py").write_text("1")
    (project / "notes").symlink_to(tmp_path / "home" / ".ssh")
    (project / "cfg").symlink_to("../own/.holdfast")
    (project / "out").symlink_to(OUTSIDE)
    (project / "aside").symlink_to("../beside")
    (project / "same").symlink_to("src")
    (project / "CLAUDE.md").symlink_to("AGENTS.md")
    (project / "node_modules" / ".bin").mkdir()
    (project / "node_modules" / ".bin" / "tsc").symlink_to("../x/tsc")
    (project / "venv" / "bin").mkdir(parents=True)
    (project / "venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    return tmp_path


class Work:
    """A session in the project, and what the guard says of its calls."""

    def __init__(self, root, links=None):
        links = links if links is not None else SystemLinks()
        self.house = House(contracts=(*CONTRACTS, *WORK), links=links)
        self.root, self.calls = root, 0

    async def open(self, folder="project", **more):
        where = str(self.root / folder) if folder else ""
        trust = TrustLevel.SEMI_AUTONOMOUS
        self.live = await self.house.open(trust=trust, folder=where, **more)

    async def ask(self, tool, **arguments):
        """The verdict, the codes behind it, and what was told of the risk."""
        self.calls += 1
        ruling = await self.house.decide(self.live, f"c{self.calls}", tool, arguments)
        told = [str(one.body) for one in self.house.written(Kind.RISK_NOTICE)]
        codes = {reason.code for reason in ruling.decision.reasons}
        return ruling.decision.verdict, codes, "".join(told[-1:])


def asked(root, tool, *, taint=False, folder="project", links=None, scopes=(), **arguments):
    async def main():
        work = Work(root, links)
        await work.open(folder, scopes=scopes)
        if taint:
            work.live.vouched.taint("WebFetch")
        arguments_here = {k: v.replace("ROOT", str(root)) for k, v in arguments.items()}
        return await work.ask(tool, **arguments_here)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Read", {"file_path": "notes/config"}),
        ("Read", {"file_path": "ROOT/project/notes/config"}),
        ("Read", {"file_path": "file://ROOT/project/notes/config"}),
        ("Read", {"file_path": "/proc/self/cwd/notes/config"}),
        ("Grep", {"pattern": "x", "path": "notes"}),
        ("Write", {"file_path": "notes/authorized_keys", "content": "x"}),
        ("Bash", {"command": "cat notes/config"}),
        ("Bash", {"command": "cat n*/config"}),
        ("Bash", {"command": "cat notes/$x"}),
        ("Bash", {"command": "cd notes && cat config"}),
        ("Bash", {"command": "cat src/../notes/config"}),
        ("Bash", {"command": "grep -r x notes"}),
        ("Bash", {"command": "cat < notes/config"}),
        ("Bash", {"command": "tar -cf all.tar notes/"}),
        ("Bash", {"command": "python -c \"print(open('notes/config').read())\""}),
        ("Bash", {"command": "echo x >> notes/config"}),
        ("Bash", {"command": "rm notes/config"}),
    ],
)
def test_a_link_to_a_protected_place_is_worth_what_the_place_is(root, tool, arguments):
    verdict, _, told = asked(root, tool, **arguments)
    assert verdict is Verdict.ASK
    assert "leads to" in told
    assert ".ssh" in told


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Read", {"file_path": "cfg/x"}),
        ("Write", {"file_path": "cfg/x", "content": "x"}),
        ("Bash", {"command": "cat cfg/x"}),
        ("Bash", {"command": "cp src/a.py cfg/"}),
        ("Bash", {"command": "cfg/run"}),
    ],
)
def test_a_link_to_the_state_is_refused(root, tool, arguments):
    verdict, codes, _ = asked(root, tool, **arguments)
    assert verdict is Verdict.DENY
    assert "risk.blocked" in codes


def test_a_command_that_writes_through_a_link_out_of_the_folder_is_asked(root):
    verdict, _, told = asked(root, "Bash", command="echo x > out/file")
    assert verdict is Verdict.ASK
    assert f"leads to {OUTSIDE}/file" in told


@pytest.mark.parametrize("file", ["aside/file", "out/file"])
def test_after_taint_a_file_tool_writes_through_no_link_out_of_the_folder(root, file):
    verdict, codes, _ = asked(root, "Write", taint=True, file_path=file, content="x")
    assert verdict is Verdict.ASK
    assert codes == {"flow.outside_folder", "approval_pending"}


def test_a_scope_binds_the_real_place(root):
    scope = ({"path": ["**"]},)
    verdict, codes, _ = asked(root, "Read", scopes=scope, file_path="same/a.py")
    assert verdict is Verdict.ALLOW
    verdict, codes, _ = asked(root, "Read", scopes=scope, file_path="aside/a.py")
    assert verdict is Verdict.DENY
    assert codes == {"scope_not_granted"}


ORDINARY = [
    ("Read", {"file_path": "ROOT/project/src/a.py"}),
    ("Read", {"file_path": "aside/a.py"}),
    ("Read", {"file_path": "CLAUDE.md"}),
    ("Write", {"file_path": "same/new.py", "content": "x"}),
    ("Write", {"file_path": "CLAUDE.md", "content": "x"}),
    ("Bash", {"command": "node_modules/.bin/tsc --noEmit"}),
    ("Bash", {"command": "venv/bin/python -m pytest -q"}),
    ("Bash", {"command": "venv/bin/python src/a.py"}),
    ("Bash", {"command": "echo x > same/b.py"}),
    ("Bash", {"command": "cat src/*.py */*.json"}),
    ("Bash", {"command": "echo x > /tmp/of-this-test"}),
    ("Bash", {"command": "rm out"}),
    ("Bash", {"command": "ls -la && cat /etc/os-release > /dev/null"}),
]


@pytest.mark.parametrize("folder", ["project", "short"])
@pytest.mark.parametrize(("tool", "arguments"), ORDINARY)
def test_links_that_are_part_of_ordinary_work_ask_nothing(root, tool, arguments, folder):
    (root / "short").symlink_to("project")
    given = {k: v.replace("ROOT/project", f"ROOT/{folder}") for k, v in arguments.items()}
    verdict, codes, told = asked(root, tool, folder=folder, **given)
    assert verdict is Verdict.ALLOW, (codes, told)
    assert "leads to" not in told


@pytest.mark.parametrize("file", ["same/new.py", "CLAUDE.md", "src/a.py"])
def test_after_taint_writing_within_the_folder_goes_on_through_links(root, file):
    (root / "short").symlink_to("project")
    given = {"file_path": file, "content": "x"}
    verdict, codes, _ = asked(root, "Write", taint=True, folder="short", **given)
    assert verdict is Verdict.ALLOW, codes


class Unseen:
    """Links that cannot be looked up, and how often that was tried."""

    def __init__(self):
        self.tries = 0

    async def resolved(self, folder, paths, *, globs=False):
        self.tries += 1


def test_a_link_that_cannot_be_looked_up_is_high_and_nothing_is_looked_up_without_need(root):
    links = Unseen()
    verdict, _, told = asked(root, "Read", links=links, file_path="src/a.py")
    assert verdict is Verdict.ASK
    assert "risk.unresolved_links" in told
    assert links.tries == 1
    assert asked(root, "Read", links=links, folder="", file_path="src/a.py")[0] is Verdict.ALLOW
    assert asked(root, "look", links=links, order="7")[0] is Verdict.ALLOW
    assert links.tries == 1


def test_a_command_with_more_paths_than_are_looked_up_is_high(root):
    many = " ".join(f"f{number}" for number in range(600))
    _, _, told = asked(root, "Bash", command=f"cat {many} notes/config")
    assert "risk.unresolved_links" in told
