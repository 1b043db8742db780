"""The desk's tools for Holdfast's own loop, as typed functions (`tool_modules` names this file).

Money leaves by way of a payment service, played by the file `payments.jsonl`: it pays whatever it
is asked for, but once for each idempotency key, as such services do. Each time that it was asked
leaves a line, with `paid` true where money moved. It knows nothing of Holdfast.
"""

import fcntl
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from holdfast.tools import (
    ArgumentRole,
    Effect,
    Idempotency,
    Refused,
    RiskLevel,
    ToolContext,
    tool,
)

BOOKS = Path(__file__).with_name("shop.db")
PAYMENTS = Path(__file__).with_name("payments.jsonl")
# Money moves at once; that it did is confirmed only after this.
CONFIRMED_AFTER_S = 1.5


def _order(order_id: str) -> dict[str, Any]:
    query = "SELECT order_id, item, amount_minor, currency, state FROM orders WHERE order_id = ?"
    with closing(sqlite3.connect(f"{BOOKS.as_uri()}?mode=ro", uri=True)) as books:
        books.row_factory = sqlite3.Row
        found = books.execute(query, (order_id,)).fetchone()
    if found is None:
        raise Refused("no_order", f"there is no order {order_id}")
    return dict(found)


@tool(
    what="reads one order from the shop's own books.",
    when="before a refund, for the real amount.",
    side_effects="none.",
    effect=Effect.READ,
    risk=RiskLevel.LOW,
    risk_reason="changes nothing and shows only the shop's own records",
    roles={"order_id": ArgumentRole.WHAT},
    errors={"no_order": "there is no such order"},
    first_party=True,
    resource="arn:shop:order/{order_id}",
)
def read_order(order_id: str) -> dict[str, Any]:
    """An order as the books have it; the amount is in minor units (cents)."""
    return _order(order_id)


@tool(
    what="pays money back for one order.",
    when="the order's own record justifies the amount.",
    side_effects="money leaves the shop and cannot be called back.",
    effect=Effect.COMMIT,
    # The payment service pays once a key, so that a second try after a crash does no harm.
    idempotency=Idempotency.KEYED,
    risk=RiskLevel.MEDIUM,
    risk_reason="moves money, within the limit that policy reads from the task",
    roles={
        "order_id": ArgumentRole.WHAT,
        "amount_minor": ArgumentRole.MUCH,
        "currency": ArgumentRole.MUCH,
    },
    errors={"no_order": "there is no such order", "too_much": "that is more than was paid"},
    first_party=True,
    resource="arn:shop:order/{order_id}",
    timeout_s=30,
)
def refund_order(
    order_id: str, amount_minor: int, currency: str, context: ToolContext
) -> dict[str, Any]:
    """Ask the payment service to pay back; returns when it has confirmed."""
    order = _order(order_id)
    if currency != order["currency"] or not 0 < amount_minor <= order["amount_minor"]:
        raise Refused("too_much", f"{order_id} cost {order['amount_minor']} {order['currency']}")
    payment = {"key": context.key, "order_id": order_id, "amount_minor": amount_minor}
    _pay({**payment, "currency": currency})
    return {"refunded": order_id, "amount_minor": amount_minor, "currency": currency}


def _pay(asked: dict[str, Any]) -> None:
    """The payment service's side: once for each key, and slow to confirm."""
    with PAYMENTS.open("a+", encoding="utf-8") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.seek(0)
        paid_before = {line["key"] for line in map(json.loads, ledger) if line["paid"]}
        fresh = asked["key"] not in paid_before
        ledger.write(json.dumps({**asked, "paid": fresh}) + "\n")
        ledger.flush()
        os.fsync(ledger.fileno())
    if fresh:
        time.sleep(CONFIRMED_AFTER_S)
