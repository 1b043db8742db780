"""From a request for a session to its draft: the configuration, tightened, never loosened."""

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import msgspec

from holdfast.apps.control.sessions.lifting import check_servers, lifted
from holdfast.apps.control.sessions.schemas import AgentFile, Cap, OpenSession
from holdfast.compose.config import AgentConfig, Config, SessionPlan, parse_agent, resolve
from holdfast.core.context import ContextSettings
from holdfast.core.place import folder_fault
from holdfast.core.runs import RetrySettings
from holdfast.core.scopes import scope_fault
from holdfast.errors import InvalidRequest
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.money import parse_usd
from holdfast.model.sessions import Session, SessionState

_NS = 1_000_000_000
_MONEY = (Dimension.USD, Dimension.USD_IN, Dimension.USD_OUT)
_DOLLARS = re.compile(r"\$?[0-9]{1,9}(\.[0-9]{1,9})?")
_MAX_PIECES = 10**15


class Planned(NamedTuple):
    """A session's plan, and what an agent file that was sent lifts; empty when nothing."""

    plan: SessionPlan
    lifts: str = ""


def planned(config: Config, asked: OpenSession, *, at_a_worker: bool = False) -> Planned:
    """The session's plan; `at_a_worker` says that what the agent names is run by our own process.

    Errors: InvalidRequest, NotFound, ConfigInvalid.
    """
    agent: str | AgentConfig = asked.agent
    if bool(asked.agent) == (asked.agent_file is not None):
        raise InvalidRequest("a session needs either `agent` or `agent_file`", field="agent")
    if asked.agent_file is not None:
        agent = _agent_of(config, asked.agent_file)
        if at_a_worker:
            check_servers(config, agent)
    plan = resolve(
        config,
        agent=agent,
        user=asked.user,
        tenant=asked.tenant,
        project=asked.project,
        task=asked.task,
        profile=asked.profile,
    )
    lifts = lifted(config, agent, plan) if isinstance(agent, AgentConfig) else ""
    changes: dict[str, object] = {"limits": tightened(plan.limits, caps_of(asked.limits))}
    if asked.agent_file is not None:
        # The configuration alone no longer says what governs this session.
        digest = hashlib.sha256(asked.agent_file.text.encode()).hexdigest()
        changes["config_version"] = f"{plan.config_version}+agent:{digest}"
    return Planned(msgspec.structs.replace(plan, **changes), lifts)


def draft(plan: SessionPlan, asked: OpenSession) -> Session:
    """What `Sessions.open` takes: without ids, `expires_at_ns` counted from the opening.

    Errors: InvalidRequest for a scope that cannot be held, and for a folder that is none.
    """
    if fault := folder_fault(asked.folder):
        raise InvalidRequest(fault, field="folder")
    context = msgspec.convert(plan.context, ContextSettings)
    ttl_s = min(plan.session_ttl_s, plan.loop.wall_clock_s)
    if asked.ttl_s is not None:
        ttl_s = min(ttl_s, asked.ttl_s)
    return Session(
        session_id="",
        principal=plan.principal(""),
        state=SessionState.ACTIVE,
        opened_at_ns=0,
        expires_at_ns=ttl_s * _NS,
        token_digest="",
        limits=plan.limits,
        loop=plan.loop,
        task_attributes=plan.task_attributes,
        tenant_attributes=plan.tenant_attributes,
        allowed_tools=plan.allowed_tools,
        allowed_models=plan.allowed_models,
        max_output_tokens=plan.max_output_tokens,
        parent=asked.parent,
        upstream=plan.upstream,
        config_version=plan.config_version,
        scopes=_scopes(plan, asked),
        folder=asked.folder,
        sandboxed=asked.sandboxed,
        # Its MCP servers run outside of the sandbox, as whoever opened it.
        sealed=asked.sealed and not plan.mcp_servers,
        parks=msgspec.convert(plan.retries, RetrySettings).on_budget == "park",
        context_window_tokens=context.window_tokens,
        context_alert_percent=context.alert_percent,
        task_text=plan.task_text,
    )


def _scopes(plan: SessionPlan, asked: OpenSession) -> tuple[dict[str, tuple[str, ...]], ...]:
    """The task's own, and what was asked for on top of it: both have to hold."""
    wanted = {name: tuple(patterns) for name, patterns in asked.scope.items()}
    if fault := scope_fault(wanted):
        raise InvalidRequest(fault, field="scope")
    return tuple(scope for scope in (plan.scope, wanted) if scope)


def tightened(limits: tuple[Limit, ...], caps: dict[Dimension, int]) -> tuple[Limit, ...]:
    """The limits with the session's caps over its life lowered, and added where there is none."""
    left = dict(caps)
    found: list[Limit] = []
    for limit in limits:
        mine = limit.scope is Scope.SESSION and limit.window is Window.LIFE
        cap = left.pop(limit.dimension, None) if mine else None
        if cap is None or cap >= limit.amount:
            # The configuration's own, one for all sessions.
            found.append(limit)
        else:
            found.append(msgspec.structs.replace(limit, amount=cap))
    found += [
        Limit(scope=Scope.SESSION, dimension=dimension, window=Window.LIFE, amount=amount)
        for dimension, amount in left.items()
    ]
    order = list(Scope)
    return tuple(sorted(found, key=lambda x: order.index(x.scope)))


def _agent_of(config: Config, file: AgentFile) -> AgentConfig:
    agent = parse_agent(file.text.encode(), Path(file.name), config)
    known = config.agents.get(agent.name)
    if agent.hooks is not None and (known is None or agent.hooks != known.hooks):
        # Hooks are code of the server, loaded when it starts; left out in silence they would
        # look as if they guarded something.
        raise InvalidRequest(
            "an agent file that is sent cannot bring hooks: name the agent in holdfast.yaml",
            field="agent_file.hooks",
        )
    return agent


def caps_of(limits: Mapping[Dimension, Cap]) -> dict[Dimension, int]:
    """Caps as the ledger counts them. Errors: InvalidRequest."""
    return {dimension: _amount(dimension, cap) for dimension, cap in limits.items()}


def _amount(dimension: Dimension, cap: Cap) -> int:
    field = f"limits.{dimension}"
    if dimension not in _MONEY:
        if isinstance(cap, int) and 0 <= cap <= _MAX_PIECES:
            return cap
        raise InvalidRequest(f"`{field}` is a whole number from 0 to {_MAX_PIECES}", field=field)
    text = str(cap)
    if isinstance(cap, float) and isfinite(cap):
        text = format(Decimal(repr(cap)), "f")
    if not _DOLLARS.fullmatch(text):
        raise InvalidRequest(
            f'`{field}` is dollars such as "0.50", under a billion and no finer than a nano-dollar',
            field=field,
        )
    return parse_usd(text)
