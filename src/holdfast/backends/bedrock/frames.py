"""`application/vnd.amazon.eventstream` read frame by frame, and handed on as server-sent events.

A frame is its length, the headers' length, a checksum of the two, headers, payload and a checksum
of it all; big-endian, CRC-32. A chunk's payload holds one event of the Messages API in base64; an
exception's becomes the `error` event that the Messages API would send.
"""

import binascii
import struct
import zlib
from collections.abc import Iterator, Mapping

import msgspec

from holdfast.core.vendors import error_fields
from holdfast.errors import UpstreamUnavailable

_PRELUDE = 12
_FRAME_MAX = 24 * 1024 * 1024
_STRING = 7
# Bytes that a header's value takes, by its type; strings and bytes say their own length.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_KINDS = {
    "throttlingException": "rate_limit_error",
    "serviceUnavailableException": "overloaded_error",
    "validationException": "invalid_request_error",
    "modelTimeoutException": "timeout_error",
}


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Event(msgspec.Struct):
    type: str


class _Fault(msgspec.Struct):
    message: str = ""


_CHUNK = msgspec.json.Decoder(_Chunk)
_EVENT = msgspec.json.Decoder(_Event)
_FAULT = msgspec.json.Decoder(_Fault)


class EventFrames:
    """Reads frames; `feed` returns the events that they make up. See `ports.llm.Reader`."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._buffer = b""

    def feed(self, chunk: bytes) -> bytes:
        """Whole events. Errors: UpstreamUnavailable for a frame that does not hold."""
        self._buffer += chunk
        try:
            return b"".join(self._events())
        except (ValueError, KeyError, struct.error, msgspec.DecodeError) as error:
            raise UpstreamUnavailable("the vendor sent a frame that cannot be read") from error

    def end(self) -> bytes:
        """Nothing is left over. Errors: UpstreamUnavailable for half a frame."""
        if self._buffer:
            raise UpstreamUnavailable("the vendor ended in the middle of a frame")
        return b""

    def _events(self) -> Iterator[bytes]:
        start = 0
        try:
            while len(self._buffer) - start >= _PRELUDE:
                size = int.from_bytes(self._buffer[start : start + 4])
                if not _PRELUDE + 4 <= size <= _FRAME_MAX:
                    raise ValueError(size)
                if len(self._buffer) - start < size:
                    break
                frame = self._buffer[start : start + size]
                start += size
                yield _event(frame)
        finally:
            self._buffer = self._buffer[start:]


def _event(frame: bytes) -> bytes:
    size, headers_size, checksum = struct.unpack(">III", frame[:_PRELUDE])
    whole = int.from_bytes(frame[-4:])
    if zlib.crc32(frame[:8]) != checksum or zlib.crc32(frame[:-4]) != whole:
        raise ValueError("checksum")
    if _PRELUDE + headers_size + 4 > size:
        raise ValueError("headers")
    headers = _headers(frame[_PRELUDE : _PRELUDE + headers_size])
    payload = frame[_PRELUDE + headers_size : -4]
    kind = headers.get(":message-type", "event")
    if kind == "event":
        if headers.get(":event-type") != "chunk":
            return b""
        body = binascii.a2b_base64(_CHUNK.decode(payload).bytes)
        return _sse(_EVENT.decode(body).type, body)
    name = headers.get(":exception-type") or headers.get(":error-code") or kind
    text = headers.get(":error-message") or (_FAULT.decode(payload).message if payload else "")
    fields = error_fields(_KINDS.get(name, "api_error"), text or name)
    return _sse("error", msgspec.json.encode(fields))


def _sse(name: str, body: bytes) -> bytes:
    if b"\n" in body or "\n" in name:
        # JSON may be spread over lines; an event's data may not.
        body = msgspec.json.format(body, indent=-1)
        name = name.replace("\n", " ")
    return b"event: " + name.encode() + b"\ndata: " + body + b"\n\n"


def _headers(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(raw):
        name_size = raw[at]
        name = raw[at + 1 : at + 1 + name_size].decode()
        at += 1 + name_size
        kind = raw[at]
        at += 1
        if kind in _FIXED:
            at += _FIXED[kind]
            continue
        (size,) = struct.unpack(">H", raw[at : at + 2])
        value = raw[at + 2 : at + 2 + size]
        if len(value) != size:
            raise ValueError("header")
        at += 2 + size
        if kind == _STRING:
            found[name] = value.decode()
    return found
