"""An operator's browsers: who is signed in, links that sign one in."""

from urllib.parse import quote

from holdfast.errors import InvalidRequest
from holdfast.model.views.sign_ins import (
    DeviceBegun,
    DeviceOpened,
    IdentityBegun,
    IdentityWay,
    SignedIn,
    SignIn,
    SignInLink,
    SignInList,
)

from .wire import Door


class SignIns:
    """Browsers; each sees their own, the admin everybody's."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self) -> tuple[SignIn, ...]:
        """Those that are signed in, latest first."""
        return (await self._door.get("/v1/sign-ins", SignInList)).sign_ins

    async def current(self) -> SignIn:
        """Who asks here, and by which sign-in. Errors: Unauthenticated."""
        return await self._door.get("/v1/sign-ins/current", SignIn)

    async def link(self) -> SignInLink:
        """A link that signs one browser in, once. Errors: Denied from a browser."""
        return await self._door.post("/v1/sign-ins/links", SignInLink, {})

    async def open(self, code: str) -> SignedIn:
        """Sign in by the code of a link, which is used up. Errors: Unauthenticated, RateLimited."""
        return await Door(self._door.pool, code).post("/v1/sign-ins/open", SignedIn, None)

    async def identity_way(self) -> IdentityWay:
        """The identity provider that people sign in with; needs no token, as all of these."""
        return await self._stranger().get("/v1/sign-ins/identity", IdentityWay)

    async def begin_identity(self) -> IdentityBegun:
        """Where a browser goes to sign in. Errors: NotFound, RateLimited, Unavailable."""
        return await self._stranger().post("/v1/sign-ins/identity/begin", IdentityBegun, None)

    async def open_identity(
        self, held: str, *, state: str, code: str, issuer: str = ""
    ) -> SignedIn:
        """Sign in a browser that came back. Errors: Unauthenticated, Denied, RateLimited."""
        came = {"held": held, "state": state, "code": code, "issuer": issuer}
        return await self._stranger().post("/v1/sign-ins/identity/open", SignedIn, came)

    async def begin_device(self) -> DeviceBegun:
        """Sign a terminal in by a code. Errors: NotFound, RateLimited, Unavailable."""
        return await self._stranger().post("/v1/sign-ins/device/begin", DeviceBegun, None)

    async def open_device(self, held: str, *, key: str = "") -> DeviceOpened:
        """Whether somebody signed in meanwhile. Errors: Unauthenticated, Denied, RateLimited."""
        asked = {"held": held, "key": key}
        return await self._stranger().post("/v1/sign-ins/device/open", DeviceOpened, asked)

    def _stranger(self) -> Door:
        return Door(self._door.pool, "")

    async def leave(self) -> SignIn:
        """Sign out whoever asks. Errors: Unauthenticated for a token that is no sign-in's."""
        return await self._door.post("/v1/sign-ins/leave", SignIn, None)

    async def end(self, sign_in_id: str) -> None:
        """That browser is signed out. Errors: NotFound."""
        if sign_in_id in ("", ".", ".."):
            raise InvalidRequest("that is no sign-in")
        path = f"/v1/sign-ins/{quote(sign_in_id, safe='')}/end"
        await self._door.post(path, SignInList, {})
