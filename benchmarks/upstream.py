"""The provider of every benchmark: the scripted model as its own process, with an account of usage.

`GET /_bench/usage` is the provider's own bill: tokens of every reply it made. A reply that was
cut counts the output it had sent. Run: `python -m benchmarks.upstream SCRIPT.json`.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.testing.scripted_model import RecordedRequest, RequestLog, as_script, create_app
from holdfast.testing.scripted_model.playback import Options
from holdfast.testing.scripted_model.server import listen, server_config

TOKENS_PER_DELTA = 4


class Bill(msgspec.Struct):
    """Tokens that the provider would bill, and how many replies they were in."""

    replies: int = 0
    refused: int = 0
    cut: int = 0
    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0

    def add(self, record: RecordedRequest) -> None:
        """One more reply, as it ended."""
        if record.path != "/v1/messages":
            return
        if record.usage is None:
            self.refused += 1
            return
        usage: dict[str, Any] = record.usage
        written = usage["cache_creation"]
        self.replies += 1
        self.input_tokens += usage["input_tokens"]
        self.cache_write_5m_tokens += written["ephemeral_5m_input_tokens"]
        self.cache_write_1h_tokens += written["ephemeral_1h_input_tokens"]
        self.cache_read_tokens += usage["cache_read_input_tokens"]
        output = usage["output_tokens"]
        if record.client_disconnected_at is not None:
            self.cut += 1
            output = min(output, record.events_sent * TOKENS_PER_DELTA)
        self.output_tokens += output


class _Log(RequestLog):
    """Keeps a request while it is answered; afterwards only its line of the bill."""

    def __init__(self) -> None:
        super().__init__(None)
        self.bill = Bill()

    def add(self, record: RecordedRequest) -> None:
        """Keep one more, and bill those that ended."""
        self.sweep()
        self.requests.append(record)

    def sweep(self) -> int:
        """Bill what ended; the number of replies still open."""
        still: list[RecordedRequest] = []
        for record in self.requests:
            if record.finished_at is None and record.client_disconnected_at is None:
                still.append(record)
            else:
                self.bill.add(record)
        self.requests[:] = still
        return sum(1 for record in still if record.path == "/v1/messages")


def main(script: Path) -> None:
    """Serve until told to stop; the first line of standard output is the address."""
    log = _Log()
    app = create_app(as_script(script), options=Options(), log=log)

    async def usage(_: Request) -> Response:
        still = log.sweep()
        return Response(msgspec.json.encode({"open": still, "bill": log.bill}))

    async def reset(_: Request) -> Response:
        log.sweep()
        log.bill = Bill()
        app.state.playback.reset()
        return Response(b"{}")

    app.routes.insert(0, Route("/_bench/usage", usage))
    app.routes.insert(1, Route("/_bench/reset", reset, methods=["POST"]))
    bound = listen("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app))
    sys.stdout.write(f"http://127.0.0.1:{bound.getsockname()[1]}\n")
    sys.stdout.flush()
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[bound]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
