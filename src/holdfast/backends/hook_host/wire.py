"""What the server, a keeper and its hosts say to each other: JSON lines over two pipes.

The hosts of one keeper follow each other on the same pipes, so a question says whose it is: what
one that ended did not read is not for the next. What it left of a line is no line.
"""

import contextlib
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from holdfast.model.hooks import HookAnswer, HookInput

MOST_ANSWER_BYTES = 8 * 1024 * 1024


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Run `package.module:function` on `given`; only load it where that is None."""

    host: int
    id: int
    target: str
    given: HookInput | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Its answer. `fault` says what went wrong instead, as in `the hook …`.

    A keeper says `began`: that host reads now, and of those before it nothing is left.
    """

    id: int = 0
    began: int = 0
    answer: HookAnswer | None = None
    fault: str = ""


Words = TypeVar("Words", Ask, Said)


def line(words: Ask | Said) -> bytes:
    """A line of its own, whatever came before it. Errors: as `msgspec.json.encode`."""
    return b"\n%b\n" % msgspec.json.encode(words)


class Lines(Generic[Words]):
    """The words in what comes, of one kind; a line that is none of them is left out."""

    def __init__(self, kind: type[Words]) -> None:
        self._decoder: msgspec.json.Decoder[Words] = msgspec.json.Decoder(kind)
        self._rest = bytearray()

    @property
    def unread(self) -> int:
        """Bytes of a line without an end so far."""
        return len(self._rest)

    def read(self, data: bytes) -> Iterator[Words]:
        """Those that end in `data`."""
        *lines, rest = data.split(b"\n")
        for one in lines:
            whole = bytes(self._rest) + one
            self._rest.clear()
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                yield self._decoder.decode(whole)
        self._rest += rest
