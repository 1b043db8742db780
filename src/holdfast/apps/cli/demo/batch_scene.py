"""Scene 10: `holdfast batch run` over 500 records, one chunk of which is answered wrongly.

Two commands, the same both times, as a user gives them. What was begun and what the model was
asked is seen in the server's runs and in the requests that reached the provider.
"""

import asyncio
import json
from typing import Any

import msgspec

from holdfast.apps.cli.demo.records import (
    BAD_CHUNK,
    BAD_RECORD,
    CHUNK,
    CHUNKS,
    RECORDS,
    messages,
    part,
)
from holdfast.apps.cli.demo.script import script
from holdfast.apps.cli.demo.stage import PLAY_TIMEOUT_S, Stage
from holdfast.apps.cli.demo.verdicts import Told
from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.client import RunView

TASK = "Sort each message: its topic is delivery, refund, thanks or question."
NAME = "inbox"
CLI_MODULE = "holdfast.apps.cli.main"
_FILE = "messages.jsonl"
_COMMAND = (
    *("batch", "run", "--agent", "sorter", "--user", "jo", "--name", NAME),
    *("--records", _FILE, "--chunk", str(CHUNK), "--check", "checks:known_topics", TASK),
)


class _Worked(msgspec.Struct, frozen=True):
    """What one command told: a line for each chunk that it worked at, and its last line."""

    code: int
    chunks: list[dict[str, Any]]
    result: dict[str, Any]
    complaint: str

    def numbers(self) -> list[int]:
        return [int(line["chunk"]) for line in self.chunks]


async def batch(stage: Stage) -> Told:
    """Scene 10."""
    told = Told(
        tried=f"holdfast batch run --agent sorter --records {_FILE} --chunk {CHUNK}"
        " --check checks:known_topics, twice"
    )
    text = "".join(json.dumps(message) + "\n" for message in messages())
    (stage.folder / _FILE).write_text(text, encoding="utf-8")
    before = len(stage.model.message_requests)
    stopped = await _worked(stage)
    begun = await _runs(stage)
    # A model says something else the next time; a scripted one has to be told to.
    stage.model.playback.script = script(all_right=True)
    finished = await _worked(stage)
    runs = await _runs(stage)
    told.lines += [_line("first", stopped), _line("again", finished)]
    _check_stop(told, stopped, begun)
    _check_rest(told, finished, runs)
    _check_contexts(told, stage, before)
    shown = await asyncio.gather(*(stage.client.runs.show(run.run_id) for run in runs))
    told.cost_nusd = sum(run.cost_nusd for run in shown)
    return told


def _check_stop(told: Told, stopped: _Worked, begun: list[RunView]) -> None:
    last = stopped.chunks[-1] if stopped.chunks else {}
    told.check(
        f"it stopped at chunk {BAD_CHUNK} with exit code {int(ExitCode.UNVERIFIED)}, and named"
        f" {BAD_RECORD}",
        stopped.code == ExitCode.UNVERIFIED
        and stopped.numbers() == list(range(1, BAD_CHUNK + 1))
        and not last["verified"]
        and [BAD_RECORD in problem for problem in last["problems"]] == [True],
    )
    told.check(
        f"nothing after it was begun: {len(begun)} runs, {(BAD_CHUNK - 1) * CHUNK} records"
        " verified",
        len(begun) == BAD_CHUNK and stopped.result.get("records") == (BAD_CHUNK - 1) * CHUNK,
    )


def _check_rest(told: Told, finished: _Worked, runs: list[RunView]) -> None:
    told.check(
        f"the same command went on at chunk {BAD_CHUNK}, and did no other again",
        finished.numbers() == list(range(BAD_CHUNK, CHUNKS + 1)) and len(runs) == CHUNKS + 1,
    )
    told.check(
        f"all {RECORDS} records are verified, each answered once",
        finished.code == ExitCode.DONE
        and finished.result.get("records") == RECORDS
        and finished.result.get("verified") == CHUNKS,
    )


def _check_contexts(told: Told, stage: Stage, before: int) -> None:
    """What the provider was really sent: a context for each run, short and with the task first."""
    asked = [
        (request.scenario, request.json["messages"])
        for request in stage.model.message_requests[before:]
    ]
    begins = [_first_text(sent).encode().startswith(TASK.encode() + b"\n") for _, sent in asked]
    told.check(
        f"each of the {len(asked)} contexts began with the task, byte for byte",
        len(asked) == CHUNKS + 1 and all(begins),
    )
    wanted = [part(n) for n in (*range(1, BAD_CHUNK + 1), *range(BAD_CHUNK, CHUNKS + 1))]
    told.check(
        f"and each held its own {CHUNK} records, in one message, and nobody else's",
        [scenario for scenario, _ in asked] == wanted
        and all(len(sent) == 1 and _first_text(sent).count("MSG-") == CHUNK for _, sent in asked),
    )


def _first_text(sent: list[dict[str, Any]]) -> str:
    content = sent[0]["content"]
    return content if isinstance(content, str) else str(content[0].get("text", ""))


def _line(which: str, worked: _Worked) -> str:
    result = worked.result
    said = f"{result.get('verified', 0)} of {result.get('chunks', 0)} chunks are verified"
    bad = next((line for line in worked.chunks if not line["verified"]), None)
    why = f"; chunk {bad['chunk']}: {'; '.join(bad['problems'])}" if bad else ""
    complaint = f"; {worked.complaint}" if worked.complaint and not result else ""
    return f"{which}: exit code {worked.code}, {said}{why}{complaint}"


async def _runs(stage: Stage) -> list[RunView]:
    return list(await stage.client.runs.list(batch=NAME, user="jo", limit=1000))


async def _worked(stage: Stage) -> _Worked:
    """One command, to its end."""
    async with stage.program(CLI_MODULE, *_COMMAND, "--json") as process:
        try:
            async with asyncio.timeout(PLAY_TIMEOUT_S):
                out, said = await process.communicate()
        except TimeoutError:
            return _Worked(-1, [], {}, f"it did not end within {PLAY_TIMEOUT_S:g} s")
    lines = [msgspec.json.decode(line) for line in out.splitlines()]
    return _Worked(
        code=process.returncode or 0,
        chunks=[line for line in lines if line.get("event") == "chunk"],
        result=next((line for line in lines if line.get("event") == "result"), {}),
        complaint=said.decode(errors="replace").strip()[-300:],
    )
