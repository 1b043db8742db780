"""What a relay and the server say to each other, as msgpack bodies of frames.

The relay asks; the server's only word of its own, a cut, answers the relay's standing `cuts`.
Refusals travel as values, so that a client reads the same error through a relay as without one.
Not here: who says what when (`owner`, `calls`, `payer`).
"""

import json
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from holdfast.core.edits import Edits
from holdfast.core.large import Requested
from holdfast.core.metering import Reading
from holdfast.core.stream import EmittedCall
from holdfast.errors import HoldfastError, InternalError, Unavailable, all_errors
from holdfast.model.money import Usage
from holdfast.model.upstreams import Trouble

W = TypeVar("W")

HEARTBEAT_S = 1.0
"""The server answers a standing `cuts` at least this often."""
SILENCE_S = 5.0
"""Whoever heard nothing for so long takes the other for gone."""
OPEN_CALLS_MAX = 8_192
"""Calls of one relay at a time; further ones are refused."""
IN_FLIGHT_MAX = 4 * OPEN_CALLS_MAX
"""Frames of one relay at a time: a call that waits must not hold up the one it waits for."""

_ERRORS = {cls.code: cls for cls in all_errors()}


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The first word on a line. `server`: which server started this relay."""

    server: str
    pid: int


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """`known` is false for a relay that another server started: it has to end."""

    known: bool


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """A typed error; nothing comes after it."""

    code: str
    message: str
    fields: dict[str, str | int | float | bool | None] = {}

    @classmethod
    def of(cls, error: HoldfastError) -> "Refusal":
        """As the wire takes it: text that is no UTF-8 is replaced, other values become text."""
        fields = {name: _plain(value) for name, value in error.fields.items()}
        return cls(code=error.code, message=_text(error.message), fields=fields)

    def error(self) -> HoldfastError:
        """The error again, of its own class."""
        found = _ERRORS.get(self.code, InternalError)
        return found(self.message, **self.fields)


class Passed(msgspec.Struct, frozen=True, kw_only=True, tag="passed"):
    """The token is one of a session. `upstream` is whom to ask what is free; empty if not asked."""

    upstream: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `POST /v1/messages`. `call` is the relay's number for it, never used again.

    A large body stays in the relay, which has it read: `read` is what came of it.
    """

    call: int
    token: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    read: Requested | None = None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `count_tokens`, for the server to admit; a large body as in `Call`."""

    token: str
    headers: dict[str, str]
    body: bytes = b""
    read: Requested | None = None


class Counted(msgspec.Struct, frozen=True, kw_only=True, tag="counted"):
    """The count is admitted: take it to `upstream`, with these edits."""

    upstream: str
    edits: Edits


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """The call is paid for: take it to `upstream`, with these edits, in `seconds_left`.

    `session` and `user` are whose it is, for the breakers; `whole`: it does not stream;
    `again_most`: how often the relay may try again at most.
    """

    upstream: str
    edits: Edits
    seconds_left: float
    timeout_s: float
    cached_1h: bool
    held_tokens: int
    in_flight_tokens: int
    most_tokens: int
    session: str = ""
    user: str = ""
    whole: bool = False
    again_most: int | None = None


class PriceThere(msgspec.Struct, frozen=True, kw_only=True, tag="price"):
    """Ask `upstream` for its count of a call's body, which stayed in the relay.

    With these edits; answered by `Priced`.
    """

    upstream: str
    edits: Edits


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider answered to a `PriceThere`; None where it did not."""

    call: int
    raw: bytes | None = None


class HandOn(msgspec.Struct, frozen=True, kw_only=True, tag="hand_on"):
    """Give the client the provider's refusal, with these headers; nothing is owed for it."""

    told: dict[str, str] = {}


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a `Send`: a status, or the error that stands in place of an answer.

    An answer to be paid for is only told of (`arrived`): it streams from then on. Of anything else
    the server is asked (`came`) what to do.
    `trouble` is empty where the answer is to be handed on. `tried` are the tries that failed,
    `failures` how many count against the session. `waits` are headers that ask for patience.
    `reading` is what the provider had counted when it broke off before any output; `said`, the
    beginning of what a refusal says.
    """

    call: int
    status: int = 0
    error: Refusal | None = None
    trouble: Trouble | None = None
    tried: tuple[str, ...] = ()
    failures: int = 0
    waits: dict[str, str] = {}
    reading: Reading | None = None
    said: bytes = b""


class Extend(msgspec.Struct, frozen=True, kw_only=True):
    """Hold so many tokens more; answered by `Extended`."""

    call: int
    more_tokens: int


class Extended(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens held now, and why not more; the reason is empty where they are held."""

    held_tokens: int
    reason: str = ""


class Wrote(msgspec.Struct, frozen=True, kw_only=True):
    """A complete tool call of the model. `arguments` is JSON, None where they are no object.

    `answered` is the JSON of a result that the provider sent, None where it is a call.
    """

    call_id: str
    tool: str
    arguments: bytes | None
    at_server: bool
    answered: bytes | None = None


class Emitted(msgspec.Struct, frozen=True, kw_only=True):
    """Tool calls that the model asked for."""

    call: int
    calls: tuple[Wrote, ...]


class Torn(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that may be half-written."""

    call: int
    call_id: str


class WasCut(msgspec.Struct, frozen=True, kw_only=True):
    """The answer was ended early; the money is settled by a word of its own."""

    call: int
    reading: Reading
    reason: str


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """The answer is over; `ended` is how, in words (`core/endings`)."""

    call: int
    reading: Reading
    ended: str


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody waits for this call any more."""

    call: int


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """A cut holds: nothing more of this call is shown, and what waited to be sent is discarded."""

    call: int


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker of this relay opened or closed."""

    kind: str
    body: dict[str, str | int | float | bool | None]


class Running(msgspec.Struct, frozen=True, array_like=True):
    """What one answer used so far; see `core/metering.Metering`."""

    call: int
    usage: Usage
    output_bytes: int


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """The relay's standing `cuts`: what answers used so far that wrote since the last one."""

    running: tuple[Running, ...] = ()


class CutCall(msgspec.Struct, frozen=True, kw_only=True):
    """End one call now. `stopped`: nothing of it may be shown any more."""

    call: int
    reason: str
    stopped: bool


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be cut; often nothing, as a sign of life."""

    cuts: tuple[CutCall, ...] = ()


Answered = Send | PriceThere | HandOn | Refusal
"""What a `call`, `came` or `priced` is answered with."""

encoded = msgspec.msgpack.Encoder().encode


def decoded(body: bytes, kind: type[W]) -> W:
    """One body. Errors: Unavailable when the other side speaks otherwise."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Unavailable("the other side of the relay's line broke the protocol") from fault


def wrote(calls: Iterable[EmittedCall]) -> tuple[Wrote, ...]:
    """Calls as the wire takes them: whatever number or text the model wrote comes through."""
    return tuple(
        Wrote(
            call_id=_text(call.call_id),
            tool=_text(call.tool),
            arguments=_json(call.arguments),
            at_server=call.at_server,
            answered=_json(call.answered),
        )
        for call in calls
    )


def emitted(calls: Iterable[Wrote]) -> list[EmittedCall]:
    """The calls again."""
    return [
        EmittedCall(c.call_id, c.tool, _object(c.arguments), c.at_server, _object(c.answered))
        for c in calls
    ]


def _json(value: dict[str, Any] | None) -> bytes | None:
    return None if value is None else json.dumps(value).encode()


def _object(encoded_json: bytes | None) -> dict[str, Any] | None:
    if encoded_json is None:
        return None
    found: dict[str, Any] = json.loads(encoded_json)
    return found


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        return _text(value)
    small = isinstance(value, int) and -(2**63) <= value < 2**63
    return value if small or isinstance(value, float | None) else _text(str(value))  # type: ignore[return-value]


def _text(given: str) -> str:
    return given.encode("utf-8", "replace").decode()
