"""`/v1/sign-ins/identity` and `/device`: signing in with an identity provider, for strangers.

Bounds stand before anything is done (`signing_in`). A browser is an operator's; a terminal is an
operator's, or acts as a spending key and does nothing else.
"""

from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.identities import acted, refused, signing_in, unknown
from holdfast.apps.control.operations import Operations
from holdfast.apps.control.sign_ins.schemas import OpenDevice, OpenIdentity
from holdfast.apps.control.spending import called
from holdfast.model.identity import Person
from holdfast.model.views.sign_ins import (
    DeviceBegun,
    DeviceOpened,
    IdentityBegun,
    IdentityWay,
    SignedIn,
)
from holdfast.ports.identity import Came, Waiting

operations = Operations("/v1/sign-ins", "sign-ins")


@operations.get("/identity")
async def show_identity_way(deps: ControlDeps) -> IdentityWay:
    """The identity provider that people sign in with, where there is one."""
    known = deps.signing_in
    return IdentityWay() if known is None else IdentityWay(known.issuer, known.redirect)


@operations.post("/identity/begin", 404, 429)
async def begin_identity(deps: ControlDeps) -> IdentityBegun:
    """Where a browser goes to sign in, and what it holds meanwhile."""
    url, held = await signing_in(deps).begin(deps.house.clock.now_ns())
    return IdentityBegun(url=url, held=held)


@operations.post("/identity/open", 404, 429)
async def open_identity(came: OpenIdentity, deps: ControlDeps) -> SignedIn:
    """Sign a browser in that came back, as the operator who was added by that identity."""
    under_way, at_ns = signing_in(deps), deps.house.clock.now_ns()
    answer = Came(came.code, came.issuer)
    person = await under_way.person(came.held, came.state, answer, at_ns)
    name = deps.operators.of_person(person)
    if not name:
        held = deps.house.keys.held_by(person)
        why = (
            "a key's holder signs a terminal in, with `holdfast login`" if held else unknown(person)
        )
        raise under_way.wrong(at_ns, await refused(deps, person, why))
    await acted(deps, name, "sign_in.open", person)
    return deps.sign_ins.begin(name, at_ns, issuer=person.issuer)


@operations.post("/device/begin", 404, 429)
async def begin_device(deps: ControlDeps) -> DeviceBegun:
    """What a person types, and where, so that a terminal is signed in."""
    code, held = await signing_in(deps).device(deps.house.clock.now_ns())
    return DeviceBegun(
        url=code.url,
        user_code=code.user_code,
        whole_url=code.whole_url,
        interval_s=code.interval_s,
        life_s=code.life_s,
        held=held,
    )


@operations.post("/device/open", 404, 409, 429)
async def open_device(asked: OpenDevice, deps: ControlDeps) -> DeviceOpened:
    """Sign a terminal in, once somebody signed in elsewhere; until then it waits."""
    under_way, at_ns = signing_in(deps), deps.house.clock.now_ns()
    found = await under_way.device_person(asked.held, at_ns)
    if isinstance(found, Waiting):
        return DeviceOpened(slower=found.slower)
    holder = await _holder(deps, found, asked.key)
    await acted(deps, holder, "sign_in.open", found)
    return DeviceOpened(
        signed_in=deps.sign_ins.begin(holder, at_ns, issuer=found.issuer, terminal=True)
    )


async def _holder(deps: ControlDeps, person: Person, key: str) -> str:
    """As whom a terminal acts: an operator, or a key's holder. Errors: Denied, journalled."""
    if not key and (name := deps.operators.of_person(person)):
        return name
    held = [one for one in deps.house.keys.held_by(person) if key in {"", one.name}]
    if len(held) == 1:
        return called(held[0])
    why = unknown(person)
    if held:
        why = f"several keys are theirs, name one with `--key`: {', '.join(k.name for k in held)}"
    elif key:
        why = f"no key `{key}` that opens sessions is theirs"
    under_way, at_ns = signing_in(deps), deps.house.clock.now_ns()
    raise under_way.wrong(at_ns, await refused(deps, person, why))
