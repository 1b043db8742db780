"""Which store a project has, opened; and the same store from one place to another.

A server that came up on an empty store by mistake would have forgotten every budget that is used
up, every effect that was done and every kill. So the state folder remembers which store was the
last (`store.json`), and another one is refused until it was moved. Not here: SQL.
"""

import asyncio
import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from holdfast.backends.sqlite.store import SqliteStore
from holdfast.backends.system.clock import SystemClock
from holdfast.compose.config.model import Config
from holdfast.errors import ConfigInvalid, Conflict, StoreUnavailable
from holdfast.ports.clock import Clock
from holdfast.ports.store import Store
from holdfast.ports.store_urls import shown, store_url_fault

DATABASE = "holdfast.db"
MARKER = "store.json"
SQLITE = "sqlite"
_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0


class OwnedStore(Store, Protocol):
    """A store with a name of its own."""

    @property
    def store_id(self) -> str:
        """Tells it from every other store."""
        ...


class Marker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `store.json` says: which store this project used last, and where it was."""

    store_id: str
    where: str


def store_url(config: Config, environment: Mapping[str, str]) -> str:
    """The address of the project's Postgres; empty where the store is a file.

    Errors: ConfigInvalid when the variable that the settings name holds none.
    """
    settings = config.store
    if settings is None:
        return ""
    if settings.url:
        return settings.url
    url = environment.get(settings.url_env, "")
    if not url:
        raise ConfigInvalid(f"the variable `{settings.url_env}` of `store.url_env` is not set")
    fault = store_url_fault(url)
    if fault:
        raise ConfigInvalid(f"`{settings.url_env}`: {fault}")
    return url


async def open_store(config: Config, environment: Mapping[str, str], clock: Clock) -> Store:
    """The project's store, owned. Errors: ConfigInvalid, Conflict, StoreUnavailable."""
    url = store_url(config, environment)
    check_is_last(config.state_path, url)
    if not url:
        return SqliteStore.open(config.state_path / DATABASE, clock=clock)
    remote = await open_postgres(url, clock)
    try:
        _check_same(config.state_path, remote.store_id, shown(url))
        remember(config.state_path, Marker(store_id=remote.store_id, where=shown(url)))
    except BaseException:
        await remote.close()
        raise
    return remote


async def wait_for_store(
    config: Config, environment: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Until the project's Postgres answers and nobody else owns the store.

    Errors: ConfigInvalid, what waiting does not mend.
    """
    said, delay_s = "", _WAIT_S
    while True:
        try:
            store = await open_store(config, environment, SystemClock())
        except (Conflict, StoreUnavailable) as error:
            if error.message != said:
                said = error.message
                say(f"waiting for the store: {said}")
        else:
            await store.close()
            return
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, _LONGEST_WAIT_S)


async def open_postgres(url: str, clock: Clock) -> OwnedStore:
    """A store on Postgres. Errors: ConfigInvalid, Conflict, StoreUnavailable."""
    found: OwnedStore = await postgres_backend().PostgresStore.open(url, clock=clock)
    return found


def postgres_backend() -> Any:
    """The package of the backend, loaded only where a store needs it. Errors: ConfigInvalid."""
    try:
        return importlib.import_module("holdfast.backends.postgres")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise ConfigInvalid(
            "a store on Postgres needs the extra `postgres`: pip install 'holdfast[postgres]'"
        ) from error


def check_is_last(state: Path, url: str) -> None:
    """Errors: Conflict when the project's last store was of another kind than the one asked for."""
    last = last_store(state)
    if last is None:
        return
    if not url and last.store_id != SQLITE:
        raise Conflict(
            f"this project's store was {last.where}, and no `store` is configured now; name it"
            f" again, or remove `{MARKER}` from the state folder to begin with an empty one"
        )
    if url and last.store_id == SQLITE:
        raise Conflict(
            f"this project's store is still the file `{last.where}`; `holdfast store move` takes it"
            " to Postgres, or remove it from the state folder to begin with an empty one"
        )


def _check_same(state: Path, store_id: str, where: str) -> None:
    last = last_store(state)
    if last is not None and last.store_id != store_id:
        raise Conflict(
            f"this project's store was {last.where}, and {where} is another one; name the first"
            f" again, or remove `{MARKER}` from the state folder to go on with this one"
        )


def last_store(state: Path) -> Marker | None:
    """Which store the project used last; None before the first. Errors: ConfigInvalid."""
    try:
        raw = (state / MARKER).read_bytes()
    except FileNotFoundError:
        # Only what is not the file of the project itself needs a marker.
        old = (state / DATABASE).exists()
        return Marker(store_id=SQLITE, where=DATABASE) if old else None
    except OSError as error:
        raise ConfigInvalid(f"`{MARKER}` cannot be read: {error.strerror}") from error
    try:
        return msgspec.json.decode(raw, type=Marker)
    except msgspec.DecodeError:
        raise ConfigInvalid(
            f"`{MARKER}` in the state folder is damaged; remove it when you are sure which store"
            " is this project's"
        ) from None


def remember(state: Path, marker: Marker) -> None:
    """Write `store.json`, whole or not at all. Errors: ConfigInvalid."""
    draft = state / f"{MARKER}.{os.getpid()}"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(marker)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(state / MARKER)
    except OSError as error:
        raise ConfigInvalid(f"`{MARKER}` cannot be kept: {error.strerror}") from error
