"""The loop: records in, the next step out, the same live and after a crash."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.loop import (
    CONTINUE,
    PRUNED,
    CallModel,
    Compact,
    Conversation,
    Fail,
    Finish,
    RunTools,
    Say,
    next_step,
)
from holdfast.model.events import Kind, Record
from holdfast.model.runs import RunPlan

PLAN = RunPlan(model="claude-haiku-4-5")
TASK = "Task: sort\nMails. ☃"


def record(kind, turn=0, call_id="", tool="", **body):
    return Record(kind=kind, at_ns=1, turn=turn, call_id=call_id, tool=tool, body=body)


def submitted(prompt="go", task_text=TASK):
    return record(Kind.RUN_SUBMITTED, prompt=prompt, task_text=task_text, system_prompt="s")


def answered(turn, *blocks, stop="end_turn", tokens=10):
    usage = {"input_tokens": tokens, "output_tokens": 0}
    return record(
        Kind.RUN_ANSWERED, turn, content=list(blocks), stop_reason=stop, usage=usage, model="m"
    )


def text(words="done"):
    return {"type": "text", "text": words}


def call(call_id, tool="look", **given_input):
    return {"type": "tool_use", "id": call_id, "name": tool, "input": given_input}


def result(turn, call_id, content="ok", *, is_error=False):
    return record(Kind.RUN_TOOL_ANSWERED, turn, call_id, "look", content=content, is_error=is_error)


def step(*records, plan=PLAN):
    return next_step(Conversation(records), plan)


def test_a_run_begins_by_asking_the_model_with_the_task_first():
    talk = Conversation([submitted("Refund it.")])
    assert next_step(talk, PLAN) == CallModel(1)
    first = talk.messages()[0]["content"][0]["text"]
    assert first == f"{TASK}\n\nRefund it."


def test_calls_are_run_and_only_those_without_an_answer():
    both = answered(1, call("a", order=1), call("b"), stop="tool_use")
    asked = step(submitted(), both, result(1, "a"))
    assert isinstance(asked, RunTools)
    assert [c.call_id for c in asked.calls] == ["b"]
    assert step(submitted(), both, result(1, "a"), result(1, "b")) == CallModel(2)


def test_results_stand_in_the_order_of_the_calls_whoever_came_first():
    talk = Conversation(
        [
            submitted(),
            answered(1, call("a"), call("b"), stop="tool_use"),
            result(1, "b", "two"),
            result(1, "a", "no", is_error=True),
        ]
    )
    said = talk.messages()[-1]["content"]
    assert [block["tool_use_id"] for block in said] == ["a", "b"]
    assert [block.get("is_error", False) for block in said] == [True, False]


def test_the_first_answer_to_a_call_stands():
    talk = Conversation(
        [submitted(), answered(1, call("a")), result(1, "a", "one"), result(1, "a", "two")]
    )
    assert talk.messages()[-1]["content"][0]["content"] == "one"


def test_a_last_word_is_the_result():
    assert step(submitted(), answered(1, text("all "), text("done"))) == Finish("all done")


def test_an_answer_that_was_cut_goes_on_a_bounded_number_of_times():
    cut = [submitted()]
    for turn in range(1, 4):
        cut.append(answered(turn, text(f"{turn}"), stop="max_tokens"))
        assert step(*cut) == Say(CONTINUE, "continue")
        cut.append(record(Kind.RUN_NOTED, turn, text=CONTINUE, why="continue"))
        assert step(*cut) == CallModel(turn + 1)
    assert step(*cut, answered(4, text("4"))) == Finish("1234")
    ended = step(*cut, answered(4, text("4"), stop="max_tokens"))
    assert isinstance(ended, Fail)
    assert ended.code == "answer_too_long"


@pytest.mark.parametrize(
    ("stop", "expected"), [("pause_turn", CallModel(2)), ("stop_sequence", Finish("done"))]
)
def test_other_ends_of_an_answer(stop, expected):
    assert step(submitted(), answered(1, text(), stop=stop)) == expected


def test_a_refusal_of_the_model_fails_the_run():
    refused = step(submitted(), answered(1, text(), stop="refusal"))
    assert isinstance(refused, Fail)
    assert refused.code == "model_refused"


def full(strategy, **more):
    return RunPlan(
        model="m", context={"window_tokens": 100, "strategy": strategy, "keep_turns": 1, **more}
    )


def long_talk(turns=3, tokens=90):
    records = [submitted()]
    for turn in range(1, turns + 1):
        records += [
            answered(turn, call(f"c{turn}"), stop="tool_use", tokens=tokens),
            result(turn, f"c{turn}", f"long result {turn}"),
        ]
    return records


@pytest.mark.parametrize(
    ("strategy", "keeps"),
    [("prune_tool_results", 3), ("keep_last", 3), ("summarise", 3), ("hand_off", 4)],
)
def test_a_context_that_fills_is_made_smaller_once_and_the_task_stays(strategy, keeps):
    plan, records = full(strategy), long_talk()
    asked = step(*records, plan=plan)
    assert asked == Compact(strategy, keeps, 90)
    records.append(
        record(
            Kind.RUN_COMPACTED, 3, strategy=strategy, keep_from_turn=keeps, summary="in short: x"
        )
    )
    talk = Conversation(records)
    assert next_step(talk, plan) == CallModel(4)
    messages = talk.messages()
    assert messages[0]["content"][0]["text"].startswith(TASK)
    spelled = str(messages)
    if strategy == "prune_tool_results":
        assert PRUNED in spelled
        assert "long result 3" in spelled
        assert "long result 1" not in spelled
    else:
        assert "c1" not in spelled
        assert "in short: x" in messages[0]["content"][0]["text"]


def test_a_context_that_may_not_be_given_up_ends_the_run():
    ended = step(*long_talk(), plan=full("end"))
    assert isinstance(ended, Compact)
    assert ended.strategy == "end"


def test_without_a_known_window_nothing_is_given_up():
    assert step(*long_talk(tokens=10**9)) == CallModel(4)


CHECKED = RunPlan(model="m", output={"schema": {"type": "object"}, "attempts": 1})


def test_a_result_that_does_not_hold_is_said_and_then_fails():
    bad = [submitted(), answered(1, text("not json"))]
    said = step(*bad, plan=CHECKED)
    assert isinstance(said, Say)
    assert said.why == "output_check"
    bad.append(record(Kind.RUN_NOTED, 1, text=said.text, why=said.why))
    assert step(*bad, plan=CHECKED) == CallModel(2)
    assert step(*bad, answered(2, text("```json\n{}\n```")), plan=CHECKED) == Finish({})
    failed = step(*bad, answered(2, text("no")), plan=CHECKED)
    assert isinstance(failed, Fail)
    assert failed.code == "output_invalid"


def test_tries_are_counted_until_an_answer_comes():
    retry = record(Kind.RUN_RETRYING, error="overloaded")
    assert Conversation([submitted(), retry, retry]).retries == 2
    assert Conversation([submitted(), retry, answered(1, text())]).retries == 0


# --- any journal ------------------------------------------------------------------------------
@st.composite
def journals(draw):
    """A journal as a worker would write it, with some tools answered late or never."""
    records = [submitted(draw(st.text(max_size=10)))]
    turns = draw(st.integers(0, 5))
    for turn in range(1, turns + 1):
        ids = [f"c{turn}-{n}" for n in range(draw(st.integers(0, 3)))]
        blocks = [text(f"word {turn}"), *(call(name) for name in ids)]
        stop = "tool_use" if ids else draw(st.sampled_from(["end_turn", "max_tokens"]))
        records.append(answered(turn, *blocks, stop=stop, tokens=draw(st.integers(0, 120))))
        last = turn == turns
        records += [
            result(turn, name)
            for name in draw(st.permutations(ids))
            if not last or draw(st.booleans())
        ]
        if stop != "tool_use" and not last:
            records.append(record(Kind.RUN_NOTED, turn, text="go on", why="continue"))
        if draw(st.integers(0, 4)) == 0:
            records.append(
                record(
                    Kind.RUN_COMPACTED,
                    turn,
                    strategy=draw(st.sampled_from(["prune_tool_results", "keep_last"])),
                    keep_from_turn=draw(st.integers(0, turn)),
                )
            )
    return records


PLANS = st.sampled_from([PLAN, full("prune_tool_results"), full("keep_last"), full("hand_off")])


@settings(deadline=None)
@given(journals(), PLANS, st.data())
def test_folding_in_two_goes_is_folding_in_one(records, plan, data):
    cut = data.draw(st.integers(0, len(records)))
    whole, halves = Conversation(records), Conversation(records[:cut])
    for one in records[cut:]:
        halves.fold(one)
    assert whole.messages() == halves.messages()
    assert next_step(whole, plan) == next_step(halves, plan)


@settings(deadline=None)
@given(journals(), PLANS)
def test_no_call_that_has_an_answer_is_asked_for_again_from_any_prefix(records, plan):
    for cut in range(1, len(records) + 1):
        prefix = records[:cut]
        asked = next_step(Conversation(prefix), plan)
        done = {one.call_id for one in prefix if one.kind is Kind.RUN_TOOL_ANSWERED}
        if isinstance(asked, RunTools):
            assert done.isdisjoint(c.call_id for c in asked.calls)


@settings(deadline=None)
@given(journals(), PLANS)
def test_whatever_is_sent_to_the_model_is_a_conversation_that_it_takes(records, plan):
    talk = Conversation(records)
    if not isinstance(next_step(talk, plan), CallModel):
        return
    messages = talk.messages()
    assert messages[0]["role"] == "user"
    for before, after in itertools.pairwise(messages):
        assert before["role"] != after["role"]
        calls = {b["id"] for b in before["content"] if b["type"] == "tool_use"}
        results = {b.get("tool_use_id") for b in after["content"] if b["type"] == "tool_result"}
        assert calls == results or after["role"] == "assistant"
    assert all(message["content"] for message in messages)
