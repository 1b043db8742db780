"""`python -m holdfast.apps.relay`: serve the model's door beside a server, which starts this.

Settings come on standard input as JSON (`compose/relays`). The relays of a server share one port:
each listens there by itself, and the system deals connections out among those that live.
"""

import os
import socket
import sys

import msgspec
import uvloop

from holdfast.apps.relay.serving import serve
from holdfast.compose.relays import RelaySettings
from holdfast.errors import HoldfastError


def main() -> int:
    """Exit code: 0 stopped as told, 2 the settings do not hold, 9 the port cannot be had."""
    os.umask(0o077)
    try:
        settings = msgspec.json.decode(sys.stdin.buffer.read(), type=RelaySettings)
    except msgspec.DecodeError as error:
        return _unfit(f"its settings do not hold: {error}")
    try:
        listening = _listening(settings.host, settings.port)
    except OSError as error:
        _unfit(f"port {settings.port}: {(error.strerror or 'refused').lower()}")
        return 9
    code = 0
    try:
        uvloop.run(serve(settings, listening, os.environ))
    except* HoldfastError as group:
        code = _unfit(str(group.exceptions[0]))
    return code


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    listening.listen(2048)
    return listening


def _unfit(why: str) -> int:
    sys.stderr.write(f"holdfast: a gateway process cannot start: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
