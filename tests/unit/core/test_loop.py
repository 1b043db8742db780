"""Every step of the loop, whole: what is folded from each record, and what follows to the word."""

import pytest

from holdfast.core.judging import Verdict
from holdfast.core.loop import (
    CONTINUE,
    FOLDED,
    PRUNED,
    Call,
    CallModel,
    Compact,
    Conversation,
    Exchange,
    Fail,
    Finish,
    Judge,
    Result,
    RunTools,
    Say,
    next_step,
)
from holdfast.model.events import Kind, Record
from holdfast.model.runs import RunPlan

PLAN = RunPlan(model="m")


def record(kind, turn=0, call_id="", **body):
    return Record(kind=kind, at_ns=1, turn=turn, call_id=call_id, body=body)


def say(words):
    return {"type": "text", "text": words}


def use(call_id, tool="look", **given):
    return {"type": "tool_use", "id": call_id, "name": tool, "input": given}


def answered(turn, *blocks, stop="end_turn", **usage):
    return record(Kind.RUN_ANSWERED, turn, content=list(blocks), stop_reason=stop, usage=usage)


def result(turn, call_id, content, **more):
    return record(Kind.RUN_TOOL_ANSWERED, turn, call_id, content=content, **more)


def noted(turn, text, why):
    return record(Kind.RUN_NOTED, turn, text=text, why=why)


def judged(turn, said, why="so"):
    return record(Kind.RUN_JUDGED, turn, verdict=said, why=why)


def compacted(strategy, turn, **more):
    return record(Kind.RUN_COMPACTED, 0, strategy=strategy, keep_from_turn=turn, **more)


START = record(Kind.RUN_SUBMITTED, prompt="go", task_text="Task.", system_prompt="Be kind.")


def step(*records, plan=PLAN):
    return next_step(Conversation([START, *records]), plan)


def test_a_conversation_begins_empty():
    talk = Conversation()
    assert vars(talk) == {
        "prompt": "",
        "task_text": "",
        "system_prompt": "",
        "exchanges": [],
        "summary": "",
        "keep_from_turn": 0,
        "prune_before_turn": 0,
        "retries": 0,
        "waits": 0,
        "compactions": 0,
        "compacted_at_turn": -1,
        "notes_before": [],
    }
    assert (talk.turn, talk.last, talk.pending()) == (0, None, [])


def test_every_record_is_folded_into_its_place():
    talk = Conversation(
        [
            START,
            noted(0, "mind the step", "hook"),
            answered(1, say("a"), use("c1", "pay", cents=3), use("c2"), input_tokens=4),
            result(1, "c1", "paid", is_error=False),
            result(1, "c2", "no", is_error=True),
            noted(1, "go on", "continue"),
            answered(2, say("b"), stop="stop_sequence"),
            judged(2, "pass", "well"),
            judged(2, "fail", "badly"),
            judged(2, "maybe", "who knows"),
            judged(9, "pass", "of no answer"),
        ]
    )
    assert (talk.prompt, talk.task_text, talk.system_prompt) == ("go", "Task.", "Be kind.")
    assert talk.notes_before == [("mind the step", "hook")]
    assert talk.exchanges == [
        Exchange(
            1,
            [say("a"), use("c1", "pay", cents=3), use("c2")],
            "end_turn",
            {"input_tokens": 4},
            {"c1": Result("paid", False), "c2": Result("no", True)},
            [("go on", "continue")],
            [],
        ),
        Exchange(
            2,
            [say("b")],
            "stop_sequence",
            {},
            {},
            [],
            [Verdict("pass", "well"), Verdict("fail", "badly"), Verdict("unreadable", "who knows")],
        ),
    ]
    assert talk.exchanges[0].calls == [Call("c1", "pay", {"cents": 3}), Call("c2", "look", {})]
    assert [one.text for one in talk.exchanges] == ["a", "b"]
    assert (talk.turn, talk.last) == (2, talk.exchanges[1])


def test_records_that_say_nothing_are_read_as_blank():
    talk = Conversation(
        [
            record(Kind.RUN_SUBMITTED),
            record(Kind.RUN_ANSWERED, 1),
            record(Kind.RUN_NOTED, 1),
            record(Kind.RUN_JUDGED, 1),
            record(Kind.RUN_COMPACTED),
            answered(2, {"type": "text"}, use("c")),
            record(Kind.RUN_TOOL_ANSWERED, 2, "c"),
        ]
    )
    assert (talk.prompt, talk.task_text, talk.system_prompt, talk.summary) == ("", "", "", "")
    assert talk.exchanges[0] == Exchange(1, [], "", {}, {}, [("", "")], [Verdict("unreadable", "")])
    assert talk.exchanges[1].results == {"c": Result("", False)}
    assert talk.exchanges[1].text == ""
    assert talk.keep_from_turn == 0


def test_an_answer_of_a_tool_goes_to_the_last_exchange_that_asked_and_the_first_one_stands():
    talk = Conversation(
        [
            START,
            answered(1, use("same")),
            answered(2, use("same"), use("other")),
            result(2, "same", "first"),
            result(2, "same", "second"),
            result(2, "stray", "nobody asked"),
        ]
    )
    assert talk.exchanges[0].results == {}
    assert talk.exchanges[1].results == {"same": Result("first", False)}
    assert talk.pending() == [Call("other", "look", {})]


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (Kind.RUN_ANSWERED, 0),
        (Kind.RUN_TOOL_ANSWERED, 0),
        (Kind.RUN_JUDGED, 0),
        (Kind.RUN_NOTED, 2),
        (Kind.RUN_COMPACTED, 2),
        (Kind.RUN_RETRYING, 3),
        (Kind.RUN_SUBMITTED, 2),
        (Kind.RUN_CLAIMED, 2),
    ],
)
def test_tries_in_a_row_end_with_what_came_of_one(kind, left):
    tries = [record(Kind.RUN_RETRYING), record(Kind.RUN_RETRYING)]
    assert Conversation([START, *tries, record(kind)]).retries == left


def test_kinds_that_are_not_folded_change_nothing():
    before = vars(Conversation([START]))
    for kind in set(Kind) - set(FOLDED):
        assert vars(Conversation([START, record(kind, 7, "c", text="x", prompt="y")])) == before


def test_compactions_only_ever_give_up_more():
    talk = Conversation([START, answered(1, say("a")), answered(4, say("b"))])
    talk.fold(compacted("prune_tool_results", 3))
    assert (talk.prune_before_turn, talk.keep_from_turn, talk.summary) == (3, 0, "")
    assert (talk.compactions, talk.compacted_at_turn) == (1, 4)
    talk.fold(compacted("prune_tool_results", 2))
    assert (talk.prune_before_turn, talk.compactions) == (3, 2)
    talk.fold(compacted("summarise", 4, summary="all went well"))
    assert (talk.keep_from_turn, talk.prune_before_turn) == (4, 3)
    talk.fold(compacted("keep_last", 2))
    assert (talk.keep_from_turn, talk.summary) == (4, "all went well")
    talk.fold(compacted("summarise", 4, summary="and better"))
    assert talk.summary == "and better"


def test_the_messages_are_the_whole_conversation_in_order():
    talk = Conversation(
        [
            START,
            noted(0, "mind the step", "hook"),
            answered(1, say("a"), use("c1"), use("c2"), use("open")),
            result(1, "c2", "bad", is_error=True),
            result(1, "c1", "good"),
            noted(1, "one", "x"),
            noted(1, "two", "y"),
            answered(2),
            answered(3, say("b")),
        ]
    )
    assert talk.messages() == [
        {"role": "user", "content": [say("Task.\n\ngo\n\nmind the step")]},
        {"role": "assistant", "content": [say("a"), use("c1"), use("c2"), use("open")]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "good"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "bad", "is_error": True},
                say("one"),
                say("two"),
            ],
        },
        {"role": "assistant", "content": [say("b")]},
    ]


def test_what_was_given_up_is_told_and_the_border_itself_stays():
    records = [START]
    for turn in (1, 2, 3):
        records += [
            answered(turn, use(f"c{turn}"), use(f"e{turn}")),
            result(turn, f"c{turn}", f"long {turn}"),
            result(turn, f"e{turn}", f"error {turn}", is_error=True),
        ]
    talk = Conversation([*records, compacted("prune_tool_results", 3)])
    said = [b for m in talk.messages() if m["role"] == "user" for b in m["content"]]
    assert [b["content"] for b in said[1:]] == [
        PRUNED, "error 1", PRUNED, "error 2", "long 3", "error 3",
    ]  # fmt: skip
    talk.fold(compacted("summarise", 2, summary="short"))
    messages = talk.messages()
    assert messages[0] == {
        "role": "user",
        "content": [say("Task.\n\ngo\n\nWhat was done so far, in short:\nshort")],
    }
    assert [m["content"][0].get("id") for m in messages[1::2]] == ["c2", "c3"]


def test_a_prompt_without_a_task_stands_alone():
    talk = Conversation([record(Kind.RUN_SUBMITTED, prompt="go")])
    assert talk.messages() == [{"role": "user", "content": [say("go")]}]


@pytest.mark.parametrize(
    ("records", "follows"),
    [
        ([], CallModel(1)),
        ([answered(1, use("c"))], RunTools((Call("c", "look", {}),))),
        ([answered(1, use("c")), result(1, "c", "")], CallModel(2)),
        ([answered(1, say("x")), noted(1, "n", "hook")], CallModel(2)),
        ([answered(1, say("x"), stop="pause_turn")], CallModel(2)),
        ([answered(1, say("x"))], Finish("x")),
        (
            [answered(1, say("x"), stop="refusal")],
            Fail("model_refused", "the model declined to go on"),
        ),
        ([answered(1, say("x"), stop="max_tokens")], Say(CONTINUE, "continue")),
        ([answered(2, say("x"), stop="pause_turn")], CallModel(3)),
    ],
)
def test_each_state_has_its_step(records, follows):
    assert step(*records) == follows


def cut(turn, why="continue"):
    return [answered(turn, say(str(turn)), stop="max_tokens"), noted(turn, "n", why)]


@pytest.mark.parametrize(
    ("before", "follows"),
    [
        ([*cut(1), *cut(2)], Say(CONTINUE, "continue")),
        ([*cut(1), *cut(2), *cut(3)], Fail("answer_too_long", "the answer was cut 4 times in a row")),
        ([*cut(1), *cut(2, "hook"), *cut(3)], Say(CONTINUE, "continue")),
        ([*cut(1, "hook"), *cut(2), *cut(3)], Say(CONTINUE, "continue")),
    ],
)  # fmt: skip
def test_an_answer_goes_on_three_times_in_a_row_at_most(before, follows):
    plan = RunPlan(model="m")
    assert step(*before, answered(9, say("9"), stop="max_tokens"), plan=plan) == follows


def test_the_result_is_what_was_said_since_the_answer_began():
    plan = RunPlan(model="m")
    begun = [answered(1, say("old"), stop="pause_turn"), noted(1, "n", "hook")]
    assert step(*begun, *cut(2), *cut(3), answered(4, say("!")), plan=plan) == Finish("23!")


def full(turns, *, tokens=90, **context):
    plan = RunPlan(model="m", context={"window_tokens": 100, "keep_turns": 1, **context})
    records = []
    for turn in range(1, turns + 1):
        records += [
            answered(turn, use(f"c{turn}"), input_tokens=tokens),
            result(turn, f"c{turn}", "r"),
        ]
    return records, plan


@pytest.mark.parametrize(
    ("context", "follows"),
    [
        ({}, Compact("prune_tool_results", 3, 90)),
        ({"tokens": 80}, Compact("prune_tool_results", 3, 80)),
        ({"tokens": 79}, CallModel(4)),
        ({"strategy": "summarise"}, Compact("summarise", 3, 90)),
        (
            {"strategy": "end"},
            Compact("end", 0, 90),
        ),
        ({"strategy": "hand_off"}, Compact("hand_off", 4, 90)),
        ({"keep_turns": 3, "strategy": "keep_last"}, CallModel(4)),
    ],
)
def test_a_full_context_is_made_smaller_before_the_next_answer(context, follows):
    records, plan = full(3, **context)
    assert step(*records, plan=plan) == follows


def test_nothing_is_measured_again_until_the_next_answer():
    records, plan = full(3)
    assert step(*records, compacted("keep_last", 3), plan=plan) == CallModel(4)
    again = [*records, compacted("keep_last", 3), answered(4, use("c4"), input_tokens=95)]
    assert step(*again, result(4, "c4", "r"), plan=plan) == Compact("prune_tool_results", 4, 95)


def test_turns_that_were_given_up_are_not_measured_and_pruning_is_followed_by_the_next_strategy():
    records, plan = full(3)
    pruned = [*records, compacted("prune_tool_results", 4), answered(4, use("x"), input_tokens=90)]
    assert step(*pruned, result(4, "x", "r"), plan=plan) == Compact("keep_last", 4, 90)
    only = [*records, compacted("keep_last", 4), answered(4, use("x"), input_tokens=99)]
    assert step(*only, result(4, "x", "r"), plan=plan) == CallModel(5)


def test_a_refusal_of_the_provider_for_length_is_full_whatever_was_measured():
    records, plan = full(3, tokens=1)
    over = answered(4, stop="model_context_window_exceeded")
    assert step(*records, over, plan=plan) == Compact("prune_tool_results", 4, 100)
    alone = answered(1, stop="model_context_window_exceeded")
    assert step(alone, plan=plan) == Compact("end", 0, 100)


SHAPED = {"schema": {"type": "object", "required": ["a", "b"]}, "attempts": 1}


def test_a_result_that_does_not_hold_is_said_back_as_often_as_allowed():
    plan = RunPlan(model="m", output=SHAPED)
    bad = answered(1, say("{}"))
    said = step(bad, plan=plan)
    assert isinstance(said, Say)
    assert said.why == "output_check"
    assert said.text.startswith("Your result does not hold: result: ")
    assert said.text.endswith(". Give the whole result again.")
    told = said.text.removeprefix("Your result does not hold: ").partition(". Give")[0]
    failed = step(bad, noted(1, said.text, "output_check"), answered(2, say("{}")), plan=plan)
    assert failed == Fail("output_invalid", f"the result did not pass 2 times: {told}")
    noticed = step(bad, noted(1, said.text, "hook"), answered(2, say("{}")), plan=plan)
    assert isinstance(noticed, Say)


def test_at_most_five_problems_are_told():
    rules = [{"field": name, "min": 1} for name in "abcdefg"]
    said = step(answered(1, say("{}")), plan=RunPlan(model="m", output={"rules": rules}))
    told = "; ".join(f"{name}: it is missing" for name in "abcde")
    assert said == Say(
        f"Your result does not hold: {told}. Give the whole result again.", "output_check"
    )


def judging(**judge):
    return RunPlan(model="m", output={"judge": judge, "attempts": 1})


BAD = "Your result does not hold: the judge says: so. Give the whole result again."


@pytest.mark.parametrize(
    ("verdicts", "judge", "follows"),
    [
        ([], {}, Judge("x")),
        (["unreadable"], {}, Judge("x")),
        (
            ["unreadable"] * 2,
            {},
            Fail("judge_unreadable", "the judge could not be read 2 times: so"),
        ),
        (["pass"], {}, Finish("x")),
        (["unreadable", "pass"], {}, Finish("x")),
        (["unreadable", "unreadable", "pass"], {}, Finish("x")),
        (["pass", "fail"], {}, Finish("x")),
        (["fail", "pass"], {}, Say(BAD, "output_check")),
        (
            ["fail"],
            {"on_fail": "fail"},
            Fail("output_invalid", "the judge did not pass the result: so"),
        ),
    ],
)
def test_the_first_verdict_that_can_be_read_decides(verdicts, judge, follows):
    records = [answered(1, say("x")), *(judged(1, one) for one in verdicts)]
    assert step(*records, plan=judging(**judge)) == follows


def test_what_was_done_so_far_is_its_words_and_what_its_calls_came_to():
    talk = Conversation(
        [
            answered(1, say("first"), use("a", "pay", order="o1"), use("b", "ship")),
            result(1, "a", "paid"),
            answered(2, say("then")),
        ]
    )
    whole = 'first\npay({"order":"o1"}): paid\nship({}): no answer came\nthen'
    assert talk.so_far(len(whole)) == whole
    assert talk.so_far(len(whole) - 1) == f"[cut]{whole[1:]}"
    assert Conversation([]).so_far(9) == ""
