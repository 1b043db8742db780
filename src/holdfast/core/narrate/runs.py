"""Sentences about durable runs."""

from collections.abc import Callable, Mapping

from holdfast.core.narrate.words import named, plain, said
from holdfast.model import bodies
from holdfast.model.events import Kind, Record


def _run(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.RunMoved.of(record)
        return f"the run {named(body.run_id)} {done}{said(body.reason)}"

    return sentence


def _claimed(record: Record) -> str:
    body = bodies.RunClaimed.of(record)
    return f"the worker {named(body.worker)} took up the run {named(body.run_id)}"


def _answered(record: Record) -> str:
    why = plain(bodies.RunAnswered.of(record).stop_reason or "without a word why", 40)
    return f"the model's answer of turn {record.turn} was kept ({why})"


def _tool_answered(record: Record) -> str:
    body = bodies.RunToolAnswered.of(record)
    how = "an error of" if body.is_error else "the result of"
    return f"{how} {named(record.tool)} was kept for the model{said(body.content)}"


def _noted(record: Record) -> str:
    return f"the harness told the model{said(bodies.RunNoted.of(record).text)}"


def _judged(record: Record) -> str:
    body = bodies.RunJudged.of(record)
    how = {"pass": "passed the result", "fail": "did not pass the result"}
    return f"the judge {how.get(body.verdict, 'could not be read')}{said(body.why)}"


def _compacted(record: Record) -> str:
    body = bodies.RunCompacted.of(record)
    return f"the conversation was made smaller{said(body.strategy, body.summary)}"


def _retrying(record: Record) -> str:
    body = bodies.RunRetrying.of(record)
    return f"the run is tried again{said(body.error, body.reason)}"


SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.RUN_SUBMITTED: _run("was submitted"),
    Kind.RUN_CLAIMED: _claimed,
    Kind.RUN_ANSWERED: _answered,
    Kind.RUN_TOOL_ANSWERED: _tool_answered,
    Kind.RUN_NOTED: _noted,
    Kind.RUN_JUDGED: _judged,
    Kind.RUN_COMPACTED: _compacted,
    Kind.RUN_RETRYING: _retrying,
    Kind.RUN_PARKED: _run("waits for a person"),
    Kind.RUN_RESUMED: _run("was queued again"),
    Kind.RUN_DONE: _run("is done"),
    Kind.RUN_FAILED: _run("failed"),
    Kind.RUN_CANCELLED: _run("was cancelled"),
    Kind.RUN_DEAD: _run("went to the dead-letter queue"),
}
