"""`python -m holdfast.tools.host FOLDER WORKER`: runs the Python tools of one session.

Requests and answers are JSON lines over two pipes that the tools never see: their prints go to
standard error. Whatever a tool does to itself (raising, exiting, forking, answering nonsense)
ends in an answer, or in this process's death, which the router takes as no answer.

It ends with the process WORKER that started it: the run of a worker that died is another's, and
what was still on its way here must not happen beside what that one does. For the same reason
nothing begins past the time until which the worker knew the run to be its own.
"""

import asyncio
import ctypes
import importlib
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Literal

import msgspec

from holdfast.core.writable import fault_of, text_of, written
from holdfast.tools.declared import Happened, ProbeAnswer, Refused, Tool, ToolContext
from holdfast.tools.lease import now_s

_THREADS = 16
_PR_SET_PDEATHSIG = 1


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call; `target` is `package.module:name`. From `until_s` on it is not begun (`lease`)."""

    op: Literal["run", "probe"]
    target: str
    arguments: dict[str, Any]
    context: ToolContext
    max_output_bytes: int
    id: int = 0
    until_s: float = 0.0


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Its outcome. `refused`: a declared error, nothing happened. `raised`: it broke half-way.

    `found` belongs to a probe. `too_large`: it worked, and its output is left out. `late`: its
    time was over, nothing was begun.
    """

    id: int
    ok: bool = False
    output: Any = None
    too_large: bool = False
    late: bool = False
    found: Literal["happened", "nothing_happened", "cannot_tell"] = "cannot_tell"
    refused: bool = False
    raised: bool = False
    code: str = ""
    error: str = ""


class Host:
    """Runs requests, several at a time."""

    def __init__(self, out: BinaryIO, worker: int) -> None:
        self._out = out
        self._worker = worker
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._pool = ThreadPoolExecutor(_THREADS)

    def serve(self, requests: BinaryIO) -> None:
        """Until the router closes its end."""
        decoder = msgspec.json.Decoder(Request)
        for line in requests:
            self._pool.submit(self._one, decoder.decode(line))
        # What still runs belongs to a session that is over.
        os._exit(0)

    def _one(self, request: Request) -> None:
        _end_without(self._worker)
        reply = _done(request)
        if os.getpid() != self._pid:
            os._exit(0)  # A child that the tool forked came out of it, too.
        raw = msgspec.json.encode(reply)
        if len(raw) > request.max_output_bytes + 4096:
            raw = msgspec.json.encode(Reply(id=request.id, ok=True, too_large=True))
        with self._lock:
            self._out.write(raw + b"\n")
            self._out.flush()


def _done(request: Request) -> Reply:
    try:
        found = _found(request.target)
    except BaseException as error:  # noqa: BLE001 - a module may end in any way
        return Reply(id=request.id, refused=True, code="tool_not_loaded", error=_said(error))
    if now_s() >= request.until_s:
        return Reply(id=request.id, late=True)
    try:
        output = found(request)
        if inspect.isawaitable(output):
            output = asyncio.run(_awaited(output))
        if request.op == "probe":
            return _probed(request, output)
        return Reply(id=request.id, ok=True, output=_shown(output, request))
    except Refused as no:
        code, why = text_of(no.code, 64), text_of(no.message, 4000)
        return Reply(id=request.id, refused=True, code=code, error=why)
    except BaseException as error:  # noqa: BLE001 - SystemExit of a tool is its failure, not ours
        return Reply(id=request.id, raised=True, code="tool_execution_failed", error=_said(error))


def _probed(request: Request, answer: object) -> Reply:
    """Only the declared type is an answer: a bare True or None may mean anything."""
    if isinstance(answer, Happened):
        value = _shown(answer.output, request)
        return Reply(id=request.id, ok=True, found="happened", output=value)
    if isinstance(answer, ProbeAnswer):
        return Reply(id=request.id, ok=True, found=answer.value)
    return Reply(id=request.id, ok=True)


async def _awaited(output: Any) -> Any:
    return await output


def _found(target: str) -> Callable[[Request], Any]:
    module_name, _, name = target.partition(":")
    found = getattr(importlib.import_module(module_name), name)
    if isinstance(found, Tool):
        return lambda r: (found.run if r.op == "run" else found.probe)(r.arguments, r.context)
    takes = [p.name for p in inspect.signature(found).parameters.values() if _is_context(p)]
    return lambda r: found(**r.arguments, **dict.fromkeys(takes, r.context))


def _is_context(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (ToolContext, "ToolContext")


def _said(error: BaseException) -> str:
    return fault_of(error, 4000)


def _shown(output: Any, request: Request) -> Any:
    """As JSON, whatever it is; one that is too large stays so, to be refused as that."""
    return written(output, most_bytes=2 * request.max_output_bytes + 8192).value


def _end_without(worker: int) -> None:
    """End at once where the worker is gone."""
    if os.getppid() != worker:
        os._exit(0)


def main(arguments: list[str]) -> None:
    """The pipes are standard input and output, taken away from the tools first."""
    worker = int(arguments[1])
    if sys.platform == "linux":
        # From here on the system ends it, even where it gets no turn to look.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _end_without(worker)
    requests = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.path.insert(0, arguments[0])
    Host(out, worker).serve(requests)


if __name__ == "__main__":
    main(sys.argv[1:])
