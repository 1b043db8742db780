"""Batches: many records in checked chunks; stops at the first bad one, goes on there."""

import json
import subprocess
import sys

import pytest

from holdfast.testing.scripted_model import Text, Turn
from tests.native_project import NativeProject, script

RECORDS = [{"id": f"r{n}", "cents": n * 10} for n in range(1, 41)]
CHECK = """
import pathlib


def objections(records, result):
    if pathlib.Path(__file__).with_name("mended").exists():
        return []
    return [f"record {r['id']} has no sum" for r in result if r["id"] == "r25"]


def crashes(records, result):
    raise RuntimeError("no such check")
"""


def answers(numbers=range(4), *, leave_out=""):
    """What the model answers to each chunk of ten."""
    turns = {}
    for n in numbers:
        part = [{"id": r["id"], "ok": True} for r in RECORDS[n * 10 : n * 10 + 10]]
        said = json.dumps([one for one in part if one["id"] != leave_out])
        turns[f"part {n + 1} of 4"] = (Turn(blocks=(Text(text=said),)),)
    return script(**turns)


def batch(house, *more, check="batch_check:objections", expect=0):
    (house.folder / "batch_check.py").write_text(CHECK)
    records = house.folder / "records.jsonl"
    if not records.exists():
        records.write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    command = [
        *(sys.executable, "-m", "holdfast.apps.cli.main", "batch", "run", "--agent", "clerk"),
        *("--user", "ann", "--records", str(records), "--chunk", "10", "--json"),
        *("--project", str(house.folder), *(("--check", check) if check else ()), *more),
        "Sum up each record.",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_batch_stops_at_its_first_bad_chunk_and_goes_on_there_once_mended(tmp_path):
    with NativeProject(tmp_path, answers()) as house:
        *chunks, result = batch(house, expect=10)
        assert [c["verified"] for c in chunks] == [True, True, False]
        assert chunks[-1]["problems"] == ["record r25 has no sum"]
        assert (result["verified"], result["records"]) == (2, 20)
        (house.folder / "mended").touch()
        *chunks, result = batch(house)
        assert (result["verified"], result["records"], result["chunks"]) == (4, 40, 4)
        # The mended chunk passes as it is: only the last one had still to be run.
        assert [c["chunk"] for c in chunks] == [4]
        prompts = [r["prompt"] for r in house.project.call("GET", "/v1/runs").json["runs"]]
        assert len(prompts) == 4
        assert all(prompt.startswith("Sum up each record.\n\nRecords, part ") for prompt in prompts)


def test_a_record_that_was_not_answered_is_named(tmp_path):
    with NativeProject(tmp_path, answers(leave_out="r14")) as house:
        *chunks, _ = batch(house, check="", expect=10)
        assert chunks[-1]["problems"] == ["record `r14` is not answered"]


def test_a_check_that_breaks_lets_nothing_pass(tmp_path):
    with NativeProject(tmp_path, answers()) as house:
        *chunks, _ = batch(house, check="batch_check:crashes", expect=10)
        assert chunks[0]["problems"] == ["the check failed: RuntimeError: no such check"]


def test_other_records_under_the_same_name_are_refused(tmp_path):
    with NativeProject(tmp_path, answers()) as house:
        batch(house, "--name", "march", expect=10)
        (house.folder / "records.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
        batch(house, "--name", "march", expect=2)


@pytest.mark.parametrize("text", ["", "{\n", "[1]\n", '{"no": "id"}\n', '{"id": 1}\n{"id": "1"}\n'])
def test_a_file_that_holds_no_records_is_refused_before_anything_is_begun(tmp_path, text):
    with NativeProject(tmp_path, answers()) as house:
        (house.folder / "records.jsonl").write_text(text)
        batch(house, expect=2)
        assert house.project.call("GET", "/v1/runs").json["runs"] == []
