"""`python -m benchmarks jobs`: ordinary jobs, played by the real clients under the defaults.

Prints a line a job with what was refused first, then the figures and the reasons.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.jobs import pieces, printing
from benchmarks.jobs.corpus import Job, jobs
from benchmarks.jobs.doors import Door
from benchmarks.jobs.house import initialised
from benchmarks.jobs.pieces import Kept
from benchmarks.jobs.player import play, play_sequence
from benchmarks.jobs.verdicts import Played, figures
from benchmarks.rows import Row
from holdfast.integrations.claude_code import sandbox_holds

_DOORS: tuple[Door, ...] = ("claude-code", "govern", "direct")
_IN_SEQUENCE = 25
_QUICK_JOBS = 2


def main(arguments: Sequence[str]) -> int:
    """0 when every job could be played, whatever came of it; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="benchmarks jobs", description=__doc__)
    parser.add_argument(
        "--door",
        choices=_DOORS,
        default="claude-code",
        help="the client; `direct` has nothing between it and the provider, to try the corpus",
    )
    parser.add_argument("--part", choices=("worked", "apart", "all"), default="all")
    parser.add_argument("--only", action="append", metavar="NAME", help="this job; repeat it")
    parser.add_argument("--jobs", metavar="A..B", help="of the part, those from the Ath to the Bth")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many jobs")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="keep each job there as it was played; those that are there are not played again",
    )
    parser.add_argument(
        "--parallel", type=int, default=1, metavar="N", help="so many jobs at a time"
    )
    parser.add_argument(
        "--sequence",
        action="store_true",
        help=f"{_IN_SEQUENCE} jobs one after the other in one interactive session",
    )
    parser.add_argument(
        "--no-sandbox", action="store_true", help="as where bubblewrap and socat are not installed"
    )
    parser.add_argument("--wordy", action="store_true", help="every refusal, not the first alone")
    given = parser.parse_args(arguments)
    chosen = [job for job in jobs(given.part) if not given.only or job.name in given.only]
    if not chosen:
        parser.error(f"no such job in the part `{given.part}`: {', '.join(given.only or [])}")
    if given.sequence and given.door == "direct":
        parser.error("--sequence is for a governed door")
    if given.parallel < 1:
        parser.error("--parallel is 1 or more")
    try:
        if given.jobs:
            chosen = [chosen[place] for place in pieces.span(given.jobs, len(chosen))]
        here = pieces.tree()
        pieces.read(given.results, here)
    except (ValueError, pieces.OtherTree, RuntimeError) as error:
        parser.error(str(error))
    how = Kept(here, given.door, sandbox=not given.no_sandbox and sandbox_holds())
    _say(f"{given.door}, part {given.part}, {_how(how.door, held=how.sandbox)}, {here}\n")
    if given.sequence:
        return _sequence(chosen, how, given.limit or _IN_SEQUENCE, wordy=given.wordy)
    kept = pieces.each(chosen[: given.limit], how, at_once=given.parallel, path=given.results)
    played, broken = _told(kept, wordy=given.wordy)
    printing.summary(figures(played), _say)
    return 1 if broken else 0


def run(*, quick: bool) -> list[Row]:
    """Every job at both governed doors; two where `quick`. Errors: RuntimeError, OSError."""
    chosen = jobs()[: _QUICK_JOBS if quick else None]
    held = sandbox_holds()
    found: list[Row] = []
    for door in ("claude-code", "govern"):
        played = [play(job, door, held=held) for job in chosen]
        found += printing.rows("jobs", door, _how(door, held=held), figures(played))
    queue = sequence(jobs(), _QUICK_JOBS if quick else _IN_SEQUENCE)
    played = play_sequence(queue, "claude-code", held=held)
    what = f"one session, {len(played)} jobs, {printing.tools_of(played)} calls"
    return [*found, *printing.rows("jobs", what, _how("claude-code", held=held), figures(played))]


def sequence(among: Sequence[Job], count: int) -> list[Job]:
    """The jobs with most calls that need no state of their own in the history."""
    able = [job for job in among if not job.setup]
    return sorted(able, key=lambda job: -sum(1 for _ in job.calls()))[:count]


def _told(kept: Iterable[Kept], *, wordy: bool) -> tuple[list[Played], int]:
    """Prints each job as it comes; those that were played, and how many could not be."""
    found: list[Played] = []
    broken = 0
    for one in kept:
        if one.played is None:
            broken += 1
            _say(f"  {one.job:28} could not be played: {one.fault}\n")
            continue
        printing.line(one.played, _say, wordy=wordy)
        found.append(one.played)
    return found, broken


def _sequence(chosen: Sequence[Job], how: Kept, count: int, *, wordy: bool) -> int:
    begun = time.monotonic()
    played = play_sequence(sequence(chosen, count), how.door, held=how.sandbox)
    for done in played:
        printing.line(done, _say, wordy=wordy)
    printing.summary(figures(played), _say)
    alive = all(done.alive for done in played)
    _say(
        f"one session: {len(played)} jobs, {printing.tools_of(played)} calls in "
        f"{time.monotonic() - begun:.0f} s, {'alive' if alive else 'stopped'} at the end\n"
    )
    return 0


def _how(door: Door, *, held: bool) -> str:
    if door == "direct":
        return "nothing between client and provider"
    return f"as `{initialised()}` writes it, {'sandbox' if held else 'no sandbox'}"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
