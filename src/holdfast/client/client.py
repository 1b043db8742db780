"""The admin's side of the control API: sessions, budgets, journal, policy.

Not here: what an agent process may do with its own session (`session`).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from holdfast.errors import InvalidRequest
from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import SessionProfile, SessionState
from holdfast.model.views.audit import AuditAnswer, RecordList
from holdfast.model.views.budgets import AccountList, BudgetAccount, ProposalList
from holdfast.model.views.kills import KillReceipt
from holdfast.model.views.policies import PolicyApplied, PolicyCheck, PolicyStatus, Replayed
from holdfast.model.views.server import ClockView, GcDone, Health, TrustedFiles
from holdfast.model.views.sessions import OpenedSession, SessionList, SessionView
from holdfast.model.views.turns import TurnList, TurnRecord

from .alerts import Alerts
from .approvals import Approvals
from .conversations import Conversations
from .costs import Costs
from .discovery import locate
from .exchange import Way
from .fleet import FleetView
from .keys import Keys
from .operators import Operators
from .paging import each, listed
from .retention import collect
from .runs import DeadLetters, Effects, Runs, agent_text
from .session import Session
from .sign_ins import SignIns
from .stops import Stops
from .upstreams import Upstreams
from .wire import Door, Pool


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    project_dir: Path | None = None,
    spends: bool = True,
) -> "Client":
    """A client of the server that the argument, the environment or the nearest file names.

    Order: `url`; `project_dir` and above; HOLDFAST_URL with HOLDFAST_ADMIN_TOKEN; the nearest
    `.holdfast/server.json` from the working directory upward. HOLDFAST_KEY, a spending key, stands
    in place of any other token, HOLDFAST_OPERATOR_TOKEN in place of the admin's; with `spends`
    false, for whoever operates, no key is looked for. Nothing is sent yet.
    Errors: Unavailable when no server is known, ConfigInvalid for an unreadable file.
    """
    address = locate(url, token, project_dir, spends=spends)
    return Client(address.url, address.token, found=address.found)


class Client:
    """Every verb of the control API. An async context manager, or `await client.close()`."""

    def __init__(
        self, url: str, token: str = "", *, found: bool = False, way: Way | None = None
    ) -> None:
        """`found` says that a file named the address, and nobody who runs this.

        `way` is another way there than over the network.
        """
        self._door = Door(Pool(url, way), token, bound=found)
        self.sessions = Sessions(self._door)
        self.stops = Stops(self._door)
        self.fleet = FleetView(self._door)
        self.runs = Runs(self._door)
        self.dlq = DeadLetters(self._door)
        self.effects = Effects(self._door)
        self.alerts = Alerts(self._door)
        self.approvals = Approvals(self._door)
        self.budgets = Budgets(self._door)
        self.costs = Costs(self._door)
        self.upstreams = Upstreams(self._door)
        self.operators = Operators(self._door)
        self.keys = Keys(self._door)
        self.sign_ins = SignIns(self._door)
        self.audit = Audit(self._door)
        self.policy = Policy(self._door)

    @property
    def base_url(self) -> str:
        """The server's address."""
        return self._door.pool.url

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    async def health(self) -> Health:
        """Whether the server answers and its policy process with it; needs no token."""
        return await Door(self._door.pool, "").get("/healthz", Health, timeout_s=5.0)

    async def records(
        self,
        *,
        tenant: str = "",
        session: str = "",
        user: str = "",
        kind: Kind | str = "",
        from_ns: int | None = None,
        until_ns: int | None = None,
        after_seq: int | None = None,
        limit: int | None = None,
    ) -> tuple[Record, ...]:
        """Journal records in order, 200 unless `limit` says how many.

        Page on with the last one's `seq` as `after_seq`.
        """
        query: dict[str, str | int | None] = {
            "tenant": tenant,
            "session": session,
            "user": user,
            "kind": str(kind),
            "from_ns": from_ns,
            "until_ns": until_ns,
            "after_seq": after_seq,
        }
        return await listed(
            self._door, "/v1/records", RecordList, lambda page: page.records, query, limit
        )

    async def latest(
        self,
        *,
        session: str,
        tenant: str,
        kind: Kind | str = "",
        cursor: str = "",
        limit: int = 200,
    ) -> RecordList:
        """The last of a session's records in order, a sentence with each.

        `next` is the cursor of those before; empty where there are none.
        """
        query: dict[str, str | int | None] = {
            "tenant": tenant,
            "session": session,
            "kind": str(kind),
            "latest": "true",
            "told": "true",
            "cursor": cursor,
            "limit": limit,
        }
        return await self._door.get("/v1/records", RecordList, query)

    def conversations(self, *, user: str, tenant: str = "") -> Conversations:
        """The conversations of one user; `tenant` may be left out where there is one."""
        return Conversations(self._door, "/v1/conversations", {"tenant": tenant, "user": user})

    async def gc(self, *, older_than_s: int | None = None, dry_run: bool = False) -> GcDone:
        """Delete what is old and needed by nothing, or say what would go.

        `older_than_s` stands in place of `retention.sessions_days`. Errors: Conflict while another
        pass is under way, OutcomeUnknown where the answer was lost (the pass goes on).
        """
        return await collect(self._door, older_than_s, dry_run=dry_run)

    async def clock(self) -> ClockView:
        """What time it is for the server."""
        return await self._door.get("/v1/clock", ClockView)

    async def move_clock(
        self, *, advance_s: float | None = None, to_ns: int | None = None
    ) -> ClockView:
        """Let time pass at once, in a project of tests. Errors: Conflict, InvalidRequest."""
        body = {"advance_s": advance_s, "to_ns": to_ns}
        return await self._door.post("/v1/clock", ClockView, body)

    async def trust_files(self, ref: str = "HEAD", *, root: str = "") -> TrustedFiles:
        """From now on, what stands in a commit is the operator's own. Errors: InvalidRequest."""
        asked = {"ref": ref} | ({"root": root} if root else {})
        return await self._door.post("/v1/own-files/trust", TrustedFiles, asked)

    async def forget_files(self, ref: str, *, root: str = "") -> TrustedFiles:
        """What stands in a commit is no longer the operator's own. Errors: InvalidRequest."""
        asked = {"ref": ref} | ({"root": root} if root else {})
        return await self._door.post("/v1/own-files/forget", TrustedFiles, asked)

    async def close(self) -> None:
        """Let go of the connections; idempotent."""
        await self._door.pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Sessions:
    """Open, look at and stop sessions."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def open(  # noqa: PLR0913 -- each is an option
        self,
        *,
        user: str = "",
        agent: str = "",
        agent_file: Path | None = None,
        tenant: str = "",
        project: str = "",
        task: str = "",
        ttl_s: int | None = None,
        parent: str = "",
        limits: Mapping[str, int | float | str] | None = None,
        scope: Mapping[str, Sequence[str]] | None = None,
        profile: SessionProfile | str = "",
        folder: Path | None = None,
        sandboxed: bool = False,
        sealed: bool = False,
        key: str = "",
    ) -> Session:
        """A session of `agent` for `user`; the handle holds connections of its own.

        With a spending key, what the key fixes may be left out: agent, user, tenant, project, task.
        `agent_file` instead of `agent` is an agent that the configuration does not list.
        `task` is `kind` or `kind/instance`; `parent` continues another session of the same user;
        `limits` are caps of the session scope (`{"usd": "0.50", "tool_calls": 5}`) that may only
        tighten; `scope` are patterns by argument, within which its calls have to stay; `profile`
        holds where the agent names none. `folder` is where the work lies, this process's own
        unless said: after untrusted text, writing goes on within it. `sandboxed` says that its
        commands run in a sandbox which the caller saw hold, `sealed` that it saw them fail to read
        the token of the session's hooks. `key` is how the server knows this request again
        (`Idempotency-Key`): sent again with it, also by another process after a crash, it finds
        the session that it opened.

        Errors: NotFound, InvalidRequest, ConfigInvalid for an agent file that does not hold,
        KeyRefused for what a key is not for, KeyEnded, Unauthenticated, Unavailable.
        """
        optional = {
            "user": user,
            "agent": agent,
            "agent_file": agent_text(agent_file) if agent_file is not None else None,
            "tenant": tenant,
            "project": project,
            "task": task,
            "ttl_s": ttl_s,
            "parent": parent,
            "limits": dict(limits or {}),
            "scope": {name: list(patterns) for name, patterns in (scope or {}).items()},
            "profile": str(profile),
            "folder": str((folder or Path.cwd()).resolve()),
            "sandboxed": sandboxed or None,
            "sealed": sealed or None,
        }
        given = {k: v for k, v in optional.items() if v not in ("", None, {})}
        opened = await self._door.make("/v1/sessions", OpenedSession, given, key)
        own = Door(Pool(self._door.pool.url), opened.token)
        return Session(own, opened.session.session_id, opened.plan)

    async def list(
        self,
        *,
        tenant: str = "",
        project: str = "",
        user: str = "",
        state: SessionState | str = "",
        limit: int | None = None,
    ) -> tuple[SessionView, ...]:
        """Sessions, latest first: 100 unless `limit` says how many."""
        query = {"tenant": tenant, "project": project, "user": user, "state": str(state)}
        return await listed(self._door, "/v1/sessions", SessionList, _sessions, query, limit)

    def each(
        self,
        *,
        tenant: str = "",
        project: str = "",
        user: str = "",
        state: SessionState | str = "",
    ) -> AsyncIterator[SessionView]:
        """All sessions, latest first, fetched a page at a time while they are gone through."""
        query = {"tenant": tenant, "project": project, "user": user, "state": str(state)}
        return each(self._door, "/v1/sessions", SessionList, _sessions, query)

    async def show(self, session_id: str) -> SessionView:
        """One session. Errors: NotFound."""
        return await self._door.get(_path(session_id), SessionView)

    async def turns(self, session_id: str) -> tuple[TurnRecord, ...]:
        """What it did: a row for each model call and each tool call. Errors: NotFound."""
        found: list[TurnRecord] = []
        more = True
        while more:
            after = max((row.turn for row in found), default=0)
            page = await self._door.get(
                _path(session_id, "turns"), TurnList, {"after_turn": after or None}
            )
            found += page.turns
            more = page.cut_short
        return tuple(found)

    async def kill(self, session_id: str, reason: str) -> KillReceipt:
        """Stop everything of it, for good; the receipt times each lever. Twice is harmless."""
        return await self._door.post(_path(session_id, "kill"), KillReceipt, {"reason": reason})

    async def pause(self, session_id: str, reason: str) -> SessionView:
        """Refuse its calls until it is resumed. Errors: Conflict."""
        return await self._tell(session_id, "pause", reason)

    async def resume(self, session_id: str, reason: str) -> SessionView:
        """Let a paused one go on. Errors: Conflict."""
        return await self._tell(session_id, "resume", reason)

    async def extend(self, session_id: str, for_s: int, reason: str = "") -> SessionView:
        """Let it act for so many seconds more. Errors: Conflict, ApproverRequired."""
        body = {"for_s": for_s, "reason": reason}
        return await self._door.post(_path(session_id, "extend"), SessionView, body)

    async def end(self, session_id: str, reason: str = "") -> SessionView:
        """Close it as done. Errors: Conflict."""
        return await self._tell(session_id, "end", reason)

    async def _tell(self, session_id: str, verb: str, reason: str) -> SessionView:
        return await self._door.post(_path(session_id, verb), SessionView, {"reason": reason})


class Budgets:
    """Accounts and their limits."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def show(
        self, *, session: str = "", scope: Scope | str = "", owner: str = ""
    ) -> tuple[BudgetAccount, ...]:
        """The whole chain of a session, or the accounts of one owner (`user`, `acme/ann`)."""
        query: dict[str, str | int | None] = {
            "session": session,
            "scope": str(scope),
            "owner": owner,
        }
        return (await self._door.get("/v1/budgets", AccountList, query)).accounts

    async def propose(
        self,
        *,
        tenant: str = "",
        agent: str = "",
        last_s: int | None = None,
        margin_percent: int | None = None,
    ) -> ProposalList:
        """Caps that history suggests, of the last 30 days unless said; nothing is set."""
        query: dict[str, str | int | None] = {
            "tenant": tenant,
            "agent": agent,
            "last_s": last_s,
            "margin_percent": margin_percent,
        }
        return await self._door.get("/v1/budgets/proposals", ProposalList, query)

    async def page(
        self, *, scope: Scope | str, tenant: str = "", cursor: str = "", limit: int = 100
    ) -> AccountList:
        """Accounts of one scope by owner; `next` is the cursor of the page after it."""
        query: dict[str, str | int | None] = {
            "scope": str(scope),
            "tenant": tenant,
            "cursor": cursor,
            "limit": limit,
        }
        return await self._door.get("/v1/budgets/accounts", AccountList, query)

    async def set(
        self,
        *,
        scope: Scope | str,
        owner: str,
        dimension: Dimension | str,
        window: Window | str,
        limit: int | None,
        reason: str,
    ) -> BudgetAccount:
        """Set one limit, in nano-dollars or pieces; None lifts it. Journalled with the reason."""
        body: dict[str, Any] = {
            "scope": str(scope),
            "owner": owner,
            "dimension": str(dimension),
            "window": str(window),
            "limit": limit,
            "reason": reason,
        }
        return await self._door.put("/v1/budgets", BudgetAccount, body)


class Audit:
    """Questions to the journal."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def ask(
        self,
        *,
        user: str,
        at: str,
        tenant: str = "",
        window_s: int | None = None,
        tz: str = "",
    ) -> AuditAnswer:
        """What was done for `user` around `at` (`last tuesday 14:42`, ISO 8601, …)?

        `tz` is an IANA zone, UTC where none is given. Errors: InvalidRequest for an unread time.
        """
        query: dict[str, str | int | None] = {
            "user": user,
            "at": at,
            "tenant": tenant,
            "window_s": window_s,
            "tz": tz,
        }
        return await self._door.get("/v1/audit/ask", AuditAnswer, query)

    async def server(
        self,
        *,
        kind: Kind | str = "",
        last_s: int | None = None,
        after_seq: int | None = None,
        limit: int | None = None,
        tz: str = "",
    ) -> RecordList:
        """What the server did itself, of no tenant: starts, clock, upstreams, operators, retention.

        In order, of the last `last_s` seconds, a week where it is None; page on with the last
        record's `seq` as `after_seq`.
        """
        query: dict[str, str | int | None] = {
            "kind": str(kind),
            "last_s": last_s,
            "after_seq": after_seq,
            "limit": limit,
            "tz": tz,
        }
        return await self._door.get("/v1/audit/server", RecordList, query)


class Policy:
    """The policy process, through the server."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def status(self) -> PolicyStatus:
        """What is in force. Errors: PolicyUnavailable."""
        return await self._door.get("/v1/policy/status", PolicyStatus)

    async def check(self) -> PolicyCheck:
        """Faults of the policy folder as it is now; may take seconds."""
        return await self._door.post("/v1/policy/check", PolicyCheck, {}, timeout_s=60.0)

    async def replay(
        self,
        decision: str,
        *,
        files: Mapping[str, str] | None = None,
        tenant: str = "",
        session: str = "",
    ) -> Replayed:
        """Make a decision again, by its id or that of its call; with other Cedar files by name.

        Errors: NotFound, InvalidRequest for files that do not hold or a bundle that is not kept,
        Conflict for what cannot be made again.
        """
        asked = {"decision": decision, "tenant": tenant, "session": session, "files": files}
        return await self._door.post("/v1/policy/replay", Replayed, asked, timeout_s=60.0)

    async def apply(self) -> PolicyApplied:
        """Put the policy folder in force. Errors: InvalidRequest when it does not hold."""
        return await self._door.post("/v1/policy/apply", PolicyApplied, {}, timeout_s=60.0)


def _sessions(page: SessionList) -> tuple[SessionView, ...]:
    return page.sessions


def _path(session_id: str, verb: str = "") -> str:
    if session_id in ("", ".", ".."):
        raise InvalidRequest("that is no session id")
    path = f"/v1/sessions/{quote(session_id, safe='')}"
    return f"{path}/{verb}" if verb else path
