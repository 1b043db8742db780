"""The literal tables: trust by risk, session states, and what the loop guard counts."""

import itertools

import pytest

from holdfast.core.progress import Progress
from holdfast.core.risk.gate import gate
from holdfast.core.risk.registry import Risk, assess
from holdfast.core.sessions import RECORDED, TRANSITIONS, Command, after
from holdfast.model.decisions import Verdict, strictest
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel, RiskReason
from holdfast.model.sessions import LoopLimits, SessionState
from holdfast.model.tools import Contract, Effect
from holdfast.testing.conformance.store import a_session

FINAL = {SessionState.STOPPED, SessionState.KILLED, SessionState.EXPIRED, SessionState.ENDED}
NS = 1_000_000_000


def ruled(trust, level, effect):
    risk = Risk(level, (RiskReason("x", "why", level, ""),))
    return gate(risk, TrustLevel(trust), effect)


@pytest.mark.parametrize(
    ("trust", "reads", "writes"),
    [
        ("read_only", "allow allow ask deny", "deny deny deny deny"),
        ("supervised", "allow ask ask deny", "allow ask ask deny"),
        ("semi_autonomous", "allow allow ask deny", "allow allow ask deny"),
        ("autonomous", "allow allow allow deny", "allow allow allow deny"),
    ],
)
def test_gate_is_its_table(trust, reads, writes):
    for line, effect in ((reads, Effect.READ), (writes, Effect.COMMIT)):
        got = [strictest(ruled(trust, level, effect).reasons) for level in RiskLevel]
        assert " ".join(got) == line
        assert all(ruled(trust, level, effect).notify for level in list(RiskLevel)[2:])


def contract(effect=Effect.WRITE, risk=RiskLevel.LOW, shell=""):
    return Contract(
        name="t",
        description="d",
        effect=effect,
        risk=risk,
        risk_reason="registered",
        input_schema={},
        shell=shell,
    )


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ({"path": "/tmp/x"}, RiskLevel.LOW),
        ({"path": "/etc/passwd"}, RiskLevel.HIGH),
        ({"path": "/tmp/../etc//passwd"}, RiskLevel.HIGH),
        ({"file_path": "/root"}, RiskLevel.HIGH),
        ({"path": "/etcetera"}, RiskLevel.LOW),
        ({"path": "a/.holdfast/x"}, RiskLevel.BLOCK),
        ({"path": "a/.HOLDFAST/x"}, RiskLevel.BLOCK),
        ({"path": ["/etc"]}, RiskLevel.HIGH),
    ],
)
def test_paths_raise_the_registered_risk(arguments, level):
    risk = assess(contract(), "t", arguments)
    assert risk.level is level
    assert risk.reasons[0].code == "risk.registered"


def test_reading_a_program_is_as_registered_and_our_own_state_is_blocked():
    assert assess(contract(Effect.READ), "t", {"path": "/usr/x"}).level is RiskLevel.LOW
    assert assess(contract(Effect.READ), "t", {"path": "/etc/x"}).level is RiskLevel.HIGH
    assert assess(contract(Effect.READ), "t", {"path": ".holdfast"}).level is RiskLevel.BLOCK


def test_a_project_in_the_superusers_home_is_no_system_path():
    inside = {"path": "/root/project/src/a.py"}
    assert assess(contract(), "t", inside).level is RiskLevel.LOW
    assert assess(contract(), "t", {"path": "/root/a.py"}).level is RiskLevel.HIGH
    assert assess(contract(), "t", {"path": "/root/a.py"}, "/root").level is RiskLevel.LOW
    assert (
        assess(contract(), "t", {"path": "/root/.bashrc"}, "/root/project").level is RiskLevel.HIGH
    )
    climbs = {"path": "/root/project/../.bashrc"}
    assert assess(contract(), "t", climbs, "/root/project").level is RiskLevel.HIGH
    shell = contract(shell="command")
    edit = {"command": "sed -i s/a/b/ /root/project/a.py"}
    for folder in ("", "/root/project"):
        assert assess(shell, "t", edit, folder).level is RiskLevel.MEDIUM
    assert assess(shell, "t", edit, "/root/other").level is RiskLevel.HIGH


def test_unregistered_tool_is_high_and_shell_commands_are_classified():
    assert assess(None, "x", {}).level is RiskLevel.HIGH
    shell = contract(shell="command")
    assert assess(shell, "t", {"command": "rm -rf /"}).level >= RiskLevel.HIGH
    assert assess(shell, "t", {"command": ["ls"]}).level is RiskLevel.HIGH
    assert assess(shell, "t", {"command": "ls"}).level < RiskLevel.HIGH


def test_session_table_has_no_way_back_from_a_final_state_but_the_kill():
    for state, command in itertools.product(SessionState, Command):
        to = after(a_session(state=state), command)
        if state in FINAL:
            assert to is (SessionState.KILLED if command is Command.KILL and to else None)
        if state is SessionState.KILLED:
            assert to is None
        elif command is Command.KILL:
            assert to is SessionState.KILLED
        if to is SessionState.ACTIVE:
            assert (state, command) == (SessionState.PAUSED, Command.RESUME)
    assert set(RECORDED) == set(Command)
    assert len(TRANSITIONS) == 13


def loop(**more):
    return Progress(LoopLimits(**({"stall_window": 0} | more)))


def test_turns_warn_alert_and_stop():
    progress = loop(max_turns=4, warn_turns=2, alert_turns=3)
    codes = []
    for _ in range(5):
        codes.append([finding.code for finding in progress.turn_ahead()])
        progress.turn_taken()
    assert codes == [[], ["loop.turns_warning"], [], ["loop.turns_alert"], ["loop.turns"]]


def test_results_all_seen_before_alert_once_a_window():
    progress = loop()
    found = [progress.outcome("t", str(n), "same", n) for n in range(20)]
    assert [n for n, finding in enumerate(found) if finding] == [8, 16]


def test_ten_failures_in_ten_minutes_refuse_more_until_they_are_old():
    progress = loop()
    for n in range(10):
        assert progress.retrying(n * NS) is None
        progress.failure(n * NS)
    assert progress.retrying(10 * NS) is not None
    assert progress.retrying(601 * NS) is None


def test_strictest_verdict_wins():
    assert strictest([]) is Verdict.ALLOW
