"""What is a loop, what is work, and what becomes of either."""

import itertools

import msgspec

from holdfast.core.progress import FINAL_REFUSALS, REFUSALS_IN_A_ROW, Progress, Response
from holdfast.model.sessions import LoopLimits

NS = 1_000_000_000


class Day:
    """A session's calls one after the other, a second apart unless said."""

    def __init__(self, **limits: int) -> None:
        self.progress = Progress(msgspec.structs.replace(LoopLimits(), **limits))
        self.now_s = 0
        self.told: list[str] = []

    def call(self, name, result="ok", *, step_s=1, refused=()):
        """Ask for one call; run it if nothing denies it. What was found, as code and response."""
        self.now_s += step_s
        tool, _, digest = name.partition(" ")
        found = self.progress.call(tool, digest, self.now_s * NS)
        codes = [*refused, *("loop_detected" for f in found if f.response is not Response.ALERT)]
        decided = self.progress.decided(tool, digest, allowed=not codes, codes=codes)
        if not codes:
            told = self.progress.outcome(tool, digest, result, self.now_s * NS)
            self.told += [told.code] if told is not None else []
        return [f.code for f in (*found, *([decided] if decided else []))]

    def denied(self, name, result="ok", **more):
        return any(not code.endswith("_alert") for code in self.call(name, result, **more))


def test_five_orders_with_five_results_are_no_loop():
    day = Day()
    for n in range(40):
        assert not day.denied(f"look order-{n}", f"order {n}")
        assert not day.denied(f"refund order-{n}", "refunded")


def test_files_that_differ_in_a_digit_are_different_files():
    day = Day()
    for n in range(40):
        assert not day.denied(f"Write m{n}.py", "written")


def test_an_edit_and_a_test_that_goes_on_failing_are_work():
    day = Day()
    for n in range(30):
        assert not day.denied(f"Edit try-{n}", "edited")
        assert not day.denied("Bash pytest", "1 failed")


def test_a_build_that_is_polled_goes_on_while_it_tells_something_new():
    day = Day()
    for n in range(60):
        assert not day.denied("Bash gh-run-view", f"step {n // 3} of 20")


def test_a_poll_once_a_minute_goes_on_though_nothing_is_new():
    day = Day()
    for _ in range(60):
        assert not day.denied("Bash gh-run-view", "queued", step_s=60)


def test_the_same_call_with_the_same_result_is_refused_and_the_session_goes_on():
    day = Day()
    codes = [day.call("look order-7", "order 7") for _ in range(7)]
    assert codes[:3] == [[], [], []]
    assert ["loop.repeats_alert"] in codes
    assert "loop.stall" in codes[6]
    assert not day.denied("look order-8", "order 8")


def test_two_calls_in_turn_that_bring_nothing_new_are_a_stall():
    day = Day(repeat_calls=1000)
    found = [day.denied(f"t {name}", name) for name in "ABABABABAB"]
    assert found.index(True) == 7
    assert not day.denied("t C", "C")


def test_a_window_as_long_as_told_decides_what_is_a_stall():
    day = Day(repeat_calls=10**6, stall_window=20, stall_distinct=5)
    assert [day.denied(f"t {n % 5}", "same") for n in range(40)].index(True) == 25


def test_three_calls_round_and_round_are_a_cycle():
    day = Day(repeat_calls=1000)
    found = [day.denied(f"t {name}", name) for name in "ABC" * 6]
    assert found.index(True) == 3 + 11
    other = Day(repeat_calls=1000)
    results = itertools.count()
    assert not any(other.denied(f"t {name}", str(next(results))) for name in "ABC" * 20)


def test_calls_in_parallel_are_counted_before_any_has_returned():
    progress = Progress(LoopLimits())
    found = [progress.call("look", "7", n) for n in range(8)]
    assert [any(f.response is Response.DENY for f in each) for each in found] == [False] * 5 + [
        True
    ] * 3


def test_refused_calls_are_no_loop_but_the_third_refusal_is_final():
    day = Day()
    refused = ["permission_denied"]
    for _ in range(FINAL_REFUSALS):
        assert day.call("rm all", refused=refused) == []
    assert day.call("rm all") == ["loop.refused"]
    assert day.call("rm some", refused=refused) == []


def test_what_was_refused_may_be_asked_anew_after_the_user_spoke():
    day = Day()
    for _ in range(FINAL_REFUSALS):
        day.call("rm all", refused=["approval_required"])
    day.progress.prompted()
    assert day.call("rm all") == []


def test_a_call_that_could_not_be_decided_is_not_refused_for_good():
    day = Day()
    for _ in range(100):
        assert day.call("look 7", refused=["policy_unavailable"]) == []
    assert day.call("look 7") == []


def test_twenty_five_refusals_in_a_row_stop_and_one_allowed_call_begins_anew():
    day = Day()
    for n in range(REFUSALS_IN_A_ROW - 1):
        assert day.call(f"rm {n}", refused=["permission_denied"]) == []
    assert day.call("look 1") == []
    found = [day.call(f"rm x{n}", refused=["permission_denied"]) for n in range(25)]
    assert found[:-1] == [[]] * 24
    assert found[-1] == ["loop.refusals"]


def test_a_loop_that_is_refused_and_goes_on_is_stopped():
    day = Day()
    found = [day.call("look 7", "same") for _ in range(60)]
    assert "loop.refusals" in found[6 + REFUSALS_IN_A_ROW - 1]


def test_turns_and_calls_are_counted_anew_for_each_prompt_where_a_person_types():
    progress = Progress(
        LoopLimits(max_turns=4, warn_turns=2, alert_turns=3, max_tool_calls=2, each_prompt=True)
    )
    for _ in range(20):
        progress.prompted()
        codes = []
        for n in range(4):
            codes += [finding.code for finding in progress.turn_ahead()]
            progress.turn_taken()
            finding = progress.decided("t", str(n), allowed=True)
            codes += [finding.code] if finding else []
        assert codes == ["loop.turns_warning", "loop.calls_alert", "loop.turns_alert"]
    assert [finding.response for finding in progress.turn_ahead()] == [Response.STOP]


def test_turns_go_on_counting_over_prompts_where_nobody_types():
    progress = Progress(LoopLimits(max_turns=2, warn_turns=1, alert_turns=1))
    for _ in range(2):
        progress.turn_taken()
        progress.prompted()
    assert progress.turn_ahead()[0].stops


def test_a_cycle_is_seen_behind_calls_that_were_none():
    progress, digests = Progress(LoopLimits()), [*map(str, range(8)), *"ababababab"]
    found = [
        [finding.code for finding in progress.call("Read", digest, n)]
        for n, digest in enumerate(digests)
    ]
    assert found.index(["loop.cycle"]) == 8 + 2 * 4 - 1


def test_a_session_that_is_alive_and_gets_no_further_is_told_of_and_then_stops():
    day = Day(no_news_alert=8, no_news_stop=20)
    for _ in range(21):
        assert "loop.no_progress" not in day.told
        assert not day.denied("Bash gh-run-view", "queued", step_s=600)
    assert day.told[0] == "loop.no_news"
    assert day.told[-1] == "loop.no_progress"
    calm = Day(no_news_alert=8, no_news_stop=20)
    for n in range(60):
        calm.call("Bash gh-run-view", f"step {n // 15}", step_s=600)
    assert "loop.no_progress" not in calm.told


def test_a_call_that_a_hook_gave_up_is_refused_until_the_user_spoke():
    day = Day()
    day.progress.given_up("look", "7")
    assert day.call("look 7") == ["loop.given_up"]
    assert day.call("look 8") == []
    day.progress.prompted()
    assert day.call("look 7") == []
