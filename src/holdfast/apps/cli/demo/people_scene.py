"""Scene 13: two refunds that a person has to allow. One is answered in a terminal, one by nobody.

What was paid is read from the payment service's own file.
"""

import asyncio
import os
import time

from holdfast.apps.cli.demo.durable_scene import ledger, over
from holdfast.apps.cli.demo.script import Words
from holdfast.apps.cli.demo.stage import PLAY_TIMEOUT_S, Stage
from holdfast.apps.cli.demo.verdicts import Told
from holdfast.apps.cli.project import python_module
from holdfast.apps.cli.server import WORKER_MODULE
from holdfast.client import RunView
from holdfast.model.approvals import Approval, ApprovalState
from holdfast.model.runs import RunState

EXPIRES_S = 12
"""How long a question of the demo waits; a day is usual."""
RULE = "desk.refund-large"
_CLI = "holdfast.apps.cli.main"
_POLL_S = 0.05


async def asked(stage: Stage) -> Told:
    """Scene 13."""
    told = Told(
        tried="two refunds of more than 50.00 EUR: one is answered in a terminal, one by nobody"
    )
    paid_before = len(ledger(stage))
    async with stage.program(
        WORKER_MODULE, "--name", "worker-3", "--with-parent", str(os.getpid())
    ):
        heard = await _submitted(stage, Words.ASKED, "kim")
        unheard = await _submitted(stage, Words.UNHEARD, "lou")
        first, second = await _question(stage, heard), await _question(stage, unheard)
        waited = [await stage.client.runs.show(run.run_id) for run in (heard, unheard)]
        nothing_yet = len(ledger(stage)) == paid_before
        code, shown = await _approved(stage, first)
        ended = [await over(stage, run) for run in (heard, unheard)]
    told.cost_nusd = sum(run.cost_nusd for run in ended)
    told.lines += [line for line in shown.splitlines() if line.strip()][:14]
    told.check(
        f"both were held for a person by rule {RULE}, and nothing was paid",
        nothing_yet and all(_objects(one) for one in (first, second)),
    )
    told.check(
        "a run that waits costs nothing: no worker, no tokens, no money",
        all(run.state is RunState.DELAYED for run in waited)
        and ended[1].turns == waited[1].turns + 1,
    )
    told.check("`holdfast approvals approve` showed what it was for, and heard yes", code == 0)
    await _check_payments(told, stage, paid_before, ended)
    late = await stage.client.approvals.show(second.approval_id)
    told.check(
        f"the other question was over after {EXPIRES_S} s: that nobody answered is told as such",
        late.state is ApprovalState.EXPIRED and ended[1].state is RunState.DONE,
    )
    return told


async def _check_payments(told: Told, stage: Stage, before: int, ended: list[RunView]) -> None:
    paid = [(one["order_id"], one["amount_minor"]) for one in ledger(stage)[before:]]
    told.check(
        "79.00 EUR were paid for ORD-1046 once, and nothing for ORD-1047",
        paid == [("ORD-1046", 7900)] and ended[0].state is RunState.DONE,
    )


async def _submitted(stage: Stage, words: str, user: str) -> RunView:
    return await stage.client.runs.submit(
        words, agent="refund_clerk", user=user, task=f"refunds/{user}"
    )


def _objects(asked: Approval) -> bool:
    return any(reason.rule == RULE for reason in asked.reasons)


async def _question(stage: Stage, run: RunView) -> Approval:
    """What the run waits for. Errors: TimeoutError where it asks nothing."""
    until = time.monotonic() + PLAY_TIMEOUT_S
    while time.monotonic() < until:
        found = await stage.client.approvals.list(session=run.session, state=ApprovalState.PENDING)
        if found:
            return found[0]
        await asyncio.sleep(_POLL_S)
    raise TimeoutError("the run asked nobody")


async def _approved(stage: Stage, asked: Approval) -> tuple[int, str]:
    """Answer as somebody at a terminal does; the exit code, and what was shown."""
    process = await asyncio.create_subprocess_exec(
        *python_module(_CLI, ("approvals", "approve", asked.approval_id)),
        cwd=stage.folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    shown, _ = await asyncio.wait_for(process.communicate(b"y\n"), PLAY_TIMEOUT_S)
    return process.returncode or 0, shown.decode()
