"""What stands behind the decisions of a server, kept by digest beside its journal.

`<state>/behind/<digest>` holds one document each: the settings and agent files (secrets replaced),
the prices, the contracts, the table of risks by its digest and the program's version, and a list
that names them. Each decision names the list, and the policies that it was made by. Nothing there
is ever changed or removed: no retention reaches it.
"""

import hashlib
import os
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

import holdfast
from holdfast.compose.config import policy_inputs
from holdfast.compose.config.model import Config
from holdfast.compose.pricing import price_book
from holdfast.errors import ConfigInvalid

FOLDER = "behind"
_RISK = "holdfast.core.risk"


def keep(config: Config, scrub: Callable[[str], str]) -> str:
    """Keep what this server decides by; the digest of the list of it, as `sha256:…`.

    Errors: ConfigInvalid when it cannot be kept: a decision could not be made again.
    """
    folder = config.state_path / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        listed = {
            "program": holdfast.__version__,
            "config_version": config.version,
            "risk": _risk_table(),
            "prices": _kept(folder, msgspec.json.encode(list(price_book(config)))),
            "contracts": _kept(folder, policy_inputs(config)),
            "settings": {
                os.path.relpath(path, config.path.parent): _kept(folder, _clean(path, scrub))
                for path in (config.path, *config.agent_files)
            },
        }
        return _kept(folder, msgspec.json.encode(listed, order="sorted"))
    except OSError as fault:
        why = (fault.strerror or type(fault).__name__).lower()
        raise ConfigInvalid(f"`{folder}` cannot be written: {why}") from None


def _clean(path: Path, scrub: Callable[[str], str]) -> bytes:
    return scrub(path.read_bytes().decode("utf-8", "replace")).encode()


def _risk_table() -> str:
    """The digest of the code and tables that judge risk: they come with the program."""
    found = hashlib.sha256()
    for name, content in sorted(_sources(files(_RISK), "")):
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"sha256:{found.hexdigest()}"


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _kept(folder: Path, content: bytes) -> str:
    """The digest of a document that is there, whole, on return."""
    name = hashlib.sha256(content).hexdigest()
    path = folder / name
    if not path.is_file() or path.read_bytes() != content:
        draft = folder / f"{name}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    return f"sha256:{name}"
