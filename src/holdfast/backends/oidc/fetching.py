"""What is fetched of an issuer: JSON, small, soon, from the very address; no redirect is followed.

Not here: what it means (`provider`, `verifying`).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from holdfast.core.canonical import Unreadable, parse_json
from holdfast.errors import Unavailable

MOST_BYTES = 256 * 1024
TIMEOUT_S = 10.0
_CONNECT_S = 5.0


class Fetched(NamedTuple):
    """One answer: a status, and an object."""

    status: int
    value: Mapping[str, Any]


class Fetching:
    """Connections to one issuer, opened on first use, in one event loop."""

    def __init__(self, host: str, timeout_s: float = TIMEOUT_S) -> None:
        """`host` is how the issuer is called in what people read."""
        self._host = host
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None

    async def get(self, url: str, token: str = "") -> Fetched:
        """Errors: Unavailable."""
        return await self._fetched("GET", url, None, f"Bearer {token}" if token else "")

    async def post(self, url: str, form: Mapping[str, str], authorization: str = "") -> Fetched:
        """Errors: Unavailable."""
        return await self._fetched("POST", url, form, authorization)

    async def close(self) -> None:
        """Idempotent."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def _fetched(
        self, method: str, url: str, form: Mapping[str, str] | None, authorization: str
    ) -> Fetched:
        headers = {"accept": "application/json"}
        if authorization:
            headers["authorization"] = authorization
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session().request(
                    method, url, data=form, headers=headers, allow_redirects=False
                ) as response,
            ):
                body = await self._read(response)
                return Fetched(response.status, self._object(body, response.status))
        except TimeoutError:
            why = f"did not answer within {self._timeout_s:g} s"
            raise Unavailable(f"the identity provider at {self._host} {why}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self.unusable(f"cannot be reached: {type(error).__name__}") from None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                trust_env=False,
            )
        return self._http

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > MOST_BYTES:
                raise self.unusable(f"answers with more than {MOST_BYTES // 1024} KiB")
        return bytes(body)

    def _object(self, body: bytes, status: int) -> Mapping[str, Any]:
        value = None if 300 <= status < 400 else parse_json(body)
        if isinstance(value, Unreadable) or not isinstance(value, dict):
            raise self.unusable(f"answers {status} with no JSON object")
        return value

    def unusable(self, why: str) -> Unavailable:
        """What to raise about an issuer that cannot be used."""
        return Unavailable(f"the identity provider at {self._host} {why}")


def is_safe(url: object, issuer: str) -> bool:
    """Whether something may be sent to an address that an issuer names."""
    with suppress(ValueError):
        parts = urlsplit(url if isinstance(url, str) and url.isprintable() else "")
        plain = parts.scheme == "http" and urlsplit(issuer).scheme == "http"
        local = plain and parts.hostname in {"localhost", "127.0.0.1", "::1"}
        named = bool(parts.hostname) and parts.username is None and parts.port != 0
        return named and not parts.fragment and (parts.scheme == "https" or local)
    return False
