"""A reader of sed scripts: what a script reads, writes and runs, by the grammar of GNU sed.

Every command is one that is known, or the script is not accounted for. Where versions of sed
read a delimiter between brackets differently, both readings count.
"""

import re

import msgspec

from holdfast.core.risk.shell_words import UNKNOWN

_MOST = 8_192
_NUMBER = re.compile(r"\d*")
_SPACE = re.compile(r"[ \t]*")
_BREAKS = re.compile(r"[\s;]*")
_LABEL = re.compile(r"[ \t]*([^\s;}]*)")
_LINE = re.compile(r"[^\n]*")
_TEXT = re.compile(r"(?:[^\\\n]|\\.)*", re.DOTALL)
_CLASS = re.compile(r"(?::[a-z]*:\]|\.[^\]]*\.\]|=[^\]]*=\])?")
_FLAGS = re.compile(r"[gpiImM0-9]*")
_BARE = frozenset("=dDgGhHnNpPxzF")
_COUNTED = frozenset("lLqQ")
_JUMPS = frozenset(":btTv")
_TEXTS = frozenset("aic")
_FILES = frozenset("rRwW")


class Script(msgspec.Struct):
    """What a script does beyond printing; ``dynamic``: text in it is known only at run time."""

    reads: list[str]
    writes: list[str]
    runs: bool = False
    dynamic: bool = False


class _Unread(Exception):
    """A script that is not accounted for; never leaves this module."""


def read_script(text: str) -> Script | None:
    """The script, or None where it cannot be accounted for."""
    if len(text) > _MOST:
        return None
    found = Script([], [])
    readings = 0
    for brackets in (False, True) if "[" in text else (False,):
        try:
            _Reader(text, found, brackets=brackets).script()
            readings += 1
        except _Unread:
            if found.runs or found.writes or found.reads:
                # The reading that failed had found something before: it may be the right one.
                return None
    return found if readings else None


class _Reader:
    """One reading of a script, from left to right; each character is looked at once."""

    def __init__(self, text: str, found: Script, *, brackets: bool) -> None:
        self.text, self.found, self.brackets = text, found, brackets
        self.at = self.depth = 0

    def script(self) -> None:
        """Read the whole script. Errors: _Unread."""
        while True:
            self._skip(_BREAKS)
            if self.at >= len(self.text):
                break
            self._command()
        if self.depth:
            raise _Unread

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None  # noqa: S101 - each pattern matches the empty text
        self.at = match.end()
        return match.group()

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise _Unread
        self.at += 1
        return self.text[self.at - 1]

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _command(self) -> None:
        if self._address():
            self._skip(_SPACE)
            if self._peek() == ",":
                self.at += 1
                self._skip(_SPACE)
                if self._peek() in ("+", "~"):
                    self.at += 1
                if not self._address():
                    raise _Unread
        while self._peek() in ("!", " ", "\t"):
            self.at += 1
        self._function(self._next())

    def _address(self) -> bool:
        start = self._peek()
        if start == UNKNOWN:
            self.found.dynamic = True
            self.at += 1
        elif start == "$":
            self.at += 1
        elif start.isdigit():
            self._skip(_NUMBER)
            if self._peek() == "~":
                self.at += 1
                if not self._skip(_NUMBER):
                    raise _Unread
        elif start in ("/", "\\"):
            self.at += 1
            self._until(start if start == "/" else self._next(), regex=True)
            while self._peek() in ("I", "M"):
                self.at += 1
        else:
            return False
        return True

    def _function(self, name: str) -> None:
        if name == "#":
            self._skip(_LINE)
        elif name == "{":
            self.depth += 1
        elif name == "}":
            self.depth -= 1
            if self.depth < 0:
                raise _Unread
        elif name in _BARE:
            self._end()
        elif name in _COUNTED:
            self._skip(_SPACE)
            self._skip(_NUMBER)
            self._end()
        elif name in _JUMPS:
            self._known(self._skip(_LABEL))
        elif name in _TEXTS:
            self.found.dynamic |= UNKNOWN in self._skip(_TEXT)
        elif name in _FILES:
            self._file(name)
        elif name == "e":
            self.found.runs = True
            self._skip(_LINE)
        elif name in ("s", "y"):
            self._replaced(name)
        else:
            raise _Unread

    def _end(self) -> None:
        """Behind a command stands the end of it, a brace or a comment."""
        self._skip(_SPACE)
        if self._peek() not in ("", ";", "\n", "}", "#"):
            raise _Unread

    def _known(self, text: str) -> None:
        if UNKNOWN in text:
            raise _Unread

    def _file(self, name: str) -> None:
        path = self._skip(_LINE).strip()
        if not path:
            raise _Unread
        (self.found.reads if name in "rR" else self.found.writes).append(path)

    def _replaced(self, name: str) -> None:
        mark = self._next()
        if mark in ("\n", "\\", UNKNOWN):
            raise _Unread
        self._until(mark, regex=name == "s")
        self._until(mark, regex=False)
        while name == "s":
            self._skip(_FLAGS)
            flag = self._peek()
            if flag == "e":
                self.found.runs = True
                self.at += 1
            elif flag == "w":
                self.at += 1
                self._file("w")
                return
            else:
                break
        self._end()

    def _until(self, mark: str, *, regex: bool) -> None:
        """Past the delimiter; with ``brackets``, one between brackets is text."""
        inside = False
        while True:
            character = self._next()
            if character == UNKNOWN:
                self.found.dynamic = True
            elif inside:
                inside = character != "]"
                if character == "[":
                    self._skip(_CLASS)
            elif character == "\\":
                self._next()
            elif character == mark:
                return
            elif character == "[" and regex and self.brackets:
                inside = True
                if self._peek() == "^":
                    self.at += 1
                if self._peek() == "]":
                    self.at += 1
            elif character == "\n" and regex:
                raise _Unread
