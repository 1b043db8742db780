"""One model call through the gateway, as a stream, to its whole answer or to what went wrong.

Not here: whether it is tried again (`integrations/native/driver`).
"""

from typing import Any

import aiohttp
import msgspec

from holdfast.client import Session
from holdfast.core.assembled import Assembled, Assembly, Broken

_CONNECT_S = 10.0
_SILENCE_S = 180.0
_MAX_FAULT_BYTES = 64 * 1024


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer.

    `code` is Holdfast's own where it refused, else the provider's error type. `retry_after_s` is
    what the provider asked for, 0 for nothing. `final`: trying again cannot help.
    """

    status: int
    code: str
    text: str
    retry_after_s: float = 0.0
    final: bool = False


class ModelDoor:
    """The gateway, seen with a session's model token."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, body: dict[str, Any]) -> Assembled | Fault:
        """Send one request. Never raises for what gateway or provider answer."""
        if self._http is None:
            self._http = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        headers = {
            "authorization": f"Bearer {self._session.model_token}",
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        try:
            async with self._http.post(
                f"{self._session.model_url}/v1/messages",
                data=msgspec.json.encode({**body, "stream": True}),
                headers=headers,
                timeout=limits,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    return await _fault(answer)
                assembly = Assembly()
                async for piece in answer.content.iter_any():
                    assembly.feed(piece)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            text = f"the gateway broke off or did not answer ({type(error).__name__})"
            return Fault(status=0, code="upstream_unavailable", text=text)
        found = assembly.result()
        if isinstance(found, Broken):
            return Fault(status=200, code=found.code, text=found.text)
        return found

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
        if self._http is not None:
            await self._http.close()
            self._http = None


class _Envelope(msgspec.Struct):
    error: dict[str, Any] = {}


async def _fault(answer: aiohttp.ClientResponse) -> Fault:
    raw = await answer.content.read(_MAX_FAULT_BYTES)
    try:
        told = msgspec.json.decode(raw, type=_Envelope).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        told = {}
    text = str(told.get("message", "")) or f"the gateway answered {answer.status}"
    code = str(told.get("code") or told.get("type") or "api_error")
    try:
        retry_after_s = max(0.0, float(answer.headers.get("retry-after", "0")))
    except ValueError:
        retry_after_s = 0.0
    said = answer.headers.get("x-should-retry", "")
    retryable = answer.status in (408, 429) or answer.status >= 500
    final = said == "false" or not retryable
    return Fault(
        status=answer.status,
        code=code,
        text=text[:2000],
        retry_after_s=retry_after_s,
        final=final,
    )
