"""Playing in pieces: which jobs, several at once, and a file that keeps what was played.

Each line of the file is one job as it was played (`Kept`): by which client, with or without a
sandbox, in which tree. A job that is in it is not played again; a file of another tree is refused,
so that no figure mixes two. Not here: playing (`player`), counting (`verdicts`).
"""

import hashlib
import multiprocessing
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from benchmarks.jobs.corpus import Job
from benchmarks.jobs.doors import Door
from benchmarks.jobs.player import play
from benchmarks.jobs.verdicts import Played

_TOP = Path(__file__).resolve().parents[2]
_CODE = ("src", "benchmarks/jobs")


class OtherTree(Exception):
    """The file holds what another tree did; the message names both."""


class Kept(msgspec.Struct, frozen=True):
    """One job as it was played; `fault` instead where it could not be."""

    tree: str
    door: Door
    sandbox: bool
    job: str = ""
    played: Played | None = None
    fault: str = ""


def tree() -> str:
    """The commit, and a digest of what is changed in it. Errors: RuntimeError without git."""
    commit = _git("rev-parse", "--short=10", "HEAD").decode().strip()
    changed = _git("diff", "HEAD", "--", *_CODE)
    return commit + ("+" + hashlib.sha256(changed).hexdigest()[:6] if changed else "")


def span(text: str, count: int) -> range:
    """`A..B` as places from 0, both ends counted from 1 and included. Errors: ValueError."""
    first, dots, last = text.partition("..")
    if not dots or not first.isdigit() or not last.isdigit() or not 1 <= int(first) <= int(last):
        raise ValueError(f"`{text}` is no A..B of 1..{count}")
    return range(int(first) - 1, min(int(last), count))


def read(path: Path | None, here: str) -> list[Kept]:
    """What the file keeps; nothing where there is none. Errors: OtherTree."""
    if path is None or not path.exists():
        return []
    found = [msgspec.json.decode(line, type=Kept) for line in path.read_bytes().splitlines()]
    if other := {one.tree for one in found} - {here}:
        raise OtherTree(f"{path} holds results of {', '.join(sorted(other))}; this is {here}")
    return found


def each(chosen: Sequence[Job], how: Kept, *, at_once: int, path: Path | None) -> Iterator[Kept]:
    """Plays the jobs as `how` says, each once; those that the file keeps come from it.

    Errors: OtherTree.
    """
    same = (how.door, how.sandbox)
    before = {one.job: one for one in read(path, how.tree) if (one.door, one.sandbox) == same}
    yield from (before[job.name] for job in chosen if job.name in before)
    left = [job for job in chosen if job.name not in before]
    for kept in _played(left, how, at_once):
        if path is not None and not kept.fault:
            with path.open("ab") as file:
                file.write(msgspec.json.encode(kept) + b"\n")
        yield kept


def _played(left: Sequence[Job], what: Kept, at_once: int) -> Iterator[Kept]:
    if at_once == 1:
        yield from (_one(job, what) for job in left)
        return
    # A player swaps what belongs to its process: standard input, the environment.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=spawned) as pool:
        for done in as_completed([pool.submit(_one, job, what) for job in left]):
            yield done.result()


def _one(job: Job, what: Kept) -> Kept:
    try:
        return msgspec.structs.replace(
            what, job=job.name, played=play(job, what.door, held=what.sandbox)
        )
    except (RuntimeError, OSError) as error:
        return msgspec.structs.replace(what, job=job.name, fault=str(error) or repr(error))


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(_TOP), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
