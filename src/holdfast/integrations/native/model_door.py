"""One model call through the gateway, as a stream, to its whole answer or to what went wrong.

Not here: whether it is tried again (`integrations/native/model_turns`).
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from holdfast.client import Session
from holdfast.core.assembled import Assembled, Assembly, Broken
from holdfast.core.failures import HEADERS, TRIES, failed
from holdfast.errors import Unavailable
from holdfast.model.views.calls import HookAnswer

_CONNECT_S = 10.0
_SILENCE_S = 180.0
_MAX_FAULT_BYTES = 64 * 1024
_DECIDED = ("recovery", "strategy", "keep_turns")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer.

    `code` is Holdfast's own where it refused, else the provider's error type. `retry_after_s` is
    what the provider asked for, 0 for nothing. `final`: trying again cannot help. `tries` are those
    that were made at upstreams. `heard` is what the operator's hooks decided of it, None where the
    gateway did not ask them. `too_long`: the conversation is.
    """

    status: int
    code: str
    text: str
    retry_after_s: float = 0.0
    final: bool = False
    tries: int = 1
    heard: HookAnswer | None = None
    too_long: bool = False


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
            # Its tries are counted here, and waits belong to the run.
            TRIES: "1",
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


async def _fault(answer: aiohttp.ClientResponse) -> Fault:
    said = failed(answer.status, await answer.content.read(_MAX_FAULT_BYTES))
    told = answer.headers
    try:
        retry_after_s = max(0.0, float(told.get("retry-after", "0")))
    except ValueError:
        retry_after_s = 0.0
    retryable = answer.status in (408, 429) or answer.status >= 500
    heard = _heard(told)
    # Where hooks decided that nobody is to try again, that is for them to say, not for the status.
    refused = told.get("x-should-retry", "") == "false" and (heard is None or not heard.recovery)
    tries = told.get(TRIES, "")
    return Fault(
        status=answer.status,
        code=said.code,
        text=said.text,
        retry_after_s=retry_after_s,
        final=refused or not retryable,
        tries=int(tries) if tries.isdecimal() else 0,
        heard=heard,
        too_long=said.too_long,
    )


def _heard(told: Mapping[str, str]) -> HookAnswer | None:
    """What the gateway says of the hooks. Errors: Unavailable for what no gateway says."""
    if HEADERS["hook_point"] not in told:
        return None
    given = {name: told[HEADERS[name]] for name in _DECIDED if HEADERS[name] in told}
    try:
        return msgspec.convert(given, HookAnswer, strict=False)
    except msgspec.ValidationError as fault:
        raise Unavailable(
            "the gateway says what this worker does not know: is it older?"
        ) from fault
