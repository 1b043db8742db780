"""What every route of the guard's door reads of a request: its token, its body, its JSON.

Not here: whose token it is (`runtime/sessions`), how a refusal looks (each route's own).
"""

import asyncio
import json
from collections.abc import Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request

from holdfast.core.canonical import MANY_VALUES, Unreadable, parse_json
from holdfast.core.writable import OUTPUT_BYTES_MAX, written
from holdfast.errors import InvalidRequest, TooLarge, Unauthenticated

_T = TypeVar("_T")

Report = Callable[[BaseException], None]

_BODY_TIMEOUT_S = 60.0
# Beyond these a number takes longer to read than it is worth.
_DIGITS_MAX = 1_000


def token_of(request: Request) -> str:
    """The token of a request. Errors: Unauthenticated when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not token:
        raise Unauthenticated("no session token: send it as a bearer token or as x-api-key")
    return token


async def whole_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Errors: TooLarge, InvalidRequest when it does not come in time."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise TooLarge(f"the body is larger than {max_bytes} bytes")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise TooLarge(f"the body is larger than {max_bytes} bytes")
                parts.append(part)
    except TimeoutError:
        text = f"the body did not arrive within {_BODY_TIMEOUT_S:g} s"
        raise InvalidRequest(text) from None
    return b"".join(parts)


def json_of(body: bytes) -> object:
    """One strict reading of the body. Errors: InvalidRequest."""
    parsed = parse_json(body)
    if isinstance(parsed, Unreadable):
        raise InvalidRequest(f"the body is not usable JSON: {parsed.reason}")
    return parsed


def outcome_of(body: bytes) -> tuple[object, tuple[str, ...]]:
    """The body of a report on what ran, and what had to be replaced to read it.

    What ran is recorded whatever it returned: text that is no UTF-8, numbers that JSON has no word
    for, nesting without end, a key that stands twice. Errors: InvalidRequest for no JSON at all,
    TooLarge for more values than are read.
    """
    parsed = parse_json(body)
    if not isinstance(parsed, Unreadable):
        return parsed, ()
    if parsed.reason == MANY_VALUES:
        # Nothing of it may be made: it would cost a hundred times its bytes.
        raise TooLarge(f"the body is not usable JSON: {parsed.reason}; report it as one text")
    try:
        loose = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_int)
    except (ValueError, RecursionError):
        raise InvalidRequest(f"the body is not usable JSON: {parsed.reason}") from None
    found = written(loose, most_bytes=max(len(body), OUTPUT_BYTES_MAX))
    return found.value, tuple({*found.replaced, parsed.reason})


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) <= _DIGITS_MAX else digits


def shaped(parsed: object, kind: type[_T]) -> _T:
    """JSON as one of the door's shapes. Errors: InvalidRequest."""
    try:
        return msgspec.convert(parsed, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the body does not fit: {str(error)[:300].lower()}") from None
