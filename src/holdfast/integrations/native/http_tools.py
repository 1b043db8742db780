"""Tools behind HTTP: one request a call, with the idempotency key in a header.

Arguments fill the address's template one path segment or query value at a time, percent-encoded:
they can change neither scheme nor host nor the shape of the path. Not here: what is declared
(`compose/config`).
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from holdfast.core.effects import REFUSED_STATUSES
from holdfast.model.attempts import Probed, ToolResult

_VARIABLE = re.compile(r"\{([A-Za-z0-9_]+)\}")
_UNREACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_CONNECT_S = 10.0


class HttpTools:
    """Makes the requests of one run; `environment` is where credentials are looked up."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._http: aiohttp.ClientSession | None = None

    async def run(
        self,
        told: Mapping[str, Any],
        arguments: dict[str, Any],
        key: str,
        *,
        timeout_s: float,
        max_output_bytes: int,
    ) -> ToolResult:
        """One request; never raises for what the service does."""
        address, rest = _filled(str(told["url"]), arguments)
        headers = {str(told.get("key_header") or "Idempotency-Key"): key} if key else {}
        fault = self._sign(told, headers)
        if not address or fault:
            text = fault or "an argument of the address is missing, empty or no plain value"
            return ToolResult(
                ok=False, error_code="invalid_request", error=text, nothing_happened=True
            )
        try:
            status, body = await self._ask(
                str(told.get("method", "POST")), address, headers, rest, timeout_s, max_output_bytes
            )
        except _UNREACHED:
            text = "the service cannot be reached"
            return ToolResult(
                ok=False,
                error_code="service_unreachable",
                error=text,
                nothing_happened=True,
                retryable=True,
            )
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            text = f"the service broke off or did not answer in time ({type(error).__name__})"
            return ToolResult(ok=False, error_code="tool_timeout", error=text, uncertain=True)
        return _judged(told, status, body, max_output_bytes)

    async def probe(
        self, told: Mapping[str, Any], arguments: dict[str, Any], key: str, *, timeout_s: float
    ) -> Probed:
        """200 says that it happened, with its result; 404 that it did not; all else, nothing."""
        address, _ = _filled(str(told.get("probe_url", "")), arguments)
        headers = {str(told.get("key_header") or "Idempotency-Key"): key}
        if not address or self._sign(told, headers):
            return Probed(found="cannot_tell")
        try:
            status, body = await self._ask("GET", address, headers, {}, timeout_s, 1_000_000)
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return Probed(found="cannot_tell")
        if status == 404:
            return Probed(found="nothing_happened")
        if status == 200 and body is not None:
            return Probed(found="happened", output=_value(body))
        return Probed(found="cannot_tell")

    def _sign(self, told: Mapping[str, Any], headers: dict[str, str]) -> str:
        """Add the credential; says what is wrong when there is none."""
        named = str(told.get("credential_env") or "")
        if not named:
            return ""
        credential = self._environment.get(named, "")
        if not credential:
            return f"the worker's environment has no `{named}`"
        headers["authorization"] = f"Bearer {credential}"
        return ""

    async def _ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        rest: Mapping[str, Any],
        timeout_s: float,
        max_bytes: int,
    ) -> tuple[int, bytes | None]:
        """Status and body; the body is None when it is larger than `max_bytes`."""
        if self._http is None:
            self._http = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        limits = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        async with self._http.request(
            method,
            URL(address, encoded=True),
            json=None if method == "GET" else dict(rest),
            headers=dict(headers),
            timeout=limits,
            allow_redirects=False,
        ) as answer:
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > max_bytes:
                    return answer.status, None
            return answer.status, bytes(body)

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _filled(template: str, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The address, empty where an argument is missing, and the arguments that it did not take."""
    taken: set[str] = set()
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match[1]
        found = arguments.get(name)
        plain = isinstance(found, str | int | float) and not isinstance(found, bool)
        # A segment of dots alone walks up the path, however it is spelled.
        if not plain or not str(found).strip("."):
            missing = True
            return ""
        taken.add(name)
        return quote(str(found), safe="")

    address = _VARIABLE.sub(value, template)
    rest = {name: v for name, v in arguments.items() if name not in taken}
    return ("" if missing else address), rest


def _judged(told: Mapping[str, Any], status: int, body: bytes | None, max_bytes: int) -> ToolResult:
    if 200 <= status < 300:
        if body is None:
            text = f"the output is larger than {max_bytes} bytes and is left out"
            return ToolResult(ok=True, output={"notice": text})
        return ToolResult(ok=True, output=_value(body))
    said = (body or b"")[:4000].decode(errors="replace")
    if status in (told.get("nothing_happened") or ()):
        return ToolResult(ok=False, error_code=f"http_{status}", error=said, nothing_happened=True)
    # Some statuses are a no; a time-out, a conflict, a 5xx or a redirect leaves all open.
    uncertain = status not in REFUSED_STATUSES
    return ToolResult(ok=False, error_code=f"http_{status}", error=said, uncertain=uncertain)


def _value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
