"""The bytes of a frame: a 4-byte big-endian length, then one msgpack array.

A request is `[id, method, body]`, a reply `[id, code, body]`: an empty code is an answer, any
other names a fault and the body is its one-sentence message in UTF-8. Ids are the caller's and
only tie a reply to its request. Not here: sockets, time-outs, what a body holds.
"""

import struct

import msgspec

MAX_FRAME_BYTES = 4 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Request(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One call."""

    id: int
    method: str
    body: bytes


class Reply(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One answer or fault; `code` is empty on an answer."""

    id: int
    code: str
    body: bytes


class FrameTooLarge(Exception):
    """A frame is longer than the bound of this connection; the stream cannot be followed on."""


_encoder = msgspec.msgpack.Encoder()


def framed(message: Request | Reply, max_frame_bytes: int) -> bytes:
    """The message with its length before it.

    Errors: FrameTooLarge.
    """
    payload = _encoder.encode(message)
    if len(payload) > max_frame_bytes:
        raise FrameTooLarge(f"a frame of {len(payload)} bytes exceeds {max_frame_bytes}")
    return _LENGTH.pack(len(payload)) + payload


class FrameBuffer:
    """Cuts a byte stream into payloads; holds at most one frame that is not whole yet."""

    def __init__(self, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._pending = bytearray()

    def feed(self, received: bytes) -> list[bytes]:
        """Every payload that is whole now.

        Errors: FrameTooLarge, after which the connection has to be closed.
        """
        pending = self._pending
        pending += received
        payloads: list[bytes] = []
        offset = 0
        while len(pending) - offset >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(pending, offset)
            if length > self._max_frame_bytes:
                raise FrameTooLarge(f"a frame of {length} bytes exceeds {self._max_frame_bytes}")
            end = offset + _LENGTH.size + length
            if end > len(pending):
                break
            payloads.append(bytes(pending[offset + _LENGTH.size : end]))
            offset = end
        del pending[:offset]
        return payloads
