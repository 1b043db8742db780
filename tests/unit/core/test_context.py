"""When a context is full, to the percent, and what is given up then, for every strategy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.context import (
    ContextSettings,
    ContextUse,
    Due,
    Smaller,
    compaction_due,
    context_percent,
)
from holdfast.model.bodies import ModelCallSettled


def due(percents, *, pruned=0, full=False, first=1, **given):
    settings = ContextSettings(window_tokens=100, **{"keep_turns": 2} | given)
    kept = [(first + at, {"input_tokens": one}) for at, one in enumerate(percents)]
    return compaction_due(settings, kept, pruned_before=pruned, full=full)


def test_every_kind_of_token_fills_the_window():
    usage = {
        "input_tokens": 1,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 300,
        "output_tokens": 4_000,
        "novel_tokens": 50_000,
    }
    assert context_percent(ContextSettings(window_tokens=100), usage) == 4_321
    assert context_percent(ContextSettings(window_tokens=1_000), usage) == 432
    assert context_percent(ContextSettings(), usage) == 0
    assert context_percent(ContextSettings(window_tokens=1), {"input_tokens": None}) == 0


@pytest.mark.parametrize(("percent", "asked"), [(79, False), (80, True), (81, True)])
def test_a_limit_is_reached_at_its_percent(percent, asked):
    assert (due([1, 1, percent]) is not None) is asked


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Due("prune_tool_results", 3, 90)),
        ({"strategy": "keep_last"}, Due("keep_last", 3, 90)),
        ({"strategy": "summarise"}, Due("summarise", 3, 90)),
        ({"strategy": "hand_off"}, Due("hand_off", 5, 90)),
        ({"strategy": "end"}, Due("end", 0, 90)),
        ({"keep_turns": 1}, Due("prune_tool_results", 4, 90)),
        ({"keep_turns": 3}, Due("prune_tool_results", 2, 90)),
        ({"keep_turns": 4}, None),
        ({"keep_turns": 5}, None),
        ({"keep_turns": 4, "full": True}, Due("end", 0, 100)),
        ({"full": True}, Due("prune_tool_results", 3, 100)),
        ({"strategy": "end", "full": True}, Due("end", 0, 100)),
        ({"pruned": 2}, Due("prune_tool_results", 3, 90)),
        ({"pruned": 3}, Due("keep_last", 3, 90)),
        ({"pruned": 4}, Due("keep_last", 3, 90)),
        ({"limit_percent": 91}, None),
        ({"limit_percent": 90}, Due("prune_tool_results", 3, 90)),
    ],
)
def test_what_is_given_up_of_four_turns_that_fill_nine_tenths(given, expected):
    assert due([1, 1, 1, 90], **given) == expected


def test_the_last_answer_alone_says_how_full_it_is():
    assert due([95, 95, 10]) is None
    assert due([]) is None
    assert due([], full=True) is None


def test_of_turns_that_are_left_the_oldest_is_the_border_that_may_not_be_passed():
    assert due([1, 1, 90], first=7, keep_turns=1) == Due("prune_tool_results", 9, 90)
    assert due([1, 90], first=7, keep_turns=2) is None
    assert due([90], first=7, keep_turns=1) is None
    assert due([90], first=7, strategy="hand_off") == Due("hand_off", 8, 90)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6), st.integers(1, 8), st.integers(0, 8))
def test_pruning_is_asked_for_only_where_it_gives_up_more_than_before(percents, keep, pruned):
    asked = due(percents, keep_turns=keep, pruned=pruned)
    oldest_kept = max(len(percents) - keep, 0) + 1
    if asked is None:
        assert percents[-1] < 80 or oldest_kept == 1
    elif asked.strategy == "prune_tool_results":
        assert asked == Due("prune_tool_results", oldest_kept, percents[-1])
        assert oldest_kept > pruned
    else:
        assert asked == Due("keep_last", oldest_kept, percents[-1])
        assert 1 < oldest_kept <= pruned


def test_the_usual_settings_are_said():
    assert ContextSettings() == ContextSettings(
        window_tokens=0,
        alert_percent=80,
        limit_percent=80,
        strategy="prune_tool_results",
        keep_turns=5,
        summary_model="",
        summary_tokens=1_024,
    )


def test_an_alert_comes_when_a_context_comes_to_its_percent_and_again_after_it_fell():
    use = ContextUse()
    told = [use.answered("", percent, 80, tools=True) for percent in (79, 80, 90, 10, 80)]
    assert told == [False, True, False, False, True]
    assert ContextUse().answered("", 100, 0, tools=True) is False


def test_contexts_are_told_apart_by_path_and_by_having_tools():
    use = ContextUse()
    for path, tools in (("", True), ("", False), ("sub", True)):
        assert use.answered(path, 85, 80, tools=tools) is True
        assert use.answered(path, 85, 80, tools=tools) is False


def test_the_percentage_shown_is_that_of_the_conversation_itself():
    use = ContextUse()
    assert use.percent == 0
    use.answered("sub", 30, 80, tools=True)
    assert use.percent == 30
    use.answered("", 20, 80, tools=False)
    assert use.percent == 20
    use.answered("", 10, 80, tools=True)
    use.answered("other", 99, 80, tools=True)
    assert use.percent == 10


def test_the_fill_that_was_heard_of_longest_ago_is_let_go_past_sixty_four_and_was_told_all_the_same():
    use = ContextUse()
    for at in range(64):
        use.answered(f"p{at}", 85, 80, tools=True)
    assert use.answered("p0", 85, 80, tools=True) is False
    use.answered("new", 85, 80, tools=True)
    assert len(use._percents) == 64
    assert ("p1", True) not in use._percents
    assert use.answered("p0", 85, 80, tools=True) is False
    assert use.answered("p1", 85, 80, tools=True) is False


def settled(**body):
    return ModelCallSettled.read(body)


def test_what_a_record_says_is_taken_in_and_alerts_nobody():
    use = ContextUse()
    use.recorded(settled(context_percent=85, tools=True, agent_path="sub"), 80)
    assert use.percent == 85
    assert use.answered("sub", 90, 80, tools=True) is False
    assert use.answered("sub", 90, 80, tools=False) is True
    use.recorded(settled(context_percent="85"))
    use.recorded(settled())
    assert use.percent == 90
    use.recorded(settled(context_percent=7))
    assert use.percent == 7


def shows(use, *requests, tools=True, path=""):
    """What is seen of requests, each by how its conversation begins and how many messages it has."""
    return [use.smaller(path, opens, count, tools=tools) for opens, count in requests]


GAVE_UP = {
    "a summary in place of all": [("a", 1), ("a", 3), ("a", 5), ("b", 1)],
    "a summary and the last messages": [("a", 9), ("a", 7), ("b", 3)],
    "its oldest messages, one at a time": [("a", 5), ("b", 5)],
    "twice": [("a", 5), ("b", 3), ("b", 5), ("c", 1)],
}
WENT_ON = {
    "it grows": [("a", 1), ("a", 3), ("a", 5)],
    "it is sent again": [("a", 5), ("a", 5)],
    "it goes back a few messages": [("a", 9), ("a", 5)],
    "its beginning is spelled otherwise, and it grows": [("a", 5), ("b", 7)],
    "single questions": [("a", 1), ("b", 1), ("c", 1)],
    "two conversations in turn": [("a", 1), ("b", 1), ("a", 9), ("b", 3), ("a", 11), ("b", 5)],
    "the old one comes back": [("a", 9), ("a", 11), ("a", 3)],
    "nothing is known of how it begins": [("", 9), ("", 1)],
}


@pytest.mark.parametrize("what", GAVE_UP)
def test_that_a_client_gave_up_messages_is_seen_without_its_word(what):
    assert shows(ContextUse(), *GAVE_UP[what])[-1] is not None


@pytest.mark.parametrize("what", WENT_ON)
def test_a_conversation_that_goes_on_is_the_same(what):
    assert shows(ContextUse(), *WENT_ON[what])[1:] == [None] * (len(WENT_ON[what]) - 1)


def test_what_was_given_up_is_told_once_with_how_full_it_was():
    use = ContextUse()
    shows(use, ("a", 9))
    use.answered("", 93, 80, tools=True)
    assert shows(use, ("b", 3), ("b", 3), ("b", 5)) == [Smaller(9, 3, 93), None, None]


def test_each_context_has_conversations_of_its_own():
    use = ContextUse()
    shows(use, ("a", 9))
    assert shows(use, ("t", 1), tools=False) == [None]
    assert shows(use, ("s", 1), path="sub") == [None]
    assert shows(use, ("b", 1)) == [Smaller(9, 1, 0)]


def test_of_many_conversations_the_oldest_are_let_go():
    use = ContextUse()
    shows(use, *[(f"c{at}", at) for at in range(1, 20)])
    assert len(use._shown[("", True)]) == 8
    for at in range(100):
        shows(use, ("a", 1), path=f"p{at}")
    assert len(use._shown) == 64


def test_what_was_shown_is_known_again_from_the_records():
    use = ContextUse()
    use.recorded(settled(context_percent=93, tools=True, opens="a", messages=9))
    assert shows(use, ("b", 3)) == [Smaller(9, 3, 93)]
    carried = ContextUse()
    carried.carried_on(settled(context_percent=93, tools=True, opens="a", messages=9))
    assert (carried.percent, shows(carried, ("b", 3))) == (0, [Smaller(9, 3, 0)])
