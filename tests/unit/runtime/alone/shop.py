"""A shop of model calls at two upstreams: what carries them is the test's."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

from typing import Any

import msgspec

from holdfast.model.budgets import Dimension
from holdfast.runtime.clearing import ClientRequest
from holdfast.runtime.model_call import ModelCall
from holdfast.runtime.providers import Provider
from holdfast.runtime.refused import read_out
from tests.unit.runtime.alone.desk import limit
from tests.unit.runtime.alone.gatehouse import Gatehouse

D = Dimension
MODEL = "claude-haiku-4-5"
PATH = "/v1/messages"


class Answer:
    """Of a provider; its body is nobody's business here."""

    def __init__(self, status=200, headers=None):
        self.status = status
        self.headers = headers or {}
        self.closes = 0
        self.said = b"{}"

    async def read(self, limit_bytes):
        return self.said

    def close(self):
        self.closes += 1


class Carrier:
    """Brings what a test says, in order; remembers each purse and its edits."""

    def __init__(self, *script):
        self.script: list[Any] = list(script)
        self.went: list[Any] = []
        self.counts: list[Any] = []
        self.raw: Any = None

    async def reach(self, call):
        self.went.append((call.provider.name, call.purse, call.edits))
        made = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(made, BaseException):
            raise made
        call.came = made

    async def refused(self, call):
        return await read_out(call.answer)

    async def count(self, call):
        self.counts.append(call.provider.name)
        if isinstance(self.raw, Exception):
            raise self.raw
        return self.raw


class Toll:
    def __init__(self):
        self.told: list[Any] = []

    def unsent(self):
        self.told.append("unsent")

    def used(self, *given):
        self.told.append(given)

    def again(self):
        self.told.append("again")


class Shop(Gatehouse):
    """A gatehouse that sells model calls at two upstreams."""

    def __init__(self, *, rate=128, wait_s=0.0, **main) -> None:
        key: Any = object()
        self.provider = Provider(key, rate, name="main", **main)
        other = Provider(key, rate, name="other")
        super().__init__(
            providers={"main": self.provider, "other": other},
            dice=lambda: 0.5,
            decided={"wait_for_room_s": wait_s},
        )

    async def begin(self, *limits, **fields):
        self.live = await self.seat(*(limits or (limit(D.USD, 10**9),)), **fields)
        self.from_seq = self.seq
        return self.live

    async def ask(self, carrier, headers=None, **fields) -> Any:
        message = {"role": "user", "content": "hello"}
        given = {"model": MODEL, "max_tokens": 900, "stream": True, "messages": [message]} | fields
        body = msgspec.json.encode({k: v for k, v in given.items() if v is not None})
        call = ModelCall(self.live, ClientRequest(PATH, headers or {}, body), carrier)
        await self.calls.carry(call)
        return call.answer, call.payer

    def told(self, kind):
        return [one for one in self.since(self.from_seq, self.live.who) if one["kind"] == kind]

    def holds(self):
        return self.budgets.ledger.open_holds()

    def spent(self):
        states = self.budgets.ledger.all_states(self.clock.now_ns())
        return {s.key.dimension: (s.settled, s.held) for s in states if s.settled or s.held}
