"""`python -m holdfast.tools.describe FOLDER MODULE…`: the contracts of tools, as JSON.

The server asks in a process of its own, so that no tool's code is ever imported by it.
"""

import importlib
import os
import sys
from typing import Any

import msgspec

from holdfast.errors import HoldfastError
from holdfast.model.tools import Contract
from holdfast.tools.declared import Tool


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """One tool: its contract, and where its function stands (`package.module:name`)."""

    contract: Contract
    target: str


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Every tool of the modules; `fault` instead, in one sentence, where one does not load."""

    tools: tuple[Described, ...] = ()
    fault: str = ""


def tools_of(module: object) -> list[Tool]:
    """The tools that a module defines, in the order of their names."""
    found = [value for value in vars(module).values() if isinstance(value, Tool)]
    return sorted(found, key=lambda one: one.contract.name)


def described(names: list[str]) -> Description:
    """Import the modules and describe their tools."""
    tools: list[Described] = []
    for name in names:
        try:
            module = importlib.import_module(name)
        except HoldfastError as error:
            return Description(fault=f"`{name}`: {error.message}")
        except BaseException as error:  # noqa: BLE001 - a module may end in any way
            return Description(fault=f"`{name}` cannot be loaded: {type(error).__name__}: {error}")
        for one in tools_of(module):
            variable = next(key for key, value in vars(module).items() if value is one)
            tools.append(Described(contract=one.contract, target=f"{name}:{variable}"))
    return Description(tools=tuple(tools))


def main(arguments: list[str]) -> int:
    """What a module prints goes to standard error; the answer alone is on standard output."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    folder, *names = arguments
    sys.path.insert(0, folder)
    answer: Any = described(names)
    with os.fdopen(answer_to, "wb") as out:
        out.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
