"""The demo as a user runs it: fourteen scenes with the real SDK and CLI, each of which must hold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.part("claude-code")

SCENES = 14
SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    home = tmp_path_factory.mktemp("demo")
    # A real key in the caller's environment must reach neither the agent nor the provider.
    environment = {
        **os.environ,
        "TMPDIR": str(home),
        "PYTHONPATH": SOURCE,
        "ANTHROPIC_API_KEY": "sk-ant-real-one",
    }
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.apps.cli.main", "demo", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=400,
        check=False,
    )
    return done, [json.loads(line) for line in done.stdout.splitlines()], home


def broken(lines):
    return [
        f"{line['scene']} {line['title']}: {check['text']} ({line['lines']})"
        for line in lines
        if "scene" in line
        for check in line["checks"]
        if not check["held"]
    ]


def test_all_fourteen_scenes_hold_and_the_demo_exits_0(played):
    done, lines, _ = played
    assert broken(lines) == []
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line["scene"] for line in lines[:-1]] == list(range(1, SCENES + 1))
    assert all(line["held"] for line in lines[:-1])
    assert (lines[-1]["held"], lines[-1]["scenes"]) == (SCENES, SCENES)


def test_every_scene_says_what_was_tried_and_what_it_cost(played):
    _, lines, _ = played
    assert all(line["tried"] and line["checks"] for line in lines[:-1])
    # Scene 8 only asks.
    assert all(line["cost_nusd"] > 0 for line in lines[:-1] if line["scene"] != 8)
    assert lines[-1]["cost_nusd"] == sum(line["cost_nusd"] for line in lines[:-1])


def test_the_scenes_say_which_rule_decided(played):
    _, lines, _ = played
    said = "\n".join(lines[1]["lines"])
    assert "desk.refund-currency" in said
    assert "desk.refund-limit" in said


def test_a_crash_pays_once_and_a_bad_chunk_holds_back_all_after_it(played):
    _, lines, _ = played
    crashed, batched = lines[8], lines[9]
    assert crashed["title"] == "kill -9 in the middle, go on, no double refund"
    paid = [line for line in crashed["lines"] if line.startswith("payments.jsonl")]
    assert [line.endswith(": paid") for line in paid] == [True, False]
    assert batched["title"] == "500 records, one bad chunk"
    first, again = batched["lines"]
    assert "12 of 25 chunks are verified; chunk 13: MSG-0247" in first
    assert "25 of 25 chunks are verified" in again


def test_a_person_is_shown_what_is_asked_and_a_budget_tells_at_half_four_fifths_and_all(played):
    _, lines, _ = played
    shown = "\n".join(lines[12]["lines"])
    assert "arn:shop:order/ORD-1046" in shown
    assert "a refund of more than 50.00 needs a person desk.refund-large" in shown
    alerts = [line for line in lines[4]["lines"] if line.startswith("alert: ")]
    assert [
        f"{percent} % of" in alert for percent, alert in zip((50, 80, 100), alerts, strict=True)
    ]


def test_the_demo_leaves_nothing_behind(played):
    _, _, home = played
    left = [path.name for path in home.iterdir() if path.name.startswith("holdfast")]
    assert left == []
    marked = [pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and _is_ours(pid, home)]
    assert marked == []


def _is_ours(process, home):
    try:
        return str(home).encode() in (process / "environ").read_bytes()
    except OSError:
        return False
