"""The desk's tools, as typed Python functions. Each thing really done leaves a line in `acts.log`."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from msgspec import Struct

from holdfast.tools import (
    ArgumentRole,
    Effect,
    EffectKey,
    Happened,
    Idempotency,
    Meta,
    ProbeAnswer,
    Refused,
    RiskLevel,
    ToolContext,
    tool,
)

ACTS = Path(os.environ.get("DESK_ACTS") or Path(__file__).with_name("acts.log"))
Order = Annotated[str, Meta(max_length=200, description="which order, or what is to be done")]
Amount = Annotated[int, Meta(ge=1, le=10_000_000, description="how much, in cents")]
READS: dict[str, Any] = {
    "when": "before an order is changed.",
    "side_effects": "none.",
    "effect": Effect.READ,
    "risk": RiskLevel.LOW,
    "risk_reason": "it only reads",
    "first_party": True,
}
ACTS_OUTSIDE: dict[str, Any] = {
    "when": "the order's own record says that it is due.",
    "side_effects": "something happens outside that cannot be called back.",
    "effect": Effect.COMMIT,
    "risk": RiskLevel.LOW,
    "risk_reason": "small amounts, and policy limits them",
    "roles": {"order": ArgumentRole.WHAT},
    "errors": {"no_order": "there is no such order"},
    "first_party": True,
}


# Set where a test lets go of what lingers, in a program that runs the tools itself.
RELEASED = threading.Event()


def linger(seconds: float) -> None:
    RELEASED.wait(seconds)


def end_here() -> None:
    """The program that runs the tool ends, without a word; replaced where that is the test's own."""
    os._exit(9)


class Found(Struct):
    order: str
    state: str


def trouble(order: str) -> None:
    """What goes wrong after something was done, as the order says."""
    if "-breaks" in order:
        raise RuntimeError("the line broke")
    if "-vanishes" in order:
        os._exit(9)


def acts(name: str, order: str, key: str = "") -> None:
    with ACTS.open("a", encoding="utf-8") as log:
        log.write(json.dumps([name, order, key, os.getpid()]) + "\n")


def acted(name: str, order: str) -> list[list[str]]:
    lines = ACTS.read_text(encoding="utf-8").splitlines() if ACTS.exists() else []
    return [act for line in lines if (act := json.loads(line))[:2] == [name, order]]


@tool(
    what="looks one order up in the shop's own books.", resource="arn:desk:order/{order}", **READS
)
def look(order: Order) -> Found:
    acts("look", order)
    return Found(order, "sent")


@tool(what="says how far one order is; the answer is another each time.", **READS)
def step(order: Order) -> dict:
    acts("step", order)
    place = len(acted("step", order))
    return {"order": order, "place": f"{chr(96 + (place - 1) % 26 + 1)}-shelf-{'x' * place}"}


@tool(what="says what time the shop's clock shows.", **READS)
def clock(order: Order) -> dict:
    acts("clock", order)
    return {
        "order": order,
        "at": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "took_ms": time.time_ns() % 977,
    }


@tool(what="reads one text of the desk by its path.", **READS)
def read_text(path: Annotated[str, Meta(max_length=400, description="which text")]) -> dict:
    acts("read_text", path)
    return {"text": "as you know"}


@tool(what="reads what an inspector may see of one order.", **READS)
def inspect(order: Order) -> dict:
    acts("inspect", order)
    return {"order": order}


@tool(what="reads what only managers may see of one order.", **READS)
def margin(order: Order) -> dict:
    acts("margin", order)
    return {"order": order, "margin": 7}


@tool(what="says what went wrong with one order, as `order` begins: crash, refuse and so on.", **{
    **READS,
    "errors": {"no_order": "there is no such order"},
}, timeout_s=2)  # fmt: skip
def fail(order: Order) -> Found:
    acts("fail", order)
    how = order.split("-")[0]
    if how == "crash":
        raise RuntimeError("the printer is on fire")
    if how == "refuse":
        raise Refused("no_order", "there is no order of that name")
    if how == "undeclared":
        raise Refused("made_up", "a code that nobody declared")
    if how == "type":
        return {"order": 7}  # type: ignore[return-value]  # what a broken tool does
    if how == "slow":
        linger(8)
    if how == "die":
        end_here()
    return Found(order, "sent")


@tool(what="reads the secrets that stand in one order.", **READS)
def reveal(
    order: Order, password: Annotated[str, Meta(max_length=80, description="any")] = ""
) -> dict:
    acts("reveal", order)
    return {
        "order": order,
        "aws": "AKIA" + "IOSFODNN7EXAMPLE"[:16],
        "password": "hunter2-" + "swordfish",
        "bearer": "Authorization: Bearer " + "abcdef0123456789" * 3,
    }


@tool(
    what="pays money back for one order.",
    idempotency=Idempotency.KEYED,
    resource="arn:desk:order/{order}",
    **{**ACTS_OUTSIDE, "roles": {"order": ArgumentRole.WHAT, "amount": ArgumentRole.MUCH}},
)
def pay(
    order: Order,
    amount: Amount,
    context: ToolContext,
    currency: Annotated[str, Meta(max_length=3, description="of the amount")] = "EUR",
) -> dict:
    if context.key and context.key in [key for _, _, key, _ in acted("pay", order)]:
        return {"receipt": order}  # The bank knows the key.
    if "-early" in order:
        raise RuntimeError("the line was down")
    acts("pay", order, context.key)
    if "-linger" in order:
        linger(60)
    if "-dies" in order and len(acted("pay", order)) == 1:
        end_here()
    trouble(order)
    return {"receipt": order}


@tool(
    what="sends one order out of the house.",
    idempotency=Idempotency.ONCE,
    timeout_s=3,
    **ACTS_OUTSIDE,
)
def send(order: Order) -> dict:
    acts("send", order)
    if "-dies" in order:
        end_here()
    if "-linger" in order:
        linger(60)
    trouble(order)
    return {"parcel": order}


@tool(
    what="asks the press to print; it never answers.",
    idempotency=Idempotency.KEYED,
    timeout_s=3,
    **ACTS_OUTSIDE,
)
def press(order: Order, context: ToolContext) -> dict:
    acts("press", order, context.key)
    linger(6)
    return {"printed": order}


def printed(order: str, context: ToolContext) -> object:
    return Happened({"label": order}) if acted("label", order) else ProbeAnswer.NOTHING_HAPPENED


@tool(
    what="prints a label for one order.",
    idempotency=Idempotency.PROBE,
    probe=printed,
    **ACTS_OUTSIDE,
)
def label(order: Order) -> dict:
    acts("label", order)
    return {"label": order}


@tool(
    what="writes a note at one order.",
    idempotency=Idempotency.IDEMPOTENT,
    effect_key=EffectKey.CALL,
    **{**ACTS_OUTSIDE, "effect": Effect.WRITE, "risk": RiskLevel.MEDIUM},
)
def note(order: Order) -> dict:
    acts("note", order)
    return {"noted": order}


@tool(
    what="closes an account for good.",
    idempotency=Idempotency.ONCE,
    **{**ACTS_OUTSIDE, "risk": RiskLevel.HIGH, "risk_reason": "nobody can undo it"},
)
def close_account(order: Order) -> dict:
    acts("close_account", order)
    return {"closed": order}


@tool(
    what="runs one command on the desk's machine.",
    shell="command",
    idempotency=Idempotency.ONCE,
    effect_key=EffectKey.CALL,
    **{
        **ACTS_OUTSIDE,
        "risk": RiskLevel.LOW,
        "roles": {"command": ArgumentRole.WHAT},
    },
)
def command(command: Annotated[str, Meta(max_length=400, description="what to run")]) -> dict:
    acts("command", command)
    return {"exit": 0}


@tool(
    what="runs one errand by its words.",
    idempotency=Idempotency.ONCE,
    effect_key=EffectKey.CALL,
    **{**ACTS_OUTSIDE, "roles": {"command": ArgumentRole.WHAT}},
)
def errand(command: Annotated[str, Meta(max_length=400, description="what to do")]) -> dict:
    acts("errand", command)
    return {"exit": 0}


FUNCTIONS = {
    made.contract.name: made
    for made in list(globals().values())
    if hasattr(made, "contract") and hasattr(made, "run")
}
