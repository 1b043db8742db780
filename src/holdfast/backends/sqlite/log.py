"""The log beside a database: what is acknowledged before it stands in the tables.

A batch is one *frame*: one write and one flush. There are two files, written over from their
beginning by turns, the other one only once the tables have all that it holds; a file that only
grows would have its length to flush as well. A file begins with its *salt*, drawn anew each time,
which every frame repeats: what an earlier turn left behind it is no frame, whatever its text says.

What a crash cut short was never acknowledged, and is left out. A frame that is damaged although
one after it is whole was acknowledged, so the log as a whole is refused then. Not here: what a
frame says, when it goes into the tables.
"""

import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import StoreUnavailable

if sys.platform == "darwin":
    import fcntl

SALT_BYTES = 16
SUFFIXES = ("-log-a", "-log-b")
"""What the files are called, after the database's name."""

_TURN_BYTES = 16 * 1024 * 1024
"""From here on the other file is written, as soon as it may be."""

# Salt, number, bytes of the payload, checksum of all the rest.
_HEAD = struct.Struct(f"<{SALT_BYTES}sQII")
_CHECKED = _HEAD.size - 4


class Frame(NamedTuple):
    """One batch; numbers rise by one from frame to frame, in whichever file they are."""

    number: int
    payload: bytes


class Log:
    """The two files, open for writing, all that they hold in the tables already."""

    def __init__(self, paths: Sequence[Path], after: int, draw: Callable[[int], bytes]) -> None:
        """`after` is the last number that was given. Errors: OSError."""
        self._paths = paths
        self._draw = draw
        self._files = [_opened(path) for path in paths]
        _flush_folder(paths[0].parent)
        self.number = after
        # The last number in each file.
        self._last = [after, after]
        self._turn = 0
        self._size = 0
        self._salt = b""

    def append(self, payload: bytes, filled: int) -> int:
        """Make a frame durable; its number. `filled`: the last one that the tables have.

        Errors: OSError; then nothing more may be appended.
        """
        number = self.number + 1
        raw = b""
        if not self._salt or (self._size > _TURN_BYTES and self._last[1 - self._turn] <= filled):
            self._turn = 1 - self._turn
            self._size = 0
            raw = self._salt = self._draw(SALT_BYTES)
        raw += _framed(self._salt, number, payload)
        _write(self._files[self._turn], raw, self._size)
        self._size += len(raw)
        self._last[self._turn] = self.number = number
        return number

    def close(self, *, empty: bool) -> None:
        """Let go; without the files where the tables have all."""
        for file in self._files:
            os.close(file)
        if empty:
            for path in self._paths:
                path.unlink(missing_ok=True)


def paths_beside(database: Path) -> tuple[Path, Path]:
    """The files of a database's log."""
    first, second = (database.with_name(database.name + suffix) for suffix in SUFFIXES)
    return first, second


def frames_after(paths: Sequence[Path], filled: int) -> list[Frame]:
    """What was acknowledged after frame `filled`, in its order; changes nothing.

    Errors: StoreUnavailable for what is damaged, OSError.
    """
    found: list[Frame] = []
    for path in paths:
        if path.exists():
            found += frames(path.read_bytes(), filled, path.name)
    due = sorted(frame for frame in found if frame.number > filled)
    if [frame.number for frame in due] != list(range(filled + 1, filled + 1 + len(due))):
        raise _damaged(" and ".join(path.name for path in paths))
    return due


def frames(content: bytes, filled: int, name: str) -> list[Frame]:
    """Every whole frame of a file, up to where it was cut short.

    Errors: StoreUnavailable where one follows that is whole and not in the tables.
    """
    found = list(_whole(content, SALT_BYTES))
    end = SALT_BYTES + sum(_HEAD.size + len(frame.payload) for frame in found)
    last = max([filled, *(frame.number for frame in found)])
    # A damaged first frame may have lost its salt, or the file the one at its beginning.
    for salt in {content[:SALT_BYTES], content[SALT_BYTES : 2 * SALT_BYTES]}:
        at = content.find(salt, end + 1) if len(salt) == SALT_BYTES else -1
        while at >= 0:
            later = next(_whole(content, at), None)
            if later is not None and later.number > last:
                raise _damaged(name)
            at = content.find(salt, at + 1)
    return found


def _whole(content: bytes, at: int) -> Iterator[Frame]:
    """Frames from here on that follow each other."""
    salt, last = content[at : at + SALT_BYTES], 0
    while at + _HEAD.size <= len(content):
        mine, number, length, checksum = _HEAD.unpack_from(content, at)
        payload = content[at + _HEAD.size : at + _HEAD.size + length]
        head = content[at : at + _CHECKED]
        if mine != salt or (last and number != last + 1) or len(payload) < length:
            return
        if zlib.crc32(payload, zlib.crc32(head)) != checksum:
            return
        yield Frame(number, payload)
        at, last = at + _HEAD.size + length, number


def _framed(salt: bytes, number: int, payload: bytes) -> bytes:
    head = _HEAD.pack(salt, number, len(payload), 0)[:_CHECKED]
    return b"".join((head, struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))), payload))


def _write(file: int, raw: bytes, at: int) -> None:
    rest = memoryview(raw)
    while rest:
        written = os.pwrite(file, rest, at)
        rest, at = rest[written:], at + written
    _flush(file)


def _flush(file: int) -> None:
    if sys.platform == "darwin":
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _flush_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _damaged(name: str) -> StoreUnavailable:
    return StoreUnavailable(f"the log {name} of the database is damaged")
