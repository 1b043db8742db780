"""What crosses between a relay and its server: each word whole, and text that no wire takes."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from typing import Any

import msgspec
import pytest

from holdfast.core.edits import Edits
from holdfast.core.metering import Reading
from holdfast.core.stream import EmittedCall
from holdfast.errors import Denied, InternalError, RateLimited, Unavailable
from holdfast.model.upstreams import Trouble
from holdfast.runtime.relays import wire
from holdfast.runtime.relays.wire import (
    HEARTBEAT_S,
    IN_FLIGHT_MAX,
    OPEN_CALLS_MAX,
    SILENCE_S,
    Answered,
    Call,
    Came,
    Count,
    Counted,
    Cuts,
    Extended,
    HandOn,
    Hello,
    Listening,
    Passed,
    Priced,
    PriceThere,
    Refusal,
    Send,
    Wrote,
    decoded,
    emitted,
    encoded,
    wrote,
)


@pytest.fixture(autouse=True, params=["holdfast.runtime.relays.wire"])
def about(request):
    """What these tests are about."""


def test_signs_of_life_and_numbers_of_calls_have_their_bounds():
    assert (HEARTBEAT_S, SILENCE_S, OPEN_CALLS_MAX, IN_FLIGHT_MAX) == (1.0, 5.0, 8_192, 32_768)


SEND: dict[str, Any] = {
    "upstream": "main",
    "edits": Edits(),
    "seconds_left": 1.0,
    "timeout_s": 2.0,
    "cached_1h": False,
    "held_tokens": 1,
    "in_flight_tokens": 2,
    "most_tokens": 3,
}


@pytest.mark.parametrize(
    ("made", "left_out"),
    [
        (Call(call=1, token="t", path="/p", headers={}), {"body": b"", "read": None}),
        (Count(token="t", headers={}), {"body": b"", "read": None}),
        (Send(**SEND), {"session": "", "user": "", "whole": False}),
        (
            Came(call=1),
            {
                "status": 0,
                "error": None,
                "trouble": None,
                "tried": (),
                "failures": 0,
                "waits": {},
                "reading": None,
            },
        ),
        (Passed(), {"upstream": ""}),
        (Priced(call=1), {"raw": None}),
        (Extended(held_tokens=1), {"reason": ""}),
        (Cuts(), {"cuts": ()}),
        (Listening(), {"running": ()}),
        (Refusal(code="c", message="m"), {"fields": {}}),
        (Wrote(call_id="c", tool="t", arguments=None, at_server=True), {"answered": None}),
    ],
)
def test_word_says_nothing_that_nobody_said(made, left_out):
    assert {name: getattr(made, name) for name in left_out} == left_out
    assert decoded(encoded(made), type(made)) == made


def test_answers_of_the_server_are_told_apart():
    answers: list[Any] = [
        Send(**SEND, session="s", user="u", whole=True),
        PriceThere(upstream="main", edits=Edits(model="x")),
        HandOn(),
        Refusal(code="c", message="m", fields={"a": 1}),
    ]
    assert [decoded(encoded(one), Answered) for one in answers] == answers
    both: Any = Counted | Refusal
    counted = Counted(upstream="m", edits=Edits())
    assert decoded(encoded(counted), both) == counted
    assert decoded(encoded(Passed(upstream="m")), Passed) == Passed(upstream="m")
    came = Came(
        call=1,
        status=529,
        trouble=Trouble.OVERLOADED,
        tried=("overloaded",),
        failures=1,
        waits={"retry-after": "7"},
        reading=Reading(),
    )
    assert decoded(encoded(came), Came) == came


def test_refusal_is_the_error_again_with_what_the_wire_takes_of_its_fields():
    error = RateLimited(
        "a \ud800 b",
        text="x\ud800y",
        n=7,
        low=-(2**63),
        high=2**63 - 1,
        below=-(2**63) - 1,
        above=2**63,
        part=1.5,
        yes=True,
        none=None,
        other=("a", "\ud800"),
    )
    told = Refusal.of(error)
    assert told == Refusal(
        code="rate_limited",
        message="a ? b",
        fields={
            "text": "x?y",
            "n": 7,
            "low": -(2**63),
            "high": 2**63 - 1,
            "below": str(-(2**63) - 1),
            "above": str(2**63),
            "part": 1.5,
            "yes": True,
            "none": None,
            "other": "('a', '\\ud800')",
        },
    )
    back = decoded(encoded(told), Refusal).error()
    assert (type(back), back.message, back.fields) == (RateLimited, "a ? b", told.fields)
    assert type(Refusal(code="permission_denied", message="x").error()) is Denied
    unknown = Refusal(code="of tomorrow", message="x", fields={"a": 1}).error()
    assert (type(unknown), unknown.message, unknown.fields) == (InternalError, "x", {"a": 1})


def test_what_the_other_side_says_otherwise_breaks_the_line():
    for body in (b"", b"\xc1", b"\x80", b"\xa1\xff", encoded(Cuts())):
        with pytest.raises(Unavailable) as refused:
            decoded(body, Hello)
        assert refused.value.message == "the other side of the relay's line broke the protocol"
    with pytest.raises(Unavailable):
        decoded(b"\x82\xa6server\xa1\xff\xa3pid\x01", Hello)


def test_calls_arrive_as_the_model_wrote_them():
    calls = [
        EmittedCall("c1", "look", {"n": 2**70, "t": "\ud800"}, at_server=False),
        EmittedCall("c\ud8002", "l\ud800k", None, at_server=True, answered={"ok": True}),
        EmittedCall("c3", "look", {}, at_server=False),
    ]
    told = wrote(calls)
    assert [msgspec.structs.astuple(one) for one in told] == [
        ("c1", "look", b'{"n": 1180591620717411303424, "t": "\\ud800"}', False, None),
        ("c?2", "l?k", None, True, b'{"ok": true}'),
        ("c3", "look", b"{}", False, None),
    ]
    assert emitted(told) == [
        calls[0],
        EmittedCall("c?2", "l?k", None, at_server=True, answered={"ok": True}),
        calls[2],
    ]
    assert wire.emitted(()) == []
