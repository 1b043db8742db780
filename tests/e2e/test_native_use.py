"""How full a run's context is: shown, and told of once."""

import json
import signal

from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import Text, ToolUse, Turn
from holdfast.testing.scripted_model.script import Usage
from tests.e2e.test_alerts import ALERTS, environment, receiving
from tests.native_project import SETTINGS, NativeProject, script, until

STATES = ("done", "failed", "dead")


def call(tool, order, tokens):
    usage = Usage(input_tokens=tokens, output_tokens=0)
    return Turn(blocks=(ToolUse(name=tool, input={"order": order}),), usage=usage)


def last(tokens):
    return Turn(blocks=(Text(text="done"),), usage=Usage(input_tokens=tokens, output_tokens=0))


def settings(**context):
    return SETTINGS + f"    context: {json.dumps(context)}\n"


def alerts(project: RunningProject, run):
    return [
        r["body"] for r in project.records(session=run["session"]) if r["kind"] == "context.alert"
    ]


def test_a_context_past_its_threshold_is_told_of_once_over_a_crash_and_shown(tmp_path):
    played = script(
        refund=(
            call("look", "o1", 799),
            call("look", "o2", 850),
            call("pay", "slow", 900),
            last(950),
        )
    )
    told = ALERTS + settings(window_tokens=1000, alert_percent=80, limit_percent=100)
    told = told.replace("version: 1\n", "", 1)
    with (
        receiving() as receiver,
        NativeProject(
            tmp_path, played, settings="version: 1\n" + told, environment=environment(receiver.url)
        ) as house,
    ):
        house.worker()
        run = house.submit("refund")
        until(lambda: house.acts("pay"), 60)
        house.project.stop(signal.SIGKILL)
        house.project.start()
        done = house.until(run, *STATES)
        assert done["state"] == "done"
        assert (done["context_percent"], done["context_alerted"]) == (95, True)
        assert alerts(house.project, run) == [
            {"run_id": run["run_id"], "percent": 85, "threshold": 80}
        ]
        until(lambda: [m for m in receiver.told("/all") if m["kind"] == "context.alert"], 60)
        assert [m["fields"]["percent"] for m in receiver.told("/all")] == [85]


def test_a_context_below_its_threshold_is_shown_and_nobody_is_told(tmp_path):
    # The window is the one that the model's price names: a million tokens.
    with NativeProject(tmp_path, script(refund=(last(790_000),))) as house:
        house.worker()
        run = house.submit("refund")
        done = house.until(run, *STATES)
        assert (done["context_percent"], done["context_alerted"]) == (79, False)
        assert alerts(house.project, run) == []
