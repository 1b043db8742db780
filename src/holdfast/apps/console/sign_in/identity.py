"""Signing a browser in with the identity provider: the way there, and back.

The browser holds what it began in a cookie of its own, which comes with a link of another site, as
the cookie of a sign-in never does; so the last step is a page, and the visit begins from there. Not
here: what is checked (the server does).
"""

from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.apps.console.pages import Page, render
from holdfast.apps.console.sign_in.asking import MOST_CHARACTERS, asking
from holdfast.apps.console.visits import SIGN_IN, Visits, form_of, own_place
from holdfast.errors import HoldfastError, NotFound, Unauthenticated

_HELD_S = 600
_BETWEEN = "~"


class IdentityViews:
    """The pages of a sign-in with the identity provider."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/sign-in/identity", self.leave, methods=["POST"]),
            Route("/sign-in/identity/done", self.back, methods=["GET"]),
        ]

    async def leave(self, request: Request) -> Response:
        """To the identity provider; from another name of the server's, to the one it knows."""
        place = own_place((await form_of(request)).get("next"))
        client = self._visits.connect("")
        try:
            way = await client.sign_ins.identity_way()
            if not way.issuer:
                raise NotFound("no identity provider is named here")
            here = urlsplit(way.redirect)
            if request.headers.get("host", "").lower() != here.netloc.lower():
                known = f"{here.scheme}://{here.netloc}{SIGN_IN}?next={quote(place, safe='')}"
                return await render(request, _going(known))
            begun = await client.sign_ins.begin_identity()
        except HoldfastError as error:
            return await render(request, await asking(self._visits, request, fault=error))
        response = await render(request, _going(begun.url))
        kept = quote(place, safe="") if len(place) <= MOST_CHARACTERS else ""
        self._keep(request, response, f"{begun.held}{_BETWEEN}{kept}", _HELD_S)
        return response

    async def back(self, request: Request) -> Response:
        """Back from the identity provider, with a code or with a refusal."""
        name, _ = self._visits.cookie(request, "_identity")
        held, _, place = request.cookies.get(name, "").partition(_BETWEEN)
        given = request.query_params
        try:
            if said := given.get("error"):
                raise Unauthenticated(f"the identity provider says: {said[:100]}")
            opened = await self._visits.connect("").sign_ins.open_identity(
                held,
                state=given.get("state", ""),
                code=given.get("code", ""),
                issuer=given.get("iss", ""),
            )
        except HoldfastError as error:
            response = await render(request, await asking(self._visits, request, fault=error))
        else:
            response = await render(request, _going(own_place(unquote(place))))
            self._visits.let_in(request, response, opened.token)
        self._keep(request, response, "", 0)
        return response

    def _keep(self, request: Request, response: Response, value: str, life_s: int) -> None:
        name, secure = self._visits.cookie(request, "_identity")
        response.set_cookie(name, value, life_s, secure=secure, httponly=True, samesite="lax")


def _going(url: str) -> Page:
    """On, from a page of ours: what a form is answered with may send a browser nowhere else."""
    host = urlsplit(url).netloc
    return Page("sign_in", {"me": None, "noun": "sign_in", "url": url, "host": host}, "going")
