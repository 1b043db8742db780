"""A control API over real runtime objects and the store and policy of the tests."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from starlette.applications import Starlette

from holdfast.apps.control.app import create_control_app
from holdfast.apps.control.deps import ControlDeps
from holdfast.apps.control.operator_file import Operators
from holdfast.apps.control.repeating import Repeats
from holdfast.backends.system.clock import SystemEntropy
from holdfast.compose.config import parse_config
from holdfast.core.budgets import Ledger
from holdfast.core.runs import Shares
from holdfast.core.scrub import RuleScrubber
from holdfast.model.decisions import Replay, Replayed
from holdfast.model.views.policies import PolicyChange, PolicyFinding, PolicyStatus
from holdfast.ports.processes import StopReport
from holdfast.runtime.budgets import Budgets
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.effects import Effects
from holdfast.runtime.journal import Journal
from holdfast.runtime.kill import Killer
from holdfast.runtime.live import LiveSession
from holdfast.runtime.retention import Retention, Terms
from holdfast.runtime.runs import Runs
from holdfast.runtime.services import Services
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.views.runs import RunViews
from holdfast.runtime.views.sessions import SessionViews
from holdfast.testing.memory_policy import MemoryPolicy
from holdfast.testing.memory_store import MemoryStore

S = 1_000_000_000
ADMIN = "hfa_" + "a" * 52
NOON = 1_794_830_400 * S  # 2026-11-16 12:00 UTC, a Monday

ONE_TENANT = """
version: 1
agents:
  desk: {model: claude-sonnet-5-5, tools: [Read], system_prompt: You help., session_ttl_s: 600}
tasks:
  refunds: {description: Refund an order., attributes: {max_refund: 50}}
"""
TWO_TENANTS = (
    ONE_TENANT
    + """
tenants:
  acme: {users: {ann: {roles: [support]}, "*": {}}, projects: {shop: {}, web: {}}}
  umbra: {users: {ann: {}, bob: {}}}
"""
)


_APPS: list[Starlette] = []


class StillClock:
    """Time that only the test moves; a nanosecond passes with every look."""

    def __init__(self, now_ns: int = NOON) -> None:
        self.at_ns = now_ns

    def now_ns(self) -> int:
        self.at_ns += 1
        return self.at_ns


class NoProcesses:
    """A machine on which nothing of a session runs."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    async def adopt(self, session_id: str) -> str:
        return "none"

    async def seen(self, session_id: str) -> frozenset[tuple[int, int]]:
        return frozenset()

    async def stop(self, session_id: str) -> StopReport:
        self.stopped.append(session_id)
        return StopReport(how="none", found=0, survivors=0)


class PolicyDouble(MemoryPolicy):
    """The policy of the tests, with what operators ask of the policy process."""

    findings: Sequence[PolicyFinding] = ()

    def __init__(self) -> None:
        super().__init__()
        self.replayed: list[Replay] = []

    async def status(self) -> PolicyStatus:
        return PolicyStatus(version=await self.version(), loaded_at_ns=NOON, fault="")

    async def candidate(self) -> PolicyChange:
        return PolicyChange(
            version="sha256:b",
            previous=await self.version(),
            added=("new",),
            findings=tuple(self.findings),
        )

    async def apply(self, version: str) -> PolicyStatus:
        return PolicyStatus(version=version, loaded_at_ns=NOON, fault="")

    async def replay(self, asked: Replay) -> Replayed:
        self.replayed.append(asked)
        answers = [await self.decide(question) for question in asked.questions]
        return Replayed(version=asked.version, answers=tuple(answers))

    async def check(self) -> Sequence[PolicyFinding]:
        await self.version()
        return self.findings


class House:
    """One server's parts, and a client in front of them."""

    def __init__(self, text: str = ONE_TENANT, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.clock = StillClock()
        self.policy = PolicyDouble()
        self.processes = NoProcesses()
        self.restart(text)

    def restart(self, text: str = ONE_TENANT) -> None:
        """Nothing in memory but what the store holds."""
        self.journal = Journal(self.store, self.clock, RuleScrubber())
        self.budgets = Budgets(Ledger(), self.journal, self.clock, self.store)
        self.effects = Effects(self.store, self.journal, self.clock)
        self.sessions = Sessions(
            self.store, self.journal, self.budgets, self.effects, self.clock, SystemEntropy()
        )
        self.dispatch = Dispatch(
            self.store, self.journal, self.sessions, self.clock, shares_of=lambda *_: Shares()
        )
        services = Services(
            sessions=self.sessions,
            budgets=self.budgets,
            effects=self.effects,
            journal=self.journal,
            policy=self.policy,
            clock=self.clock,
            entropy=SystemEntropy(),
        )
        self.runs = Runs(services, self.store, self.dispatch)
        shown = SessionViews(self.sessions, self.budgets, self.store, self.clock)
        self.deps = ControlDeps(
            session_views=shown,
            run_views=RunViews(self.runs, shown),
            sessions=self.sessions,
            budgets=self.budgets,
            journal=self.journal,
            store=self.store,
            effects=self.effects,
            runs=self.runs,
            dispatch=self.dispatch,
            retention=Retention(
                self.store, self.journal, self.sessions, self.effects, self.clock, Terms()
            ),
            killer=Killer(self.sessions, self.journal, self.processes),
            policy=self.policy,
            config=parse_config(text.encode(), Path("holdfast.yaml")),
            clock=self.clock,
            operators=Operators(Path("no-state-folder")),
            repeats=Repeats(b"a secret of tests", self.store),
            admin_token_digest=hashlib.sha256(ADMIN.encode()).hexdigest(),
            base_url="http://127.0.0.1:8787",
            version="0.1.0",
        )

    @property
    def app(self) -> Starlette:
        """The app, made once for all houses of a run: making it is what takes time."""
        if not _APPS:
            _APPS.append(create_control_app(self.deps))
        _APPS[0].state.deps = self.deps
        return _APPS[0]

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = ADMIN, **more: Any
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            more["content"] = msgspec.json.encode(body)
            headers["content-type"] = "application/json"
        headers |= more.pop("headers", {})
        return await self._sent(method, path, headers=headers, **more)

    async def call_raw(
        self, method: str, path: str, body: Any, headers: list[tuple[bytes, bytes]]
    ) -> httpx2.Response:
        """A request with these fields and no others."""
        return await self._sent(method, path, headers=headers, content=msgspec.json.encode(body))

    async def _sent(self, method: str, path: str, **more: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.request(method, path, **more)

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def live(self, session_id: str) -> LiveSession:
        """A session that must be in memory."""
        found = self.sessions.loaded(session_id)
        assert found is not None
        return found

    async def opened(self, **asked: Any) -> tuple[str, str]:
        """The id and the token of a new session."""
        answer = await self.call("POST", "/v1/sessions", {"agent": "desk", "user": "ann"} | asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["session"]["session_id"], answer.json()["token"]


def served(main: Callable[[House], Awaitable[None]], text: str = ONE_TENANT) -> None:
    """Run one test against a fresh house."""

    async def run() -> None:
        await main(House(text))

    asyncio.run(run())
