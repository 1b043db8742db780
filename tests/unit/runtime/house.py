"""The runtime wired to fakes: a store in memory, a policy in Python, a provider in a list."""

import asyncio
import json
from typing import Any

from holdfast.core.canonical import digest
from holdfast.core.contracts import ContractBook
from holdfast.errors import UpstreamUnavailable
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.keys import SpendingKey
from holdfast.model.principals import Principal, TrustLevel
from holdfast.model.risk import RiskLevel
from holdfast.model.sessions import LoopLimits, Session, SessionState
from holdfast.model.tools import ArgumentRole, CallRecord, CallState, Contract, Effect
from holdfast.runtime.guard import Asked
from holdfast.runtime.hooks import HookSet
from holdfast.runtime.outcomes import Finish
from holdfast.runtime.providers import Provider
from tests.wired import Wired, ports, settings

MODEL = "claude-haiku-4-5"
OBJECT = {"type": "object", "properties": {}, "additionalProperties": True}


def contract(name, effect=Effect.READ, risk=RiskLevel.LOW, **more):
    given = {
        "description": f"what {name} does",
        "risk_reason": "as registered",
        "input_schema": OBJECT,
    } | more
    return Contract(name=name, effect=effect, risk=risk, **given)


ORDER = {
    "type": "object",
    "properties": {"order": {"type": "string"}},
    "required": ["order"],
    "additionalProperties": False,
}
PAY = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "amount": {"type": "number"}},
    "required": ["to", "amount"],
    "additionalProperties": False,
}
CONTRACTS = (
    contract("look", input_schema=ORDER, first_party=True),
    contract("fetch"),
    contract("write", Effect.WRITE, RiskLevel.MEDIUM),
    contract(
        "pay",
        Effect.COMMIT,
        RiskLevel.LOW,
        input_schema=PAY,
        roles={"to": ArgumentRole.WHO, "amount": ArgumentRole.MUCH},
    ),
    contract("wipe", Effect.DESTROY, RiskLevel.HIGH),
    contract(
        "counted",
        output_schema={
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "required": ["n"],
        },
    ),
)


def limit(dimension, amount, scope=Scope.SESSION, window=Window.LIFE, alerts=(50, 80, 100)):
    return Limit(scope=scope, dimension=dimension, window=window, amount=amount, alerts=alerts)


class FakeAnswer:
    """One answer: what to send piece by piece; an exception is raised, an Event is waited for."""

    def __init__(self, status, headers, pieces):
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self.closed = asyncio.Event()

    async def chunks(self):
        for piece in self._pieces:
            if isinstance(piece, asyncio.Event):
                waits = [asyncio.create_task(e.wait()) for e in (piece, self.closed)]
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for waiting in waits:
                        waiting.cancel()
                if self.closed.is_set():
                    raise UpstreamUnavailable("the connection was closed")
            elif isinstance(piece, Exception):
                raise piece
            else:
                await asyncio.sleep(0)
                if self.closed.is_set():
                    raise UpstreamUnavailable("the connection was closed")
                yield piece

    async def read(self, limit_bytes):
        body = b"".join([chunk async for chunk in self.chunks()])
        if len(body) > limit_bytes:
            raise UpstreamUnavailable("the provider's answer is too large")
        return body

    def taking(self, take):
        self.take = take

    def close(self):
        self.closed.set()


class FakeUpstream:
    """The provider: `script` holds what each call gets, in order; the last one stays."""

    def __init__(self):
        self.script: list[Any] = []
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[FakeAnswer] = []
        self.counts: int | None = None

    @property
    def messages(self):
        return [json.loads(body) for _, path, _, body in self.sent if "count_tokens" not in path]

    async def send(self, cleared, *, timeout_s, whole=False):
        path, body = cleared.path, bytes(cleared.body)
        self.sent.append((cleared.method, path, dict(cleared.headers), body))
        await asyncio.sleep(0)
        if "count_tokens" in path:
            if self.counts is None:
                raise UpstreamUnavailable("no count")
            return FakeAnswer(200, {}, [json.dumps({"input_tokens": self.counts}).encode()])
        made = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(made, Exception):
            raise made
        if isinstance(made, asyncio.Event):
            await made.wait()
            made = self.script[0]
        if callable(made):
            made = made(json.loads(body))
        answer = FakeAnswer(*made)
        self.answers.append(answer)
        return answer

    async def close(self):
        pass


class House(Wired):
    """Everything of one server, around one store; `decided` are settings, `more` are ports."""

    def __init__(
        self,
        *,
        store=None,
        clock=None,
        hooks=None,
        contracts=CONTRACTS,
        entropy=None,
        wait_s=5.0,
        max_tokens_per_s=512,
        files=None,
        links=None,
        removes=False,
        providers=None,
        decided=None,
        **more,
    ):
        self.upstream = FakeUpstream()
        self.tools = tuple(contract.name for contract in contracts)
        super().__init__(
            ports(
                store=store,
                clock=clock,
                entropy=entropy,
                providers=providers or {"main": Provider(self.upstream, max_tokens_per_s)},
                hooks=HookSet(hooks or {}, 0.05),
                files=files,
                links=links,
                **more,
            ),
            settings(
                contracts=ContractBook(contracts),
                wait_for_room_s=wait_s,
                removes_tainted=removes,
                **(decided or {}),
            ),
        )

    async def open(self, *limits, user="ann", **more):
        trust = more.pop("trust", TrustLevel.AUTONOMOUS)
        loop = more.pop("loop", LoopLimits(stall_window=0, repeat_calls=1000, max_turns=1000))
        who = Principal(
            tenant=more.pop("tenant", "acme"),
            project="shop",
            user=user,
            agent="clerk",
            session="",
            task=more.pop("task", ""),
            trust=trust,
            key=await self.key_of(limits),
        )
        draft = Session(
            session_id="",
            principal=who,
            state=SessionState.ACTIVE,
            opened_at_ns=0,
            expires_at_ns=more.pop("ttl_s", 3600) * 1_000_000_000,
            token_digest="",
            limits=limits,
            loop=loop,
            allowed_tools=(*self.tools, "bare"),
            upstream="main",
            **more,
        )
        live, self.token = await self.sessions.open(draft)
        return live

    async def key_of(self, limits):
        """The name of a key with those of the limits that are a key's; empty without one."""
        own = tuple(limit for limit in limits if limit.scope is Scope.KEY)
        if not own:
            return ""
        key = SpendingKey(
            name=f"key{len(self.keys.all())}",
            digest="",
            tenant="acme",
            project="shop",
            agent="clerk",
            users=("ann",),
            limits=own,
            added_at_ns=0,
            added_by="admin",
            expires_at_ns=3600 * 1_000_000_000,
        )
        return (await self.keys.add(key))[0].name

    def emit(self, live, call_id, tool, arguments, state=CallState.EMITTED):
        """As if the model had asked for it."""
        spelled = digest(arguments)
        live.calls[call_id] = CallRecord(
            session=live.session.session_id,
            call_id=call_id,
            tool=tool,
            digest=spelled if isinstance(spelled, str) else "unrepresentable",
            state=state,
        )

    async def decide(self, live, call_id, tool, arguments, *, emit=True):
        if emit:
            self.emit(live, call_id, tool, arguments)
        asked = Asked(call_id=call_id, tool=tool, arguments=arguments, door="test")
        return await self.guard.decide(live, asked)

    async def finish(self, live, call_id, **more):
        shown = await self.outcomes.finish(
            live, Finish(**({"call_id": call_id, "ok": True} | more))
        )
        return shown.output

    async def call(self, live, request=None, headers=None, **fields):
        body = json.dumps(asking(**fields) if request is None else request).encode()
        return await self.calls.call(live, "/v1/messages", headers or {}, body)

    def account(self, live, dimension):
        keys = [k for k in live.chain if k.dimension is dimension]
        return self.budgets.ledger.account(keys[0], self.clock.now_ns())

    def kinds(self):
        return [str(record.kind) for record in self.store.journal]

    def written(self, kind):
        return [record for record in self.store.journal if record.kind == kind]

    def check_caps(self):
        for state in self.budgets.ledger.all_states(self.clock.now_ns()):
            if state.limit is not None:
                assert state.settled + state.held <= state.limit, state

    def nothing_held(self):
        assert self.budgets.ledger.open_holds() == []
        assert all(s.held == 0 for s in self.budgets.ledger.all_states(self.clock.now_ns()))


async def breath(seconds=0.0):
    """After so long, let everything go on that can: on a slow machine time passes without turns."""
    await asyncio.sleep(seconds)
    for _ in range(200):
        await asyncio.sleep(0)


async def soon(condition):
    """Return once `condition` holds; AssertionError where it never does."""
    for _ in range(2_500):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("never came")


def asking(text="hello", max_tokens=100, stream=True, **more):
    message = {"role": "user", "content": text}
    fields = {"model": MODEL, "max_tokens": max_tokens, "stream": stream, "messages": [message]}
    return fields | more


SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def started(input_tokens=10, message_id="msg_1", model=MODEL):
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": input_tokens, "output_tokens": 1},
    }
    return event("message_start", message=message)


def text_block(*texts, index=0):
    block = {"type": "text", "text": ""}
    out = [event("content_block_start", index=index, content_block=block)]
    for text in texts:
        delta = {"type": "text_delta", "text": text}
        out.append(event("content_block_delta", index=index, delta=delta))
    return [*out, event("content_block_stop", index=index)]


def tool_block(call_id, tool, arguments, index=0):
    block = {"type": "tool_use", "id": call_id, "name": tool, "input": {}}
    delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
    return [
        event("content_block_start", index=index, content_block=block),
        event("content_block_delta", index=index, delta=delta),
        event("content_block_stop", index=index),
    ]


def stopped(output_tokens=5, reason="end_turn"):
    delta = {"stop_reason": reason, "stop_sequence": None}
    usage = {"output_tokens": output_tokens}
    return [event("message_delta", delta=delta, usage=usage), event("message_stop")]


def whole_answer(content=(), input_tokens=10, output_tokens=5, reason="end_turn"):
    message = {
        "id": "msg_w",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(content),
        "stop_reason": reason,
        "usage": {"input_tokens": input_tokens, "output_tokens": output_tokens},
    }
    return json.dumps(message).encode()


def result_message(call_id, text="done", *, is_error=False):
    block = {"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": is_error}
    return {"role": "user", "content": [block]}


USD = Dimension.USD
