"""What is said of an account without room for a tool call. Not here: asking it (`stages`)."""

from holdfast.model.budgets import Refused
from holdfast.model.money import format_usd


def no_room(refused: Refused) -> str:
    """One sentence, money in dollars: whose account, its limit, and what is gone of it."""
    key = refused.key
    unit = format_usd if key.dimension.startswith("usd") else str
    gone = f"{unit(refused.settled)} is spent"
    if refused.settled < refused.limit and refused.held:
        gone += f" and {unit(refused.held)} held"
    capped = f"{key.scope} {key.dimension} ({key.window}) is capped at {unit(refused.limit)}"
    return f"{capped}, {gone}"
