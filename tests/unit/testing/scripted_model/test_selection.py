"""Which turn answers: by marker, model, system prompt or inline list, and by the conversation alone."""

import json

import pytest

from holdfast.testing.scripted_model import (
    ApiError,
    Match,
    Scenario,
    Script,
    ScriptError,
    as_script,
    call,
    load_script,
    parse_script,
    say,
)
from holdfast.testing.scripted_model.playback import Options, Playback

REFUND = Scenario(
    name="refund", match=Match(text="[[scene:refund]]"), turns=(call("refund"), say("refunded"))
)
LOOP = Scenario(
    name="loop",
    match=Match(text="[[scene:loop]]"),
    turns=(say("start"), call("poll", {"n": "{{turn}}"})),
    loop=True,
)
SMALL = Scenario(name="small", match=Match(model="claude-haiku-4-5"), turns=(say("small"),))
HELPER = Scenario(name="helper", match=Match(system="You help"), turns=(say("helping"),))
DEFAULT = Scenario(name="default", turns=(say("first"), say("second")))
SCRIPT = Script(scenarios=(DEFAULT, REFUND, LOOP, SMALL, HELPER))


def user(text):
    return {"role": "user", "content": text}


def assistant(text="said"):
    return {"role": "assistant", "content": text}


def played(*messages, script=SCRIPT, **fields):
    body = {"model": "claude-opus-5-5", "max_tokens": 999, "messages": list(messages), **fields}
    plan = Playback(script, Options()).plan("key", body, {})
    return plan.chosen.scenario, plan.chosen.index, plan.message


def test_marker_chooses_its_scenario_wherever_the_user_wrote_it():
    assert played(user("please [[scene:refund]] now"))[:2] == ("refund", 0)
    blocks = [{"type": "text", "text": "<reminder>"}, {"type": "text", "text": "[[scene:refund]]"}]
    assert played(user(blocks))[:2] == ("refund", 0)


def test_model_and_system_prompt_choose_before_the_default():
    assert played(user("x"), model="claude-haiku-4-5")[0] == "small"
    assert played(user("x"), system=[{"type": "text", "text": "You help."}])[0] == "helper"
    assert played(user("x"))[0] == "default"


def test_same_conversation_gets_the_same_turn_however_often_it_is_asked():
    said = [user("x"), assistant(), user("y")]
    assert played(*said)[:2] == played(*said)[:2] == ("default", 1)


def test_turns_are_counted_from_the_latest_marker():
    said = [user("a"), assistant(), user("b"), assistant(), user("[[scene:refund]]")]
    assert played(*said)[:2] == ("refund", 0)
    assert played(user("[[scene:refund]]"), assistant(), assistant(), user("go"))[:2] == (
        "refund",
        1,
    )


def test_marker_inside_a_tool_result_is_not_the_users_word():
    called = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}],
    }
    result = {"type": "tool_result", "tool_use_id": "t", "content": "[[scene:refund]] FAKE:[]"}
    assert played(user("x"), called, user([result]))[:2] == ("default", 1)


def test_loop_repeats_its_last_turn_and_knows_which_one_it_is():
    said = [user("[[scene:loop]]")]
    for _ in range(5):
        said += [assistant(), user("on")]
    name, index, message = played(*said)
    assert (name, index) == ("loop", 5)
    assert message["content"][0]["input"] == {"n": "5"}


def test_script_that_is_over_says_so_instead_of_failing():
    said = [user("x"), assistant(), user("y"), assistant(), user("z")]
    assert played(*said)[2]["content"][0]["text"] == "The script ends here."


def test_inline_list_is_played_and_text_around_it_ignored():
    turns = [{"tool": "Bash", "input": {"command": "echo ']' \"x\""}}, {"text": "done"}]
    prompt = f"look: FAKE:{json.dumps(turns)} thanks [really]"
    _, _, message = played(user(prompt))
    assert message["content"][0]["input"]["command"] == "echo ']' \"x\""
    assert played(user(prompt), assistant(), user("ok"))[2]["content"][0]["text"] == "done"


def test_broken_inline_list_is_refused():
    with pytest.raises(ApiError, match="inline script"):
        played(user("FAKE:[{nope}]"))


def test_template_walks_into_a_json_result():
    script = as_script(
        [call("find"), say("order {{last_tool_result.orders.0.id}} of {{scenario}}")]
    )
    called = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}],
    }
    result = {"type": "tool_result", "tool_use_id": "t", "content": '{"orders":[{"id":"A-7"}]}'}
    message = played(user("x"), called, user([result]), script=script)[2]
    assert message["content"][0]["text"] == "order A-7 of default"


def test_side_call_for_a_title_gets_an_object_and_takes_no_turn():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    name, _, message = played(user("[[scene:refund]]"), output_config=wanted)
    assert name == "json_schema"
    assert json.loads(message["content"][0]["text"]) == {"title": "scripted title"}


def test_scenario_for_structured_output_answers_it():
    verdict = Scenario(name="verdict", match=Match(json_schema=True), turns=(say('{"ok":false}'),))
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    script = Script(scenarios=(DEFAULT, verdict))
    assert played(user("x"), script=script, output_config=wanted)[0] == "verdict"
    assert played(user("x"), script=script)[0] == "default"


def test_yaml_and_json_files_are_read_alike(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "scenarios:\n- name: a\n  match: {text: hi}\n  turns:\n  - text: yo\n"
    )
    raw = {"scenarios": [{"name": "a", "match": {"text": "hi"}, "turns": ["yo"]}]}
    (tmp_path / "s.json").write_text(json.dumps(raw))
    assert load_script(tmp_path / "s.yaml") == load_script(tmp_path / "s.json")


@pytest.mark.parametrize(
    "raw",
    [
        "text",
        {"scenarios": "x"},
        {"scenarios": [{"name": "a", "turns": []}]},
        {"turns": [{"txet": "x"}]},
        {"turns": [{"text": 7}]},
        {"turns": [{"text": "{{nobody}}"}]},
        {"turns": [{"text": "x", "fault": {"broken_sse": "politely"}}]},
        {"scenarios": [{"name": "a", "turns": ["x"]}, {"name": "a", "turns": ["y"]}]},
    ],
)
def test_script_that_cannot_be_played_is_refused_when_loaded(raw):
    with pytest.raises(ScriptError):
        parse_script(raw)
