"""Arguments that are called like a command, where no contract says what they are.

A contract names its shell command under `shell`, and a call is then judged for all that its command
does. Where it is silent, a text that is called `command` (or `cmd`, `argv`, `bash`, …) is parsed
nevertheless, and what is dangerous in it raises the risk. Not what is known to be something else: a
payload, a title or a query by its role, one of a list of values by its schema.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.core.risk.shell_rules import words
from holdfast.model.tools import ArgumentRole, Contract

_NAMES_COMMANDS = words(
    "command commands cmd cmds cmdline commandline argv bash shell shellcommand shellscript"
)
_NO_COMMANDS = (ArgumentRole.PAYLOAD, ArgumentRole.TITLE, ArgumentRole.QUERY)
_MAX_DEPTH = 16


def named_commands(contract: Contract) -> list[str]:
    """Arguments that are called like a shell command, of which the contract says nothing."""
    properties = contract.input_schema.get("properties", {})
    return [
        name
        for name, schema in properties.items()
        if _is_called_command(name)
        and name != contract.shell
        and contract.roles.get(name) not in _NO_COMMANDS
        and not (isinstance(schema, Mapping) and _takes_no_text(schema))
    ]


def commands_of(contract: Contract, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each command of a call that its contract does not name, with the argument it stands in.

    A list of texts is one command, word for word.
    """
    known = contract.input_schema.get("properties", {})
    undeclared = [n for n in arguments if n not in known and _is_called_command(n)]
    for name in (*named_commands(contract), *undeclared):
        yield from ((name, text) for text in _texts(arguments.get(name)))
    for name, value in arguments.items():
        if isinstance(value, Mapping | list):
            yield from _inside(name, value, 0)


def _inside(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Commands below an argument, by the names of what they stand in."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _inside(name, one, depth + 1)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(key, str) and _is_called_command(key):
                yield from ((f"{name}.{key}", text) for text in _texts(one))
            yield from _inside(name, one, depth + 1)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return [shlex.join(value)]
    return []


def _is_called_command(name: str) -> bool:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return not _NAMES_COMMANDS.isdisjoint(re.split(r"[^a-z]+", spaced))


def _takes_no_text(schema: Mapping[str, Any]) -> bool:
    return "enum" in schema or "const" in schema or schema.get("type") in _NO_TEXT


_NO_TEXT = ("integer", "number", "boolean", "null")
