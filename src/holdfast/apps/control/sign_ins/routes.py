"""`/v1/sign-ins`: an operator's browsers. A link is made with a token, and followed once."""

from typing import Annotated

from msgspec import Meta

from holdfast.apps.control.auth import LEAVE_PATH, LINK_PATH, Shown
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.identities import acted
from holdfast.apps.control.operations import By, Operations
from holdfast.apps.control.roles import is_admin, within_of
from holdfast.errors import Denied, NotFound, Unauthenticated
from holdfast.model.views.sign_ins import SignedIn, SignIn, SignInLink, SignInList

operations = Operations("/v1/sign-ins", "sign-ins")
SignInId = Annotated[str, Meta(max_length=64)]


@operations.get("")
async def list_sign_ins(deps: ControlDeps, by: By) -> SignInList:
    """Your browsers that are signed in; of everybody's for the admin."""
    return _listed(deps, by)


@operations.get("/current")
async def current_sign_in(by: By, shown: Shown, deps: ControlDeps) -> SignIn:
    """Who you are here, and by which sign-in."""
    found = deps.sign_ins.of_digest(shown.digest, deps.house.clock.now_ns())
    return found or SignIn(operator=by)


@operations.post("/links")
async def link_sign_in(deps: ControlDeps, by: By, shown: Shown) -> SignInLink:
    """A link that signs one browser in as you, once and soon."""
    at_ns = deps.house.clock.now_ns()
    if deps.sign_ins.of_digest(shown.digest, at_ns) is not None:
        raise Denied("a link is made with a token of your own, not from a browser")
    await acted(deps, by, "sign_in.link")
    code, expires_at_ns = deps.sign_ins.link(by, at_ns)
    return SignInLink(url=deps.link_of(code), operator=by, expires_at_ns=expires_at_ns)


@operations.post(LINK_PATH.removeprefix(operations.prefix), 429)
async def sign_in(deps: ControlDeps, shown: Shown) -> SignedIn:
    """Sign a browser in: the token of the request is the code of a link, which is used up."""
    opened = deps.sign_ins.open(shown.token, deps.house.clock.now_ns())
    await acted(deps, opened.sign_in.operator, "sign_in.open")
    return opened


@operations.post(LEAVE_PATH.removeprefix(operations.prefix))
async def leave_sign_in(deps: ControlDeps, shown: Shown) -> SignIn:
    """Sign out what asks: the token of the request is its sign-in's."""
    at_ns = deps.house.clock.now_ns()
    found = deps.sign_ins.of_digest(shown.digest, at_ns)
    if found is None:
        raise Unauthenticated("nobody is signed in with that here")
    await acted(deps, found.operator, "sign_in.end")
    deps.sign_ins.end(found.sign_in_id, at_ns)
    return found


@operations.post("/{sign_in_id}/end", 404)
async def end_sign_in(sign_in_id: SignInId, deps: ControlDeps, by: By) -> SignInList:
    """That browser is signed out; your own, or anybody's for the admin."""
    if all(one.sign_in_id != sign_in_id for one in _listed(deps, by).sign_ins):
        raise NotFound("there is no such sign-in of yours")
    await acted(deps, by, "sign_in.end")
    deps.sign_ins.end(sign_in_id, deps.house.clock.now_ns())
    return _listed(deps, by)


def _listed(deps: ControlDeps, by: str) -> SignInList:
    found = deps.sign_ins.all(deps.house.clock.now_ns())
    everybodys = is_admin(deps, by) and not within_of(deps, by)
    return SignInList(tuple(one for one in found if everybodys or one.operator == by))
