"""The name of what a call touches: a contract's resource template filled with its arguments.

Values are percent-encoded, so that no argument can add a path segment, a wildcard or another
template variable to the name that policy decides on.
"""

import re
from collections.abc import Mapping
from typing import Any

from holdfast.model.findings import Violation
from holdfast.model.tools import Contract

MAX_RESOURCE_CHARS = 2048
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def template_variables(template: str) -> tuple[str, ...] | None:
    """The variables of a resource template in order, or None when its braces do not pair up."""
    rest = _VARIABLE.sub("", template)
    if "{" in rest or "}" in rest:
        return None
    return tuple(_VARIABLE.findall(template))


def resource_of(contract: Contract, arguments: Mapping[str, Any]) -> str | Violation:
    """The resource of one call: `arn:shop:order/{order_id}` filled in, else `tool:<name>`.

    A Violation (never a guess) when an argument of the template is missing, empty, or no string,
    integer or boolean, or when the name grows past `MAX_RESOURCE_CHARS`.
    """
    if not contract.resource:
        return f"tool:{contract.name}"
    names = template_variables(contract.resource)
    if names is None:
        return Violation("", "resource", "the resource template has unpaired braces")
    filled: dict[str, str] = {}
    for name in names:
        text = _spelt(arguments.get(name))
        if text is None:
            return Violation(
                f"/{name}", "resource", f"`{name}` must be a non-empty scalar to name the resource"
            )
        filled[name] = text
    resource = _VARIABLE.sub(lambda found: filled[found[1]], contract.resource)
    if len(resource) > MAX_RESOURCE_CHARS:
        return Violation(
            "", "resource", f"the resource's name is longer than {MAX_RESOURCE_CHARS} characters"
        )
    return resource


def _spelt(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value:
        return None
    try:
        raw = value.encode("utf-8")
    except UnicodeEncodeError:
        return None
    # A name that is only dots would be a step in a path, so its dots are encoded too.
    safe = _UNRESERVED - {0x2E} if not value.strip(".") else _UNRESERVED
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in raw)
