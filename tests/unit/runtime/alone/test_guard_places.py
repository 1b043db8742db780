"""The guard where a session works on files: whose text, whose code, what is left, through links."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import sys
from typing import Any, cast

import msgspec
import pytest

from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.core.contracts import ContractBook
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits
from holdfast.model.tools import ArgumentRole, Effect
from tests.unit.runtime.alone.gatehouse import Gatehouse, contract
from tests.unit.runtime.alone.test_own_texts import Files, Processes

ABOUT = pytest.mark.parametrize(
    "module", [f"holdfast.runtime.guard.{one}" for one in ("stages", "ruling", "sourcing")]
)
FIND = contract(
    "find",
    Effect.EGRESS,
    RiskLevel.HIGH,
    input_schema={"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
    roles={"q": ArgumentRole.QUERY},
)
TOOLS = (*BUILTIN_TOOLS, FIND)


class Links:
    """Where these paths lead; None where it cannot be told."""

    def __init__(self, **places) -> None:
        self.places: Any = places
        self.asked: list[Any] = []

    async def resolved(self, folder, paths, *, globs=False):
        self.asked.append((folder, list(paths), globs))
        if self.places is None:
            return None
        return {path: self.places[path] for path in paths if path in self.places}


class Grounds(Gatehouse):
    """A gatehouse with every tool of Claude Code, files in memory, and links."""

    def __init__(self, links=None, *, watched=True) -> None:
        kept = cast("Any", Files())
        kept.mine = {"/w/a.py", "/w/b.md", "/w/n.py", "/w/.git/index", "/w/.git/others"}
        kept.there = {"/w/a.py": "1", "/w/b.md": "2", "/w/x": "3"}
        super().__init__(
            processes=Processes(),
            files=kept if watched else None,
            links=links,
            decided={"contracts": ContractBook(TOOLS)},
        )
        self.files, self.texts = kept, self.house.files

    async def work(self, **fields):
        given: Any = {
            "allowed_tools": tuple(one.name for one in TOOLS),
            "trust": TrustLevel.SEMI_AUTONOMOUS,
            "folder": "/w",
            "sandboxed": True,
            "loop": LoopLimits(query_bytes=40),
        }
        return await self.open(**(given | fields))

    async def told(self, live, tool, **arguments):
        """What came of a call: reasons, what its record and the memory say beside the usual."""
        seq = self.seq
        ruling = await self.decide(live, "c1", tool, arguments)
        records = self.since(seq, live.who)
        [body] = [one["body"] for one in records if one["kind"] == "tool_call.decided"]
        said = {name: body[name] for name in ("made", "stale", "query_bytes") if name in body}
        if body["risk_reasons"] != ["risk.registered"]:
            said["risk"] = body["risk_reasons"]
        usual = ("tool_call.decided", "budget.decided", "risk.notice", "approval.asked")
        kinds = [one["kind"] for one in records if one["kind"] not in usual]
        if kinds:
            said["told"] = kinds
        memory = {
            "neutral": "c1" in live.neutral,
            "working": "c1" in live.working,
            "mixing": "c1" in live.mixing,
            "wrote": sorted(live.made),
            "serves": sorted(live.serves),
            "grows": live.grows,
            "after": live.stale,
        }
        said |= {name: value for name, value in memory.items() if value}
        if live.writing:
            said["writing"] = {
                name: value
                for name, value in msgspec.structs.asdict(live.writing["c1"]).items()
                if value not in ((), frozenset(), None, False, 0)
            }
        assert self.budgets.ledger.open_holds() == [] or ruling.permit
        reasons = [one for one in ruling.decision.reasons if one.stage != "approval"]
        return [one.code for one in reasons], said


BLOBS = frozenset(
    {
        "32f64f4d836716819dc5fa9a1e09a29b428881df",
        "996346fa32fe6f760f9c78f7627e935cf408a01c3c55bcc8874bbebb63306db2",
    }
)
OWN = {"neutral": True}
AT_WORK = {"neutral": True, "working": True}
MIXES = {"mixing": True}
BUILDS = {"risk": ["risk.registered", "shell.build_tool"]}
SCRIPT = {"risk": ["risk.registered", "shell.runs_script"]}
REMOVES = {"risk": ["risk.registered", "shell.file_delete"]}
LEFT = {"told": ["files.unsettled"]}
STALE = {"stale": True, "after": True}


def bash(command, **more):
    return "Bash", {"command": command, **more}


def write(path):
    return "Write", {"file_path": path, "content": "t"}


CLEAN: tuple[Any, ...] = (
    # call, reasons, what is left of it
    (("Read", {"file_path": "/w/a.py"}), [], OWN),
    (("Read", {"file_path": "/w/x"}), [], {}),
    (bash("ls"), [], OWN),
    (("BashOutput", {"bash_id": "1"}), [], OWN),
    (
        write("/w/n.py"),
        [],
        AT_WORK
        | {"made": ["/w/n.py"], "wrote": ["/w/n.py"]}
        | {"writing": {"named": ("/w/n.py",), "told": BLOBS}},
    ),
    (write("/w/x"), [], AT_WORK | {"made": ["/w/x"], "wrote": ["/w/x"]}),
    (write("/v/x"), [], MIXES | {"made": ["/v/x"], "wrote": ["/v/x"]}),
    (bash("rm a.py"), [], REMOVES | AT_WORK),
    (bash("make"), [], BUILDS | AT_WORK),
    (bash("ruff format ."), [], BUILDS | MIXES | LEFT),
    (bash("python3 x"), [], SCRIPT | MIXES | LEFT),
    (
        bash("python3 a.py > n.py", run_in_background=True),
        [],
        AT_WORK
        | LEFT
        | {"made": ["n.py"], "wrote": ["/w/n.py"], "grows": {"/w/n.py": 0}}
        | {"risk": ["risk.registered", "shell.file_write", "shell.runs_script"]}
        | {"writing": {"named": ("/w/n.py",), "known": frozenset({"/w/a.py", "/w/b.md"})}},
    ),
)
TAINTED: tuple[Any, ...] = (
    (("Read", {"file_path": "/w/a.py"}), [], {}),
    (("BashOutput", {"bash_id": "1"}), [], {}),
    (write("/w/n.py"), [], MIXES | STALE | {"made": ["/w/n.py"], "wrote": ["/w/n.py"]}),
    (write("/v/x"), ["flow.outside_folder"], {}),
    (
        bash("git commit -m x"),
        [],
        MIXES | STALE | {"risk": ["risk.registered", "shell.git_change"]},
    ),
    (bash("rm a.py"), [], REMOVES | MIXES),
    (bash("make"), [], BUILDS | MIXES | LEFT),
    (
        bash("curl https://evil.example/x"),
        ["risk.high", "flow.acts_outside"],
        {"risk": ["risk.registered", "shell.network"]},
    ),
    (
        ("WebFetch", {"url": "https://evil.example/", "prompt": "x"}),
        ["risk.high", "flow.unvouched"],
        {},
    ),
    (
        ("WebSearch", {"query": "postgres vacuum"}),
        [],
        {"query_bytes": 17, "risk": ["risk.bounded_query"], "told": ["query.sent"]},
    ),
    (
        ("find", {"q": "ab"}),
        [],
        {"query_bytes": 4, "risk": ["risk.bounded_query"], "told": ["query.sent"]},
    ),
    (
        ("WebSearch", {"query": "postgres vacuum bloat monitoring query"}),
        ["risk.high", "flow.unvouched"],
        {"risk": ["risk.unbounded_query", "risk.registered"]},
    ),
)


async def check(rows, *, tainted=False, watched=True, **fields):
    for (tool, arguments), reasons, said in rows:
        grounds: Any = Grounds(watched=watched)
        live = await grounds.work(**fields)
        if tainted:
            live.vouched.taint("fetch")
        assert await grounds.told(live, tool, **arguments) == (reasons, said), (tool, arguments)
        spent = said.get("query_bytes", 0)
        assert live.residue.spent == spent


@ABOUT
def test_what_a_call_reads_writes_and_leaves_is_noted_by_whose_it_is(module):
    assert module in sys.modules
    asyncio.run(check(CLEAN))
    asyncio.run(check(TAINTED, tainted=True))
    # Where nobody knows whose a file is, nothing is own, and nothing is left.
    asyncio.run(check(((("Read", {"file_path": "/w/a.py"}), [], {}),), watched=False))
    # A copy of what may go is known of nowhere then, either.
    unwatched = [
        (call, reasons, {name: value for name, value in said.items() if value != LEFT["told"]})
        for call, reasons, said in TAINTED
        if call != bash("rm a.py")
    ]
    asyncio.run(check(unwatched, tainted=True, watched=False))
    gone = (bash("rm a.py"), ["flow.destroys"], REMOVES)
    asyncio.run(check((gone,), tainted=True, watched=False))


@ABOUT
def test_command_that_was_typed_whole_runs_after_taint_and_one_word_is_none(module):
    assert module in sys.modules

    async def main():
        for typed, command, reasons in (
            ("please run rm x", "rm x", []),
            ("please", "rm x", ["flow.destroys"]),
            ("please run rm ../x/y", "rm ../x/y", ["risk.high"]),
            ("please", "rm ../x/y", ["risk.high", "flow.acts_outside"]),
            ("please run make", "make", ["flow.runs_written"]),
            ("please run make all", "make all", []),
            ("please run make", "make all", ["flow.runs_written"]),
        ):
            grounds: Any = Grounds(watched=False)
            live = await grounds.work(sandboxed=False)
            live.vouched.trust(typed)
            live.vouched.taint("fetch")
            live.stale = True
            found, _ = await grounds.told(live, "Bash", command=command)
            assert found == reasons, command

    asyncio.run(main())


SSH = "/home/ann/.ssh/config"


@ABOUT
def test_call_through_a_link_is_judged_by_where_it_leads(module):
    assert module in sys.modules

    async def main():
        rows: tuple[Any, ...] = (
            # links, call, session, reasons, the last code of its risk
            ({}, ("Read", {"file_path": "/w/l"}), {}, [], None),
            ({"/w/l": ("/w/m",)}, ("Read", {"file_path": "/w/l"}), {}, [], None),
            (
                {"/w/l": (SSH,)},
                ("Read", {"file_path": "/w/l"}),
                {},
                ["risk.high"],
                "risk.secret_path",
            ),
            ({"l": (SSH,)}, bash("cat l"), {}, ["risk.high"], "shell.secret_read"),
            (None, ("Read", {"file_path": "/w/l"}), {}, ["risk.high"], "risk.unresolved_links"),
            ({"/w/l": (SSH,)}, ("Read", {"file_path": "/w/l"}), {"folder": ""}, [], None),
            (None, ("bare", {}), {}, ["risk.high"], "risk.unregistered"),
            (
                {"/w/l": ("/v/m",)},
                ("Read", {"file_path": "/w/l"}),
                {"scopes": ({"path": ["**"]},)},
                ["scope_not_granted"],
                None,
            ),
            (
                {},
                ("Read", {"file_path": "/v/m"}),
                {"scopes": ({"path": ["**"]},)},
                ["scope_not_granted"],
                None,
            ),
        )
        for places, (tool, arguments), fields, reasons, risk in rows:
            links: Any = Links()
            links.places = places
            grounds: Any = Grounds(links)
            names = (*(one.name for one in TOOLS), "bare")
            live = await grounds.work(**({"allowed_tools": names} | fields))
            found, said = await grounds.told(live, tool, **arguments)
            last = (said.get("risk") or [None])[-1]
            assert (found, last) == (reasons, risk), (places, tool)
            if not fields.get("folder", "/w") or tool == "bare":
                assert links.asked == []
            elif tool == "Bash":
                assert links.asked == [("/w", ["l"], True)]
        # After taint a write is held by its real place.
        links = Links()
        links.places = {"/w/l": ("/v/m",)}
        grounds = Grounds(links)
        live = await grounds.work()
        live.vouched.taint("fetch")
        assert await grounds.told(live, *write("/w/l")[:1], **write("/w/l")[1]) == (
            ["flow.outside_folder"],
            {},
        )

    asyncio.run(main())
