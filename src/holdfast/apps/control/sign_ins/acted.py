"""What the journal says of sign-ins."""

from holdfast.apps.control.deps import ControlDeps
from holdfast.model.bodies import AdminActed
from holdfast.model.identity import Person


async def acted(deps: ControlDeps, by: str, action: str, person: Person | None = None) -> None:
    """Write down that somebody did something about sign-ins; `person` is who they proved to be."""
    # Of no tenant: operators are the server's own.
    reason = f"{person.called} at {person.issuer}" if person is not None else ""
    body = AdminActed(action=action, by=by, reason=reason)
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
