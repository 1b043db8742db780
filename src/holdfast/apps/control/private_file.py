"""A small JSON file in the state folder, for its owner alone: written whole or not at all."""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from holdfast.errors import ConfigInvalid

_T = TypeVar("_T")


def read_private(path: Path, kind: type[_T]) -> _T | None:
    """What the file holds; None where there is none. Errors: ConfigInvalid."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigInvalid(f"`{path.name}` cannot be read: {_why(error)}") from None
    except msgspec.MsgspecError:
        raise ConfigInvalid(f"`{path.name}` in the state folder is damaged") from None


def write_private(path: Path, content: object) -> None:
    """Durable on return. Errors: ConfigInvalid."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError as error:
        raise ConfigInvalid(f"`{path.name}` cannot be written: {_why(error)}") from None


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
