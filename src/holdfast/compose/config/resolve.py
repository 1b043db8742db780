"""From names to what one session may do: identity, limits, loop guard, attributes, tools.

Pure. The session's id, its token and its times are the server's to give.
"""

import re
from typing import Any

import msgspec

from holdfast.compose.config.attributes import as_json
from holdfast.compose.config.limits import (
    BUILTIN_LIMITS,
    compile_limits,
    compile_loop,
    lifted,
    loop_defaults,
)
from holdfast.compose.config.model import (
    AgentConfig,
    Config,
    Hooks,
    LimitSettings,
    Project,
    Tenant,
    User,
)
from holdfast.compose.config.model import Task as TaskConfig
from holdfast.compose.config.names import ID_PATTERN
from holdfast.compose.config.problems import quoted, suggestion
from holdfast.compose.config.tool_checks import MCP_PREFIX
from holdfast.errors import ConfigInvalid, InvalidRequest, NotFound
from holdfast.model.budgets import Limit, Scope
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.sessions import LoopLimits, SessionProfile
from holdfast.model.users import EVERYONE, user_fault


class SessionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that opening a session takes from the configuration.

    `task` is the kind of work, empty when none was named. `task_instance` tells one task of the
    kind from another; where it is empty, the session is the task. `limits` stand innermost first
    (task, session, user, project, tenant). `task_text` is the task in words.
    """

    tenant: str
    project: str
    user: str
    agent: str
    task: str
    task_instance: str
    roles: tuple[str, ...]
    trust: TrustLevel
    limits: tuple[Limit, ...]
    loop: LoopLimits
    task_attributes: dict[str, Any]
    tenant_attributes: dict[str, Any]
    allowed_tools: tuple[str, ...]
    allowed_models: tuple[str, ...]
    max_output_tokens: int
    session_ttl_s: int
    model: str
    upstream: str
    system_prompt: str
    task_text: str
    hooks: Hooks
    mcp_servers: dict[str, Any]
    config_version: str
    output: dict[str, Any] = {}
    context: dict[str, Any] = {}
    retries: dict[str, Any] = {}
    approvers: tuple[str, ...] = ()
    scope: dict[str, tuple[str, ...]] = {}
    tool_timeout_s: float = 0.0
    approval_wait_s: float = 0.0

    def task_id(self, session: str) -> str:
        """`kind/instance`; the session stands for the instance that was not named."""
        return f"{self.task}/{self.task_instance or session}" if self.task else ""

    def principal(self, session: str) -> Principal:
        """Who acts, once the session has an id."""
        return Principal(
            tenant=self.tenant,
            project=self.project,
            user=self.user,
            agent=self.agent,
            session=session,
            task=self.task_id(session),
            roles=self.roles,
            trust=self.trust,
        )


def resolve(
    config: Config,
    *,
    agent: str | AgentConfig,
    user: str,
    tenant: str = "",
    project: str = "",
    task: str = "",
    profile: SessionProfile | None = None,
) -> SessionPlan:
    """The plan for one session.

    `tenant` and `project` may be left empty where there is only one. `task` is a kind of work
    from `tasks`, or `kind/instance`. `profile` holds where the agent names none.

    Errors: InvalidRequest for a name that cannot be one or is
    missing, NotFound for one that the configuration does not know, ConfigInvalid for an agent
    from elsewhere that does not fit the configuration.
    """
    chosen = _agent(config, agent)
    tenant_name = tenant or _only(config.tenants, "tenant")
    owner: Tenant = _find(config.tenants, tenant_name, "tenant")
    project_name = project or _only(owner.projects, "project")
    share: Project = _find(owner.projects, project_name, "project")
    person = _user(owner, tenant_name, user)
    kind, instance, work = _task(config, task)
    loop = loop_of(config, chosen, profile)
    limits = (
        *(limits_of(config, Scope.TASK, work.limits, loop) if work else ()),
        *limits_of(config, Scope.SESSION, chosen.limits, loop),
        *limits_of(config, Scope.USER, person.limits),
        *limits_of(config, Scope.PROJECT, share.limits),
        *limits_of(config, Scope.TENANT, owner.limits),
    )
    return SessionPlan(
        tenant=tenant_name,
        project=project_name,
        user=user,
        agent=chosen.name,
        task=kind,
        task_instance=instance,
        roles=person.roles,
        trust=chosen.trust,
        limits=limits,
        loop=loop,
        task_attributes=as_json(work.attributes) if work else {},
        tenant_attributes=as_json(owner.attributes),
        allowed_tools=chosen.tools,
        allowed_models=_models(chosen),
        max_output_tokens=chosen.max_output_tokens,
        session_ttl_s=chosen.session_ttl_s or loop.wall_clock_s,
        model=chosen.model,
        upstream=chosen.upstream,
        system_prompt=chosen.system_prompt,
        task_text=work.text() if work else "",
        hooks=chosen.hooks or config.hooks,
        mcp_servers=chosen.mcp_servers,
        config_version=config.version,
        output=chosen.output,
        context=chosen.context,
        retries=chosen.retries,
        approvers=chosen.approvers,
        scope=work.scope if work else {},
        tool_timeout_s=_longest_s(config, chosen),
        approval_wait_s=config.approvals.wait_s,
    )


def _longest_s(config: Config, agent: AgentConfig) -> float:
    """How long the slowest tool of the agent's MCP servers may take; 0 where it has none."""
    found = (config.tools.get(name) for name in agent.tools if name.startswith(MCP_PREFIX))
    return max((contract.timeout_s for contract in found if contract is not None), default=0.0)


def loop_of(
    config: Config, agent: AgentConfig, profile: SessionProfile | None = None
) -> LoopLimits:
    """The loop guard of an agent's sessions; `profile` holds where the agent names none.

    Errors: ConfigInvalid when it contradicts itself.
    """
    profile = agent.profile or profile or SessionProfile.AUTONOMOUS
    loop, fault = compile_loop(config.defaults.loop, agent.loop, profile)
    if fault:
        raise ConfigInvalid(f"agent {quoted(agent.name)}: loop: {fault}")
    return loop


def limits_of(
    config: Config, scope: Scope, own: LimitSettings, loop: LoopLimits | None = None
) -> tuple[Limit, ...]:
    """The limits of one owner: the built-in ones, the file's defaults, then its own.

    A session's turns, tool calls and seconds follow `loop` where nothing else is said; where it
    counts by the prompt, only the owner itself limits turns and calls over a whole life.
    """
    shared: LimitSettings = getattr(config.defaults.limits, scope)
    implied = loop_defaults(loop) if loop and scope is Scope.SESSION else ()
    off = lifted(scope, loop) if loop else ()
    return compile_limits(scope, (BUILTIN_LIMITS[scope], implied, shared, off, own))


def _models(agent: AgentConfig) -> tuple[str, ...]:
    if not agent.models or agent.model in agent.models:
        return agent.models
    return (agent.model, *agent.models)


def _checked(name: str, kind: str) -> str:
    if not name:
        raise InvalidRequest(f"a session needs a {kind}")
    if not re.fullmatch(ID_PATTERN[1:-1], name):
        raise InvalidRequest(
            f"{quoted(name)} cannot be a {kind}: at most 64 letters, digits, `.`, `_`, `@` and "
            "`-`, the first a letter or digit"
        )
    return name


def _find(known: dict[str, Any], name: str, kind: str) -> Any:
    _checked(name, kind)
    if name not in known:
        raise NotFound(f"there is no {kind} {quoted(name)}")
    return known[name]


def _only(known: dict[str, Any], kind: str) -> str:
    if len(known) != 1:
        raise InvalidRequest(f"a session needs a {kind}: there are {len(known)}")
    return next(iter(known))


def _agent(config: Config, agent: str | AgentConfig) -> AgentConfig:
    if isinstance(agent, str):
        found: AgentConfig = _find(config.agents, agent, "agent")
        return found
    _checked(agent.name, "agent")
    unknown = [name for name in agent.tools if name not in config.tools]
    if unknown:
        hint = suggestion(unknown[0], config.tools)
        raise ConfigInvalid(f"agent {quoted(agent.name)}: no tool {quoted(unknown[0])}{hint}")
    if agent.upstream not in config.upstreams:
        raise ConfigInvalid(f"agent {quoted(agent.name)}: no upstream {quoted(agent.upstream)}")
    return agent


def _user(owner: Tenant, tenant: str, user: str) -> User:
    if not user:
        raise InvalidRequest("a session needs a user")
    if fault := user_fault(user):
        raise InvalidRequest(f"{quoted(user)} cannot be a user: {fault}", field="user")
    person = owner.users.get(user) or owner.users.get(EVERYONE)
    if person is None:
        raise NotFound(f"tenant {quoted(tenant)} has no user {quoted(user)} and no `*`")
    return person


def _task(config: Config, task: str) -> tuple[str, str, TaskConfig | None]:
    if not task:
        return "", "", None
    kind, slash, instance = task.partition("/")
    work: TaskConfig = _find(config.tasks, kind, "task")
    if slash:
        _checked(instance, "task instance")
    return kind, instance, work
