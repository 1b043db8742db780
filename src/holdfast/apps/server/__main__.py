"""`python -m holdfast.apps.server`: serve one project until told to stop."""

import argparse
import os
import sys
from pathlib import Path

import msgspec
import uvloop

from holdfast.apps.server.serving import say, serve
from holdfast.compose.config import Config, load_config
from holdfast.compose.config.names import is_loopback
from holdfast.errors import ConfigInvalid, HoldfastError


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped as told, 2 the configuration does not hold, 9 it could not start."""
    parser = argparse.ArgumentParser(prog="holdfast-server", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="folder of holdfast.yaml")
    parser.add_argument("--port", type=int, help="instead of `server.port`; 0 takes a free one")
    parser.add_argument("--host", help="instead of `server.host`")
    parser.add_argument("--workers", type=int, help="workers beside it; by need unless given")
    parser.add_argument("--ready-fd", type=int, help="file descriptor told the address when ready")
    given = parser.parse_args(arguments)

    def ready(url: str) -> None:
        if given.ready_fd is None:
            sys.stdout.write(f"holdfast is ready on {url}\n")
            sys.stdout.flush()
        else:
            os.write(given.ready_fd, f"{url}\n".encode())
            os.close(given.ready_fd)

    # Whatever is written from here on, by the policy process too, is the owner's alone.
    os.umask(0o077)
    code = 0
    try:
        config = load_config((given.project / "holdfast.yaml").resolve())
        if given.host:
            config = _at_host(config, given.host)
        uvloop.run(serve(config, given.port, ready, workers=given.workers))
    except* HoldfastError as group:
        fault = _first(group)
        say(fault.message)
        code = 2 if fault.http_status == 400 else 9
    return code


def _at_host(config: Config, host: str) -> Config:
    """The configuration with another address; what the file may not say, this may not either."""
    server = msgspec.structs.replace(config.server, host=host)
    if server.tls is None and not server.allow_remote_plaintext and not is_loopback(host):
        raise ConfigInvalid(
            f"`{host}` is reachable from other machines: set `server.tls`, or say"
            " `server.allow_remote_plaintext: true`"
        )
    return msgspec.structs.replace(config, server=server)


def _first(group: BaseExceptionGroup[HoldfastError]) -> HoldfastError:
    """The first fault of a group, however deep."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
