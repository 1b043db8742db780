"""The answering side: one private Unix socket, one handler, replies in whatever order they come.

A handler that returns bytes at once is answered without a task; one that returns an awaitable
runs beside the others. An exception never leaves the connection: it becomes a fault frame.
"""

import asyncio
import contextlib
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from holdfast.backends.frames.wire import (
    MAX_FRAME_BYTES,
    FrameBuffer,
    FrameTooLarge,
    Reply,
    Request,
    framed,
)
from holdfast.errors import ConfigInvalid, HoldfastError, InvalidRequest

Handler = Callable[[str, bytes], bytes | Awaitable[bytes]]
Drop = Callable[[], None]


class Talk(Protocol):
    """One connection's own handler, where connections are to be told apart."""

    def handle(self, method: str, body: bytes) -> bytes | Awaitable[bytes]:
        """One call of it."""
        ...

    def gone(self) -> None:
        """The connection is closed; what still ran for it is cancelled after this."""
        ...


_MAX_SOCKET_PATH_BYTES = 107


class FrameServer:
    """Serves on one socket until closed: one handler, or a `Talk` for each connection.

    A maker of talks is given what closes the connection. `report` is told, in one line each, of
    handler faults and of connections dropped for breaking the protocol. At most `max_in_flight`
    calls of one connection run at once; past that its bytes wait in the kernel.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        report: Callable[[str], None],
        talks: Callable[[Drop], Talk] | None = None,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        max_in_flight: int = 1024,
    ) -> None:
        self.handler = handler
        self.talks = talks
        self.report = report
        self.max_frame_bytes = max_frame_bytes
        self.max_in_flight = max_in_flight
        self.connections: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self._path: Path | None = None
        self._inode = 0

    def bind(self, path: Path) -> None:
        """Take the socket at `path`: mode 0600, in a private folder, made if it is missing.

        Errors: ConfigInvalid when the folder is open to others, the path is too long, or another
        process answers there; OSError as the system gives it.
        """
        self._listener = _bind(path)
        self._path, self._inode = path, path.stat().st_ino

    async def serve(self, started: Callable[[], None], stop: asyncio.Event) -> None:
        """Listen on the bound socket, call `started`, answer until `stop`, take the socket away."""
        if self._listener is None:
            raise ConfigInvalid("the server has no socket; bind it first")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                server = await loop.create_unix_server(
                    lambda: _Connection(self, tasks), sock=self._listener
                )
                try:
                    started()
                    await stop.wait()
                finally:
                    server.close()
                    for connection in list(self.connections):
                        connection.drop()
        finally:
            self._listener.close()
            self._listener = None
            self._unlink()

    def _unlink(self) -> None:
        """Take the socket away, unless someone else has put theirs in its place."""
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def _bind(path: Path) -> socket.socket:
    if len(bytes(path)) > _MAX_SOCKET_PATH_BYTES:
        raise ConfigInvalid(f"the socket's path is longer than {_MAX_SOCKET_PATH_BYTES} bytes")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
        raise ConfigInvalid("the socket's folder is open to other users; it has to be mode 0700")
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _clear_stale(path: Path) -> None:
    """Remove a socket that nobody answers on; refuse to take one that is answered, or a file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigInvalid("the socket's path holds something that is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise ConfigInvalid("another process already answers on the socket")


def _nobody(method: str, _: bytes) -> bytes:
    raise InvalidRequest(f"nobody answers to {method[:40]!r} here")


class _Connection(asyncio.Protocol):
    """One caller."""

    def __init__(self, server: FrameServer, tasks: asyncio.TaskGroup) -> None:
        self._server = server
        self._tasks = tasks
        self._buffer = FrameBuffer(server.max_frame_bytes)
        self._decoder = msgspec.msgpack.Decoder(Request)
        self._running: set[asyncio.Task[None]] = set()
        self._held: list[bytes] = []
        self._unwritable = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self._talk: Talk | None = None
        self._handler: Handler = server.handler or _nobody

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)
        if self._server.talks is not None:
            self._talk = self._server.talks(self.drop)
            self._handler = self._talk.handle

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None
        self._held.clear()
        if self._talk is not None:
            self._talk.gone()
        for task in self._running:
            task.cancel()

    def drop(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._unwritable = True
        self._regulate()

    def resume_writing(self) -> None:
        self._unwritable = False
        self._drain_held()

    def data_received(self, data: bytes) -> None:
        try:
            payloads = self._buffer.feed(data)
        except FrameTooLarge as fault:
            self._server.report(f"a connection was dropped: {fault}")
            self.drop()
            return
        self._held += payloads
        self._drain_held()

    def _drain_held(self) -> None:
        """Start what may start; the rest stays until replies went out."""
        started = 0
        for payload in self._held:
            if self._busy():
                break
            started += 1
            self._start(payload)
        del self._held[:started]
        self._regulate()

    def _busy(self) -> bool:
        return self._unwritable or len(self._running) >= self._server.max_in_flight

    def _regulate(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        wanted = self._busy() or bool(self._held)
        if wanted and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not wanted:
            self._transport.resume_reading()
        self._paused = wanted

    def _start(self, payload: bytes) -> None:
        try:
            request = self._decoder.decode(payload)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as fault:
            self._server.report(f"a connection was dropped: not a request frame: {fault}")
            self.drop()
            return
        try:
            outcome = self._handler(request.method, request.body)
        except Exception as fault:  # noqa: BLE001 - every fault is the caller's answer
            self._fault(request, fault)
            return
        if isinstance(outcome, bytes):
            self._send(Reply(request.id, "", outcome))
            return
        task = self._tasks.create_task(self._finish(request, outcome))
        self._running.add(task)
        task.add_done_callback(self._finished)

    async def _finish(self, request: Request, outcome: Awaitable[bytes]) -> None:
        try:
            body = await outcome
        except Exception as fault:  # noqa: BLE001 - as above
            self._fault(request, fault)
        else:
            self._send(Reply(request.id, "", body))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._drain_held()

    def _fault(self, request: Request, fault: Exception) -> None:
        """Our own errors are written for callers; of any other only its class is reported."""
        if isinstance(fault, HoldfastError):
            code, message = fault.code, fault.message
        else:
            code, message = "internal_error", "the call failed inside the answering process"
            self._server.report(f"{request.method!r} failed: {type(fault).__name__}")
        self._send(Reply(request.id, code, message.encode(errors="replace")))

    def _send(self, reply: Reply) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        try:
            frame = framed(reply, self._server.max_frame_bytes)
        except FrameTooLarge:
            frame = framed(
                Reply(reply.id, "too_large", b"the answer is larger than a frame may be"),
                self._server.max_frame_bytes,
            )
        self._transport.write(frame)
