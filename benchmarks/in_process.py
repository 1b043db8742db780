"""Holdfast's runtime in one process, on a store: the guard without its doors.

Policy is a permit in memory, so that guard, ledger and journal are what is measured. Not here: what
is asked of it, how it is wired (`compose/house`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.backends.sqlite import SqliteStore
from holdfast.backends.system.clock import SystemClock, SystemEntropy
from holdfast.backends.system.processes import LinuxProcesses
from holdfast.compose.house import House, Ports, Settings, open_house
from holdfast.core.contracts import ContractBook
from holdfast.core.scrub import RuleScrubber
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.decisions import PolicyAnswer, PolicyRequest, Verdict
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.model.tools import CallRecord, CallState, Contract, Effect, Idempotency
from holdfast.ports.store import SessionFilter, Store
from holdfast.runtime.attempts import Attempt, Retry
from holdfast.runtime.digests import digest_of
from holdfast.runtime.guard import Ruling
from holdfast.runtime.live import LiveSession
from holdfast.runtime.outcomes import Finish

TENANT = "acme"
DOOR = "native"
_PLENTY = 10**9
_LOOP = LoopLimits(
    max_turns=_PLENTY,
    warn_turns=_PLENTY - 2,
    alert_turns=_PLENTY - 1,
    max_tool_calls=_PLENTY,
    repeat_calls=1000,
    stall_window=0,
    no_news_stop=_PLENTY,
)
_SCOPES = (Scope.TASK, Scope.SESSION, Scope.USER, Scope.TENANT)
_LIMITS = tuple(
    Limit(scope=scope, dimension=dimension, window=Window.LIFE, amount=10**15)
    for scope in _SCOPES
    for dimension in (Dimension.TOOL_CALLS, Dimension.USD)
)


class PermitAll:
    """The policy port: everything is permitted, and nobody is asked."""

    async def decide(self, request: PolicyRequest) -> PolicyAnswer:
        """Allow."""
        return PolicyAnswer(verdict=Verdict.ALLOW, rules=("all",), policy_version="sha256:bench")

    async def version(self) -> str:
        """Always the same."""
        return "sha256:bench"

    async def close(self) -> None:
        """Nothing to let go of."""


def tool(name: str, idempotency: Idempotency, effect: Effect = Effect.COMMIT) -> Contract:
    """A first-party tool that takes an object."""
    return Contract(
        name=name,
        description=f"what {name} does",
        effect=effect,
        risk=RiskLevel.LOW,
        risk_reason="a benchmark's",
        input_schema={"type": "object", "properties": {}, "additionalProperties": True},
        idempotency=idempotency,
        first_party=True,
    )


class InProcess:
    """A house over one store, and what a benchmark does in it. Make it with `opened`."""

    def __init__(self, house: House, names: tuple[str, ...]) -> None:
        self.house = house
        self.store, self.journal, self.sessions = house.store, house.journal, house.sessions
        self.effects, self.guard = house.effects, house.guard
        self.attempts, self.outcomes = house.attempts, house.outcomes
        self._names = names

    @classmethod
    async def opened(
        cls,
        path: Path,
        contracts: Sequence[Contract],
        seen: Callable[[Store], Store] = lambda store: store,
        **more: Any,
    ) -> "InProcess":
        """A house on the file at `path`, as `on` says; `seen` may wrap its store."""
        store = SqliteStore.open(path, clock=SystemClock())
        return await cls.on(seen(store), contracts, **more)

    @classmethod
    async def on(
        cls,
        store: Store,
        contracts: Sequence[Contract],
        decided: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> "InProcess":
        """A house on a store, as the last process left it; `decided` are settings, `more` ports."""
        ports = Ports(
            store=store,
            policy=PermitAll(),
            clock=SystemClock(),
            entropy=SystemEntropy(),
            processes=LinuxProcesses(),
            scrubber=RuleScrubber(),
            **more,
        )
        settings = Settings(
            contracts=ContractBook(contracts),
            signing_key=Ed25519PrivateKey.generate(),
            **(decided or {}),
        )
        names = tuple(contract.name for contract in contracts)
        return cls(await open_house(ports, settings), names)

    async def runs(self, count: int) -> list[LiveSession]:
        """`count` sessions, each a run: loaded where the store has them, opened where not."""
        where = SessionFilter(tenant=TENANT, limit=count + 1)
        known = {s.principal.task: s.session_id for s in await self.store.sessions(where)}
        found = []
        for number in range(count):
            task = f"run-{number}"
            if task in known:
                found.append(await self.sessions.get(known[task]))
            else:
                found.append((await self.sessions.open(self._draft(task, number)))[0])
        return found

    async def session(self, task: str, number: int, agent: str = "clerk") -> LiveSession:
        """A new session of user `number`, whatever the store has."""
        return (await self.sessions.open(self._draft(task, number, agent)))[0]

    def _draft(self, task: str, number: int, agent: str = "clerk") -> Session:
        who = Principal(
            tenant=TENANT,
            project="shop",
            user=f"user{number % 50}",
            agent=agent,
            session="",
            task=task,
            trust=TrustLevel.AUTONOMOUS,
        )
        return Session(
            session_id="",
            principal=who,
            state=SessionState.ACTIVE,
            opened_at_ns=0,
            expires_at_ns=86_400 * 10**9,
            token_digest="",
            limits=_LIMITS,
            loop=_LOOP,
            allowed_tools=self._names,
            upstream="main",
        )

    def emit(self, live: LiveSession, call_id: str, name: str, arguments: dict[str, Any]) -> None:
        """As if the model had asked for it; a call that is known already stays as it is."""
        if call_id not in live.calls:
            live.calls[call_id] = CallRecord(
                session=live.session.session_id,
                call_id=call_id,
                tool=name,
                digest=digest_of(arguments),
                state=CallState.EMITTED,
            )

    async def again(
        self, live: LiveSession, call_id: str, name: str, arguments: dict[str, Any]
    ) -> Attempt:
        """What the native loop asks for every call, the first time and after a crash."""
        retry = Retry(call_id=call_id, tool=name, arguments=arguments, door=DOOR)
        return await self.attempts.again(live, retry)

    async def redeem(self, live: LiveSession, call_id: str, name: str, ruling: Ruling) -> None:
        """Use up the permit."""
        await self.guard.redeem(live, ruling.permit, call_id, name, ruling.arguments)

    async def finish(self, live: LiveSession, call_id: str, content: str) -> None:
        """Report that it is done, with what the model reads."""
        done = Finish(call_id=call_id, ok=True, output=content, content=content)
        await self.outcomes.finish(live, done)


async def at_most(count: int, work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Do all of `work`, `count` at a time; the first fault ends it."""
    left = iter(work)

    async def one() -> None:
        for piece in left:
            await piece()

    await asyncio.gather(*(one() for _ in range(count)))


def body_bytes(body: dict[str, Any]) -> int:
    """Bytes of a record's body as JSON."""
    return len(msgspec.json.encode(body))
