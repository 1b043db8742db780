"""What is said of an account without room, to a model call and to a tool call alike.

Not here: asking it (`runtime/budgets`).
"""

from datetime import UTC, datetime

from holdfast.errors import CredentialExpired, Exhausted, SessionPaused, SessionStopped
from holdfast.model.budgets import Refused
from holdfast.model.money import exact_usd
from holdfast.model.sessions import Session

_PLACES = 4
_NS = 1_000_000_000


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


def stopped_error(session: Session, which: str = "the session") -> SessionStopped:
    """The typed refusal of a session that may not act now; `which` it is to who asks."""
    reason = session.state_reason or "no reason was given"
    text, fields = f"{which} is {session.state}: {reason}", _fields(session)
    if not session.parked_for:
        return SessionStopped(text, **fields)
    until = datetime.fromtimestamp(session.expires_at_ns // _NS, UTC)
    waits = f"and `holdfast sessions resume {session.session_id}` lets it go on"
    return SessionPaused(
        f"session_paused: {text}, {waits}; it is kept until {until:%Y-%m-%d %H:%M} UTC",
        account=session.parked_for,
        until_ns=session.expires_at_ns,
        **fields,
    )


def expired_error(session: Session) -> CredentialExpired:
    """The typed refusal of a session that is too old, with what goes on in its place."""
    again = f"holdfast sessions open --agent {session.principal.agent}"
    text = f"{session.state_reason}; `{again} --parent {session.session_id}` goes on with it"
    return CredentialExpired(text, state=session.state)


def _fields(session: Session) -> dict[str, object]:
    return {"state": session.state, "reason": session.state_reason}
