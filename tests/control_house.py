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
from holdfast.apps.control.sign_in_file import SignIns
from holdfast.backends.system.clock import SystemEntropy
from holdfast.compose.config import parse_config
from holdfast.compose.house import wire
from holdfast.core.budgets import Ledger
from holdfast.model.approvals import Approval, ApprovalState
from holdfast.model.decisions import Replay, Replayed
from holdfast.model.views.policies import PolicyChange, PolicyFinding, PolicyStatus
from holdfast.runtime.live import LiveSession
from holdfast.testing.clock import FakeClock
from holdfast.testing.memory_policy import MemoryPolicy
from holdfast.testing.memory_store import MemoryStore
from tests.wired import Wired, ports, settings

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


class StillClock(FakeClock):
    """Time that only the test moves; a nanosecond passes with every look."""

    def __init__(self, now_ns: int = NOON) -> None:
        super().__init__()
        self.at_ns = now_ns

    def now_ns(self) -> int:
        self.at_ns += 1
        return self.at_ns


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


class House(Wired):
    """One server's parts, and a client in front of them."""

    deps: ControlDeps

    def __init__(
        self, text: str = ONE_TENANT, store: MemoryStore | None = None, **more: Any
    ) -> None:
        super().__init__(
            ports(
                store=store,
                clock=StillClock(),
                policy=PolicyDouble(),
                entropy=SystemEntropy(),
                **more,
            )
        )
        self.serve(text)

    def restart(self, text: str = ONE_TENANT, **more: Any) -> None:
        """Nothing in memory but what the store holds; `more` are other ports from now on."""
        self.ports = msgspec.structs.replace(self.ports, **more)
        self.house = wire(self.ports, settings(), Ledger())
        self.serve(text)

    def serve(self, text: str) -> None:
        """What is asked from now on is asked of the house as it is, under these settings."""
        policy: Any = self.policy
        self.deps = ControlDeps(
            house=self.house,
            policy=policy,
            config=parse_config(text.encode(), Path("holdfast.yaml")),
            operators=Operators(Path("no-state-folder")),
            sign_ins=SignIns(Path("no-state-folder"), lambda _: ""),
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

    async def asked(self, session_id: str, **fields: Any) -> Approval:
        """A question to a person about a call of the session, durable and in memory."""
        live = self.live(session_id)
        who, now_ns = live.who, self.clock.now_ns()
        given: dict[str, Any] = {
            **dict.fromkeys(("definition", "policy_version", "risk", "resource"), "x"),
            "approval_id": "apr_1",
            "call_id": "c1",
            "tool": "pay",
            "digest": "sha256:d",
            "reasons": (),
            "arguments": {"to": "bob"},
            "asked_at_ns": now_ns,
            "expires_at_ns": now_ns + 3600 * 10**9,
        }
        one = Approval(
            tenant=who.tenant, project=who.project, user=who.user, agent=who.agent,
            session=who.session, task=who.task, state=ApprovalState.PENDING, **given | fields,
        )  # fmt: skip
        live.approvals[one.tool, one.digest] = one
        await self.journal.commit([], [one])
        return one


def served(main: Callable[[House], Awaitable[None]], text: str = ONE_TENANT) -> None:
    """Run one test against a fresh house."""

    async def run() -> None:
        await main(House(text))

    asyncio.run(run())
