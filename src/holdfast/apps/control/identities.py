"""Who was added by an identity, what is said to whoever was not, what the journal says of both.

Not here: the exchange with the provider (`signing_in`), sign-ins that hold (`sign_in_file`).
"""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.signing_in import SigningIn
from holdfast.errors import Denied, InvalidRequest, NotFound
from holdfast.model.bodies import AdminActed, AuthRefused
from holdfast.model.identity import Person, identity_fault


def signing_in(deps: ControlDeps) -> SigningIn:
    """Errors: NotFound where the settings name no provider."""
    if deps.signing_in is None:
        raise NotFound("`sign_in.oidc` of holdfast.yaml names no identity provider")
    return deps.signing_in


def identified(deps: ControlDeps, identity: str) -> str:
    """The issuer of an identity that somebody is added by; empty where there is none.

    Errors: InvalidRequest.
    """
    if not identity:
        return ""
    if fault := identity_fault(identity):
        raise InvalidRequest(fault, field="identity")
    if deps.signing_in is None:
        text = "`sign_in.oidc` of holdfast.yaml names no identity provider to know them by"
        raise InvalidRequest(text, field="identity")
    return deps.signing_in.issuer


async def refused(deps: ControlDeps, person: Person, why: str) -> Denied:
    """What to raise for somebody who signed in there and is not let in here, once journalled."""
    told = f"`{person.called}` signed in at {person.issuer}: {why}"
    await deps.house.journal.refused(AuthRefused(why=told, action="sign_in.identity"), None)
    return Denied(told)


def unknown(person: Person) -> str:
    """What somebody is told whom nobody added."""
    if person.unverified:
        return (
            "the identity provider does not say that this address is verified, so it names nobody;"
            f" an admin can add them as `sub:{person.subject}`"
        )
    return f"nobody added them here; an admin does, by `{person.identities[-1]}`"


async def acted(deps: ControlDeps, by: str, action: str, person: Person | None = None) -> None:
    """Write down that somebody did something about sign-ins; `person` is who they proved to be."""
    # Of no tenant: operators are the server's own.
    reason = f"{person.called} at {person.issuer}" if person is not None else ""
    body = AdminActed(action=action, by=by, reason=reason)
    await deps.house.journal.commit([deps.house.journal.record(body, None)])
