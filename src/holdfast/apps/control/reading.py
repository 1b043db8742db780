"""What every route reads of a request: its token, its body, its JSON.

Not here: whose token it is (`runtime/sessions`), how a refusal looks (each route's own).
"""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from holdfast.compose.config.problems import quoted
from holdfast.core.canonical import Unreadable, parse_json
from holdfast.core.large import Answer, Parse, Parsed, Unusable, read_outcome
from holdfast.errors import InvalidRequest, TooLarge, Unauthenticated, Unavailable
from holdfast.ports.readers import Body, Held, Readers
from holdfast.runtime.growing import Growing, let_go

_T = TypeVar("_T")

Report = Callable[[BaseException], None]

_BODY_TIMEOUT_S = 60.0
_MAX_TOKEN_CHARACTERS = 512
_ABOUT_A_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)


def bearer(headers: Headers) -> str:
    """The token of a request: `Authorization: Bearer …`, or `x-api-key`.

    Errors: Unauthenticated when there is none.
    """
    authorization = headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if authorization and scheme.lower() != "bearer":
        raise Unauthenticated("the authorization header is not `Bearer <token>`")
    found = (token if authorization else headers.get("x-api-key", "")).strip()
    if not found:
        raise Unauthenticated("a token is needed: `Authorization: Bearer <token>`")
    if len(found) > _MAX_TOKEN_CHARACTERS:
        raise Unauthenticated("the token is not one that this server issued")
    return found


class Intake(NamedTuple):
    """How a door takes bodies: how large, who reads large ones, who is told of faults of ours."""

    max_body_bytes: int
    report: Report
    readers: Readers | None = None


class Sent:
    """What a client sent, small or large; `close` it when it was answered."""

    def __init__(self, body: Body, readers: Readers | None = None) -> None:
        self.body = body
        self._readers = readers

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self.body if isinstance(self.body, bytes) else not self.body.size_bytes

    async def json(self) -> object:
        """One strict reading of it. Errors: InvalidRequest; Unavailable for a large one."""
        if isinstance(self.body, bytes):
            return json_of(self.body)
        return (await self._parsed(self.body, Parse())).value

    async def outcome(self) -> tuple[object, tuple[str, ...]]:
        """The body of a report on what ran, and what had to be replaced to read it.

        Errors: InvalidRequest for no JSON at all, TooLarge for more values than are read,
        Unavailable where a large one could not be read.
        """
        if isinstance(self.body, bytes):
            found = _usable(read_outcome(self.body))
        else:
            found = await self._parsed(self.body, Parse(outcome=True))
        return found.value, found.replaced

    async def _parsed(self, body: Held, job: Parse) -> Parsed:
        if self._readers is None:
            raise Unavailable("nobody here reads large requests; send less of it at once")
        answer, _ = await self._readers.ask(job, body)
        return _usable(answer)

    def close(self) -> None:
        """Let go of it; idempotent."""
        let_go(self.body)


def _usable(answer: Answer) -> Parsed:
    if isinstance(answer, Unusable):
        raise TooLarge(answer.text) if answer.too_large else InvalidRequest(answer.text)
    if not isinstance(answer, Parsed):
        raise Unavailable("the process that reads large requests answered another question")
    return answer


async def sent(request: Request, intake: Intake) -> Sent:
    """The whole body. Errors: TooLarge, InvalidRequest when it does not come in time."""
    max_bytes, readers = intake.max_body_bytes, intake.readers
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise TooLarge(f"the body is larger than {max_bytes} bytes")
    growing = Growing(max_bytes, readers.hold if readers is not None else None)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while await _more(request, growing):
                pass
        return Sent(growing.whole(), readers)
    except TimeoutError:
        text = f"the body did not arrive within {_BODY_TIMEOUT_S:g} s"
        raise InvalidRequest(text) from None
    finally:
        growing.close()


async def _more(request: Request, growing: Growing) -> bool:
    """Take the next piece; whether another one follows. Errors: as `sent`, ClientDisconnect."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    growing.append(message.get("body", b""))
    more: bool = message.get("more_body", False)
    return more


def _nobody(_: BaseException) -> None:
    """Whoever reads it reports for itself."""


async def whole_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, as bytes. Errors: as `sent`."""
    body = (await sent(request, Intake(max_bytes, _nobody))).body
    if not isinstance(body, bytes):
        raise TypeError("without readers nothing is held")
    return body


def json_of(body: bytes) -> object:
    """One strict reading of the body. Errors: InvalidRequest."""
    parsed = parse_json(body)
    if isinstance(parsed, Unreadable):
        raise InvalidRequest(f"the body is not usable JSON: {parsed.reason}")
    return parsed


def shaped(parsed: object, kind: type[_T], *, strict: bool = True, field: str = "") -> _T:
    """What was sent as one of the API's shapes; text of a path or a query is not `strict`.

    Errors: InvalidRequest, which names the `field` that does not fit.
    """
    try:
        return msgspec.convert(parsed, kind, strict=strict)
    except msgspec.ValidationError as error:
        place, text = _misfit(str(error))
        named = quoted(".".join(part for part in (field, place) if part) or "body")
        raise InvalidRequest(f"{named}: {text}", field=named[1:-1]) from None


def _misfit(told: str) -> tuple[str, str]:
    """Where something does not fit, and what would."""
    text, _, place = told.partition(" - at `")
    place = place.rstrip("`").removeprefix("key` in `").removeprefix("$").removeprefix(".")
    if text.startswith("Invalid enum value"):
        return place, "there is no such value"
    about = _ABOUT_A_FIELD.fullmatch(text)
    if about is None:
        return place, text[:1].lower() + text[1:300]
    place = f"{place}.{about[2]}" if place else about[2]
    return place, "it is needed" if about[1] == "missing required" else "there is no such field"
