"""A server with a person beside it who says yes to what a job foresaw, and to nothing else.

`python -m benchmarks.jobs.answering` is `python -m holdfast.apps.server` but for this: a call whose
id stands in `ANSWERED` and that a stage asks about goes on as after a yes, and what was asked is
written to the file `TOLD`, a JSON line each. What is denied stays denied. No product has this.
"""

import os
import sys
from pathlib import Path

import msgspec

from holdfast.apps.server.__main__ import main
from holdfast.model.decisions import Verdict, strictest
from holdfast.runtime.guard.case import Case
from holdfast.runtime.guard.stages import Stages

ANSWERED, TOLD = "JOBS_ANSWERED", "JOBS_TOLD"


class Answered(msgspec.Struct, frozen=True):
    """A call that was asked about and got its yes; `code` is the first reason."""

    call_id: str
    code: str


def answering(foreseen: frozenset[str], told: Path) -> type[Stages]:
    """Stages whose last one that may ask is followed by the person's yes."""

    class Answering(Stages):
        async def flow(self, case: Case) -> None:
            """As ever; then a foreseen ask is answered."""
            await super().flow(case)
            call = case.call.call_id
            if call in foreseen and strictest(case.reasons) is Verdict.ASK:
                asked = next(r for r in case.reasons if r.verdict is Verdict.ASK)
                line = msgspec.json.encode(Answered(call, asked.code)) + b"\n"
                with told.open("ab") as file:
                    file.write(line)
                case.reasons = [r for r in case.reasons if r.verdict is not Verdict.ASK]

    return Answering


def told(path: Path) -> list[Answered]:
    """What was asked and answered so far."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Answered) for line in path.read_bytes().splitlines()]


if __name__ == "__main__":
    from holdfast.runtime.guard import pipeline

    named = frozenset(os.environ.pop(ANSWERED).split())
    vars(pipeline)["Stages"] = answering(named, Path(os.environ.pop(TOLD)))
    raise SystemExit(main(sys.argv[1:]))
