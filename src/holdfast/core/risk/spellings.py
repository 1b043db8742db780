"""How one path may be spelt: escapes of URLs, `file:` in front, ways round, look-alike letters.

Not here: where a path leads (`shell_paths`), and what lies there (`places`).
"""

import re
import unicodedata

from holdfast.core.risk import shell_paths as paths

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_HOME_VARIABLE = re.compile(r"^\$(?:HOME\b|\{HOME\})")


def spellings(value: str) -> tuple[str, ...]:
    """Every way in which a tool may read this path."""
    found = [value]
    if not value.isascii():
        wide = unicodedata.normalize("NFKC", value)
        found.append("".join(c for c in wide if unicodedata.category(c) != "Cf"))
    for _ in range(3):
        decoded = _decoded(found[-1])
        if decoded == found[-1]:
            break
        found.append(decoded)
    found += [one.replace("\\", "/") for one in found if "\\" in one]
    bare = [
        _HOME_VARIABLE.sub("~", re.sub(r"(?i)^file:/+(?:localhost/)?", "/", one)) for one in found
    ]
    return tuple(dict.fromkeys(_collapsed(one.replace("\0", "").strip()) for one in bare))


def is_address(spelling: str) -> bool:
    """Whether it begins with the scheme of an address, and names no file."""
    return _SCHEME.match(spelling) is not None


def _decoded(text: str) -> str:
    """Escapes of a URL taken out; bytes that are no UTF-8 are replaced."""
    if "%" not in text:
        return text
    return _ESCAPED.sub(
        lambda run: bytes.fromhex(run.group().replace("%", "")).decode("utf-8", "replace"), text
    )


def _collapsed(path: str) -> str:
    """Long ways round are taken out before a path is cut to what a kernel takes."""
    return re.sub(r"/(?:\.?/)+", "/", path) if len(path) < paths.MAX_PATH else _shortest(path)


def _shortest(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] not in ("", ".."):
            parts.pop()
        elif part not in ("", ".") or not parts:
            parts.append(part)
    return "/".join(parts)
