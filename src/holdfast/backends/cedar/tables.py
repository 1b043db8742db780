"""Decision tables: `tests/*.yaml` beside the policies, each case one question and its verdict.

A file is `cases: [{name, given, call, expect, rule}]`. `given` may set roles, trust, user, agent,
project, session, task (attributes), tenant (attributes), tenant_name, tags, tainted, risk and
effect; `call` names the tool, its input and resource. What is left out is the mildest: no roles,
semi_autonomous trust, and resource, risk and effect as the contract declares them.
"""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from holdfast.backends.cedar.bundle import Bundle
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.inputs import PolicyInputs
from holdfast.core.resources import resource_of
from holdfast.model.decisions import PolicyRequest, Verdict
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Contract, Effect
from holdfast.model.views.policies import PolicyFinding

MAX_TABLE_BYTES = 4 * 1024 * 1024


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The session and task that ask."""

    roles: tuple[str, ...] = ()
    trust: TrustLevel = TrustLevel.SEMI_AUTONOMOUS
    user: str = "user"
    agent: str = "agent"
    project: str = "project"
    session: str = "session"
    tenant_name: str = "tenant"
    task: dict[str, Any] = {}
    tenant: dict[str, Any] = {}
    tags: dict[str, str] = {}
    tainted: bool = False
    risk: str = ""
    effect: Effect | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for."""

    tool: str
    input: dict[str, Any] = {}
    resource: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row; `rule` also asks that this rule was among those that decided."""

    name: str
    call: Call
    expect: Verdict
    given: Given = Given()
    rule: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    cases: tuple[Case, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One case decided; `fault` is empty when it came out as expected."""

    file: str
    name: str
    fault: str


def run_tables(
    folder: Path, bundle: Bundle, inputs: PolicyInputs
) -> tuple[tuple[Outcome, ...], tuple[PolicyFinding, ...]]:
    """Every case of `folder/*.yaml`, and the files that cannot be read."""
    contracts = {contract.name: contract for contract in inputs.contracts}
    outcomes: list[Outcome] = []
    findings: list[PolicyFinding] = []
    for path in sorted(folder.glob("*.yaml")):
        table = _read(path)
        if isinstance(table, PolicyFinding):
            findings.append(table)
            continue
        for case in table.cases:
            fault = _fault(bundle, case, contracts.get(case.call.tool))
            outcomes.append(Outcome(file=path.name, name=case.name, fault=fault))
    return tuple(outcomes), tuple(findings)


def _read(path: Path) -> Table | PolicyFinding:
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            return PolicyFinding(path.name, 0, "", "table", "the file is too large")
        content = yaml.safe_load(path.read_bytes())
        return msgspec.convert(content, Table)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 0
        return PolicyFinding(path.name, line, "", "table", str(fault.problem))
    except (OSError, yaml.YAMLError, msgspec.ValidationError, RecursionError) as fault:
        return PolicyFinding(path.name, 0, "", "table", " ".join(str(fault).split()))


def _fault(bundle: Bundle, case: Case, contract: Contract | None) -> str:
    answer = decide(bundle, _request(case, contract))
    if answer.verdict is not case.expect:
        by = f" by {', '.join(answer.rules)}" if answer.rules else ""
        text = f": {answer.text}" if answer.text else ""
        return f"expected {case.expect}, got {answer.verdict}{by}{text}"
    if case.rule and case.rule not in answer.rules:
        return f"expected {case.rule} to decide, got {', '.join(answer.rules) or 'no rule'}"
    return ""


def _named(call: Call, contract: Contract | None) -> str:
    """The resource that the guard would name; none where the arguments name none."""
    made = resource_of(contract, call.input) if contract else ""
    return made if isinstance(made, str) else ""


def _request(case: Case, contract: Contract | None) -> PolicyRequest:
    given = case.given
    risk = contract.risk if contract else RiskLevel.HIGH
    effect = contract.effect if contract else Effect.COMMIT
    return PolicyRequest(
        tenant=given.tenant_name,
        project=given.project,
        user=given.user,
        agent=given.agent,
        session=given.session,
        roles=given.roles,
        trust=given.trust,
        action=case.call.tool,
        resource=case.call.resource or _named(case.call, contract),
        input=case.call.input,
        task_id="task",
        task=given.task,
        tenant_attributes=given.tenant,
        resource_tags=given.tags,
        risk=given.risk or risk.name,
        effect=given.effect or effect,
        tainted=given.tainted,
        at_ns=0,
    )
