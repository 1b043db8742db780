"""Batches: many records in checked chunks; stops at the first bad one, goes on there."""

import itertools
import json
import subprocess
import sys

import pytest

from holdfast.testing.scripted_model import Text, ToolUse, Turn
from tests.native_project import SETTINGS, NativeProject, script

RECORDS = [{"id": f"r{n}", "cents": n * 10} for n in range(1, 41)]
_NUMBERS = itertools.count(1)
CHECK = """
import pathlib


def objections(records, result):
    if pathlib.Path(__file__).with_name("mended").exists():
        return []
    return [f"record {r['id']} has no sum" for r in result if r["id"] == "r25"]


def crashes(records, result):
    raise RuntimeError("no such check")


def says_nothing(records, result):
    print("[]")


def says_yes(records, result):
    return True
"""


def answers(*, leave_out="", **more):
    """What the model answers to each chunk of ten."""
    turns = {**more}
    for n in range(4):
        part = [{"id": r["id"], "ok": True} for r in RECORDS[n * 10 : n * 10 + 10]]
        said = json.dumps([one for one in part if one["id"] != leave_out])
        turns[f"part {n + 1} of 4"] = (Turn(blocks=(Text(text=said),)),)
    return script(**turns)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One house for all that differs by its users alone."""
    said = json.dumps([{"id": record["id"]} for record in RECORDS[:10]])
    paying = (
        Turn(blocks=(ToolUse(name="pay", input={"order": "o1"}),)),
        Turn(blocks=(Text(text=said),)),
    )
    played = answers(**{"part 1 of 1": paying})
    with NativeProject(tmp_path_factory.mktemp("batches"), played) as house:
        yield house


@pytest.fixture
def house(running):
    """It, without files of the test before."""
    for left in ("mended", "records.jsonl"):
        (running.folder / left).unlink(missing_ok=True)
    return running


def someone():
    """A user who has begun nothing."""
    return f"u{next(_NUMBERS)}"


def runs_of(house, *users):
    """The runs of these users."""
    runs = house.project.call("GET", "/v1/runs?limit=500").json["runs"]
    return [run for run in runs if run["user"] in users]


def batch(house, *more, check="batch_check:objections", user="ann", expect=0):
    (house.folder / "batch_check.py").write_text(CHECK)
    records = house.folder / "records.jsonl"
    if not records.exists():
        records.write_text("".join(json.dumps(r) + "\n" for r in RECORDS))
    command = [
        *(sys.executable, "-m", "holdfast.apps.cli.main", "batch", "run", "--agent", "clerk"),
        *("--user", user, "--records", str(records), "--chunk", "10", "--json"),
        *("--project", str(house.folder), *(("--check", check) if check else ()), *more),
        "Sum up each record.",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_batch_stops_at_its_first_bad_chunk_and_goes_on_there_once_mended(house):
    ann = someone()
    *chunks, result = batch(house, user=ann, expect=10)
    assert [c["verified"] for c in chunks] == [True, True, False]
    assert chunks[-1]["problems"] == ["record r25 has no sum"]
    assert (result["verified"], result["records"]) == (2, 20)
    (house.folder / "mended").touch()
    *chunks, result = batch(house, user=ann)
    assert (result["verified"], result["records"], result["chunks"]) == (4, 40, 4)
    # The mended chunk passes as it is: only the last one had still to be run.
    assert [c["chunk"] for c in chunks] == [4]
    prompts = [run["prompt"] for run in runs_of(house, ann)]
    assert len(prompts) == 4
    assert all(prompt.startswith("Sum up each record.\n\nRecords, part ") for prompt in prompts)


def test_a_record_that_was_not_answered_is_named(tmp_path):
    with NativeProject(tmp_path, answers(leave_out="r14")) as house:
        *chunks, _ = batch(house, check="", expect=10)
        assert chunks[-1]["problems"] == ["record `r14` is not answered"]


def test_a_check_that_breaks_lets_nothing_pass(house):
    *chunks, _ = batch(house, user=someone(), check="batch_check:crashes", expect=10)
    assert chunks[0]["problems"] == ["the check failed: RuntimeError: no such check"]


@pytest.mark.parametrize(
    ("check", "returned"), [("says_nothing", "NoneType"), ("says_yes", "bool")]
)
def test_a_check_that_answers_without_a_list_ends_unverified(house, check, returned):
    (chunk, result) = batch(house, user=someone(), check=f"batch_check:{check}", expect=10)
    assert (chunk["state"], chunk["verified"]) == ("done", False)
    assert chunk["problems"] == [
        f"the check failed: it returned {returned} and no list of objections"
    ]
    assert (result["verified"], result["records"], result["exit_code"]) == (0, 0, 10)


def test_the_same_batch_for_a_second_user_runs_for_that_user(house):
    ann, bob = someone(), someone()
    (house.folder / "mended").touch()
    *firsts, result = batch(house, user=ann)
    assert (len(firsts), result["verified"]) == (4, 4)
    *seconds, result = batch(house, user=bob)
    assert [c["chunk"] for c in seconds] == [1, 2, 3, 4]
    assert (result["verified"], result["records"]) == (4, 40)
    runs = {run["run_id"]: run for run in runs_of(house, ann, bob)}
    assert {runs[c["run_id"]]["user"] for c in firsts} == {ann}
    assert {runs[c["run_id"]]["user"] for c in seconds} == {bob}
    assert len(runs) == 8
    # And the first has nothing left to do.
    (result,) = batch(house, user=ann)
    assert result["verified"] == 4


def test_what_a_tool_did_for_one_user_is_not_told_to_another(house):
    few = "".join(json.dumps(record) + "\n" for record in RECORDS[:10])
    (house.folder / "records.jsonl").write_text(few)
    for acts in (1, 2):
        *_, result = batch(house, check="", user=someone())
        assert result["verified"] == 1
        assert len(house.acts("pay")) == acts
    # Under one name they go on together: what was done is done.
    for _ in range(2):
        *_, result = batch(house, "--name", "ours", check="", user=someone())
        assert result["verified"] == 1
    assert len(house.acts("pay")) == 3


def test_what_stopped_for_one_user_does_not_stop_for_another(house):
    ann, bob = someone(), someone()
    *firsts, _ = batch(house, "--name", "march", user=ann, expect=10)
    (house.folder / "mended").touch()
    *seconds, result = batch(house, "--name", "march", user=bob)
    assert [c["chunk"] for c in seconds] == [1, 2, 3, 4]
    assert result["verified"] == 4
    # The first user's chunk 3 is as it was left: mended, and the last one still to be run.
    *firsts, result = batch(house, "--name", "march", user=ann)
    assert [c["chunk"] for c in firsts] == [4]
    assert result["verified"] == 4


def test_where_there_are_several_tenants_a_batch_says_whose_it_is(tmp_path):
    tenant = '{projects: {support: {}}, users: {"*": {roles: [support]}}}'
    settings = SETTINGS.replace("tool_modules", f"  globex: {tenant}\ntool_modules")
    with NativeProject(tmp_path, answers(), settings=settings) as house:
        (house.folder / "mended").touch()
        *_, result = batch(house, "--name", "march", "--tenant", "acme")
        assert result["verified"] == 4
        # The same user of another tenant is somebody else, and nobody is guessed.
        batch(house, "--name", "march", expect=2)
        *chunks, result = batch(house, "--name", "march", "--tenant", "globex")
        assert (len(chunks), result["verified"]) == (4, 4)
        runs = house.project.call("GET", "/v1/runs").json["runs"]
        assert sorted(r["tenant"] for r in runs) == ["acme"] * 4 + ["globex"] * 4


def test_other_records_under_the_same_name_are_refused(house):
    ann = someone()
    batch(house, "--name", "april", user=ann, expect=10)
    (house.folder / "records.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
    batch(house, "--name", "april", user=ann, expect=2)


@pytest.mark.parametrize("text", ["", "{\n", "[1]\n", '{"no": "id"}\n', '{"id": 1}\n{"id": "1"}\n'])
def test_a_file_that_holds_no_records_is_refused_before_anything_is_begun(house, text):
    ann = someone()
    (house.folder / "records.jsonl").write_text(text)
    batch(house, user=ann, expect=2)
    assert runs_of(house, ann) == []
