"""Many records in short chunks, each a fresh run, each checked before the next begins.

A batch keeps no state of its own: its runs, which carry its name, say how far it is. The same
records and the same task always make the same prompts, so that going on after a stop begins where
it ended, and a changed file is noticed. Not here: starting runs (`apps/cli/batch`).
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from holdfast.client import RunView
from holdfast.errors import Conflict, InvalidRequest
from holdfast.model.runs import RunState

MAX_RECORDS = 100_000
# A list of runs has 1,000 at most; this leaves room for chunks that are done again.
MAX_CHUNKS = 500
_MAX_FILE_BYTES = 256 * 1024 * 1024
_CHECK_TIMEOUT_S = 120.0
_RUN_CHECK = """
import importlib, json, os, sys, types
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path.insert(0, sys.argv[1])
module, _, name = sys.argv[2].partition(":")
told = json.load(sys.stdin)
try:
    found = getattr(importlib.import_module(module), name)(told["records"], told["result"])
finally:
    # What it printed comes before what is said of it: the last line is the reason.
    sys.stdout.flush()
if not isinstance(found, (list, tuple, types.GeneratorType)):
    sys.exit(f"it returned {type(found).__name__} and no list of objections")
json.dump([str(x) for x in found], answer)
answer.close()
"""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some records of a batch, by number from 1, and the prompt that its run gets."""

    number: int
    of: int
    records: tuple[dict[str, Any], ...]
    prompt: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a chunk is: its newest run, None before the first, and what is wrong with it.

    A chunk is verified when its run is done and nothing is wrong with the result.
    """

    chunk: Chunk
    run: RunView | None = None
    problems: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """The next chunk may begin."""
        return self.run is not None and self.run.state is RunState.DONE and not self.problems


def records_of(path: Path) -> tuple[dict[str, Any], ...]:
    """The records of a file of JSON lines, each an object with an `id` of its own.

    Errors: InvalidRequest naming the line.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidRequest(f"`{path}` is larger than {_MAX_FILE_BYTES} bytes")
        # Only a line feed ends a record; text may hold the other separators as they are.
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as fault:
        why = (fault.strerror or type(fault).__name__).lower()
        raise InvalidRequest(f"`{path}` cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"`{path}` is not UTF-8 text") from None
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise InvalidRequest(f"`{path}`:{number}: it is no json") from None
        name = _id_of(record)
        if not name:
            raise InvalidRequest(f"`{path}`:{number}: a record is an object with an `id`")
        if name in seen:
            raise InvalidRequest(f"`{path}`:{number}: the id `{name[:64]}` stands there twice")
        seen.add(name)
        found.append(record)
    if not found or len(found) > MAX_RECORDS:
        raise InvalidRequest(f"`{path}` holds {len(found)} records; 1 to {MAX_RECORDS} will do")
    return tuple(found)


def _id_of(record: Any) -> str:
    """A record's id as text; empty where it has none that can be told from others."""
    found = record.get("id") if isinstance(record, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def chunks_of(records: Sequence[dict[str, Any]], size: int, task: str) -> tuple[Chunk, ...]:
    """The records in order, `size` at a time; the task stands first in each, byte for byte."""
    if size < 1:
        raise InvalidRequest("a chunk has at least one record")
    parts = [tuple(records[n : n + size]) for n in range(0, len(records), size)]
    if len(parts) > MAX_CHUNKS:
        raise InvalidRequest(f"that makes {len(parts)} chunks; {MAX_CHUNKS} at most in one batch")
    return tuple(
        Chunk(number=n, of=len(parts), records=part, prompt=_prompt(task, n, len(parts), part))
        for n, part in enumerate(parts, 1)
    )


def _prompt(task: str, number: int, of: int, records: Iterable[dict[str, Any]]) -> str:
    lines = "\n".join(json.dumps(record, ensure_ascii=False, sort_keys=True) for record in records)
    return (
        f"{task}\n\nRecords, part {number} of {of}. Answer with a JSON array that holds one object"
        f" for each record, with its `id`:\n{lines}"
    )


def name_of(task: str, records: Sequence[dict[str, Any]], agent: str, user: str) -> str:
    """The name of a batch that was given none: the same work for the same user has the same name.

    Effects belong to a batch's name, so nobody gets what a tool did or told for somebody else,
    unless both give the batch one name.
    """
    work = [agent, task, list(records), user]
    spelled = json.dumps(work, ensure_ascii=False, sort_keys=True)
    return f"batch-{hashlib.sha256(spelled.encode()).hexdigest()[:16]}"


def standings(
    chunks: Sequence[Chunk],
    runs: Iterable[RunView],
    check: str,
    folder: Path,
    *,
    agent: str = "",
) -> list[Standing]:
    """How far each chunk is, by the batch's runs, newest first; `agent` where it has a name.

    Errors: Conflict when a run of this name was for other records, another task or another agent,
    or when the runs do not reach back to the first chunk: what is not known is neither skipped nor
    done again.
    """
    by_prompt = {chunk.prompt: chunk for chunk in chunks}
    newest: dict[int, RunView] = {}
    for run in runs:
        chunk = by_prompt.get(run.prompt)
        if agent and run.agent != agent:
            raise Conflict(
                f"`{run.batch}` was begun by another agent, `{run.agent}`;"
                " give this one a name of its own",
                run=run.run_id,
            )
        if chunk is None:
            raise Conflict(
                f"`{run.batch}` was begun with other records, another task or another chunk size;"
                " give this one a name of its own",
                run=run.run_id,
            )
        newest.setdefault(chunk.number, run)
    unknown = sorted(set(range(1, max(newest, default=0))) - newest.keys())
    if unknown:
        raise Conflict(
            f"the batch has too many runs to tell what became of its chunk {unknown[0]};"
            " give the records that are left to a batch of another name",
            chunk=unknown[0],
        )
    return [judged(chunk, newest.get(chunk.number), check, folder) for chunk in chunks]


def judged(chunk: Chunk, run: RunView | None, check: str, folder: Path) -> Standing:
    """A chunk with its run's result held against the checks."""
    if run is None or run.state is not RunState.DONE:
        return Standing(chunk=chunk, run=run)
    problems = _complete(chunk, run.result)
    if not problems and check:
        problems = _checked(chunk, run.result, check, folder)
    return Standing(chunk=chunk, run=run, problems=tuple(problems[:20]))


def _complete(chunk: Chunk, result: Any) -> list[str]:
    """Every record is answered once, and nothing else is."""
    if isinstance(result, str):
        try:
            result = json.loads(result)
        except ValueError:
            return ["the result is no json"]
    if not isinstance(result, list):
        return ["the result is no array"]
    given = [str(record["id"]) for record in chunk.records]
    answered = [str(one.get("id")) if isinstance(one, dict) else "" for one in result]
    missing = [f"record `{name}` is not answered" for name in given if name not in answered]
    extra = [f"`{name}` was not asked for" for name in answered if name not in given]
    twice = [f"record `{n}` is answered twice" for n in set(given) if answered.count(n) > 1]
    return missing + extra + sorted(twice)


def _checked(chunk: Chunk, result: Any, check: str, folder: Path) -> list[str]:
    """What `package.module:function(records, result)` objects to, in a process of its own."""
    value = json.loads(result) if isinstance(result, str) else result
    told = json.dumps({"records": list(chunk.records), "result": value})
    command = [sys.executable, "-c", _RUN_CHECK, str(folder), check]
    try:
        done = subprocess.run(
            command,
            input=told,
            capture_output=True,
            text=True,
            timeout=_CHECK_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"the check took longer than {_CHECK_TIMEOUT_S:g} s"]
    try:
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        found = None
    if found is None:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [f"the check failed: {last[:300]}"]
    return [str(one)[:300] for one in found]
