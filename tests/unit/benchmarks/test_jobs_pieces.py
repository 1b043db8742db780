"""Ordinary jobs in pieces, and the person who answers what was foreseen."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.jobs import house, pieces
from benchmarks.jobs.answering import Answered, answering, told
from benchmarks.jobs.command import main
from benchmarks.jobs.corpus import jobs
from benchmarks.jobs.pieces import Kept, OtherTree, each, read, span
from benchmarks.jobs.repository import SANDBOX, Place
from benchmarks.jobs.verdicts import Played
from holdfast.model.decisions import Reason, Verdict
from holdfast.runtime.guard.stages import Stages

HOW = Kept("tree", "claude-code", sandbox=False)
ASKS = Reason(stage="risk", verdict=Verdict.ASK, code="risk.high", text="why")
DENIES = Reason(stage="policy", verdict=Verdict.DENY, code="permission_denied", text="no")


@pytest.fixture
def play(monkeypatch):
    """Plays nothing and says what was to be played."""
    asked = []

    def played(job, door, *, held):
        asked.append(job.name)
        return Played(job=job.name, calls=[], alive=True, finished=True)

    monkeypatch.setattr(pieces, "play", played)
    return asked


def test_a_job_that_the_file_keeps_is_not_played_again(tmp_path, play):
    path, chosen = tmp_path / "kept.jsonl", jobs()[:3]
    assert len(list(each(chosen[:2], HOW, at_once=1, path=path))) == 2
    found = list(each(chosen, HOW, at_once=1, path=path))
    assert [one.job for one in found] == [job.name for job in chosen]
    assert play == [job.name for job in chosen]
    assert all(one.played is not None for one in found)


@pytest.mark.parametrize("other", [{"door": "govern"}, {"sandbox": True}])
def test_what_another_client_did_is_played_for_this_one_as_well(tmp_path, play, other):
    path, job = tmp_path / "kept.jsonl", jobs()[0]
    list(each([job], HOW, at_once=1, path=path))
    list(each([job], msgspec.structs.replace(HOW, **other), at_once=1, path=path))
    assert play == [job.name] * 2


def test_results_of_another_tree_are_not_mixed_with_these(tmp_path, play):
    path = tmp_path / "kept.jsonl"
    list(each(jobs()[:1], HOW, at_once=1, path=path))
    with pytest.raises(OtherTree, match="results of tree; this is other"):
        read(path, "other")


def test_a_job_that_could_not_be_played_is_told_and_not_kept(tmp_path, monkeypatch):
    def broken(job, door, *, held):
        raise OSError("no client")

    monkeypatch.setattr(pieces, "play", broken)
    path = tmp_path / "kept.jsonl"
    assert [one.fault for one in each(jobs()[:1], HOW, at_once=1, path=path)] == ["no client"]
    assert not path.exists()


@pytest.mark.parametrize(("text", "places"), [("1..2", [0, 1]), ("3..9", [2, 3]), ("4..4", [3])])
def test_jobs_are_chosen_by_their_places(text, places):
    assert list(span(text, 4)) == places


@pytest.mark.parametrize("text", ["2", "0..3", "3..2", "a..b", "1...", "..2"])
def test_what_is_no_pair_of_places_is_a_fault_of_the_command(text, capsys):
    with pytest.raises(SystemExit):
        main(["--jobs", text])
    assert "is no A..B" in capsys.readouterr().err


class _Call:
    def __init__(self, call_id, reasons):
        self.call = msgspec.defstruct("Call", [("call_id", str)])(call_id)
        self.reasons = list(reasons)


@pytest.mark.parametrize(
    ("call", "reasons", "left"),
    [
        ("foreseen", [ASKS], []),
        ("another", [ASKS], [ASKS]),
        ("foreseen", [DENIES, ASKS], [DENIES, ASKS]),
        ("foreseen", [], []),
    ],
)
def test_the_person_says_yes_to_a_foreseen_ask_alone(tmp_path, monkeypatch, call, reasons, left):
    async def as_ever(self, case):
        pass

    monkeypatch.setattr(Stages, "flow", as_ever)
    path = tmp_path / "told.jsonl"
    kind = answering(frozenset({"foreseen"}), path)
    case: Any = _Call(call, reasons)
    asyncio.run(kind.flow(object.__new__(kind), case))
    assert case.reasons == left
    assert told(path) == ([Answered("foreseen", "risk.high")] if reasons != left else [])


def test_where_no_sandbox_is_wanted_nobody_finds_its_parts_and_all_else_is_there(tmp_path):
    place = Place(tmp_path / "bare", sandbox=False)
    folders = place.environment["PATH"].split(":")
    names = {path.name for folder in folders for path in Path(folder).iterdir()}
    assert names.isdisjoint(SANDBOX)
    assert {"git", "bash", "gh", "pytest"} <= names


def test_a_command_at_the_terminal_leaves_this_process_as_it_was(tmp_path):
    place = Place(tmp_path / "place", sandbox=False)
    before = (dict(os.environ), sys.stdin, sys.stdout, Path.cwd())
    with pytest.raises(RuntimeError, match="holdfast init"):
        house._terminal(["init", "--nonsense"], place)
    house._terminal(["init", str(place.root)], place)
    assert (place.root / "holdfast.yaml").is_file()
    assert (dict(os.environ), sys.stdin, sys.stdout, Path.cwd()) == before
