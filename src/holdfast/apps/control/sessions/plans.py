"""The part of a plan that the agent's process needs, for whoever opened the session."""

from holdfast.compose.config import SessionPlan
from holdfast.model.budgets import Dimension, Scope
from holdfast.model.sessions import Session
from holdfast.model.views import sessions as views


def shown(
    plan: SessionPlan | None, session: Session, task_text: str, model_port: int
) -> views.SessionPlan:
    """What the session has of its plan; without one, for an agent that no file names, less.

    A session may have fewer models than its agent: the model is then one that it has.
    """
    models, task = session.allowed_models, session.principal.task
    model = plan.model if plan is not None else ""
    if models and model not in models:
        model = models[0]
    kind, named, _ = task.partition("/")
    turns = (
        limit.amount
        for limit in session.limits
        if limit.scope is Scope.SESSION and limit.dimension is Dimension.TURNS
    )
    return views.SessionPlan(
        model=model,
        system_prompt=plan.system_prompt if plan is not None else "",
        allowed_tools=session.allowed_tools,
        allowed_models=models,
        mcp_servers=plan.mcp_servers if plan is not None else {},
        task={
            "kind": kind if named else "",
            "id": task,
            "text": task_text,
            "attributes": session.task_attributes,
        },
        max_turns=min([session.loop.max_turns, *turns]),
        model_port=model_port,
        tool_timeout_s=plan.tool_timeout_s if plan is not None else 0.0,
        approval_wait_s=plan.approval_wait_s if plan is not None else 0.0,
    )
