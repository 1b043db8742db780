"""Listings of processes and sockets that tell numbers, and names of programs cut short.

What a process was started with is a text that whoever started it chose, and so is the name of a
host that connected. A process id, a port, a time and the first letters of a program's name carry
no message. Read by allow-list: an option or a column that is not here is a reason to taint.
"""

import re
from collections.abc import Callable, Iterator

import msgspec

from holdfast.core.history_words import REDIRECTED
from holdfast.core.risk.shell_rules import words

LISTINGS = frozenset({"ps", "pgrep", "lsof", "ss", "users"})
"""Programs that tell of other people's processes, and of what these were started with."""

_ONE = r"(?:\"[^\"$`\\]*\"|'[^']*'|[^\s;&|<>()\"'$`\\{}*?\[]|\$[!$])+"
_NAMED = rf"(?<![\w.-])({'|'.join(sorted(LISTINGS))})\b"
_CALL = re.compile(rf"{_NAMED}((?:[ \t]+{_ONE})*)[ \t]*(.?)", re.DOTALL)
_EACH = re.compile(_ONE)
_ENDS = frozenset({"", "\n", ";", "&", "|", ")"})
# The number that a file of the folder says; the file is judged by itself.
_OF_FILE = re.compile(r"\"?\$\((?:cat[ \t]+|<[ \t]*)[\w./-]+\)\"?")
# It is given words that nobody has read.
_FED = re.compile(rf"\bxargs\b[^|;&\n]*{_NAMED}")
_IN_PIECES = re.compile(r"[\\\"']")
_QUOTES = re.compile(r"[\"']")
_COLUMNS = words(
    """
    pid ppid pgid pgrp sid sess tid lwp tgid nlwp uid gid euid egid ruid user euser ruser uname
    group egroup rgroup comm ucomm ucmd fname stat state s tty tt tname time cputime etime etimes
    lstart start start_time stime bsdstart bsdtime pcpu %cpu c cp pmem %mem rss rssize rsz vsz vsize
    sz size nice ni pri opri priority psr class cls rtprio
    """
)


class _Options(msgspec.Struct, frozen=True):
    """Letters that stand alone, those that take a value, and long options by their name."""

    alone: str
    take: str = ""
    long: frozenset[str] = frozenset()


class _Given(msgspec.Struct):
    """What was given: letters and long names, values by letter, and the words beside options."""

    named: set[str] = msgspec.field(default_factory=set)
    values: list[tuple[str, str]] = msgspec.field(default_factory=list)
    beside: list[str] = msgspec.field(default_factory=list)


# Of `ps`, `f` and `F` and the ways without a dash show what a process was started with.
_OPTIONS = {
    "ps": _Options("eAadljyLTwH", "pCuUtgGsqoO", words("pid ppid user group tty sid no-headers")),
    "pgrep": _Options("fxnoicvl", "uUPgGstd", words("full exact newest oldest count ignore-case")),
    "lsof": _Options("tnPalw46", "ipcusd"),
    "ss": _Options("tunlpaHO46", "", words("tcp udp numeric listening processes all no-header")),
}


def tells_numbers(command: str) -> bool:
    """Whether each of these programs in a command is told to list no more than such words."""
    shown = REDIRECTED.sub(" ", _OF_FILE.sub("0", command))
    found = list(_CALL.finditer(shown))
    # A name in pieces (`p"s"`) is one that nothing here has read.
    if (
        not found
        or _FED.search(shown)
        or len(found) != len(re.findall(_NAMED, _IN_PIECES.sub("", shown)))
    ):
        return False
    return all(_is_known(one[1], one[2], one[3]) for one in found)


def _is_known(name: str, text: str, end: str) -> bool:
    if name not in _TELLS or end not in _ENDS:
        return False  # `users`: whoever made an account chose its name.
    given = _read(_OPTIONS[name], (_QUOTES.sub("", word) for word in _EACH.findall(text)))
    return given is not None and _TELLS[name](given)


def _read(options: _Options, given: Iterator[str]) -> _Given | None:
    """The words as options and what stands beside them; None for an option that is not known."""
    found = _Given()
    for word in given:
        if word.startswith("--"):
            name = word[2:].partition("=")[0]
            if name not in options.long:
                return None
            found.named.add(name)
        elif word.startswith("-") and word != "-":
            taken = _letters(options, word[1:], found)
            if taken is None:
                return None
            if taken:
                found.values.append((taken, next(given, "")))
        elif word.startswith("+"):
            return None
        else:
            found.beside.append(word)
    return found


def _letters(options: _Options, letters: str, found: _Given) -> str | None:
    """The letter whose value is the next word, empty for none; None for one that is not known."""
    for at, letter in enumerate(letters):
        if letter in options.take:
            found.named.add(letter)
            if rest := letters[at + 1 :]:
                found.values.append((letter, rest))
                return ""
            return letter
        if letter not in options.alone:
            return None
        found.named.add(letter)
    return ""


def _ps(given: _Given) -> bool:
    asked = [value for letter, value in given.values if letter in "oO"]
    columns = {re.split(r"[=:]", one)[0] for value in asked for one in value.split(",")}
    return columns <= _COLUMNS and not given.beside


def _pgrep(given: _Given) -> bool:
    # Both together list what a process was started with in some versions.
    return not {"f", "full"} & given.named or "l" not in given.named


def _lsof(given: _Given) -> bool:
    listening = any(one in given.values for one in (("s", "TCP:LISTEN"), ("s", "tcp:listen")))
    # Without `-t` names are shown: of files, or of hosts that connected.
    return "t" in given.named or ("i" in given.named and ("n" in given.named or listening))


def _ss(given: _Given) -> bool:
    return bool({"t", "u", "tcp", "udp"} & given.named)


_TELLS: dict[str, Callable[[_Given], bool]] = {
    "ps": _ps,
    "pgrep": _pgrep,
    "lsof": _lsof,
    "ss": _ss,
}
