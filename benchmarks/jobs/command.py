"""`python -m benchmarks jobs`: ordinary jobs, played by the real clients under the defaults.

Prints a line a job with what was refused first, then the figures and the reasons.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks.jobs import printing
from benchmarks.jobs.corpus import Job, jobs
from benchmarks.jobs.doors import Door
from benchmarks.jobs.house import initialised
from benchmarks.jobs.player import play, play_sequence, sandbox
from benchmarks.jobs.verdicts import Played, figures
from benchmarks.rows import Row

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
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many jobs")
    parser.add_argument(
        "--sequence",
        action="store_true",
        help=f"{_IN_SEQUENCE} jobs one after the other in one interactive session",
    )
    parser.add_argument("--wordy", action="store_true", help="every refusal, not the first alone")
    given = parser.parse_args(arguments)
    chosen = [job for job in jobs(given.part) if not given.only or job.name in given.only]
    if not chosen:
        parser.error(f"no such job in the part `{given.part}`: {', '.join(given.only or [])}")
    if given.sequence and given.door == "direct":
        parser.error("--sequence is for a governed door")
    _say(f"{given.door}, part {given.part}, {_how(given.door)}\n")
    if given.sequence:
        return _sequence(chosen, given.door, given.limit or _IN_SEQUENCE, wordy=given.wordy)
    played, broken = _each(chosen[: given.limit], given.door, wordy=given.wordy)
    printing.summary(figures(played), _say)
    return 1 if broken else 0


def run(*, quick: bool) -> list[Row]:
    """Every job at both governed doors; two where `quick`. Errors: RuntimeError, OSError."""
    chosen = jobs()[: _QUICK_JOBS if quick else None]
    found: list[Row] = []
    for door in ("claude-code", "govern"):
        played = [play(job, door) for job in chosen]
        found += printing.rows("jobs", door, _how(door), figures(played))
    played = play_sequence(sequence(jobs(), _QUICK_JOBS if quick else _IN_SEQUENCE), "claude-code")
    what = f"one session, {len(played)} jobs, {printing.tools_of(played)} calls"
    return [*found, *printing.rows("jobs", what, _how("claude-code"), figures(played))]


def sequence(among: Sequence[Job], count: int) -> list[Job]:
    """The jobs with most calls that need no state of their own in the history."""
    able = [job for job in among if not job.setup]
    return sorted(able, key=lambda job: -sum(1 for _ in job.calls()))[:count]


def _each(chosen: Sequence[Job], door: Door, *, wordy: bool) -> tuple[list[Played], int]:
    played: list[Played] = []
    broken = 0
    for job in chosen:
        try:
            done = play(job, door)
        except (RuntimeError, OSError) as error:
            broken += 1
            _say(f"  {job.name:28} could not be played: {error}\n")
            continue
        printing.line(done, _say, wordy=wordy)
        played.append(done)
    return played, broken


def _sequence(chosen: Sequence[Job], door: Door, count: int, *, wordy: bool) -> int:
    begun = time.monotonic()
    played = play_sequence(sequence(chosen, count), door)
    for done in played:
        printing.line(done, _say, wordy=wordy)
    printing.summary(figures(played), _say)
    alive = all(done.alive for done in played)
    _say(
        f"one session: {len(played)} jobs, {printing.tools_of(played)} calls in "
        f"{time.monotonic() - begun:.0f} s, {'alive' if alive else 'stopped'} at the end\n"
    )
    return 0


def _how(door: Door) -> str:
    if door == "direct":
        return "nothing between client and provider"
    return f"as `{initialised()}` writes it, {'sandbox' if sandbox() else 'no sandbox'}"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
