"""The catalogue: what runs a tool, which servers there are, what only the settings can tell."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.compose.config import Config, parse_config
from holdfast.compose.tool_catalogue import catalogue, lint_report, servers
from holdfast.errors import ConfigInvalid, NotFound
from holdfast.model.tool_standard import Definition, ServerListing

READING: dict[str, Any] = {
    "description": (
        "What: reads one order of the shop. When: before anything is done. Side effects: none."
    ),
    "effect": "read",
    "risk": "LOW",
    "risk_reason": "reads",
    "idempotency": "pure",
    "input_schema": {"type": "object", "additionalProperties": False},
    "output_schema": {"type": "object"},
}
ACTING = {
    **READING,
    "description": READING["description"].replace("none.", "a parcel leaves."),
    "effect": "write",
    "idempotency": "probe",
    "errors": {"no_order": "there is no such order"},
}


def config(**settings) -> Config:
    text = yaml.safe_dump({"version": 1, **settings})
    return parse_config(text.encode(), Path("holdfast.yaml"))


def agent(**more):
    return {"model": "m", **more}


def broken(report) -> list[tuple[str, str]]:
    return [(one.tool, one.rule) for one in report.findings]


def test_the_catalogue_says_what_runs_a_tool_and_who_has_it():
    http = {"http": {"url": "https://shop.example/x"}}
    found = catalogue(
        config(
            tools=dict.fromkeys(("web", "mcp__shop__look", "own", "py", "Bash"), READING),
            implementations={"web": http, "py": {"python": "a:b"}},
            agents={"a": agent(tools=["Read", "own"]), "b": agent(tools=["own"])},
        )
    )
    assert [(e.tool, e.kind, e.agents, e.declared) for e in found] == [
        ("Bash", "builtin", (), True),
        ("Read", "builtin", ("a",), False),
        ("mcp__shop__look", "mcp", (), True),
        ("own", "caller", ("a", "b"), True),
        ("py", "python", (), True),
        ("web", "http", (), True),
    ]


def test_only_declared_tools_are_held_to_the_standard():
    shipped = config(agents={"a": agent(tools=["Read", "Bash"])})
    assert lint_report(shipped).ok
    assert lint_report(shipped).tools == 0
    own = config(tools={"Bash": READING, "Look": READING})
    assert broken(lint_report(own)) == [("Look", "name")]


@pytest.mark.parametrize(
    ("name", "implementation", "found"),
    [
        ("ship", {"http": {"url": "https://x.example"}}, True),
        ("ship", {"http": {"url": "https://x.example", "probe_url": "https://x.example/p"}}, False),
        ("ship", {"http": {"url": "https://x.example", "probe_url": "https://x.example/p"}, "tenants": {"t": {"url": "https://y.example"}}}, True),
        ("ship", {"python": "a:b"}, False),
        ("ship", None, False),
        ("mcp__shop__ship", None, True),
    ],
)  # fmt: skip
def test_a_tool_of_class_probe_has_something_to_probe_with(name, implementation, found):
    given = {"implementations": {name: implementation}} if implementation else {}
    report = lint_report(config(tools={name: ACTING}, **given))
    assert broken(report) == ([(name, "probe")] if found else [])
    assert report.ok is not found


def test_servers_of_one_name_that_differ_are_asked_apart():
    one, two = {"command": "one"}, {"command": "two"}
    agents = {
        "a": agent(mcp_servers={"shop": one, "mail": one}),
        "b": agent(mcp_servers={"shop": two}),
        "c": agent(mcp_servers={"shop": one}),
    }
    house = config(agents=agents)
    assert servers(house) == {"shop": one, "mail": one, "shop@b": two}
    assert servers(house, ["mail"]) == {"mail": one}
    with pytest.raises(NotFound):
        servers(house, ["mail", "other"])


def test_a_fault_of_a_server_hides_no_finding_and_invents_none():
    house = config(tools={"mcp__shop__look": READING})
    look = Definition(
        name="look", description=READING["description"],
        input_schema=READING["input_schema"], output_schema={},
    )  # fmt: skip
    assert broken(lint_report(house, [ServerListing(server="shop", definitions=(look,))])) == []
    assert broken(lint_report(house, [ServerListing(server="shop")])) == [
        ("mcp__shop__look", "missing")
    ]
    assert broken(lint_report(house, [ServerListing(server="shop@b", fault="it ended")])) == [
        ("mcp__shop@b", "server")
    ]


@pytest.mark.parametrize(
    ("standard", "said"),
    [
        ({"name_pattern": "("}, "regular expression"),
        ({"name_pattern": "a(?=b)"}, "regular expression"),
        ({"rules": {"nmae": "off"}}, "unknown key, did you mean `name`?"),
        ({"rules": {"name": "fatal"}}, "not possible here"),
        ({"server_rules": {"nmae": "off"}}, "one of the rules"),
        ({"required_sentences": ["what:"]}, "letters"),
    ],
)
def test_a_standard_that_cannot_be_held_is_refused(standard, said):
    with pytest.raises(ConfigInvalid, match="tool_standard") as refused:
        config(tool_standard=standard)
    assert said in refused.value.message
