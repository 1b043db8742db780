"""Frames of an event stream, whole, in pieces and broken."""

import itertools
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.bedrock.frames import EventFrames
from holdfast.core.stream import AnswerStream
from holdfast.errors import UpstreamUnavailable
from tests.unit.backends.bedrock_shapes import EVENTS, STREAM, frame


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=12))
def test_however_it_is_cut_the_same_events_come_out_and_are_metered(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    frames, meter = EventFrames({}), AnswerStream(cached_1h=False)
    out = b""
    for start, end in itertools.pairwise(edges):
        passed = meter.feed(frames.feed(STREAM[start:end]))
        assert isinstance(passed, bytes)
        out += passed
    assert frames.end() == b""
    told = [json.loads(part.split(b"data: ")[1]) for part in out.split(b"\n\n") if part]
    assert told == EVENTS
    assert out.startswith(b"event: message_start\ndata: {")
    assert meter.ended
    assert meter.metered.final
    assert meter.metered.usage().output_tokens == 7


def whole(raw):
    frames = EventFrames({})
    return frames.feed(raw) + frames.end()


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_byte_that_changed_on_the_way_never_passes(place, change):
    broken = bytearray(STREAM)
    broken[place] ^= change
    with pytest.raises(UpstreamUnavailable):
        whole(bytes(broken))


def test_half_a_frame_at_the_end_is_a_broken_answer():
    frames = EventFrames({})
    frames.feed(STREAM[:-3])
    with pytest.raises(UpstreamUnavailable, match="middle of a frame"):
        frames.end()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limit_error"),
        ("modelStreamErrorException", "api_error"),
        ("serviceUnavailableException", "overloaded_error"),
    ],
)
def test_an_exception_becomes_an_error_event(name, kind):
    raw = frame(b'{"message":"Too many tokens"}', exception_type=name, message_type="exception")
    meter = AnswerStream(cached_1h=False)
    out = meter.feed(EventFrames({}).feed(raw))
    assert isinstance(out, bytes)
    body = json.loads(out.split(b"data: ")[1])
    assert body == {"type": "error", "error": {"type": kind, "message": "Too many tokens"}}
    assert meter.failed


def test_unknown_events_are_passed_over():
    assert EventFrames({}).feed(frame(b"{}", event_type="initial", message_type="event")) == b""


def test_a_frame_that_claims_to_be_endless_is_refused():
    with pytest.raises(UpstreamUnavailable):
        EventFrames({}).feed(struct.pack(">III", 2**31, 0, 0))
