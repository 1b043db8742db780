"""The folder that a session works in, and what is known of what happened there.

Not here: what a call may do there (`core/workplace`).
"""

import posixpath
from collections.abc import Set as AbstractSet

import msgspec

_MAX_PATH = 4_096


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session works, and what happened there.

    `folder` is absolute, empty where none was named. `sandboxed`: its commands run in a sandbox
    that was seen to hold. `stale`: since untrusted text was read, something was written there or
    fetched. `own`: what the call runs was looked at, and is the operator's own. `made`: files that
    the session wrote, as `absolute` spells them. `serves`: ports of programs that it started from
    own files.
    """

    folder: str = ""
    sandboxed: bool = False
    stale: bool = False
    own: bool = False
    made: AbstractSet[str] = frozenset()
    serves: AbstractSet[str] = frozenset()


def folder_fault(folder: str) -> str:
    """Why this cannot be the folder that a session works in, empty when it can."""
    if not folder:
        return ""
    if not folder.startswith("/") or len(folder) > _MAX_PATH or not folder.isprintable():
        return "the folder of a session is an absolute path"
    if posixpath.normpath(folder) != folder:
        return "the folder of a session is written without `.`, `..` and `/` at its end"
    return ""


def meet(one: str, other: str) -> bool:
    """Whether one of two folders lies in the other; a folder that nobody named lies everywhere."""
    return not one or not other or f"{one}/".startswith(f"{other}/") or other.startswith(f"{one}/")


def absolute(path: str, place: Place) -> str:
    """A path from the root, without `.` and `..`; `~` and `?` stay as they are."""
    return posixpath.normpath(path if path.startswith(("/", "~")) else f"{place.folder}/{path}")
