"""What a verb means by a project, an agent and a user.

Not here: which server answers for it (`reaching`).
"""

import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast.errors import ConfigInvalid, InvalidRequest

SERVER_MODULE = "holdfast.apps.server"
CONFIG_NAME = "holdfast.yaml"
SERVER_FILE = ".holdfast/server.json"
"""Below a project: what its running server says of itself, where the client looks for it."""


def project_dir(given: Path | None) -> Path:
    """The folder with `holdfast.yaml`: the one given, or the nearest upward.

    Errors: ConfigInvalid when there is none.
    """
    start = (given or Path.cwd()).expanduser().resolve()
    if given is not None and not start.is_dir():
        raise ConfigInvalid(f"`{given}` is no folder")
    for folder in [start] if given is not None else [start, *start.parents]:
        if (folder / CONFIG_NAME).is_file():
            return folder
    where = f"`{given}`" if given is not None else "this folder or above it"
    raise ConfigInvalid(f"there is no {CONFIG_NAME} in {where}; `holdfast init` writes one")


def python_module(module: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs one of our modules with this interpreter.

    The working folder is a project's, and holds none of our modules: none is looked for there.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def agent_of(given: str) -> tuple[str, Path | None]:
    """An agent as the client takes it: its name, or the file it is described in."""
    path = Path(given)
    return ("", path) if path.suffix in (".yaml", ".yml") else (given, None)


def login() -> str:
    """The name of whoever is logged in. Errors: InvalidRequest."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise InvalidRequest("your login name is not known; give --user") from None
