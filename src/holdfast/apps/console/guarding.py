"""Before every page: the request is for this host and from this origin; after it, secure headers.

Whoever comes by another name than the server is known by is refused, so that no name of a
stranger's can be pointed here; so is every change that another site's page sends.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Another value would take the origin out of forms that are sent.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_LOOKS = ("GET", "HEAD")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
MAX_FORM_BYTES = 512 * 1024


class Guarded:
    """ASGI middleware. `urls` are the addresses that the server is known by, some of them empty."""

    def __init__(self, app: ASGIApp, urls: Iterable[str]) -> None:
        self._app = app
        self._known, self._ports = set[str](), set[int]()
        self._strict = False
        for url in filter(None, urls):
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            self._ports.add(port)
            self._known.add(parts.netloc.lower())
            self._known.update(f"{name}:{port}" for name in _LOCAL)
            self._strict = self._strict or parts.scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            return
        sending = self._securing(send)
        why = self._fault(scope["method"], Headers(scope=scope))
        if why:
            await PlainTextResponse(f"{why}\n", 403)(scope, receive, sending)
            return
        await self._app(scope, receive, sending)

    def _fault(self, method: str, headers: Headers) -> str:
        """Why the request is not for us, or not from us; empty where it is."""
        host = headers.get("host", "").lower()
        if not self._is_ours(host):
            return (
                "the console is not known by this name; `server.public_url` of holdfast.yaml says"
                " under which it is"
            )
        if method in _LOOKS:
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "")
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length[:20]) > MAX_FORM_BYTES:
            return "a form is sent whole, and is not that large"
        if origin is None:
            return "" if site == "same-origin" else "a form says where it comes from"
        parts = urlsplit(origin)
        own = parts.scheme in {"http", "https"} and parts.netloc.lower() == host
        return "" if own else "this form was sent by a page of another site"

    def _is_ours(self, host: str) -> bool:
        """A known name; or a bare address, which nobody can point elsewhere."""
        if host in self._known:
            return True
        try:
            parts = urlsplit(f"//{host}")
            ipaddress.ip_address(parts.hostname or "")
            return parts.netloc == host and (parts.port or 80) in self._ports
        except ValueError:
            return False

    def _securing(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("cache-control", "no-store")
                if self._strict:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        return sending
