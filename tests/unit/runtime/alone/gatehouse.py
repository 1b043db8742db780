"""A desk with a guard in front: contracts, policy in Python, hooks of a test."""

import asyncio
from typing import Any

import msgspec

from holdfast.core.contracts import ContractBook
from holdfast.model.decisions import PolicyAnswer, Verdict
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import (
    CallRecord,
    CallState,
    Contract,
    Effect,
    EffectKey,
    Idempotency,
)
from holdfast.runtime.digests import digest_of
from holdfast.runtime.guard import Asked
from holdfast.runtime.hooks import HookSet
from holdfast.runtime.outcomes import Finish
from tests.unit.runtime.alone.desk import Desk

OBJECT = {"type": "object", "properties": {}, "additionalProperties": True}


def contract(name, effect=Effect.READ, risk=RiskLevel.LOW, **more) -> Contract:
    """A tool that takes anything, unless said otherwise."""
    given: dict[str, Any] = {
        "description": name,
        "risk_reason": "as registered",
        "input_schema": OBJECT,
    }
    return Contract(name=name, effect=effect, risk=risk, **(given | more))


BOOK = ContractBook(
    (
        contract("look", idempotency=Idempotency.PURE, first_party=True),
        contract("fetch", idempotency=Idempotency.PURE),
        contract("once", Effect.WRITE, idempotency=Idempotency.ONCE, effect_key=EffectKey.INPUT),
        contract("keyed", Effect.WRITE, idempotency=Idempotency.KEYED, effect_key=EffectKey.INPUT),
        contract(
            "asks",
            Effect.WRITE,
            idempotency=Idempotency.PROBE,
            effect_key=EffectKey.INPUT,
            errors={"full": "it is full"},
        ),
        contract("write", Effect.WRITE, RiskLevel.MEDIUM, idempotency=Idempotency.PURE),
        contract(
            "order",
            idempotency=Idempotency.PURE,
            resource="arn:shop:order/{order}",
            input_schema={
                "type": "object",
                "properties": {"order": {"type": "string"}},
                "required": ["order"],
                "additionalProperties": False,
            },
            output_schema={"type": "object", "required": ["n"]},
        ),
    )
)


class Policy:
    """Answers what a test says, after letting everything else go on for a while."""

    def __init__(self) -> None:
        self.answer: Any = PolicyAnswer(
            verdict=Verdict.ALLOW, rules=("all",), policy_version="sha256:v1"
        )
        self.asked: list[Any] = []
        self.meanwhile: Any = None

    async def decide(self, request):
        self.asked.append(request)
        await asyncio.sleep(0)  # As another process does, so that races are seen.
        if self.meanwhile is not None:
            await self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(request) if callable(self.answer) else self.answer

    async def version(self):
        return "sha256:v1"

    async def close(self):
        """Nothing to let go of."""


class Gatehouse(Desk):
    """Everything that decides a call, records its outcome and tries it again."""

    def __init__(self, *below, hooks=None, decided=None, **more) -> None:
        given = {"policy": Policy(), "hooks": HookSet(hooks or {}, 0.05)} | more
        super().__init__(*below, decided={"contracts": BOOK} | (decided or {}), **given)

    def written_kinds(self) -> list[str]:
        """Kinds of all records, in order."""
        return [str(record.kind) for record in self.store.journal]

    async def seat(self, *limits, **fields):
        """A session with every tool."""
        names = ("look", "fetch", "once", "keyed", "asks", "write", "order", "bare")
        return await self.open(*limits, **({"allowed_tools": names} | fields))

    def emit(self, live, call_id, tool, arguments, **fields) -> CallRecord:
        """As if the model had asked for it in turn 2."""
        digest = digest_of(arguments)
        known = CallRecord(
            session=live.session.session_id,
            call_id=call_id,
            tool=tool,
            digest=digest,
            state=CallState.EMITTED,
            turn=2,
        )
        live.calls[call_id] = msgspec.structs.replace(known, **fields)
        return live.calls[call_id]

    async def decide(self, live, call_id, tool, arguments=None, *, emit=True, **asked):
        given: dict[str, Any] = {} if arguments is None else arguments
        if emit:
            self.emit(live, call_id, tool, given)
        return await self.guard.decide(
            live,
            Asked(**({"call_id": call_id, "tool": tool, "arguments": given, "door": "t"} | asked)),
        )

    async def finish(self, live, call_id, **fields):
        return await self.outcomes.finish(
            live, Finish(**({"call_id": call_id, "ok": True} | fields))
        )
