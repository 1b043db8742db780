"""Who visits, and with which client: every page but those for signing in needs a sign-in.

The browser's cookie is the token of its sign-in, and the client asks with it: what the operator may
is the server's to say. A form carries a word that only this sign-in's pages know. Not here: hosts
and origins (`guarding`).
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from holdfast.apps.console.pages import Page, render, wants_fragment
from holdfast.client import Client, SignIn
from holdfast.errors import (
    Denied,
    HoldfastError,
    InternalError,
    InvalidRequest,
    Unauthenticated,
)

Connect = Callable[[str], Client]
"""A client of the server with a token."""
SIGN_IN = "/console/sign-in"
_FIELDS_MOST = 5_000
_LIFE_S = 12 * 3600
_LABEL = b"holdfast console form"


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is signed in; `now_ns` is the server's own time."""

    request: Request
    client: Client
    me: SignIn
    csrf: str

    @property
    def now_ns(self) -> int:
        """What time it is for the server."""
        return self.me.seen_ns

    async def later(self) -> "Visit":
        """The same visit now. Errors: Unauthenticated where the sign-in has ended."""
        return replace(self, me=await self.client.sign_ins.current())

    async def form(self) -> "Form":
        """What a form of ours says. Errors: InvalidRequest; Denied for one that is not ours."""
        form = await form_of(self.request)
        if not hmac.compare_digest(form.get("csrf").encode(), self.csrf.encode()):
            raise Denied("this form is of another sign-in; go back and load the page again")
        return form

    def page(self, noun: str, template: str = "page", status: int = 200, **values: Any) -> Page:
        """A page of a noun, with what every page knows."""
        known = {"me": self.me, "csrf": self.csrf, "now_ns": self.now_ns, "noun": noun}
        return Page(noun, {**known, **values}, template, status)


View = Callable[[Visit], Awaitable[Page | Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Form:
    """The fields of a form, each with all its values."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def get(self, name: str) -> str:
        """The only value of a field, or the last; empty without one."""
        return self._fields.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return self._fields.get(name, [])


async def form_of(request: Request) -> Form:
    """The form of a request, whose size was bounded. Errors: InvalidRequest."""
    try:
        body = (await request.body()).decode("ascii")
        return Form(
            parse_qs(body, keep_blank_values=True, max_num_fields=_FIELDS_MOST, errors="strict")
        )
    except ValueError:
        raise InvalidRequest("the form cannot be read") from None


class Visits:
    """Lets visits in: knows the cookie, and where a client comes from."""

    def __init__(self, connect: Connect, url: str, public_url: str) -> None:
        self.connect = connect
        self._public = urlsplit(public_url).netloc.lower()
        self._secure = url.startswith("https:")
        # Cookies know no ports: two servers on one machine would sign each other's browsers out.
        self._name = f"holdfast_{urlsplit(url).port or 443}"

    def cookie(self, request: Request, of: str = "") -> tuple[str, bool]:
        """The name of the cookie, of another than the sign-in's where it says so.

        And whether it goes over TLS alone.
        """
        host = request.headers.get("host", "").lower()
        secure = self._secure or (self._public != "" and host == self._public)
        return (f"__Host-{self._name}{of}" if secure else f"{self._name}{of}"), secure

    def token(self, request: Request) -> str:
        """The token of the browser's sign-in; empty without one."""
        name, _ = self.cookie(request)
        return request.cookies.get(name, "")

    def let_in(self, request: Request, response: Response, token: str) -> None:
        """Sign the browser in, with the answer to this request."""
        name, secure = self.cookie(request)
        response.set_cookie(name, token, _LIFE_S, secure=secure, httponly=True, samesite="strict")

    def signed_in(self, view: View) -> Endpoint:
        """An endpoint for whoever is signed in; all others are shown where to do that."""

        async def serve(request: Request) -> Response:
            token = self.token(request)
            if not token:
                return _to_sign_in(request)
            client = self.connect(token)
            try:
                me = await client.sign_ins.current()
                visit = Visit(request, client, me, csrf_of(token))
            except Unauthenticated:
                return _to_sign_in(request)
            except HoldfastError as error:
                return await render(request, _fault(error, {"me": None}))
            return await _answered(visit, view)

        return serve


def csrf_of(token: str) -> str:
    """The word that forms of a sign-in carry."""
    return hmac.new(token.encode(), _LABEL, hashlib.sha256).hexdigest()


async def _answered(visit: Visit, view: View) -> Response:
    try:
        found = await view(visit)
    except Unauthenticated:
        return _to_sign_in(visit.request)
    except HoldfastError as error:
        found = _fault(error, visit.page("", status=error.http_status).values)
    return found if isinstance(found, Response) else await render(visit.request, found)


def _fault(error: HoldfastError, known: Mapping[str, Any]) -> Page:
    """A refusal as a page: what it says, and its code."""
    hidden = isinstance(error, InternalError)
    text = "a fault inside the server; its log says more" if hidden else error.message
    values = {**known, "noun": "", "text": text, "code": error.code}
    return Page("error", values, "page", error.http_status)


def _to_sign_in(request: Request) -> Response:
    """Where one signs in; a part of a page sends the whole page there."""
    if wants_fragment(request):
        return Response(status_code=401, headers={"hx-redirect": SIGN_IN})
    looks = request.method in {"GET", "HEAD"}
    from_elsewhere = request.headers.get("sec-fetch-site", "same-origin") == "cross-site"
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if looks and from_elsewhere:
        # The cookie does not come with a link of another site. From this page it does.
        again = f'<meta http-equiv="refresh" content="0;url={quote(place, safe="/?&=%:")}">'
        return HTMLResponse(f"<!doctype html><title>Holdfast</title>{again}")
    return RedirectResponse(f"{SIGN_IN}?next={quote(place, safe='')}" if looks else SIGN_IN, 303)


def own_place(place: str) -> str:
    """A place of the console's, as it was asked for; the fleet for any other."""
    parts = urlsplit(place)
    within = parts.path.startswith("/console/") and ".." not in parts.path and "\\" not in place
    plain = not parts.netloc and not parts.scheme and place.isprintable()
    return place if within and plain else "/console/fleet"
