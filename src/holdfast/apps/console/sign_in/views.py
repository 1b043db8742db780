"""Signing a browser in by the code of a link, and out again; who else is signed in."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.apps.console.pages import Page, render
from holdfast.apps.console.sign_in.asking import MOST_CHARACTERS, asking
from holdfast.apps.console.sign_in.identity import IdentityViews
from holdfast.apps.console.visits import Visit, Visits, form_of, own_place
from holdfast.errors import HoldfastError
from holdfast.model.tokens import LINK_PREFIX


class SignInViews:
    """The pages that need no sign-in, and the list of those that there are."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Where they are."""
        signed_in = self._visits.signed_in
        return [
            Route("/sign-in", self.ask, methods=["GET"]),
            Route("/sign-in", self.open, methods=["POST"]),
            *IdentityViews(self._visits).routes(),
            Route("/sign-out", signed_in(self.leave), methods=["POST"]),
            Route("/sign-ins", signed_in(self.listed), methods=["GET"]),
            Route("/sign-ins/end", signed_in(self.end), methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """The page that asks for a link. To look at it uses nothing up."""
        code = request.query_params.get("code", "")[:MOST_CHARACTERS]
        return await render(request, await asking(self._visits, request, code=code))

    async def open(self, request: Request) -> Response:
        """Sign in by a code, or by a whole link that was pasted."""
        form = await form_of(request)
        given = form.get("code")[:MOST_CHARACTERS].strip()
        code = given[given.find(LINK_PREFIX) :] if LINK_PREFIX in given else given
        try:
            opened = await self._visits.connect("").sign_ins.open(code or "none")
        except HoldfastError as error:
            return await render(request, await asking(self._visits, request, fault=error))
        response = RedirectResponse(own_place(form.get("next")), 303)
        self._visits.let_in(request, response, opened.token)
        return response

    async def leave(self, visit: Visit) -> Response:
        """Sign this browser out."""
        await visit.form()
        await visit.client.sign_ins.end(visit.me.sign_in_id)
        response = RedirectResponse("/console/sign-in", 303)
        name, secure = self._visits.cookie(visit.request)
        response.delete_cookie(name, secure=secure, httponly=True, samesite="strict")
        return response

    async def listed(self, visit: Visit) -> Page:
        """Browsers that are signed in."""
        return visit.page("sign_in", "list", sign_ins=await visit.client.sign_ins.list())

    async def end(self, visit: Visit) -> Response:
        """Sign another browser out."""
        form = await visit.form()
        await visit.client.sign_ins.end(form.get("sign_in"))
        return RedirectResponse("/console/sign-ins", 303)
