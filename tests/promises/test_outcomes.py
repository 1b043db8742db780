"""What becomes of a call: envelopes, codes, types, stored results, and what is written of it."""

import json
import re
import time

from tests.promises.calls import ordinary
from tests.promises.doors import DONE, call
from tests.promises.house import cli, until
from tests.promises.matrix import promise
from tests.promises.settings import MCP, contract, desk_tools

CODED = re.compile(r"[a-z_]+(\.[a-z_]+)?: ")


def read_of(work, tool, order):
    (found,) = work.read(tool, order)
    return found


def record_of(work, kind, tool, order):
    """The record of one call, found by the arguments that it was decided with."""
    ids = {
        r["call_id"]
        for r in work.decided(tool)
        if (r["body"]["arguments"] or {}).get("order") == order
    }
    return [r for r in work.records(kind) if r["call_id"] in ids]


@promise("S60")
def test_a_tool_that_crashes_is_an_answer_that_the_model_can_read(door):
    read = read_of(ordinary(door), "fail", "crash-1")
    assert read["error"]
    assert "tool_execution_failed" in read["text"]
    assert "the printer is on fire" in read["text"]


@promise("S61")
def test_an_unknown_tool_is_an_error_and_the_loop_goes_on(door):
    work = ordinary(door)
    read = next(r for r in work.read() if r["tool"] == "nobody_knows")
    assert read["error"]
    assert len(work.read()) == 20
    assert (work.failed, work.text) == (False, "done"), work.said


@promise("S62")
def test_arguments_that_do_not_fit_never_reach_the_tool(door):
    work = ordinary(door)
    read = read_of(work, "look", "5")
    assert read["error"]
    assert "contract_violation" in read["text"]
    assert work.acts("look", "5") == []
    assert work.acts("look", 5) == []  # type: ignore[arg-type]


@promise("S63")
def test_success_and_failure_come_in_one_envelope_that_is_held_to_the_contract(door):
    """A success fits its schema; every failure is a code and a sentence; a misfit is a failure."""
    work = ordinary(door)
    success = json.loads(read_of(work, "look", "A1")["text"])
    assert success == {"order": "A1", "state": "sent"}
    failures = [r for r in work.read() if r["error"] and r["tool"] != "nobody_knows"]
    assert [r for r in failures if not CODED.match(r["text"])] == []
    assert read_of(work, "fail", "crash-1")["text"].startswith("tool_execution_failed: ")
    late = read_of(work, "fail", "slow-1")
    assert late["error"]
    assert late["text"].startswith("tool_timeout: ")
    assert read_of(work, "fail", "type-1")["error"]


@promise("S65")
def test_a_declared_error_keeps_its_code_and_an_undeclared_one_is_held_back(door):
    work = ordinary(door)
    declared = read_of(work, "fail", "refuse-1")
    assert declared["error"]
    assert declared["text"].startswith("no_order: ")
    undeclared = read_of(work, "fail", "undeclared-1")
    assert undeclared["error"]
    assert not undeclared["text"].startswith("made_up"), undeclared


@promise("S69")
def test_a_result_that_breaks_its_type_is_never_a_success(door):
    work = ordinary(door)
    read = read_of(work, "fail", "type-1")
    assert read["error"], read
    (finished,) = record_of(work, "tool_call.finished", "fail", "type-1")
    assert not finished["body"]["ok"]


@promise("S70")
def test_the_same_call_twice_is_one_effect(door):
    """In a row, and twice in one answer of the model."""
    order = f"S70-{door.name}"
    twice = {"tools": [call("pay", order, amount=7), call("pay", order, amount=7)]}
    work = door.work(twice, call("pay", order, amount=7), DONE)
    assert len(work.acts("pay", order)) == 1, work.acts("pay", order)
    keys = {r["body"].get("effect_key") for r in work.decided("pay") if r["verdict"] == "allow"}
    assert len(keys) == 1
    assert "effect_in_flight" not in json.dumps(work.read()), work.read()
    if door.name != "claude_code":  # Its tools are a server of their own, which is told no key.
        assert work.acts("pay", order)[0][2]


@promise("S71")
def test_a_second_call_gets_the_stored_result(door):
    """As a success where the door can put a result in the place of a call; else in what it is told."""
    work = ordinary(door)
    first, second = work.read("pay", "A1")
    assert json.loads(first["text"]) == {"receipt": "A1"}
    if door.name in ("sdk", "claude_code"):
        assert '{"receipt":"A1"}' in second["text"].replace(" ", "").replace("\\", ""), second
    else:
        assert (second["text"], second["error"]) == (first["text"], False)
    digests = [r["body"]["digest"] for r in work.decided("pay")][:2]
    assert digests[0] == digests[1]
    assert digests[0].startswith("sha256:")


@promise("S64")
def test_a_description_that_says_too_little_does_not_pass_the_lint(door, tmp_path):
    said = contract("pay")
    assert linted(door, tmp_path, said)[0] == 0
    for label in ("What", "When", "Side effects"):
        short = {**said, "description": said["description"].replace(f"{label}:", "Well:")}
        code, told = linted(door, tmp_path, short)
        assert code == 1, (label, told)
        assert f"{label}:" in told


@promise("S66")
def test_a_tool_that_breaks_the_standard_is_not_registered(door, tmp_path):
    """Python tools and contracts alike: a description without when and side effects loads nowhere."""
    said = contract("pay")
    short = {**said, "description": "Pays money back for one order of the shop."}
    if door.name == "runs":
        code, told = python_tool(tmp_path)
    else:
        code, told = checked(door, tmp_path, short)
    assert code != 0, told
    assert "When" in told
    terse = {
        **said,
        "description": "What: pays money back for one order. When: due. Side effects: money leaves the shop for good.",
    }
    _, told = linted(door, tmp_path, terse)
    assert "lacks `When:`" not in told, "it says that what is short is missing"


def project_of(door, folder, said) -> None:
    import yaml

    tool = door.spell("pay")
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "p.cedar").write_text(
        f'@id("p")\npermit (principal in Role::"x", action == Action::"{tool}", resource);\n'
    )
    settings = {
        "version": 1,
        "policies": "policies",
        "agents": {"one": {"model": "claude-opus-5-5", "tools": [tool]}},
        "tools": {tool: said},
    }
    (folder / "holdfast.yaml").write_text(yaml.safe_dump(settings))


def linted(door, folder, said):
    project_of(door, folder, said)
    return cli("tools", "lint", "-C", str(folder))


def checked(door, folder, said):
    project_of(door, folder, said)
    return cli("config", "check", "-C", str(folder))


def python_tool(folder):
    (folder / "s66_tools.py").write_text(
        "from holdfast.tools import *\n\n\n"
        '@tool(what="pays money back for one order.", when="", side_effects="",\n'
        '      effect=Effect.READ, risk=RiskLevel.LOW, risk_reason="reads")\n'
        "def pay(order: str) -> dict:\n    return {}\n"
    )
    (folder / "holdfast.yaml").write_text(
        "version: 1\ntool_modules: [s66_tools]\nagents: {one: {model: claude-opus-5-5, tools: [pay]}}\n"
    )
    return cli("config", "check", "--import", "-C", str(folder))


@promise("S101")
def test_one_session_id_joins_journal_trace_cost_and_credential(door):
    work = ordinary(door)
    assert {r["session"] for r in work.records()} == {work.session_id}
    turns = turns_of(work)
    accounts = door.house.project.accounts(work.session_id)
    assert sum(t["cost_nusd"] for t in turns) == work.view()["cost_nusd"] > 0
    owners = {a["owner"] for a in accounts if a["scope"] == "session"}
    assert owners == {f"acme/{work.session_id}"}
    assert spans_of(work), "no span names the session"
    others = door.house.project.open(user="S101", tenant="acme")
    assert others.session_id != work.session_id


def turns_of(work):
    found = work.house.project.call("GET", f"/v1/sessions/{work.session_id}/turns").json
    return found["turns"]


def spans_of(work):
    """Spans of the session as a collector got them, each as its name and attributes."""
    return work.house.spans(work.session_id)


@promise("S111")
def test_each_line_of_an_answer_names_agent_session_and_time(door):
    work = ordinary(door)
    code, told = cli(
        "audit",
        "ask",
        "--user",
        work.user,
        "--at",
        "now",
        "--tenant",
        "acme",
        "-C",
        str(door.house.folder),
    )
    assert code == 0, told
    # What an operator did besides is of no agent, and the last line counts.
    timed = [line for line in told.splitlines() if re.match(r"\d\d:\d\d:\d\d", line)]
    lines = [line for line in timed if not line.endswith("by admin")]
    assert len(lines) > 20
    short = work.session_id.removeprefix("ses_")[:8]
    for line in lines:
        assert re.search(r" desk/[a-z2-7]{8} ", line), line
    assert sum(f"desk/{short} " in line for line in lines) > 20


@promise("S114")
def test_each_tool_call_has_one_span(door):
    work = ordinary(door)
    decided = {r["call_id"] for r in work.decided()}

    def whole():
        spans = [s for s in spans_of(work) if s["name"].startswith("execute_tool")]
        return spans if {s["gen_ai.tool.call.id"] for s in spans} >= decided else None

    spans = until(whole, 15) or [s for s in spans_of(work) if s["name"].startswith("execute_tool")]
    ids = [s["gen_ai.tool.call.id"] for s in spans]
    assert sorted(ids) == sorted(set(ids))
    assert set(ids) >= decided, len(ids)
    assert all(s["name"] != "execute_tool " for s in spans)


@promise("S116")
def test_each_budget_decision_is_a_record_whether_it_allowed_or_refused(door):
    work = ordinary(door)
    allowed = [r for r in work.records("budget.decided") if r["verdict"] == "allow"]
    ran = [
        r for r in work.decided() if r["verdict"] == "allow" and r["body"].get("effect") != "stored"
    ]
    for purpose, most in (("model", work.answers()), ("tool", len(ran))):
        found = [r for r in allowed if r["body"]["purpose"] == purpose]
        assert most >= 8
        assert len(found) >= most - 1, (purpose, len(found), most)
    poor = door.work(call("look", "S116"), call("look", "S116b"), DONE, agent="one_call")
    refused = [r for r in poor.records("budget.decided") if r["verdict"] == "deny"]
    assert refused
    assert refused[0]["body"]["account"]


@promise("S117")
def test_what_an_agent_did_for_a_user_at_a_minute_is_answered_in_a_second(door):
    work = ordinary(door)
    began = time.monotonic()
    words = ["audit", "ask", "--user", work.user, "--at", "now", "--window", "30m"]
    code, told = cli(*words, "--tenant", "acme", "--json", "-C", str(door.house.folder))
    assert time.monotonic() - began < 60
    assert code == 0
    assert work.session_id in told
    for said in ("look", "pay", "close_account"):
        assert said in told
    nobody = cli(
        "audit",
        "ask",
        "--user",
        "nobody",
        "--at",
        "now",
        "--tenant",
        "acme",
        "-C",
        str(door.house.folder),
    )
    assert work.session_id not in nobody[1]


@promise("S118")
def test_each_action_is_logged_with_who_what_on_what_with_which_result_and_when(door):
    work = ordinary(door)
    for record in work.decided():
        assert (record["agent"], record["session"]) == ("desk", work.session_id)
        assert record["tool"]
        assert record["body"]["resource"] or record["verdict"] != "allow"
        assert record["verdict"] in ("allow", "ask", "deny")
        assert abs(record["at_ns"] - time.time_ns()) < 3_600e9
    done = {r["call_id"] for r in work.records("tool_call.finished")}
    ran = {r["call_id"] for r in work.decided() if r["verdict"] == "allow"}
    assert ran - done <= {r["call_id"] for r in work.decided("pay")[1:2]}


@promise("S121")
def test_inputs_and_outputs_of_each_call_are_kept_whole_and_without_secrets(door):
    work = ordinary(door)
    (decided,) = list(work.decided("reveal"))
    assert decided["body"]["arguments"]["order"] == "A2"
    (finished,) = record_of(work, "tool_call.finished", "reveal", "A2")
    answered = record_of(work, "run.tool_answered", "reveal", "A2")
    output = answered[0]["body"]["content"] if answered else finished["body"]["output"]
    assert "A2" in output
    for kept in (json.dumps(work.records()), json.dumps(turns_of(work))):
        for secret in ("hunter2", "swordfish", "AKIA", "abcdef0123456789"):
            assert secret not in kept, secret
        assert "<<secret" not in kept, "scrubbed twice"
    assert "aws_key" in output, output
    for record in work.decided():
        if record["verdict"] == "allow":
            assert record["body"]["arguments"]


@promise("S125")
def test_a_turn_is_a_row_with_all_that_an_operator_asks_for(door):
    work = ordinary(door)
    rows = turns_of(work)
    asked = {"turn", "tool", "input", "output", "risk", "approved", "ms", "cost_nusd"}
    assert all(asked <= set(row) for row in rows)
    tools = [row for row in rows if row["kind"] == "tool"]
    assert len(tools) >= 18
    look = next(row for row in tools if row["tool"].removeprefix(MCP) == "look")
    assert (json.loads(look["input"]), look["risk"], look["approved"]) == (
        {"order": "A1"},
        "LOW",
        True,
    )
    assert "sent" in look["output"]
    closed = next(row for row in tools if row["tool"].removeprefix(MCP) == "close_account")
    assert (closed["risk"], closed["approved"]) == ("HIGH", False)
    assert sum(row["cost_nusd"] for row in rows) == work.account("session", "usd")["settled"]


@promise("S151")
def test_cost_is_usage_times_price_and_a_model_without_a_price_is_refused(door, tmp_path):
    work = ordinary(door)
    prices = {"input_tokens": 4000, "cache_read_tokens": 200, "cache_write_5m_tokens": 5000}
    prices |= {"cache_write_1h_tokens": 8000, "output_tokens": 20000}
    settled = [
        r for r in work.records("model_call.settled") if r["body"]["model"] == "claude-opus-5-5"
    ]
    assert len(settled) >= 20
    for record in settled:
        usage = record["body"]["usage"]
        assert record["cost_nusd"] == sum(usage[kind] * price for kind, price in prices.items())
    if not work.model_token:
        (tmp_path / "holdfast.yaml").write_text(
            "version: 1\nagents: {one: {model: claude-unheard-1}}\n"
        )
        code, told = cli("config", "check", "-C", str(tmp_path))
        assert code == 2
        assert "claude-unheard-1" in told
        return
    body = {
        "model": "claude-unheard-1",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
    opened = door.house.project.open(user="S151", tenant="acme")
    reply = door.house.project.call(
        *("POST", "/v1/messages", body),
        token=opened.token,
        headers={"anthropic-version": "2023-06-01"},
        url=work.model_url,
    )
    assert reply.status == 400, reply.body
    assert "claude-unheard-1" in reply.json["error"]["message"]


def test_the_tools_of_the_desk_are_those_that_the_scenarios_call():
    assert {"look", "pay", "note", "fail", "reveal"} <= set(desk_tools().FUNCTIONS)
