"""What is said of an account without room, to a model call and to a tool call alike.

Not here: asking it (`runtime/budgets`).
"""

from holdfast.errors import Exhausted
from holdfast.model.budgets import Refused
from holdfast.model.money import exact_usd

_PLACES = 4


def no_room(refused: Refused) -> str:
    """One sentence, money in dollars: whose account, its limit, what is gone of it, how to go on.

    Nothing is rounded, so that what is left and what is needed never read alike.
    """
    key = refused.key
    capped = f"{key.scope} {key.dimension} ({key.window}) is capped at {_said(refused, 'limit')}"
    gone = f"{_said(refused, 'settled')} is spent"
    if refused.settled < refused.limit and refused.held:
        gone += f" and {_said(refused, 'held')} held"
    needs = f", and the call needs {_said(refused, 'wanted')}" if refused.wanted else ""
    if refused.fits_when_settled:
        return f"{capped}, {gone}{needs}"
    raised = f"holdfast budget set {key.scope} {key.owner} {key.dimension} {key.window} LIMIT"
    return f"{capped}, {gone}{needs}: an operator raises it with `{raised}`"


def _said(refused: Refused, field: str) -> str:
    value: int = getattr(refused, field)
    if refused.key.dimension.startswith("usd"):
        return exact_usd(value, _PLACES)
    return str(value)


def exhausted(refused: Refused) -> Exhausted:
    """The typed refusal for money, calls, tokens, turns or seconds."""
    return Exhausted(f"budget_exceeded: {no_room(refused)}", **refusal_fields(refused))


def refusal_fields(refused: Refused) -> dict[str, object]:
    """What explains it, for a program."""
    return {
        "account": str(refused.key),
        "limit": refused.limit,
        "settled": refused.settled,
        "held": refused.held,
        "wanted": refused.wanted,
    }
