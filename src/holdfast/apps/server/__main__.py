"""`python -m holdfast.apps.server`: serve one project until told to stop."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from holdfast.apps.server.starting import Ready, StoreLost, begun, say
from holdfast.backends.system.ready import told_ready
from holdfast.compose.config import Config, load_config
from holdfast.compose.config.model import StoreSettings
from holdfast.compose.config.names import is_loopback
from holdfast.errors import ConfigInvalid, HoldfastError
from holdfast.ports.store_urls import has_password, store_url_fault

Fault = TypeVar("Fault", bound=Exception)


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped as told, 2 the configuration does not hold, 9 it could not start."""
    parser = argparse.ArgumentParser(prog="holdfast-server", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="folder of holdfast.yaml")
    parser.add_argument("--port", type=int, help="instead of `server.port`; 0 takes a free one")
    parser.add_argument("--gateway-port", type=int, help="instead of `gateway.port`")
    parser.add_argument("--host", help="instead of `server.host`")
    parser.add_argument("--workers", type=int, help="workers beside it; by need unless given")
    parser.add_argument("--store", default="", help="instead of `store.url`")
    parser.add_argument("--test-clock", action="store_true", help="time is moved by hand")
    parser.add_argument("--again", action="store_true", help="wait for a store that went away")
    parser.add_argument("--with-parent", type=int, default=0, help="end when this process does")
    parser.add_argument("--ready-fd", type=int, help="file descriptor told the address when ready")
    given = parser.parse_args(arguments)

    def ready(url: str, faults: Sequence[str], first_link: Callable[[], str]) -> None:
        if given.ready_fd is None:
            told = f"holdfast is ready on {url}"
            if faults:
                told = f"holdfast answers on {url}, and no agent can work until this is mended: "
                told += "; ".join(faults)
            sys.stdout.write(f"{told}\n")
            if link := first_link():
                sys.stdout.write(f"console, for one browser, within 15 minutes: {link}\n")
            sys.stdout.flush()
        else:
            told_ready(given.ready_fd, url)

    # What is loaded stays, so that collecting meanwhile finds nothing; see `keep_loaded`.
    gc.disable()
    # Whatever is written from here on, by the policy process too, is the owner's alone.
    os.umask(0o077)
    code = 0
    try:
        config = load_config((given.project / "holdfast.yaml").resolve())
        if given.host:
            config = _at_host(config, given.host)
        if given.store:
            config = _with_store(config, given.store)
        if given.again:
            # Loaded here only by a server that begins again.
            from holdfast.compose.storage import wait_for_store  # noqa: PLC0415

            uvloop.run(wait_for_store(config, os.environ, say))
        uvloop.run(_served(config, given, ready))
    except* StoreLost as lost:
        gone = _first(lost)
        say(f"{gone}; beginning again")
        _begin_again(given, gone)
    except* HoldfastError as group:
        fault = _first(group)
        say(fault.message)
        code = 2 if fault.http_status == 400 else 9
    return code


async def _served(config: Config, given: argparse.Namespace, ready: Ready) -> None:
    """Serve until told to stop. Errors: those of `begun` and of `serve`."""
    async with begun(config, given.port, test_clock=given.test_clock) as start:
        # Loaded while the policy process loads.
        from holdfast.apps.server.serving import serve  # noqa: PLC0415

        await serve(
            start,
            ready,
            workers=given.workers,
            gateway_port=given.gateway_port,
            parent=given.with_parent,
        )


def _at_host(config: Config, host: str) -> Config:
    """The configuration with another address; what the file may not say, this may not either."""
    server = msgspec.structs.replace(config.server, host=host)
    if server.tls is None and not server.allow_remote_plaintext and not is_loopback(host):
        raise ConfigInvalid(
            f"`{host}` is reachable from other machines: set `server.tls`, or say"
            " `server.allow_remote_plaintext: true`"
        )
    return msgspec.structs.replace(config, server=server)


def _with_store(config: Config, url: str) -> Config:
    """The configuration with another store; what the file may not say, this may not either."""
    fault = store_url_fault(url)
    if not fault and has_password(url):
        fault = "everybody on this machine can read a password here: name its variable in"
        fault += " `store.url_env` of holdfast.yaml"
    if fault:
        raise ConfigInvalid(f"--store: {fault}")
    return msgspec.structs.replace(config, store=StoreSettings(url=url))


def _begin_again(given: argparse.Namespace, gone: StoreLost) -> None:
    """Become a new server on the same ports: memory is ahead of the store, and starts from it."""
    arguments = ["--project", str(given.project), "--port", str(gone.port), "--again"]
    if gone.gateway_port:
        arguments += ["--gateway-port", str(gone.gateway_port)]
    for name in ("host", "workers", "store"):
        value = getattr(given, name)
        if value not in {None, ""}:
            arguments += [f"--{name}", str(value)]
    if given.test_clock:
        arguments.append("--test-clock")
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "holdfast.apps.server", *arguments])  # noqa: S606 - no shell


def _first(group: BaseExceptionGroup[Fault]) -> Fault:
    """The first fault of a group, however deep."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
