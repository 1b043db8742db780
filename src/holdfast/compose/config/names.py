"""Shapes of single values that several sections share: names, addresses.

Not here: the sections themselves (`layout`, `upstream_layout`).
"""

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from holdfast.compose.config.nodes import Node
from holdfast.compose.config.problems import quoted
from holdfast.compose.config.shapes import INVALID, Reading, Text

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
ID = Text(
    pattern=ID_PATTERN,
    says="at most 64 letters, digits, `.`, `_`, `@` and `-`, the first a letter or digit",
)
USER_NAME = Text(
    pattern=r"^[^\s\u0000-\u001f\u007f*](?:[^\u0000-\u001f\u007f]{0,126}[^\s\u0000-\u001f\u007f])?$",
    says="at most 128 characters that can be seen, as the identity provider names the user",
)
HOOK = Text(
    pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
    says="a function as `package.module:function`",
)
MODULE = Text(
    pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", says="the name of a module"
)
ENV_NAME = Text(
    pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$",
    says="the name of an environment variable (never the key itself)",
)
ORIGIN = Text(
    pattern=r"^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$", says="an https address without a path"
)
MODEL_NAME = Text(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}$", says="the name of a model")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


WIRE_NAME = Text(
    pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$", says="a name as requests spell it"
)


class BaseUrl(msgspec.Struct, frozen=True):
    """Where another service answers: https, or http on this machine only.

    `carries` is what would be sent in clear otherwise. One that is a `name` stays as it is.
    """

    carries: str = "the key"
    name: bool = False

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A URL, without a trailing slash where it is no name."""
        text = Text(max_chars=2048, says="an https address").read(node, reading, path)
        if text is INVALID:
            return INVALID
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return reading.problem(node, path, f"{quoted(text)} is not a web address")
        if not host or parts.scheme not in ("http", "https") or re.search(r"\s", text):
            return reading.problem(node, path, f"expected an https address, found {quoted(text)}")
        if parts.username is not None or parts.query or parts.fragment:
            return reading.problem(node, path, "credentials, `?` and `#` may not stand in it")
        if parts.scheme == "http" and not is_loopback(host):
            return reading.problem(
                node, path, f"http would send {self.carries} in clear: use https"
            )
        return text if self.name else text.rstrip("/")

    def schema(self) -> dict[str, Any]:
        """A string that begins like a web address."""
        return {"type": "string", "pattern": r"^https?://\S+$", "maxLength": 2048}
