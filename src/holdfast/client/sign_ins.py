"""An operator's browsers: who is signed in, links that sign one in."""

from urllib.parse import quote

from holdfast.errors import InvalidRequest
from holdfast.model.views.sign_ins import SignedIn, SignIn, SignInLink, SignInList

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

    async def end(self, sign_in_id: str) -> None:
        """That browser is signed out. Errors: NotFound."""
        if sign_in_id in ("", ".", ".."):
            raise InvalidRequest("that is no sign-in")
        path = f"/v1/sign-ins/{quote(sign_in_id, safe='')}/end"
        await self._door.post(path, SignInList, {})
