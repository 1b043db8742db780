"""The typed refusal for an account without room. Not here: asking it (`runtime/budgets`)."""

from holdfast.errors import Exhausted
from holdfast.model.budgets import Refused
from holdfast.model.money import format_usd


def exhausted(refused: Refused) -> Exhausted:
    """The typed refusal for money, calls, tokens, turns or seconds."""
    dimension = refused.key.dimension
    unit = format_usd if dimension.startswith("usd") else str
    left = refused.limit - refused.settled
    why = "is reserved by other calls" if refused.fits_when_settled else "is what is left"
    needs = f" and the call needs {unit(refused.wanted)}" if refused.wanted else ""
    return Exhausted(
        f"budget_exceeded: {refused.key.scope} {dimension} ({refused.key.window}) is capped at"
        f" {unit(refused.limit)}, {unit(max(left, 0))} {why}{needs}",
        account=str(refused.key),
        limit=refused.limit,
        settled=refused.settled,
        held=refused.held,
        wanted=refused.wanted,
    )
