"""Tools as typed Python functions, with everything that a contract needs.

    @tool(
        what="pays money back for one order of the shop.",
        when="the order's own record justifies the amount.",
        side_effects="money leaves the shop and cannot be called back.",
        effect=Effect.COMMIT,
        idempotency=Idempotency.KEYED,
        risk=RiskLevel.MEDIUM,
        risk_reason="moves money, within the task's limit",
        roles={"order": ArgumentRole.WHAT, "cents": ArgumentRole.MUCH},
        errors={"already_refunded": "the order was refunded before"},
    )
    def refund(order: str, cents: int, context: ToolContext) -> Receipt: ...

What a type does not say stands beside it: `Annotated[str, Meta(max_length=40, description="…")]`.
A function that says too little is not registered. Its process is not the server's: tools run in a
host of their own (`tools/host`), started by a worker.
"""

from msgspec import Meta

from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Effect, EffectKey, Idempotency
from holdfast.tools.declared import Happened, ProbeAnswer, Refused, Tool, ToolContext, tool

__all__ = [
    "ArgumentRole",
    "Effect",
    "EffectKey",
    "Happened",
    "Idempotency",
    "Meta",
    "ProbeAnswer",
    "Refused",
    "RiskLevel",
    "Tool",
    "ToolContext",
    "tool",
]
