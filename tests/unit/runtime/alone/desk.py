"""The parts of the runtime below a module that is looked at alone, and what its records say."""

from typing import Any

import msgspec

from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.events import Record
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.model.tools import CallRecord, CallState, Idempotency
from holdfast.runtime.budgets import last_ledger
from tests.wired import Wired, ports, settings

S = 1_000_000_000
_WHO = ("tenant", "project", "user", "agent", "session", "task")
_WHEN = ("seq", "at_ns")


class Desk(Wired):
    """What a module stands on, wired; it has whatever a test asks for, and no provider."""

    def __init__(self, store=None, clock=None, entropy=None, *, decided=None, **more) -> None:
        given = ports(store=store, clock=clock, entropy=entropy, **more)
        super().__init__(given, settings(**(decided or {})))
        self.token = ""

    async def open(self, *limits: Limit, **fields: Any):
        """A session that is durable; its token is `token`."""
        live, self.token = await self.sessions.open(draft(*limits, **fields))
        return live

    async def restarted(self) -> "Desk":
        """The next process over what the disk kept."""
        await self.journal.commit(())
        after = Desk(self.store.crashed(), self.clock, self.entropy)
        after.budgets.ledger = await last_ledger(after.store)
        return after

    def since(self, seq: int, who: Principal | None = None) -> list[dict[str, Any]]:
        """What the records after `seq` say (`told`)."""
        return [told(one, who) for one in self.store.journal if one.seq > seq]

    @property
    def seq(self) -> int:
        """Of the last record."""
        return self.store.journal[-1].seq if self.store.journal else 0

    def hold(self, live, hold_id, purpose, **amounts):
        """Hold so much of each dimension for a session."""
        wanted = {Dimension[name.upper()]: amount for name, amount in amounts.items()}
        answer, *_ = self.budgets.reserve_now(
            hold_id, live.session, live.chain, wanted, purpose=purpose
        )
        return answer

    def intend(self, live, call_id, **fields):
        """An effect of a call that is at work."""
        who = live.who
        entry = EffectEntry(
            **{
                "tenant": who.tenant,
                "key": f"key-{call_id}",
                "session": who.session,
                "call_id": call_id,
                "tool": "pay",
                "idempotency": Idempotency.ONCE,
                "state": EffectState.INTENDED,
                "intended_at_ns": self.clock.now_ns(),
                "changed_at_ns": self.clock.now_ns(),
            }
            | fields
        )
        live.effects[call_id] = entry
        return entry


def told(record: Record, who: Principal | None = None) -> dict[str, Any]:
    """All that a record says but when; without whom it is about, where that is `who`."""
    plain = Record(kind=record.kind, at_ns=0)
    said = {
        name: value
        for name, value in msgspec.structs.asdict(record).items()
        if name not in _WHEN and value != getattr(plain, name)
    }
    said["kind"] = str(record.kind)
    if who is not None and all(getattr(who, name) == getattr(record, name) for name in _WHO):
        said = {name: value for name, value in said.items() if name not in _WHO}
    return said


def draft(*limits: Limit, user="ann", tenant="acme", task="", ttl_s=3600, **fields) -> Session:
    """A session that may be opened; `expires_at_ns` counts from the opening."""
    who = Principal(
        tenant=tenant,
        project="shop",
        user=user,
        agent=fields.pop("agent", "clerk"),
        session="",
        task=task,
        trust=fields.pop("trust", TrustLevel.AUTONOMOUS),
        roles=fields.pop("roles", ()),
    )
    given: dict[str, Any] = {
        "session_id": "",
        "principal": who,
        "state": SessionState.ACTIVE,
        "opened_at_ns": 0,
        "expires_at_ns": ttl_s * S,
        "token_digest": "",
        "limits": limits,
        "loop": LoopLimits(),
        "upstream": "main",
    }
    return Session(**(given | fields))


def limit(dimension, amount, scope=Scope.SESSION, window=Window.LIFE, alerts=(50, 80, 100)):
    """A cap."""
    return Limit(scope=scope, dimension=dimension, window=window, amount=amount, alerts=alerts)


def call(live, call_id, tool="look", state=CallState.EMITTED, **fields) -> CallRecord:
    """A call of the session, in its memory."""
    known = CallRecord(
        session=fields.pop("session", live.session.session_id),
        call_id=call_id,
        tool=tool,
        digest=fields.pop("digest", f"sha256:{call_id}"),
        state=state,
        **fields,
    )
    live.calls[call_id] = known
    return known
