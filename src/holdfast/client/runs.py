"""Runs from outside: submit and look (operators), claim and renew (workers).

Not here: doing the work (`integrations/native`).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from holdfast.errors import ConfigInvalid, InvalidRequest
from holdfast.model.effects import EffectEntry
from holdfast.model.runs import WORK_PROTOCOL, RunState
from holdfast.model.views.runs import (
    Activation,
    Claimed,
    EffectList,
    HeartbeatHeard,
    RunEngine,
    RunList,
    RunView,
)

from .paging import ALL, each, listed
from .wire import Door, Pool

_CLAIM_MARGIN_S = 10.0


class Runs:
    """Submit, look at and steer runs."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def submit(  # noqa: PLR0913 -- each is an option
        self,
        prompt: str,
        *,
        user: str,
        agent: str = "",
        agent_file: Path | None = None,
        tenant: str = "",
        project: str = "",
        task: str = "",
        limits: Mapping[str, int | float | str] | None = None,
        scope: Mapping[str, Sequence[str]] | None = None,
        priority: int = 0,
        deadline_s: int = 0,
        batch: str = "",
        key: str = "",
    ) -> RunView:
        """Queue a run; it goes on without this process. Errors: as for opening a session.

        `scope` maps names of arguments to patterns of paths, within which its calls have to stay.
        `key` is how the server knows this request again (`Idempotency-Key`): sent again
        with it, also by another process after a crash, it finds what it made.
        """
        optional = {
            **_who(agent, agent_file, tenant, project, task),
            "limits": dict(limits or {}) or None,
            "scope": {name: [*patterns] for name, patterns in (scope or {}).items()} or None,
            "priority": priority or None,
            "deadline_s": deadline_s or None,
            "batch": batch or None,
        }
        given = {k: v for k, v in optional.items() if v is not None}
        asked = {"user": user, "prompt": prompt, **given}
        return await self._door.make("/v1/runs", RunView, asked, key)

    async def plan(
        self,
        *,
        user: str,
        agent: str = "",
        agent_file: Path | None = None,
        tenant: str = "",
        project: str = "",
        task: str = "",
    ) -> RunEngine:
        """Which loop an agent is for, and how a batch is cut; nothing is opened."""
        optional = _who(agent, agent_file, tenant, project, task)
        given = {k: v for k, v in optional.items() if v is not None}
        return await self._door.post("/v1/runs/plan", RunEngine, {"user": user, **given})

    async def list(
        self,
        *,
        tenant: str = "",
        project: str = "",
        user: str = "",
        batch: str = "",
        state: RunState | str = "",
        limit: int | None = None,
    ) -> tuple[RunView, ...]:
        """Runs, newest first, without what their sessions used: 100 unless `limit` says."""
        query = _which(tenant, project, user, batch, state)
        return await listed(self._door, "/v1/runs", RunList, _runs, query, limit)

    async def page(
        self, *, state: RunState | str = "", cursor: str = "", limit: int = 100
    ) -> RunList:
        """One page, newest first; its `next` is the cursor of the page after it."""
        query: dict[str, str | int | None] = {
            "state": str(state),
            "cursor": cursor,
            "limit": limit,
        }
        return await self._door.get("/v1/runs", RunList, query)

    def each(
        self,
        *,
        tenant: str = "",
        project: str = "",
        user: str = "",
        batch: str = "",
        state: RunState | str = "",
    ) -> AsyncIterator[RunView]:
        """All runs, newest first, fetched a page at a time while they are gone through."""
        query = _which(tenant, project, user, batch, state)
        return each(self._door, "/v1/runs", RunList, _runs, query)

    async def show(self, run_id: str) -> RunView:
        """One run. Errors: NotFound."""
        return await self._door.get(_path("runs", run_id), RunView)

    async def retry(self, run_id: str, reason: str, *, key: str = "") -> RunView:
        """The same again from its prompt; effects of its task are not had twice."""
        asked = {"reason": reason}
        return await self._door.make(_path("runs", run_id, "retry"), RunView, asked, key)

    async def fork(
        self, run_id: str, turn: int, reason: str, *, prompt: str = "", key: str = ""
    ) -> RunView:
        """A new run that knows the first `turn` turns."""
        body = {"turn": turn, "reason": reason, "prompt": prompt}
        return await self._door.make(_path("runs", run_id, "fork"), RunView, body, key)

    async def cancel(self, run_id: str, reason: str) -> RunView:
        """End it for good. Errors: Conflict when it is over."""
        return await self._door.post(_path("runs", run_id, "cancel"), RunView, {"reason": reason})

    async def resume(self, run_id: str, reason: str) -> RunView:
        """Queue a run again that waits for a person. Errors: Conflict."""
        return await self._door.post(_path("runs", run_id, "resume"), RunView, {"reason": reason})


class DeadLetters:
    """What waits for a person: runs, and effects that nobody knows the outcome of."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self, *, tenant: str = "", limit: int | None = None) -> tuple[RunView, ...]:
        """All of them, newest first, with their unknown effects; at most `limit` where given."""
        most = ALL if limit is None else limit
        return await listed(self._door, "/v1/dlq", RunList, _runs, {"tenant": tenant}, most)

    async def effects(
        self, *, tenant: str = "", limit: int | None = None
    ) -> tuple[EffectEntry, ...]:
        """Unknown effects of every session and run, newest first; at most `limit` where given.

        `client.effects.resolve` settles one.
        """
        most = ALL if limit is None else limit
        query = {"tenant": tenant}
        return await listed(self._door, "/v1/dlq/effects", EffectList, _effects, query, most)

    async def redrive(self, run_id: str, reason: str) -> RunView:
        """Queue it again, where it stopped. Errors: Conflict."""
        return await self._door.post(_path("dlq", run_id, "redrive"), RunView, {"reason": reason})

    async def discard(self, run_id: str, reason: str) -> RunView:
        """Give it up; its journal stays. Errors: Conflict."""
        return await self._door.post(_path("dlq", run_id, "discard"), RunView, {"reason": reason})


class Effects:
    """The effects ledger."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def list(self, session: str) -> tuple[EffectEntry, ...]:
        """Entries of a session, oldest intent first. Errors: NotFound."""
        query = {"session": session}
        return await listed(self._door, "/v1/effects", EffectList, _effects, query, ALL)

    async def resolve(
        self,
        tenant: str,
        key: str,
        outcome: Literal["done", "failed"],
        *,
        by: str,
        reason: str,
        output: Any = None,
    ) -> EffectEntry:
        """Say what became of an unknown effect; the run that waits for it goes on.

        Errors: NotFound, Conflict when it is not unknown.
        """
        body = {
            "tenant": tenant,
            "key": key,
            "outcome": outcome,
            "output": output,
            "by": by,
            "reason": reason,
        }
        return await self._door.post("/v1/effects/resolve", EffectEntry, body)


class Work:
    """A worker's side: needs the server's address and the worker token, nothing of the admin's.

    `process` says which process it is (`runtime/workers`), empty where that cannot be told.
    """

    def __init__(
        self, url: str, worker_token: str, worker: str, process: str = "", *, found: bool = False
    ) -> None:
        """`found` says that a file named the address, and nobody who runs this."""
        self._door = Door(Pool(url), worker_token, bound=found)
        self._process = process
        self.worker = worker
        self.lease_s = 10.0
        """Seconds that a lease lasts, as the server said last."""

    @property
    def url(self) -> str:
        """The server's address."""
        return self._door.pool.url

    async def claim(self, wait_s: float = 20.0) -> Activation | None:
        """The next run, waiting for one; None when there was none.

        Errors: VersionMismatch when the server is of another version, Unavailable.
        """
        body = {
            "worker": self.worker,
            "process": self._process,
            "wait_s": wait_s,
            "protocol": WORK_PROTOCOL,
        }
        claimed = await self._door.post(
            "/v1/work/claim", Claimed, body, timeout_s=wait_s + _CLAIM_MARGIN_S
        )
        self.lease_s = claimed.lease_s
        return claimed.work

    async def heartbeat(self, held: Iterable[tuple[str, int]]) -> tuple[str, ...]:
        """Say that it lives; returns the runs to stop at once. Errors: as for `claim`."""
        runs = [{"run_id": run_id, "epoch": epoch} for run_id, epoch in held]
        body = {"worker": self.worker, "runs": runs, "protocol": WORK_PROTOCOL}
        beat = await self._door.post("/v1/work/heartbeat", HeartbeatHeard, body, timeout_s=5.0)
        self.lease_s = beat.lease_s
        return beat.lost

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
        await self._door.pool.close()


def _who(
    agent: str, agent_file: Path | None, tenant: str, project: str, task: str
) -> dict[str, Any]:
    return {
        "agent": agent or None,
        "agent_file": agent_text(agent_file) if agent_file is not None else None,
        "tenant": tenant or None,
        "project": project or None,
        "task": task or None,
    }


def agent_text(path: Path) -> dict[str, str]:
    """An agent file as it is sent; its faults are named by its own path.

    Errors: ConfigInvalid when it cannot be read.
    """
    try:
        return {"name": str(path), "text": path.read_bytes().decode()}
    except OSError as fault:
        why = (fault.strerror or type(fault).__name__).lower()
        raise ConfigInvalid(f"`{path}` cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise ConfigInvalid(f"`{path}` is not UTF-8 text") from None


def _which(
    tenant: str, project: str, user: str, batch: str, state: RunState | str
) -> dict[str, str]:
    return {
        "tenant": tenant,
        "project": project,
        "user": user,
        "batch": batch,
        "state": str(state),
    }


def _runs(page: RunList) -> tuple[RunView, ...]:
    return page.runs


def _effects(page: EffectList) -> tuple[EffectEntry, ...]:
    return page.effects


def _path(kind: str, run_id: str, verb: str = "") -> str:
    if run_id in ("", ".", ".."):
        raise InvalidRequest("that is no run id")
    path = f"/v1/{kind}/{quote(run_id, safe='')}"
    return f"{path}/{verb}" if verb else path
