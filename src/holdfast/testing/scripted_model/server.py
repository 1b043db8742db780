"""The scripted model as a running server, in a background thread with its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn

from .app import create_app
from .playback import Options, Playback
from .recording import RecordedRequest, RequestLog

START_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 10.0


class ScriptedModel:
    """A server that plays `script`; ready when constructed, closed by its context manager.

        `script` is anything `as_script` takes; `options` are the fields of `Options`. Raises
    `ScriptError` for a script that cannot be played, `OSError` if the address is taken,
    `TimeoutError` if it does not start.
    """

    def __init__(
        self, script: Any = None, *, host: str = "127.0.0.1", port: int = 0, **options: Any
    ) -> None:
        settings = Options(**options)
        self.log = RequestLog(settings.request_limit)
        app = create_app(script, options=settings, log=self.log)
        self.playback: Playback = app.state.playback
        self._socket = listen(host, port)
        bound_port = self._socket.getsockname()[1]
        self.url = f"http://{host}:{bound_port}"
        self._server = PromptServer(server_config(app))
        self._thread = threading.Thread(
            target=self._run, name=f"scripted-model-{bound_port}", daemon=True
        )
        self._thread.start()
        self._wait_started()

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, oldest first."""
        return self.log.requests

    @property
    def message_requests(self) -> list[RecordedRequest]:
        """The requests to `/v1/messages` so far."""
        return [record for record in self.log.requests if record.path == "/v1/messages"]

    def reset(self) -> None:
        """Forget requests, attempts, threads and cached prompts."""
        self.playback.reset()
        self.log.requests.clear()

    def close(self) -> None:
        """Stop the server, cutting replies still being sent; safe to call twice."""
        self._server.stop()
        self._thread.join(CLOSE_TIMEOUT_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def _wait_started(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                raise TimeoutError(f"scripted model did not start on {self.url}")
            time.sleep(0.001)


class PromptServer(uvicorn.Server):
    """A server that notices at once that it should stop, not at its next tick."""

    _TICK_S = 0.1

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Stop from any thread, cutting replies still being sent."""
        self.should_exit = True
        self.force_exit = True
        # A loop that is already closed has stopped.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        """Tick, for the date header and signals, until told to stop."""
        self._loop = asyncio.get_running_loop()
        counter = 0
        should_exit = await self.on_tick(counter)
        while not should_exit:
            counter = (counter + 1) % 864_000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._TICK_S)
            should_exit = await self.on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any free one. Raises `OSError` if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(2048)
    except OSError:
        bound.close()
        raise
    return bound


def server_config(app: Any) -> uvicorn.Config:
    """The HTTP server's settings: quiet, and without the costs a test server does not need."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
