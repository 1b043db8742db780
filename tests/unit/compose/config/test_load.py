"""Reading `holdfast.yaml`: what a good file means, and what is said about a bad one."""

import os
from pathlib import Path

import pytest

from holdfast.compose.config import AgentConfig, Config, load_agent, load_config, parse_config
from holdfast.compose.config.nodes import MAX_FILE_BYTES
from holdfast.errors import ConfigInvalid
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel

FULL = (Path(__file__).parent / "examples" / "full.yaml").read_text()


def read(text: str | bytes) -> Config:
    content = text if isinstance(text, bytes) else text.encode()
    return parse_config(content, Path("holdfast.yaml"))


def fault(text: str | bytes) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read(text)
    return caught.value.message


def replaced(old: str, new: str) -> str:
    assert FULL.count(old) == 1, old
    return FULL.replace(old, new)


def line_of(text: str, word: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if word in line)


def test_every_part_of_the_full_example_is_read():
    config = read(FULL)
    assert config.server.port == 8787
    assert config.upstreams["anthropic"].max_tokens_per_s == 500
    price = config.prices.overrides["my-model"]
    assert (price.input_nusd_per_mtok, price.cache_read_nusd_per_mtok) == (3 * 10**9, 3 * 10**8)
    assert config.tenants["acme"].users["ann"].roles == ("support", "manager")
    agent = config.agents["support-desk"]
    assert agent.trust is TrustLevel.SEMI_AUTONOMOUS
    assert agent.upstream == "anthropic"
    assert config.tools["mcp__shop__refund"].risk is RiskLevel.HIGH
    assert config.declared_tools == {"mcp__shop__get_order", "mcp__shop__refund"}
    assert "Bash" in config.tools


def test_a_file_that_says_only_its_version_is_complete():
    config = read("version: 1\n")
    assert config.server.host == "127.0.0.1"
    assert list(config.tenants["default"].users) == ["*"]
    assert list(config.tenants["default"].projects) == ["default"]
    assert config.upstreams["anthropic"].base_url == "https://api.anthropic.com"
    assert config.state_path == Path("holdfast.yaml").absolute().parent / ".holdfast"


SEEDED = [
    ("port: 8787", "prot: 8787", "prot", "server.prot: unknown key, did you mean `port`?"),
    ("port: 8787", "port: x", "port: x", "server.port: expected a whole number from 0 to 65535"),
    ("port: 8787", "port: true", "port: true", "server.port: expected a whole number"),
    ("port: 8787", "port: 87.5", "port: 87.5", "server.port: expected a whole number"),
    ("auth: x_api_key", "auth: x_api", "x_api", "did you mean `x_api_key`?"),
    (
        "allow_remote_plaintext: false",
        "allow_remote_plaintext: no",
        "plaintext: no",
        "expected `true` or `false`, found `no`",
    ),
    ("host: 127.0.0.1", "host: 0.0.0.0", "0.0.0.0", "reachable from other machines"),
    ("https://api", "http://api", "http://api", "use https"),
    ("https://api", "ftp://api", "ftp://api", "expected an https address"),
    ("https://api", "https://u:p@api", "u:p@", "credentials"),
    ('input: "3.00"', 'input: "-3"', "-3", "expected an amount of dollars"),
    ('input: "3.00", ', "", "output:", "the key `input` is missing"),
    ("calendar_day: 500,", "calender_day: 500,", "calender", "did you mean `calendar_day`?"),
    ("{hour: 5, day: 30}", "{hour: five, day: 30}", "five", "users.ann.limits.usd.hour: expected"),
    ("{hour: 5, day: 30}", "5", "usd: 5}}", "a mapping from a window"),
    ("usd_in: 0.50", "usd_in: 0.0000000001", "0.0000000001", "at most nine decimals"),
    ("usd_in: 0.50", "usd_in: 1e999999999", "1e999999999", "expected an amount of dollars"),
    ("tool_calls: 25", "tool_calls: -1", "tool_calls: -1", "expected a whole number from 0"),
    ("tool_calls: 25", "tool_cals: 25", "tool_cals", "did you mean `tool_calls`?"),
    ("[50, 100]", "[100, 50]", "[100, 50]", "expected rising percents"),
    (
        "tools: [mcp__shop__get_order,",
        "tools: [mcp__shop__get_oder,",
        "get_oder",
        "agents.support-desk.tools[0]: no tool `mcp__shop__get_oder`, did you mean",
    ),
    (
        "trust: semi_autonomous",
        "upstream: antropic",
        "antropic",
        "no upstream `antropic`, did you mean `anthropic`?",
    ),
    ("trust: semi_autonomous", "trust: total", "trust: total", "agents.support-desk.trust"),
    ("{max_turns: 30}", "{max_turns: 3, warn_turns: 9}", "warn_turns", "warn_turns <= alert"),
    ("session_ttl_s: 3600", "session_ttl_s: 0", "session_ttl_s", "from 1 to"),
    ("amount: much", "amuont: much", "amuont", "did you mean `amount`?"),
    ("amount: much", "amount: mutch", "mutch", "did you mean `much`?"),
    ("rate: 0.5", "rate: 0.12345", "0.12345", "a decimal with one to four places"),
    ("rate: 0.5", "__entity: a", "__entity", "must be a letter"),
    ("amount: {type: integer,", "amount: {type: integr,", "input_schema:", "input_schema"),
    ("risk: HIGH", "risk: BLOCK", "tools: [mcp__shop__get", "is classed BLOCK"),
    ("risk: HIGH", "risk: high", "risk: high", "did you mean"),
    ('["package.module:function"]', "[package.module]", "pre_tool", "package.module:function"),
    ("ann: {roles", '" ann": {roles', " ann", "must be at most 128 characters"),
    ("policies: policies", "policies: a\npolicies: b", "policies: b", "stands already on line 12"),
    ("region: eu", "region: {a: b}", "region", "expected text, a number"),
    ("timeout_s: 30", "timeout_s: .inf", ".inf", "expected a number"),
    ("{attempts: 1,", "{atempts: 1,", "atempts", "object contains unknown field `atempts`"),
    ("{attempts: 1,", "{attempts: -1,", "-1", "expected `int` >= 0"),
    ("on_fail: fail", "on_fail: pass", "on_fail: pass", "invalid enum value 'pass'"),
    ("window_tokens: 200000", "window: 200000", "window: 2", "unknown field `window`"),
    ("on_budget: park", "on_budget: wait", "on_budget: wait", "invalid enum value 'wait'"),
    ("effects_days: 90", "effects_days: 6", "effects_days: 6", "from 7 to"),
    ("effects_days: 90", "effects_days: 29", "effects_days: 29", "at least as long as sessions"),
]


def test_a_judge_is_one_of_the_models_that_the_agent_may_call():
    judge = replaced("{instructions: It names", "{model: claude-opus-5-5, instructions: It names")
    only = judge.replace("session_ttl_s: 3600", "models: [claude-sonnet-5-5]")
    assert "`claude-opus-5-5` is not in the agent's `models`" in fault(only)


def test_a_schema_of_a_result_that_is_none_is_named():
    said = fault(replaced("{attempts: 1,", "{schema: {type: objct},"))
    assert "agents.support-desk.output: schema: " in said


@pytest.mark.parametrize(("old", "new", "word", "said"), SEEDED)
def test_a_seeded_fault_is_named_with_its_line(old, new, word, said):
    text = replaced(old, new) if FULL.count(old) == 1 else FULL.replace(old, new, 1)
    message = fault(text)
    named = [line for line in message.splitlines() if said in line]
    assert named, message
    numbers = [n for n, line in enumerate(text.splitlines(), 1) if word in line]
    assert any(line.startswith(f"holdfast.yaml:{n}:") for line in named for n in numbers), message


def test_every_fault_of_a_file_is_told_at_once():
    text = FULL.replace("port: 8787", "port: x").replace("usd: 5.00", "usd: x")
    text = text.replace("get_order, mcp", "get_oder, mcp").replace("hour: 4", "hours: 4")
    message = fault(text)
    for path in (
        "server.port",
        "agents.support-desk.limits.usd",
        "agents.support-desk.tools[0]",
        "defaults.limits.user.usd.hours",
    ):
        assert path in message
    assert len(message.splitlines()) == 4


def test_problems_are_also_given_as_values():
    with pytest.raises(ConfigInvalid) as caught:
        read("version: 1\nserver: {port: x}\n")
    problems = caught.value.fields["problems"]
    assert isinstance(problems, list)
    assert [(p["line"], p["column"], p["path"]) for p in problems] == [(2, 16, "server.port")]


def test_the_version_is_required_and_known():
    assert "`version` is missing" in fault("server: {port: 1}\n")
    assert "version: expected a whole number from 1 to 1, found `2`" in fault("version: 2\n")


def test_attributes_of_two_types_are_refused_where_the_second_stands():
    text = replaced("tasks:\n", "tasks:\n  other:\n    attributes: {currency: 7, max_refund: 1}\n")
    line = line_of(text, "currency: EUR")
    assert f"holdfast.yaml:{line}:" in fault(text)
    assert "tasks.other says long" in fault(text)


def test_one_listens_off_the_machine_only_with_tls_or_an_explicit_flag():
    for server in (
        "host: 0.0.0.0, tls: {cert: c.pem, key: k.pem}",
        "host: 0.0.0.0, allow_remote_plaintext: true",
        "host: '::1'",
    ):
        read(f"version: 1\nserver: {{{server}}}\n")
    assert "server.host" in fault("version: 1\nserver: {host: example.org}\n")


def test_an_upstream_on_this_machine_may_speak_plain_http():
    text = 'version: 1\nupstreams: {test: {base_url: "http://127.0.0.1:9/"}}\n'
    assert read(text).upstreams["test"].base_url == "http://127.0.0.1:9"


def test_with_several_upstreams_an_agent_says_which():
    text = (
        "version: 1\nupstreams: {a: {}, b: {}}\nagents:\n  desk: {model: m}\n  two: "
        "{model: m, upstream: b}\n"
    )
    assert "agents.desk.upstream: the key `upstream` is missing" in fault(text)
    assert "agents.two" not in fault(text)


def test_an_agent_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "other.yaml").write_text("model: m\ntools: [Read]\n")
    (tmp_path / "holdfast.yaml").write_text(
        "version: 1\nagents: {other: {file: agents/other.yaml}}\n"
    )
    config = load_config(tmp_path / "holdfast.yaml")
    assert config.agents["other"].name == "other"
    assert config.agents["other"].tools == ("Read",)
    before = config.version
    (tmp_path / "agents" / "other.yaml").write_text("model: m\ntools: [Grep]\n")
    assert load_config(tmp_path / "holdfast.yaml").version != before


def test_faults_in_agent_files_are_told_together_with_those_of_the_main_file(tmp_path):
    (tmp_path / "a.yaml").write_text("model: m\ntools: [Raed]\nname: b\n")
    (tmp_path / "b.yaml").write_text("model: [\n")
    (tmp_path / "holdfast.yaml").write_text(
        "version: 1\nserver: {port: x}\nagents:\n  a: {file: a.yaml}\n  b: {file: b.yaml}\n"
        "  c: {file: gone.yaml}\n"
    )
    with pytest.raises(ConfigInvalid) as caught:
        load_config(tmp_path / "holdfast.yaml")
    message = caught.value.message
    assert f"{tmp_path}/a.yaml:2:9: tools[0]: no tool `Raed`, did you mean `Read`?" in message
    assert f"{tmp_path}/a.yaml:3:1: name: expected `a`" in message
    assert f"{tmp_path}/b.yaml:2:1: not valid YAML" in message
    assert "holdfast.yaml:6:7: agents.c.file: cannot read `gone.yaml`" in message
    assert "holdfast.yaml:2:16: server.port" in message


def test_an_agent_file_is_checked_against_the_configuration(tmp_path):
    config = read(FULL)
    path = tmp_path / "helper.yaml"
    path.write_text("version: 1\nmodel: m\ntools: [mcp__shop__get_order]\n")
    agent = load_agent(path, config)
    assert agent == AgentConfig(
        name="helper", model="m", tools=("mcp__shop__get_order",), upstream="anthropic"
    )
    path.write_text("model: m\ntools: [mcp__shop__refnd]\nmodels: [n]\n")
    with pytest.raises(ConfigInvalid) as caught:
        load_agent(path, config)
    assert f"{path}:2:9: tools[0]: no tool `mcp__shop__refnd`" in caught.value.message
    assert "the agent's own model `m` is not in the list" in caught.value.message


def test_a_path_that_is_no_file_is_a_configuration_fault(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "gone.yaml", tmp_path, tmp_path / "pipe", Path("a\0b")):
        with pytest.raises(ConfigInvalid):
            load_config(path)


def test_huge_files_are_refused_unread(tmp_path):
    path = tmp_path / "holdfast.yaml"
    path.write_bytes(b"version: 1\n" + b"#" * MAX_FILE_BYTES)
    with pytest.raises(ConfigInvalid, match="larger than"):
        load_config(path)


def test_a_message_names_fifty_problems_and_counts_the_rest():
    text = "version: 1\nserver: {" + ", ".join(f"k{i}: 1" for i in range(60)) + "}\n"
    lines = fault(text).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "and 10 more problems"
