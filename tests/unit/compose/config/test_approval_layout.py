"""Rules of approvals name groups that there are, and whom to ask next only where somebody is named."""

from pathlib import Path

import pytest

from holdfast.compose.config import parse_config
from holdfast.errors import ConfigInvalid
from holdfast.model.approvals import Step, Unanswered
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect

START = "version: 1\nagents: {a: {model: claude-haiku-4-5}}\napprovals:\n"


def read(text):
    return parse_config((START + text).encode(), Path("holdfast.yaml")).approvals


def test_rules_are_read_in_their_order_with_all_that_they_say():
    found = read(
        "  groups: {money: [mia, leo]}\n"
        "  rules:\n"
        "    z: {effects: [destroy], risks: [HIGH], by: ['group:money', owner, 'role:admin'],"
        " quorum: 2, escalate: [{after_s: 9, to: [zoe]}], on_expiry: allow, expires_s: 60}\n"
        "    a: {tools: [x], objections: [shop.large], tenants: [t], agents: [a]}\n"
    )
    assert list(found.rules) == ["z", "a"]
    first, then = found.rules.values()
    assert (first.name, first.effects, first.risks) == ("z", (Effect.DESTROY,), (RiskLevel.HIGH,))
    assert first.by == ("group:money", "owner", "role:admin")
    assert first.escalate == (Step(after_s=9, to=("zoe",)),)
    assert (first.quorum, first.on_expiry, first.expires_s) == (2, Unanswered.ALLOW, 60)
    assert (then.tools, then.objections, then.tenants, then.agents) == (
        *(("x",), ("shop.large",)),
        *(("t",), ("a",)),
    )
    assert found.groups == {"money": ("mia", "leo")}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{by: ['group:mony']}", "no group `mony`"),
        ("{by: [mia], escalate: [{after_s: 9, to: ['group:x']}]}", "no group `x`"),
        ("{escalate: [{after_s: 9, to: [mia]}]}", "`by` names nobody"),
        ("{by: ['role:viewer']}", "an operator, `group:NAME`"),
        ("{quorum: 0}", "quorum"),
        ("{on_expiry: maybe}", "not possible here"),
        ("{quorums: 2}", "unknown key"),
    ],
)
def test_a_rule_that_means_nobody_is_refused_where_it_stands(rule, says):
    with pytest.raises(ConfigInvalid) as caught:
        read(f"  groups: {{money: [mia]}}\n  rules: {{r: {rule}}}\n")
    assert says in str(caught.value)
