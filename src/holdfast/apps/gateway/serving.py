"""What every process that serves the model's door has in common: how it listens, stops and reports.

Not here: what it serves, and what it does before it stops.
"""

import asyncio
import contextlib
import gc
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from holdfast.apps.gateway.protocol import BoundedProtocol

_DRAIN_S = 2
# Hooks call minutes apart; a connection closed under them would cost a decision.
_KEEP_ALIVE_S = 75
_GC_THRESHOLD = 20_000


def report(error: BaseException) -> None:
    """A fault of ours, for the operator's log; callers get a sentence without it."""
    traceback.print_exception(error, file=sys.stderr)


def keep_loaded() -> None:
    """What was loaded stays: collections that walk all of it would stop every stream for long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    gc.enable()


def uvicorn_config(
    app: ASGIApp, *, tls_cert: str | Path | None, tls_key: str | Path | None
) -> uvicorn.Config:
    """How `app` is served: over TLS where there is a certificate."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )


class OrderlyServer(uvicorn.Server):
    """Stops in order when it is told to."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order on SIGINT and SIGTERM, and do not raise them again afterwards.

        The handlers stay until the process ends: a second Ctrl-C must not tear the store.
        """
        loop = asyncio.get_running_loop()
        for caught in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(caught, self.stop)
        yield

    def stop(self) -> None:
        """Stop in order."""
        self.should_exit = True
