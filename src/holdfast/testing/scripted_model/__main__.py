"""`python -m holdfast.testing.scripted_model`: the scripted model as its own process.

Prints one JSON line, `{"url": "http://..."}`, when it accepts connections, and runs until
interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
from pathlib import Path

import uvicorn

from .app import create_app
from .playback import Options
from .script import ScriptError, as_script
from .server import listen, server_config


def main(arguments: list[str] | None = None) -> int:
    """Run the server until interrupted.

    Returns 0 when interrupted, 2 for a script that cannot be played, 1 for an address in use.
    """
    given = _parser().parse_args(arguments)
    options = Options(
        api_keys=frozenset(given.api_key) if given.api_key else None,
        prompt_caching=not given.no_prompt_caching,
        request_limit=given.request_limit,
        seed=given.seed,
    )
    try:
        app = create_app(as_script(given.script), options=options)
        bound = listen(given.host, given.port)
    except ScriptError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    server = uvicorn.Server(server_config(app))
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(server, bound, f"http://{given.host}:{bound.getsockname()[1]}"))
    return 0


async def _serve(server: uvicorn.Server, bound: socket.socket, url: str) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[bound]))
        # The server tells by a flag, not an event, that it is up.
        while not server.started and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        if server.started:
            sys.stdout.write(json.dumps({"url": url}) + "\n")
            sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripted_model", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--script", type=Path, default=None, help="a .yaml or .json script")
    parser.add_argument(
        "--api-key", action="append", default=[], help="an accepted key; none given accepts any"
    )
    parser.add_argument(
        "--request-limit", type=int, default=10_000, help="requests kept for /_scripted/requests"
    )
    parser.add_argument("--seed", default=None, help="makes ids repeatable")
    parser.add_argument("--no-prompt-caching", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
