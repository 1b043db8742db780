"""`/v1/work/claim` and `/v1/work/heartbeat`, for any number of workers.

The worker token names no session: a claim hands out the token of the one session to work for. A
worker that speaks another protocol is told so, before anything is claimed for it; one that names
none is older than the question.
"""

import hmac
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from holdfast import __version__
from holdfast.apps.control.answering import Endpoint, last_boundary
from holdfast.apps.control.openapi import Token, verb
from holdfast.apps.control.proving import proven
from holdfast.apps.control.reading import Report, bearer, json_of, shaped, whole_body
from holdfast.apps.control.tasks import while_there
from holdfast.errors import InvalidRequest, Unauthenticated, VersionMismatch
from holdfast.model.runs import WORK_PROTOCOL
from holdfast.model.views.runs import Activation, Claimed, HeartbeatHeard
from holdfast.runtime.born import token_digest
from holdfast.runtime.dispatch import Dispatch

MAX_WAIT_S = 30.0
_MAX_BODY_BYTES = 256 * 1024
_MAX_PROCESS = 256
_Body = TypeVar("_Body")
_Act = Callable[[bytes], Coroutine[Any, Any, object]]


class Spoken(msgspec.Struct):
    """What a worker of any version says, first of all."""

    protocol: int = 0


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True):
    """A worker that is free; `agents` empty takes any. `process` as in `runtime/workers`."""

    worker: str
    wait_s: float = 0.0
    agents: tuple[str, ...] = ()
    process: str = ""
    protocol: int = 0


class Held(msgspec.Struct, forbid_unknown_fields=True):
    """A run that a worker is at."""

    run_id: str
    epoch: int


class HeartbeatBody(msgspec.Struct, forbid_unknown_fields=True):
    """A worker that lives, and what it is at."""

    worker: str
    runs: list[Held]
    protocol: int = 0


VERBS = (
    verb(
        "/v1/work/claim",
        "Wait for a run to work at; its session's token comes with it.",
        Claimed,
        ClaimBody,
        token=Token.WORKER,
        tag="work",
    ),
    verb(
        "/v1/work/heartbeat",
        "Say that the worker lives, and learn which of its runs it has lost.",
        HeartbeatHeard,
        HeartbeatBody,
        token=Token.WORKER,
        tag="work",
    ),
)


class WorkDoor:
    """The workers' routes."""

    def __init__(
        self, dispatch: Dispatch, worker_digest: str, report: Report, *, model_port: int = 0
    ) -> None:
        self._model_port = model_port
        self._dispatch = dispatch
        self._digest = worker_digest
        self._report = report

    def routes(self) -> list[Route]:
        """What to mount."""
        acts: dict[str, _Act] = {"work_claim": self._claim, "work_heartbeat": self._heartbeat}
        return [Route(one.path, self._for(acts[one.name]), methods=[one.method]) for one in VERBS]

    def _for(self, act: _Act) -> Endpoint:
        async def acting(request: Request) -> object:
            digest = proven(request) or token_digest(bearer(request.headers))
            if not hmac.compare_digest(digest, self._digest):
                raise Unauthenticated("this path takes the worker token")
            body = await whole_body(request, _MAX_BODY_BYTES)
            return await while_there(request, act(body))

        return last_boundary(acting, self._report)

    async def _claim(self, body: bytes) -> Claimed:
        given = _read(body, ClaimBody)
        if not 0 < len(given.worker) <= 128:
            raise InvalidRequest("a worker has a name of 1 to 128 characters", field="worker")
        if len(given.process) > _MAX_PROCESS:
            raise InvalidRequest("that names no process", field="process")
        claimed = await self._dispatch.claim(
            given.worker,
            wait_s=min(max(given.wait_s, 0.0), MAX_WAIT_S),
            agents=given.agents,
            process=given.process,
        )
        if claimed is None:
            return Claimed(None, self._dispatch.lease_s)
        work = Activation(claimed.run, claimed.token, self._model_port, claimed.waited_s)
        return Claimed(work, self._dispatch.lease_s)

    async def _heartbeat(self, body: bytes) -> HeartbeatHeard:
        given = _read(body, HeartbeatBody)
        held = [(run.run_id, run.epoch) for run in given.runs]
        lost = self._dispatch.heartbeat(given.worker, held)
        return HeartbeatHeard(tuple(lost), self._dispatch.lease_s)


def _read(body: bytes, shape: type[_Body]) -> _Body:
    """A worker of another version is told so, whatever else it says that this one does not."""
    told = json_of(body)
    _agrees(shaped(told, Spoken).protocol)
    return shaped(told, shape)


def _agrees(spoken: int) -> None:
    """Errors: VersionMismatch for a worker that would misread the server, or be misread."""
    if spoken == WORK_PROTOCOL:
        return
    todo = (
        "update the worker"
        if spoken < WORK_PROTOCOL
        else "update the server, or run workers of its version"
    )
    raise VersionMismatch(
        f"this server (holdfast {__version__}) speaks work protocol {WORK_PROTOCOL} and the worker"
        f" {spoken}: {todo}",
        server_protocol=WORK_PROTOCOL,
        worker_protocol=spoken,
        server_version=__version__,
    )
