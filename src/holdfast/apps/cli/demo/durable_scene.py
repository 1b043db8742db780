"""Scene 9: a worker killed with SIGKILL while a refund is under way, and a second one.

Whether money moved twice is read from the payment service's own file, not from the journal.
"""

import asyncio
import json
import os
import signal
import time
from datetime import UTC, datetime
from typing import Any

from holdfast.apps.cli.demo.script import Words
from holdfast.apps.cli.demo.stage import PLAY_TIMEOUT_S, Stage
from holdfast.apps.cli.demo.verdicts import Told
from holdfast.apps.cli.server import WORKER_MODULE
from holdfast.client import RunView
from holdfast.model.bodies import RunClaimed
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.events import Kind, Record
from holdfast.model.runs import RunState

TOOL = "refund_order"
_NS = 1_000_000_000
LEDGER = "payments.jsonl"
FIRST, SECOND = "worker-1", "worker-2"
_OPEN = (RunState.QUEUED, RunState.RUNNING, RunState.DELAYED)
_TOLD = (Kind.RUN_CLAIMED, Kind.RUN_DONE)
_OF_THE_TOOL = (Kind.TOOL_CALL_DECIDED, Kind.TOOL_CALL_RETRIED, Kind.TOOL_CALL_FINISHED)
_KEY_SHOWN = 16
_POLL_S = 0.02


async def crash(stage: Stage) -> Told:
    """Scene 9."""
    told = Told(
        tried="ivy's refund is paid; its worker gets kill -9 before it knows; a second one goes on"
    )
    run = await stage.client.runs.submit(
        Words.CRASH, agent="refund_clerk", user="ivy", task="refunds/TCK-2003"
    )
    ends_with_us = ("--with-parent", str(os.getpid()))
    async with stage.program(WORKER_MODULE, "--name", FIRST, *ends_with_us) as first:
        paid_before = await _paid(stage)
        os.kill(first.pid, signal.SIGKILL)
        code = await first.wait()
    in_flight = await _effects(stage, run)
    reported = _of(await _records(stage, run), Kind.TOOL_CALL_FINISHED)
    begun = time.monotonic()
    async with stage.program(WORKER_MODULE, "--name", SECOND, *ends_with_us):
        run = await over(stage, run)
    seconds = time.monotonic() - begun
    records, asked = await _records(stage, run), ledger(stage)
    told.lines += await _told(stage, records)
    told.lines += [_payment_line(line) for line in asked]
    told.cost_nusd = run.cost_nusd
    told.check(
        f"kill -9 of {FIRST} (pid {first.pid}): the money had moved, and nobody had reported it",
        code == -signal.SIGKILL
        and len(paid_before) == 1
        and not reported
        and [entry.state for entry in in_flight] == [EffectState.INTENDED],
    )
    _check_end(told, run, records, seconds)
    paid = [line for line in asked if line["paid"]]
    told.check(
        "the payment service was asked twice with one key, and paid 39.00 EUR exactly once",
        [(line["order_id"], line["amount_minor"]) for line in paid] == [("ORD-1044", 3900)]
        and len(asked) == 2
        and len({line["key"] for line in asked}) == 1,
    )
    settled = await _effects(stage, run)
    told.check(
        "the effects ledger says: once done, at the second attempt",
        [(entry.state, entry.attempt) for entry in settled] == [(EffectState.DONE, 2)],
    )
    return told


def _check_end(told: Told, run: RunView, records: list[Record], seconds: float) -> None:
    claimed = [RunClaimed.of(r).worker for r in records if r.kind is Kind.RUN_CLAIMED]
    told.check(
        f"{SECOND} was started and went on: the run was done {seconds:.1f} s later",
        run.state is RunState.DONE
        and claimed == [FIRST, SECOND]
        and str(run.result).startswith("The toaster of ORD-1044 is refunded"),
    )
    turns = [record for record in records if record.kind is Kind.RUN_ANSWERED]
    told.check("no turn of the model was paid for again: three in all", len(turns) == 3)


def ledger(stage: Stage) -> list[dict[str, Any]]:
    """What the payment service was asked for, in order; a line half-written is not there yet."""
    book = stage.folder / LEDGER
    text = book.read_text(encoding="utf-8") if book.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


async def _paid(stage: Stage) -> list[dict[str, Any]]:
    """The service's book once money moved; as it is when that never comes."""
    deadline = time.monotonic() + PLAY_TIMEOUT_S
    while time.monotonic() < deadline:
        if found := ledger(stage):
            return found
        await asyncio.sleep(_POLL_S)
    return []


async def over(stage: Stage, run: RunView) -> RunView:
    """The run, once it goes no further; as it stands when that takes too long."""
    deadline = time.monotonic() + PLAY_TIMEOUT_S
    run = await stage.client.runs.show(run.run_id)
    while run.state in _OPEN and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        run = await stage.client.runs.show(run.run_id)
    return run


async def _effects(stage: Stage, run: RunView) -> list[EffectEntry]:
    return list(await stage.client.effects.list(run.session))


async def _records(stage: Stage, run: RunView) -> list[Record]:
    return list(await stage.client.records(session=run.session, limit=500))


async def _told(stage: Stage, records: list[Record]) -> list[str]:
    """What the operator is told of the records that matter here, a sentence each."""
    at = f"{datetime.fromtimestamp(records[0].at_ns // _NS, UTC):%Y-%m-%d %H:%M}"
    answer = await stage.client.audit.ask(user=records[0].user, at=at, window_s=600)
    shown = {record.seq for record in records if _shown(record)}
    pairs = zip(answer.records, answer.lines, strict=True)
    return [line for record, line in pairs if record.seq in shown]


def _of(records: list[Record], kind: Kind) -> list[Record]:
    return [record for record in records if record.kind is kind and record.tool == TOOL]


def _payment_line(line: dict[str, Any]) -> str:
    moved = "paid" if line["paid"] else "paid before, nothing moved"
    amount = f"{line['amount_minor'] / 100:.2f} {line['currency']}"
    return f"{LEDGER}: {amount} for {line['order_id']}, key {line['key'][:_KEY_SHOWN]}…: {moved}"


def _shown(record: Record) -> bool:
    return record.kind in _TOLD or (record.kind in _OF_THE_TOOL and record.tool == TOOL)
