"""What a path in a command means: secret, system, startup, device, or ordinary.

Paths are judged as written, lexically: no file system is asked, links are not followed. A
path with a glob counts as every protected path it could match.
"""

import posixpath
import re
from functools import lru_cache

from holdfast.core.risk import shell_rules as rules
from holdfast.core.risk.path_patterns import below_any, parts_of, same
from holdfast.core.risk.shell_words import UNKNOWN

_HOME = re.compile(r"^/(?:home|Users)/[^/]+(?=/|$)")
_OTHER_HOME = re.compile(r"^~[A-Za-z_][A-Za-z0-9_.-]*(?=/|$)")
# `~+` is the current directory.
_HERE = re.compile(r"^~\+(?=/|$)")
MAX_PATH = 4_096
# `/root/notes.txt`, its slash counted.
_OF_A_HOME = 3


@lru_cache(maxsize=512)
def normalise(path: str, base: str = "") -> str:
    """Lexically clean; any home becomes ``~``; ``base`` is put before relative paths."""
    path = path[:MAX_PATH]
    path = _HERE.sub(".", path.removeprefix("file://"))
    if path.startswith("~root"):
        path = "/root" + path[5:]
    path = _OTHER_HOME.sub("~", path)
    if base and not path.startswith(("/", "~")):
        path = f"{base}/{path}"
    path = posixpath.normpath(path) if path else "."
    if path.startswith("//"):
        path = path[1:]
    path = re.sub(r"^/proc/(?:self|thread-self|\d+)/(?:root|cwd)(?=/|$)", "", path) or "/"
    return _HOME.sub("~", path)


@lru_cache(maxsize=512)
def localised(path: str, folder: str) -> str:
    """A path that lies in ``folder``, relative to it; any other as it is. No link is followed."""
    path = path[:MAX_PATH]
    if not folder:
        return path
    bare = _HERE.sub(".", path.removeprefix("file://"))
    bare = re.sub(r"^/proc/(?:self|thread-self)/cwd(?=/|$)", folder, bare)
    if bare == "~" or bare.startswith("~/"):
        home = _HOME.match(folder) or re.match("/root(?=/|$)", folder)
        if home is None:
            return path
        bare = home.group() + bare[1:]
    elif bare[:1] in ("~", UNKNOWN, ""):
        return path
    whole = posixpath.normpath(posixpath.join(folder, bare))
    if whole == folder:
        return "."
    if whole.startswith(folder + "/"):
        return whole[len(folder) + 1 :]
    return path if bare.startswith("/") or path.startswith("~/") else whole


def views(path: str, bases: tuple[str, ...] = (), folder: str = "") -> tuple[str, ...]:
    """Every place the path may name.

    As written, from each directory changed to, and, when it climbs with ``..``, from the root
    and from home. What lies in ``folder`` is relative to it.
    """
    # Cut before the cache, so that it cannot be filled with long text; no kernel takes more.
    return _views(path[:MAX_PATH], bases, folder)


@lru_cache(maxsize=512)
def places(path: str, bases: tuple[str, ...], folder: str) -> tuple[str, ...]:
    """The path as written and from each directory changed to, without guesses."""
    path = path[:MAX_PATH]
    found = [path]
    if not path.startswith(("/", "~", UNKNOWN)):
        found = [f"{base}/{path}" if base else path for base in bases]
    return tuple(normalise(localised(one, folder)) for one in found)


def is_foreign(place: str, *, known: bool) -> bool:
    """Whether a normalised place lies anywhere but in the project's folder.

    Where that folder is not ``known``, another's home may be it, so homes do not count.
    """
    if place == ".." or place.startswith("../"):
        return True
    if place.startswith("~"):
        return known or place == "~"
    if place.startswith("/root/") and not known:
        return is_superusers(place)
    return place.startswith("/")


def is_within(place: str) -> bool:
    """Whether a place surely lies in the folder that it is relative to."""
    return not place.startswith(("/", "~", "..", UNKNOWN))


def climbed(path: str) -> str:
    """Where a path that climbs ends from wherever it climbs all the way up; any other as it is."""
    clean = posixpath.normpath(path[:MAX_PATH]) if path else path
    return re.sub(r"^(?:\.\./)+", "/", clean)


def is_superusers(place: str) -> bool:
    """Whether it is the superuser's own file: what stands in that home by itself, or is hidden.

    Projects live there, too; a file of one lies deeper.
    """
    parts = parts_of(place)
    return parts[1:2] == ("root",) and (len(parts) <= _OF_A_HOME or parts[2].startswith("."))


def is_scratch(place: str) -> bool:
    """Whether what lies there is anybody's: temporary folders and harmless devices."""
    return is_open(place) or place in rules.HARMLESS_DEVICES or place.startswith("/dev/fd/")


@lru_cache(maxsize=512)
def _views(path: str, bases: tuple[str, ...], folder: str) -> tuple[str, ...]:
    found = [normalise(localised(path, folder))]
    if not path.startswith(("/", "~", UNKNOWN)):
        found.extend(normalise(localised(f"{base}/{path}", folder)) for base in bases)
    climbed: list[str] = []
    for view in found:
        rest = re.sub(r"^(?:~/)?(?:\.\./)+", "", view)
        if rest not in {view, ".."}:
            climbed += ["/" + rest, "~/" + rest]
    return tuple(dict.fromkeys(found + climbed))


def is_open(path: str) -> bool:
    """Whether anybody may write there although it lies below a system tree."""
    return below_any(path, rules.OPEN_PATHS)


@lru_cache(maxsize=512)
def is_system(path: str) -> bool:
    """Whether the path is the machine's own."""
    if path in rules.HARMLESS_DEVICES or path.startswith("/dev/fd/") or is_open(path):
        return False
    if path.startswith("/root/"):
        return is_superusers(path)
    if below_any(path, rules.SYSTEM_TREES):
        return True
    return path.startswith("/") and path.count("/") == 1 and path not in rules.OPEN_PATHS


@lru_cache(maxsize=512)
def is_raw_device(path: str) -> bool:
    """Whether the path is a disk or memory itself."""
    return (
        path.startswith("/dev/")
        and path not in rules.HARMLESS_DEVICES
        and path[5:].startswith(rules.RAW_DEVICES)
    )


def is_beyond_repair(path: str) -> bool:
    """Whether deleting this recursively takes the root, a home or a system tree with it."""
    bare = re.sub(r"(?:/(?:\*+|\.\*|\{\}|\[!?[^/]*\]\*?|\?\*))+$", "", path)
    if bare != path:
        path = bare or "/"
    return any(same(path, tree) for tree in rules.DELETE_BLOCKED) or same(path, "/home/*")
