"""Which of the five week-one controls stand in a project's settings: a check, not a drill.

It reads `holdfast.yaml`, the policies and their decision tables, and tells for each control
whether it is present, weak or missing, why, and how to mend it. It proves nothing about a running
server: a drill attacks a control, this only looks at what is declared.
"""

import enum
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from holdfast.backends.cedar.bundle import assemble
from holdfast.backends.cedar.inputs import PolicyInputs
from holdfast.backends.cedar.sources import parse, read_sources
from holdfast.backends.cedar.tables import run_tables
from holdfast.compose import hooks, readiness
from holdfast.compose.config.limits import MONEY
from holdfast.compose.config.load import load_config
from holdfast.compose.config.model import AgentConfig, Config
from holdfast.compose.config.names import is_loopback
from holdfast.compose.config.policy_inputs import policy_inputs
from holdfast.compose.config.resolve import limits_of, loop_of
from holdfast.compose.identity import issuer_note
from holdfast.core.contract_lint import lint
from holdfast.core.risk.gate import gate
from holdfast.core.risk.registry import Risk
from holdfast.errors import ConfigInvalid
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.money import format_usd
from holdfast.model.principals import TrustLevel
from holdfast.model.risk import RiskReason
from holdfast.model.tools import Contract, Effect

CONFIG_NAME = "holdfast.yaml"
NEEDED = 3
_NAMED = 5


class Standing(enum.StrEnum):
    """How a control stands; only `present` counts."""

    PRESENT = "present"
    WEAK = "weak"
    MISSING = "missing"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One control: `why` says what was seen, `fix` what to do, both empty of nothing to say."""

    name: str
    title: str
    standing: Standing
    why: str
    fix: str = ""


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True):
    """Five controls; `ok` when at least three are present, and nothing lets no agent work.

    That is what `faults` says (`readiness`); `notes` are not counted.

    `caps` are every limit that holds, a line an owner, as `session of NAME: usd 5.00, …`.
    """

    ok: bool
    present: int
    controls: tuple[Control, ...]
    notes: tuple[str, ...] = ()
    caps: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    scope: str = "this checks settings; it attacks nothing and is not a drill"


class PolicyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the policies folder holds: the operator's own rules, faults, and tested cases.

    `permitted` names the tools of agents that a rule may permit, `asking` those for which a rule
    of the operator may ask or forbid.
    """

    permitted: frozenset[str] = frozenset()
    asking: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()
    cases: int = 0
    failed_cases: tuple[str, ...] = ()


class FolderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the project's folders hold; `shared`: who looks owns the state, or could take it."""

    policies: PolicyFacts
    state_writable: bool
    tls_readable: bool
    shared: bool = False


def doctor(project_dir: Path, *, imports: bool = False) -> DoctorReport:
    """Check the project in a folder; never raises for what the project holds.

    No code of the project runs, but for the modules of its tools and hooks with `imports`.
    """
    path = project_dir / CONFIG_NAME
    if not os.access(path, os.F_OK):
        return _nothing(f"there is no {CONFIG_NAME} in this folder", f"write a {CONFIG_NAME}")
    try:
        config = load_config(path, imports=imports)
    except ConfigInvalid as fault:
        first = fault.message.splitlines()[0]
        return _nothing(f"the settings do not hold: {first}", "mend what the message names")
    report = examine(config, folder_facts(config))
    faults = (*readiness.faults(config), *hooks.unfit(config, imports=imports))
    issuer = issuer_note(config.sign_in)
    notes = (*report.notes, issuer) if issuer else report.notes
    return msgspec.structs.replace(report, ok=report.ok and not faults, faults=faults, notes=notes)


def examine(config: Config, facts: FolderFacts) -> DoctorReport:
    """The five controls of a loaded configuration."""
    agents = tuple(config.agents.values())
    if not agents:
        return _nothing("no agent is declared, so there is nothing to control", "declare an agent")
    controls = (
        _spend(config, agents),
        _permissions(config, agents, facts.policies),
        _loops(config, agents),
        _audit(config, facts),
        _risk(config, agents, facts.policies),
    )
    present = sum(control.standing is Standing.PRESENT for control in controls)
    shared = readiness.SHARED if facts.shared else ""
    told = (readiness.unread(config), readiness.unsandboxed(config), shared)
    notes = (*(note for note in told if note), *_lint_notes(config), *_hook_notes(config))
    return DoctorReport(
        ok=present >= NEEDED,
        present=present,
        controls=controls,
        notes=notes,
        caps=_caps(config, agents),
    )


def _hook_notes(config: Config) -> tuple[str, ...]:
    """What doors make of hooks whose moment they do not own; nothing where there is no hook."""
    if not hooks.named(config):
        return ()
    return tuple(f"hooks at the door {door}: {text}" for door, text in hooks.WITHOUT.items())


def folder_facts(config: Config) -> FolderFacts:
    """Look at the folders that the configuration names; changes nothing."""
    parent = config.state_path
    while not os.access(parent, os.F_OK) and parent != parent.parent:
        parent = parent.parent
    pems = [path for path in (config.tls_cert_path, config.tls_key_path) if path is not None]
    return FolderFacts(
        policies=_policy_facts(config),
        state_writable=parent.is_dir() and os.access(parent, os.W_OK | os.X_OK),
        tls_readable=bool(pems) and all(os.access(path, os.R_OK) for path in pems),
        shared=os.geteuid() in (0, parent.stat().st_uid),
    )


def _policy_facts(config: Config) -> PolicyFacts:
    inputs = msgspec.json.decode(policy_inputs(config), type=PolicyInputs)
    own, unreadable = read_sources(config.policies_path, baseline=False)
    every, _ = read_sources(config.policies_path, baseline=True)
    if not own:
        return PolicyFacts(faults=tuple(str(finding) for finding in unreadable))
    loaded = assemble(inputs, every)
    if loaded.bundle is None or unreadable:
        found = (*unreadable, *loaded.findings)
        return PolicyFacts(faults=tuple(str(finding) for finding in found))
    outcomes, unread = run_tables(config.policies_path / "tests", loaded.bundle, inputs)
    failed = [f"{case.file}: {case.name}" for case in outcomes if case.fault]
    used = {tool for agent in config.agents.values() for tool in agent.tools}
    ids = {rule.id for rule in parse(own)[0]}
    mine = {tool: [r for r in loaded.bundle.rules_for(tool) if r.id in ids] for tool in used}
    return PolicyFacts(
        permitted=frozenset(tool for tool in used if any(r.permits for r in mine[tool])),
        asking=frozenset(tool for tool in used if any(not r.permits for r in mine[tool])),
        cases=len(outcomes),
        failed_cases=(*failed, *(str(finding) for finding in unread)),
    )


_TITLES = {
    "spend": "hard spend caps on session, user and tenant",
    "permissions": "tool permissions decided by tested policies",
    "loops": "limits on turns, tool calls and time",
    "audit": "a journal that can be written, and a kill that can be reached",
    "risk": "dangerous tools wait for a person",
}


def _control(name: str, standing: Standing, why: str, fix: str = "") -> Control:
    return Control(name=name, title=_TITLES[name], standing=standing, why=why, fix=fix)


def _nothing(why: str, fix: str) -> DoctorReport:
    controls = tuple(_control(name, Standing.MISSING, why, fix) for name in _TITLES)
    return DoctorReport(ok=False, present=0, controls=controls)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _spend(config: Config, agents: Sequence[AgentConfig]) -> Control:
    """Every owner of every scope must have a cap in dollars: one without is the way out."""
    bare = [f"sessions of {a.name}" for a in agents if not _capped(_session(config, a))]
    shared: list[str] = []
    for name, tenant in config.tenants.items():
        if not _capped(limits_of(config, Scope.TENANT, tenant.limits)):
            shared.append(f"tenant {name}")
        for user, person in tenant.users.items():
            if not _capped(limits_of(config, Scope.USER, person.limits)):
                shared.append(f"user {user} of {name}")
    if bare:
        why = f"no cap in dollars on {_named(bare)}"
        return _control("spend", Standing.MISSING, why, "set `limits: {usd: …}` on the agent")
    if shared:
        why = f"sessions are capped, but not {_named(shared)}"
        return _control("spend", Standing.WEAK, why, "set `limits: {usd: {day: …}}` on each")
    return _control(
        "spend", Standing.PRESENT, "every session, user and tenant has a cap in dollars"
    )


def _session(config: Config, agent: AgentConfig) -> tuple[Limit, ...]:
    return limits_of(config, Scope.SESSION, agent.limits)


def _capped(limits: Sequence[Limit]) -> bool:
    found = {limit.dimension for limit in limits} & set(MONEY)
    return Dimension.USD in found or {Dimension.USD_IN, Dimension.USD_OUT} <= found


def _permissions(config: Config, agents: Sequence[AgentConfig], policies: PolicyFacts) -> Control:
    used = sorted({tool for agent in agents for tool in agent.tools})
    unpermitted = [tool for tool in used if tool not in policies.permitted]
    foreign = [agent.name for agent in agents if agent.mcp_servers and not agent.tools]
    if policies.faults:
        why = f"the policies do not hold: {policies.faults[0]}"
        return _control("permissions", Standing.MISSING, why, "run `holdfast policy check`")
    if not policies.permitted:
        why = "no policy permits a tool that an agent names, so every call is refused"
        fix = f"write Cedar rules in {config.policies_path.name}"
        return _control("permissions", Standing.MISSING, why, fix)
    if policies.failed_cases:
        why = f"decision tables fail: {_named(policies.failed_cases)}"
        return _control("permissions", Standing.WEAK, why, "run `holdfast policy test`")
    if not policies.cases:
        why = "the policies have no decision tables, so nobody tried what they forbid"
        fix = f"write cases in {config.policies_path.name}/tests"
        return _control("permissions", Standing.WEAK, why, fix)
    if unpermitted:
        why = f"agents name tools that no policy permits: {_named(unpermitted)}"
        return _control("permissions", Standing.WEAK, why, "permit them, or take them away")
    if foreign:
        why = f"MCP servers without any declared tool on {_named(foreign)}"
        return _control("permissions", Standing.WEAK, why, "list the agent's `tools` and contracts")
    why = f"rules for all {len(used)} tools, {policies.cases} cases decided as expected"
    return _control("permissions", Standing.PRESENT, why)


_LOOSE = {"max_turns": 1000, "max_tool_calls": 1000, "wall_clock_s": 86_400}


def _loops(config: Config, agents: Sequence[AgentConfig]) -> Control:
    """The loop guard cannot be switched off, only set so high that it no longer guards."""
    loose: list[str] = []
    for agent in agents:
        loop = loop_of(config, agent)
        loose += [
            f"{agent.name}: {name}" for name, most in _LOOSE.items() if getattr(loop, name) > most
        ]
    if loose:
        fix = "lower them: " + ", ".join(f"{name} to {most}" for name, most in _LOOSE.items())
        return _control("loops", Standing.WEAK, f"too high to guard: {_named(loose)}", fix)
    return _control("loops", Standing.PRESENT, "turns, tool calls and wall clock are limited")


def _audit(config: Config, facts: FolderFacts) -> Control:
    server = config.server
    if not facts.state_writable:
        why = f"the journal's folder {server.state_dir} cannot be written"
        return _control("audit", Standing.MISSING, why, "make it writable, or move `state_dir`")
    if server.tls is not None and not facts.tls_readable:
        why = "the TLS certificate or key cannot be read, so the server will not start"
        return _control("audit", Standing.MISSING, why, "mend the paths under `server.tls`")
    if server.tls is None and not is_loopback(server.host):
        why = "the control API answers other machines in clear, kill and tokens included"
        return _control("audit", Standing.WEAK, why, "set `server.tls`, or listen on loopback")
    why = "the journal can be written and the kill is reached over loopback or TLS"
    return _control("audit", Standing.PRESENT, why)


def _risk(config: Config, agents: Sequence[AgentConfig], policies: PolicyFacts) -> Control:
    """What leaves the workspace must be gated at the agent's trust, or by a rule that asks."""
    if not any(agent.tools for agent in agents):
        why = "no agent names a tool, so no risk is registered"
        return _control("risk", Standing.MISSING, why, "declare the tools that agents use")
    unguarded = [
        f"{agent.name}: {tool}"
        for agent in agents
        for tool in agent.tools
        if tool not in policies.asking and not _gated(config.tools[tool], agent.trust)
    ]
    if unguarded:
        why = f"may run without a person: {_named(unguarded)}"
        fix = "class the tool HIGH and the agent below autonomous, or add an `@ask` rule"
        return _control("risk", Standing.WEAK, why, fix)
    return _control(
        "risk", Standing.PRESENT, "tools that commit, send or destroy wait for a person"
    )


def _gated(contract: Contract, trust: TrustLevel) -> bool:
    """Whether the call waits by itself: the shipped policy asks for each destroying call."""
    if contract.effect in (Effect.READ, Effect.WRITE, Effect.DESTROY):
        return True
    if contract.shell and trust is not TrustLevel.AUTONOMOUS:
        return True
    why = RiskReason("risk.registered", contract.risk_reason, contract.risk, contract.name)
    return bool(gate(Risk(contract.risk, (why,)), trust, contract.effect).reasons)


def _caps(config: Config, agents: Sequence[AgentConfig]) -> tuple[str, ...]:
    """Every limit that holds, the narrowest owner first."""
    owners: list[tuple[str, tuple[Limit, ...]]] = [
        (f"task {name}", limits_of(config, Scope.TASK, task.limits))
        for name, task in config.tasks.items()
    ]
    for agent in agents:
        loop, told = loop_of(config, agent), ""
        if loop.each_prompt:
            told = f" ({loop.max_turns} turns for one prompt stop it)"
        held = limits_of(config, Scope.SESSION, agent.limits, loop)
        owners.append((f"session of {agent.name}{told}", held))
    for tenant, owner in config.tenants.items():
        owners += [
            (f"user {name} of {tenant}", limits_of(config, Scope.USER, person.limits))
            for name, person in owner.users.items()
        ]
        owners += [
            (f"project {name} of {tenant}", limits_of(config, Scope.PROJECT, share.limits))
            for name, share in owner.projects.items()
        ]
        owners.append((f"tenant {tenant}", limits_of(config, Scope.TENANT, owner.limits)))
    return tuple(f"{name}: {', '.join(map(_cap, held)) or 'none'}" for name, held in owners)


def _cap(limit: Limit) -> str:
    amount = f"{limit.amount:,}"
    if limit.dimension in MONEY:
        amount = format_usd(limit.amount)
    article = "an" if limit.window is Window.HOUR else "a"
    window = "" if limit.window is Window.LIFE else f" {article} {limit.window.replace('_', ' ')}"
    return f"{limit.dimension} {amount}{window}"


def _lint_notes(config: Config) -> tuple[str, ...]:
    """Where declared contracts fall short of the house's standard."""
    found = [lint(config.tools[name]) for name in sorted(config.declared_tools)]
    return tuple(f"{f.tool}: {f.text} [{f.code}]" for each in found for f in each)
