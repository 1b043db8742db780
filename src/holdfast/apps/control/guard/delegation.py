"""`POST /v1/guard/delegate` and `/collect`: a session starts children and takes their results.

What the configuration says of a named agent is looked up here. Not here: how much may be handed
on (`core/delegation`), starting and collecting (`runtime/delegation`).
"""

from typing import Any

import msgspec
from starlette.routing import Route

from holdfast.apps.control.answering import Act, answering
from holdfast.apps.control.openapi import verb
from holdfast.apps.control.reading import Intake, Sent, shaped
from holdfast.apps.control.sessions.opening import caps_of
from holdfast.apps.control.sessions.plans import shown
from holdfast.compose.config import Config, SessionPlan, resolve
from holdfast.compose.house import House
from holdfast.compose.native_tools import run_plan
from holdfast.core import runs as rules
from holdfast.core.delegation import DELEGATE_TOOL, Asked, Profile
from holdfast.errors import Conflict, DelegationRefused, InvalidRequest
from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.principals import TrustLevel
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.model.sessions import Session
from holdfast.model.views.sessions import ChildRun, CollectedResult, OpenedSession
from holdfast.runtime.live import LiveSession
from holdfast.runtime.runs import Order

_NS = 1_000_000_000
# Characters of what a child did that came to no result.
_SO_FAR = 8_000


class DelegateBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a child is to have: an `agent` of the configuration, or `tools`, or both.

    Nothing may go beyond the session's own; `ttl_s` may only shorten. `call_id` is the allowed
    call of the tool `delegate` that asks for it.
    """

    task_text: str
    agent: str = ""
    tools: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    trust: TrustLevel | None = None
    limits: dict[Dimension, int | float | str] = {}
    ttl_s: int | None = None
    resources: tuple[str, ...] | None = None
    attributes: dict[str, Any] = {}
    call_id: str = ""


class ChildBody(msgspec.Struct, forbid_unknown_fields=True):
    """The call that may have started a child."""

    call_id: str


class CollectBody(msgspec.Struct, forbid_unknown_fields=True):
    """A child's id and what it has to say."""

    child: str
    text: str


VERBS = (
    verb(
        "/v1/guard/delegate",
        "Open a child with some of the session's own authority; its token is shown only here.",
        OpenedSession,
        DelegateBody,
    ),
    verb(
        "/v1/guard/delegate-run",
        "The same as a run of its own, for a call of a run: once, however often it is asked for.",
        ChildRun,
        DelegateBody,
    ),
    verb("/v1/guard/child-run", "The run that a call started.", ChildRun, ChildBody),
    verb(
        "/v1/guard/collect",
        "Take a child's result into the session, with whatever taints it.",
        CollectedResult,
        CollectBody,
    ),
)


class DelegationDoor:
    """The routes for children."""

    def __init__(
        self, house: House, config: Config, intake: Intake, *, model_port: int = 0
    ) -> None:
        self._sessions = house.sessions
        self._delegation = house.delegation
        self._runs = house.runs
        self._dispatch = house.dispatch
        self._config = config
        self._views = house.session_views
        self._model_port = model_port
        self._intake = intake

    def routes(self) -> list[Route]:
        """What to mount."""
        acts: dict[str, Act] = {
            "guard_delegate": self._delegate,
            "guard_delegate_run": self._delegate_run,
            "guard_child_run": self._child_run,
            "guard_collect": self._collect,
        }
        return [
            Route(
                one.path,
                answering(self._sessions, acts[one.name], self._intake),
                methods=[one.method],
            )
            for one in VERBS
        ]

    async def _delegate(self, live: LiveSession, body: Sent) -> OpenedSession:
        given = shaped(await body.json(), DelegateBody)
        if not given.agent and given.tools is None:
            raise InvalidRequest("a child needs either `agent` or `tools`", field="tools")
        if given.ttl_s is not None and given.ttl_s < 1:
            raise InvalidRequest("`ttl_s` is a whole number of seconds from 1", field="ttl_s")
        plan, asked = self._asked(live, given)
        child, token = await self._delegation.delegate(
            live, asked, task_text=given.task_text, call_id=given.call_id
        )
        return OpenedSession(
            session=self._views.of_live(child),
            token=token,
            plan=shown(plan, child.session, given.task_text, self._model_port),
        )

    async def _delegate_run(self, live: LiveSession, body: Sent) -> ChildRun:
        given = shaped(await body.json(), DelegateBody)
        run = await self._runs.child_of(live, given.call_id)
        if run is None:
            run = await self._started(live, given)
        return await self._shown(run)

    async def _started(self, live: LiveSession, given: DelegateBody) -> Run:
        """A child that begins as a run. Errors: Conflict for a session that is none itself."""
        own = self._dispatch.of_session(live.session.session_id)
        if own is None or not given.call_id:
            raise Conflict("only a call of a run starts a child that is one")
        if not given.agent and given.tools is None:
            kept = tuple(one for one in live.session.allowed_tools if one != DELEGATE_TOOL)
            given = msgspec.structs.replace(given, tools=kept)
        plan, asked = self._asked(live, given)
        has = run_plan(self._config, plan) if given.agent and plan is not None else own.plan
        order = Order(prompt=given.task_text, plan=_less(has, given), priority=own.priority)
        queued: list[Run] = []
        await self._delegation.delegate(
            live,
            asked,
            task_text=given.task_text,
            call_id=given.call_id,
            as_run=self._runs.as_child(order, queued),
        )
        self._dispatch.put(queued[0])
        return queued[0]

    async def _shown(self, run: Run) -> ChildRun:
        """The child's run as it stands; of one that came to no result, what it did until then."""
        over, done = run.state in rules.OVER, run.state is RunState.DONE
        return ChildRun(
            child=run.session,
            run_id=run.run_id,
            state=str(run.state),
            over=over,
            result=run.result,
            reason=run.reason,
            so_far=await self._runs.so_far(run, _SO_FAR) if over and not done else "",
        )

    async def _child_run(self, live: LiveSession, body: Sent) -> ChildRun:
        given = shaped(await body.json(), ChildBody)
        run = await self._runs.child_of(live, given.call_id)
        return await self._shown(run) if run is not None else ChildRun()

    def _asked(self, live: LiveSession, given: DelegateBody) -> tuple[SessionPlan | None, Asked]:
        """What a child is to have, with the plan of its agent. Errors: as `_check_agent`."""
        plan = self._plan(live.session, given.agent or live.who.agent)
        if given.agent:
            self._check_agent(live.session, given.agent, plan)
        return plan, Asked(
            profile=_profile(plan) if given.agent and plan is not None else None,
            tools=given.tools,
            models=given.models,
            trust=given.trust,
            caps=caps_of(given.limits),
            ttl_ns=None if given.ttl_s is None else given.ttl_s * _NS,
            resources=given.resources,
            attributes=given.attributes,
        )

    async def _collect(self, live: LiveSession, body: Sent) -> CollectedResult:
        given = shaped(await body.json(), CollectBody)
        return await self._delegation.collect(live, given.child, given.text)

    def _plan(self, session: Session, agent: str) -> SessionPlan | None:
        """What the configuration says of an agent; None for one that it does not name."""
        who = session.principal
        if agent not in self._config.agents:
            return None
        return resolve(
            self._config, agent=agent, user=who.user, tenant=who.tenant, project=who.project
        )

    def _check_agent(self, session: Session, agent: str, plan: SessionPlan | None) -> None:
        """What no narrowing can mend. Errors: InvalidRequest, DelegationRefused."""
        if plan is None:
            raise InvalidRequest(f"there is no agent `{agent[:64]}`", field="agent")
        own = self._config.agents.get(session.principal.agent)
        hooks = (own.hooks if own is not None else None) or self._config.hooks
        if plan.hooks != hooks:
            text = f"the hooks of `{agent}` are not those of the session that starts it"
            raise DelegationRefused(f"delegation_refused: {text}", authority="hooks")
        if plan.upstream != session.upstream:
            text = f"`{agent}` asks another provider than the session that starts it"
            raise DelegationRefused(f"delegation_refused: {text}", authority="upstream")


def _less(has: RunPlan, given: DelegateBody) -> RunPlan:
    """The plan of a child's run: the tools that it is given, its own words, nobody's output."""
    named = has.tools if given.tools is None else given.tools
    tools = {name: told for name, told in has.tools.items() if name in named}
    return msgspec.structs.replace(has, tools=tools, task_text="", output={})


def _profile(plan: SessionPlan) -> Profile:
    caps = {
        limit.dimension: limit.amount
        for limit in plan.limits
        if limit.scope is Scope.SESSION and limit.window is Window.LIFE
    }
    return Profile(
        agent=plan.agent,
        tools=plan.allowed_tools,
        models=plan.allowed_models,
        trust=plan.trust,
        caps=caps,
        loop=plan.loop,
        max_output_tokens=plan.max_output_tokens,
        ttl_ns=min(plan.session_ttl_s, plan.loop.wall_clock_s) * _NS,
        config_version=plan.config_version,
    )
