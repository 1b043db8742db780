"""How a job went: what the journal says of each call, and whether anybody expected it.

Not here: playing (`doors`), printing (`printing`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from benchmarks.jobs.corpus import Job, Step
from benchmarks.jobs.script import call_id

Verdict = Literal["allow", "ask", "deny", "unseen"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a job as it was decided. `unseen` was never decided; `code` then says why.

    `expected` says that an ask was foreseen, `why` is the first reason in words, `tainted` whether
    a stranger's text was in the context by then.
    """

    place: int
    tool: str
    shown: str
    verdict: Verdict
    code: str = ""
    why: str = ""
    tainted: bool = False
    expected: bool = False

    @property
    def refused(self) -> bool:
        """Whether it did not run though nobody foresaw a question."""
        return self.verdict != "allow" and not (self.expected and self.verdict == "ask")


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One job as it was played. `ended` is what the client said in the end."""

    job: str
    calls: list[Call]
    alive: bool
    finished: bool
    ended: str = ""

    @property
    def clean(self) -> bool:
        """Finished, alive, and nothing was refused or asked that nobody foresaw."""
        return self.alive and self.finished and not any(call.refused for call in self.calls)

    @property
    def free(self) -> list[Call]:
        """The calls that should simply run."""
        return [call for call in self.calls if not call.expected]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of several jobs."""

    jobs: int
    clean: int
    alive: int
    free: int
    allowed: int
    to_ask: int
    asked: int
    reasons: dict[str, int]


def figures(played: Sequence[Played]) -> Figures:
    """Count what was played; reasons are those of refused calls, most frequent first."""
    free = [call for job in played for call in job.free]
    foreseen = [call for job in played for call in job.calls if call.expected]
    refused = Counter(call.code for job in played for call in job.calls if call.refused)
    return Figures(
        jobs=len(played),
        clean=sum(job.clean for job in played),
        alive=sum(job.alive for job in played),
        free=len(free),
        allowed=sum(call.verdict == "allow" for call in free),
        to_ask=len(foreseen),
        asked=sum(call.verdict == "ask" for call in foreseen),
        reasons=dict(refused.most_common()),
    )


def foreseen(step: Step, *, sandbox: bool) -> bool:
    """Whether a person should be asked about this step."""
    return step.ask == "always" or (step.ask == "bare" and not sandbox)


def judged(
    job: Job,
    decided: Sequence[Mapping[str, Any]],
    results: Mapping[str, str],
    *,
    answered: Mapping[str, str],
    sandbox: bool,
) -> list[Call]:
    """The job's calls by the journal's `tool_call.decided` records; the last of a call counts.

    `results` is what the client sent on for a call, by its id: it tells a call that the client
    refused itself from one that was not reached. `answered` are calls that were asked about and
    got a person's yes, with the reason.
    """
    by_call = {str(record["call_id"]): record for record in decided}

    def call(place: int, step: Step) -> Call:
        identity = call_id(job, place)
        record = by_call.get(identity)
        verdict, code = _verdict(record, results.get(identity))
        if verdict == "allow" and identity in answered:
            verdict, code = "ask", answered[identity]
        expected = foreseen(step, sandbox=sandbox)
        shown = step.command or str(next(iter(step.arguments.values()), ""))
        return Call(
            place=place,
            tool=step.tool,
            shown=" ".join(shown.split())[:90],
            verdict=verdict,
            code=code,
            why=_reasons(record)[0].get("text", "") if record is not None else "",
            tainted=record is not None and bool(record["body"].get("tainted")),
            expected=expected,
        )

    return [call(place, step) for place, step in enumerate(job.calls())]


def _verdict(record: Mapping[str, Any] | None, result: str | None) -> tuple[Verdict, str]:
    if record is None:
        return "unseen", "not reached" if result is None else f"client: {result[:80]}"
    verdict: Verdict = record["verdict"]
    return verdict, "" if verdict == "allow" else str(_reasons(record)[0].get("code", "no reason"))


def _reasons(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return record["body"].get("reasons") or [{}]


def results_of(requests: Sequence[bytes]) -> dict[str, str]:
    """What clients sent on as results, by call: an error in its first words, `ok` otherwise."""
    found: dict[str, str] = {}
    for raw in requests:
        for message in msgspec.json.decode(raw).get("messages", []):
            content = message.get("content")
            for block in content if isinstance(content, list) else []:
                if block.get("type") == "tool_result":
                    found[block["tool_use_id"]] = _told(block)
    return found


def _told(block: Mapping[str, Any]) -> str:
    if not block.get("is_error"):
        return "ok"
    content = block.get("content")
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content)
    return " ".join(str(content).split())
