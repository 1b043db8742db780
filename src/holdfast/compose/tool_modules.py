"""The contracts of Python tools, asked for in a process of its own: none of it is imported here."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from holdfast.errors import ConfigInvalid
from holdfast.tools.describe import Described, Description

_TIMEOUT_S = 30.0
_SHOWN_CHARACTERS = 2000


def described(folder: Path, modules: Sequence[str]) -> tuple[Described, ...]:
    """Every tool of the modules, which lie in `folder` or are installed. Errors: ConfigInvalid."""
    if not modules:
        return ()
    command = [sys.executable, "-P", "-m", "holdfast.tools.describe", str(folder), *modules]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
        description = msgspec.json.decode(done.stdout, type=Description)
    except subprocess.TimeoutExpired:
        raise ConfigInvalid(f"tool_modules: loading them took over {_TIMEOUT_S:g} s") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigInvalid(f"tool_modules: they cannot be described: {error}") from None
    if description.fault:
        raise ConfigInvalid(f"tool_modules: {description.fault[:_SHOWN_CHARACTERS]}")
    return description.tools
