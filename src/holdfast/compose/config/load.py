"""From files to a checked Config; every fault of every file is reported at once.

Not here: the grammar (`layout`), YAML (`nodes`), what a session gets out of it (`resolve`).
"""

import hashlib
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from holdfast.compose.config.layout import (
    AGENT,
    AGENT_FILE_EXTRA,
    SETTINGS,
)
from holdfast.compose.config.limits import compile_loop
from holdfast.compose.config.model import (
    AgentConfig,
    Config,
    Implementation,
    Project,
    Settings,
    Tenant,
    UpstreamConfig,
    User,
)
from holdfast.compose.config.names import ID_PATTERN
from holdfast.compose.config.nodes import MAX_FILE_BYTES, parse_yaml
from holdfast.compose.config.policy_inputs import conflicting_types
from holdfast.compose.config.problems import Problem, key_path, quoted, refuse, suggestion
from holdfast.compose.config.shapes import INVALID, Reading
from holdfast.compose.config.tool_checks import enforced
from holdfast.compose.tool_modules import described as described_tools
from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.errors import ConfigInvalid
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import SessionProfile
from holdfast.model.tools import Contract
from holdfast.model.users import EVERYONE
from holdfast.tools.describe import Described

SOLE = "default"
BUILTIN: Mapping[str, Contract] = {contract.name: contract for contract in BUILTIN_TOOLS}
_HOOK_POINTS = ("pre_tool", "post_tool", "on_context_overflow", "on_error")
_SOLE_PROJECT = {SOLE: Project()}


class _Loaded(msgspec.Struct, frozen=True):
    """What was read of an agent, with the reading that knows where its keys stand."""

    agent: Any
    reading: Reading
    path: str


def load_config(
    path: Path,
    *,
    builtin: Mapping[str, Contract] = BUILTIN,
    imports: bool = True,
    registers: bool = True,
) -> Config:
    """The settings in a file and in the agent files it names.

    `builtin` holds the contracts of tools that need no declaration; a declared one takes their
    place. Without `imports` no code of the project runs: `unread` names the modules whose tools are
    left out then, with those that agents are granted of them. Without `registers` tools that fall
    short of the standard are there, for whoever says so. Errors: ConfigInvalid naming every
    problem as `file:line:column: key path: …`.
    """
    problems: list[Problem] = []
    content = _content(path, str(path), problems)
    if content is None:
        refuse(problems)
    return _load(path, content, builtin, imports=imports, registers=registers)


def parse_config(
    content: bytes, path: Path, *, builtin: Mapping[str, Contract] = BUILTIN
) -> Config:
    """As `load_config`, of content that is already here; `path` names it and anchors paths."""
    return _load(path, content, builtin)


def load_agent(path: Path, config: Config) -> AgentConfig:
    """One agent file, checked against a configuration.

    Errors: ConfigInvalid as in `load_config`.
    """
    problems: list[Problem] = []
    content = _content(path, str(path), problems)
    if content is None:
        refuse(problems)
    return parse_agent(content, path, config)


def parse_agent(content: bytes, path: Path, config: Config) -> AgentConfig:
    """As `load_agent`, of content that is already here."""
    problems: list[Problem] = []
    loaded = _agent_file(content, path, path.stem, problems)
    names = {"tool": frozenset(config.tools), "upstream": frozenset(config.upstreams)}
    loaded.reading.check_references(names)
    if isinstance(loaded.agent, AgentConfig):
        _check_agent(loaded.agent, loaded, config)
    if problems or not isinstance(loaded.agent, AgentConfig):
        refuse(problems)
    return _with_upstream(loaded.agent, config.upstreams)


def _content(path: Path, file: str, problems: list[Problem]) -> bytes | None:
    try:
        if stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as stream:
                return stream.read(MAX_FILE_BYTES + 1)
        why = "this is not a file"
    except (OSError, ValueError) as fault:
        why = (getattr(fault, "strerror", None) or "the path cannot be read").lower()
    problems.append(Problem(file, 1, 1, "", why))
    return None


def _load(
    path: Path,
    content: bytes,
    builtin: Mapping[str, Contract],
    *,
    imports: bool = True,
    registers: bool = True,
) -> Config:
    problems: list[Problem] = []
    digest = hashlib.sha256(content)
    reading = Reading(str(path), problems)
    root = parse_yaml(content, str(path), problems)
    if root is None:
        refuse(problems)
    settings = SETTINGS.read(root, reading, "")
    reading.names.setdefault("tenant", {SOLE})
    if "upstream" not in reading.names:
        reading.names["upstream"] = {UpstreamConfig().name}
    names = {kind: frozenset(found) for kind, found in reading.names.items()}
    unread = settings.tool_modules if isinstance(settings, Settings) and not imports else ()
    described = {} if unread else _modules(settings, path, reading)
    if unread:
        _leave_tools_open(reading)
    names["tool"] = names.get("tool", frozenset()) | frozenset(builtin) | frozenset(described)
    reading.check_references(names)
    files: dict[str, _Loaded] = {}
    for name, file in reading.files.items():
        loaded = _pointed(name, file, path, reading, digest)
        if loaded is not None:
            if unread:
                _leave_tools_open(loaded.reading)
            loaded.reading.check_references(names)
            files[name] = loaded
    if problems or not isinstance(settings, Settings):
        refuse(problems)
    for one in described.values():
        digest.update(msgspec.json.encode(one.contract, order="deterministic"))
    config = _assembled(
        path, settings, files, builtin, described, digest.hexdigest(), reading.files.values()
    )
    _check_whole(config, reading, files)
    if registers:
        _check_tools(config, reading)
    if problems:
        refuse(problems)
    return _without_unread(config, unread)


def _leave_tools_open(reading: Reading) -> None:
    """Which names the modules would have brought is not known."""
    reading.references[:] = [one for one in reading.references if one.kind != "tool"]


def _without_unread(config: Config, unread: tuple[str, ...]) -> Config:
    """Agents without the tools that nobody looked at."""
    if not unread:
        return config
    agents = {
        name: msgspec.structs.replace(
            agent, tools=tuple(tool for tool in agent.tools if tool in config.tools)
        )
        for name, agent in config.agents.items()
    }
    return msgspec.structs.replace(config, agents=agents, unread=unread)


def _modules(settings: Any, path: Path, reading: Reading) -> dict[str, Described]:
    """The tools of the Python modules, by name; a module that does not load is a problem."""
    if not isinstance(settings, Settings) or not settings.tool_modules:
        return {}
    try:
        found = described_tools(path.absolute().parent, settings.tool_modules)
    except ConfigInvalid as fault:
        reading.problem_at("tool_modules", fault.message.removeprefix("tool_modules: "))
        _leave_tools_open(reading)
        return {}
    return {one.contract.name: one for one in found}


def _pointed(
    name: str, file: str, path: Path, reading: Reading, digest: "hashlib._Hash"
) -> _Loaded | None:
    """The agent in a file of its own; what is wrong with the pointer is told at the pointer."""
    where = path.parent / file
    unread: list[Problem] = []
    content = _content(where, str(where), unread)
    if content is None:
        text = f"cannot read {quoted(file)}: {unread[0].text}"
        reading.problem_at(f"{key_path('agents', name)}.file", text)
        return None
    digest.update(hashlib.sha256(content).digest())
    loaded = _agent_file(content, where, name, reading.problems)
    if isinstance(loaded.agent, AgentConfig) and loaded.agent.name != name:
        loaded.reading.problem_at(
            "name", f"expected {quoted(name)}, as the file that names it says"
        )
    return loaded


def _agent_file(content: bytes, path: Path, name: str, problems: list[Problem]) -> _Loaded:
    reading = Reading(str(path), problems)
    root = parse_yaml(content, str(path), problems)
    if root is None:
        return _Loaded(INVALID, reading, "")
    extra: dict[str, Any] = {}
    for key, value in root.entries:
        if key.text in AGENT_FILE_EXTRA:
            reading.places[key.text] = key
            extra[key.text] = AGENT_FILE_EXTRA[key.text].shape.read(value, reading, key.text)
    kept = tuple(entry for entry in root.entries if entry[0].text not in extra)
    if "name" not in extra and not re.fullmatch(ID_PATTERN[1:-1], name):
        reading.problem(root, "name", f"the file's name {quoted(name)} is no name: set `name`")
    named = extra.get("name", name)
    agent = AGENT.read_named(msgspec.structs.replace(root, entries=kept), reading, "", named)
    return _Loaded(INVALID if INVALID in extra.values() else agent, reading, "")


def _assembled(
    path: Path,
    settings: Settings,
    files: Mapping[str, _Loaded],
    builtin: Mapping[str, Contract],
    described: Mapping[str, Described],
    digest: str,
    agent_files: Iterable[str],
) -> Config:
    ours = {name: one.contract for name, one in described.items()}
    python = {name: Implementation(python=one.target) for name, one in described.items()}
    root = path.absolute().parent
    tls = settings.server.tls
    agents = {
        name: files[name].agent if name in files else agent
        for name, agent in settings.agents.items()
    }
    upstreams = settings.upstreams or {UpstreamConfig().name: UpstreamConfig()}
    return Config(
        path=path.absolute(),
        version=f"sha256:{digest}",
        server=settings.server,
        gateway=settings.gateway,
        store=settings.store,
        state_path=root / settings.server.state_dir,
        policies_path=root / settings.policies,
        upstreams=upstreams,
        prices=settings.prices,
        defaults=settings.defaults,
        tenants=_tenants(settings.tenants),
        tasks=settings.tasks,
        agents={name: _with_upstream(agent, upstreams) for name, agent in agents.items()},
        tools={**builtin, **ours, **_replaced(settings.tools, builtin)},
        declared_tools=frozenset(settings.tools) | frozenset(ours),
        implementations={**python, **settings.implementations},
        tool_standard=settings.tool_standard,
        runs=settings.runs,
        approvals=settings.approvals,
        retention=settings.retention,
        operators=settings.operators,
        files=settings.files,
        sign_in=settings.sign_in,
        hooks=settings.hooks,
        telemetry=settings.telemetry,
        alerts=settings.alerts,
        slack=settings.slack,
        agent_files=tuple(root / file for file in agent_files),
        code=_code(settings, agents),
        tls_cert_path=root / tls.cert if tls else None,
        tls_key_path=root / tls.key if tls else None,
    )


def _code(settings: Settings, agents: Mapping[str, AgentConfig]) -> tuple[str, ...]:
    """Names of the modules that hold hooks, tools and their implementations."""
    hooks = (settings.hooks, *(agent.hooks for agent in agents.values() if agent.hooks))
    named = [
        *settings.tool_modules,
        *(name for one in hooks for point in _HOOK_POINTS for name in getattr(one, point)),
        *(one.python for one in settings.implementations.values() if one.python),
        *(one.probe for one in settings.implementations.values() if one.probe),
    ]
    return tuple(dict.fromkeys(name.partition(":")[0] for name in named))


def _tenants(declared: dict[str, Tenant]) -> dict[str, Tenant]:
    """One tenant for everyone when the file names none; a project for each that names none."""
    if not declared:
        return {SOLE: Tenant(projects={SOLE: Project()}, users={EVERYONE: User()})}
    return {
        name: tenant if tenant.projects else msgspec.structs.replace(tenant, projects=_SOLE_PROJECT)
        for name, tenant in declared.items()
    }


def _replaced(
    declared: Mapping[str, Contract], builtin: Mapping[str, Contract]
) -> dict[str, Contract]:
    """Declared contracts; one in place of a built-in says what is one effect as that one does.

    What a built-in does depends on more than its arguments: the same command after an edit has to
    run again, and must not be answered with what the ledger kept of the first.
    """
    return {
        name: msgspec.structs.replace(contract, effect_key=builtin[name].effect_key)
        if name in builtin and contract.effect_key is None
        else contract
        for name, contract in declared.items()
    }


def _with_upstream(agent: AgentConfig, upstreams: Mapping[str, UpstreamConfig]) -> AgentConfig:
    """Fill in the upstream that goes without saying; left empty where there is none."""
    if agent.upstream:
        return agent
    usual = UpstreamConfig().name
    implied = next(iter(upstreams)) if len(upstreams) == 1 else usual
    return msgspec.structs.replace(agent, upstream=implied if implied in upstreams else "")


def _check_whole(config: Config, reading: Reading, files: Mapping[str, _Loaded]) -> None:
    _, fault = compile_loop(config.defaults.loop)
    if fault:
        reading.problem_at("defaults.loop", fault)
        return
    kept = config.retention
    if kept.effects_days is not None and kept.effects_days < (kept.sessions_days or 0):
        text = "effects are kept at least as long as sessions: a run done again needs them"
        reading.problem_at("retention.effects_days", text)
    for name, agent in config.agents.items():
        _check_agent(
            agent, files.get(name, _Loaded(agent, reading, key_path("agents", name))), config
        )
    for owner, kind, text in conflicting_types(config):
        reading.problem_at(f"{owner}.attributes.{kind}", text)


def _check_tools(config: Config, reading: Reading) -> None:
    for short in enforced(config):
        own = key_path("tools", short.tool)
        where = own if own in reading.places else "tool_modules"
        reading.problem_at(where, f"{quoted(short.tool)} [{short.rule}]: {short.text}; {short.fix}")


def _check_agent(agent: AgentConfig, loaded: _Loaded, config: Config) -> None:
    """What only the whole configuration can tell about one agent."""
    prefix = f"{loaded.path}." if loaded.path else ""
    profile = agent.profile or SessionProfile.AUTONOMOUS
    _, fault = compile_loop(config.defaults.loop, agent.loop, profile)
    if fault:
        loaded.reading.problem_at(f"{prefix}loop", fault)
    for index, tool in enumerate(agent.tools):
        contract = config.tools.get(tool)
        if contract is not None and contract.risk is RiskLevel.BLOCK:
            text = f"{quoted(tool)} is classed BLOCK and is never given to an agent"
            loaded.reading.problem_at(f"{prefix}tools[{index}]", text)
    if not agent.upstream and not _with_upstream(agent, config.upstreams).upstream:
        text = "the key `upstream` is missing: there are several"
        loaded.reading.problem_at(f"{prefix}upstream", text + suggestion("", config.upstreams))
