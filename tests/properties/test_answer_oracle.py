"""What is settled for an answer is never below what an independent oracle says it is billed."""

import pytest

from tests.answer_oracle import Maker, fault, judge


@pytest.mark.parametrize("start", [0, 10_000, 700_000])
def test_no_answer_settles_below_its_bill_and_none_that_says_all_is_called_inexact(start):
    judged = judge(range(start, start + 150))
    assert [found for one in judged if (found := fault(one))] == []


def test_the_oracle_itself_is_not_a_bound_too_low():
    """Answers that say all are settled at the bill, nearly all of them to the nano-dollar."""
    judged = [one for one in judge(range(300)) if one.case.told and not one.case.unpriced]
    same = [one for one in judged if one.settled_nusd - one.case.bill_nusd <= 2]
    assert len(judged) > 60
    assert len(same) > 0.95 * len(judged)


def test_every_vendor_and_every_ending_is_made():
    made = {Maker(seed).case().what for seed in range(2_000)}
    endings = {"complete", "error", "early", "gone", "leaves"}
    wanted = {f"{v} {e}" for v in ("anthropic", "bedrock", "vertex") for e in endings}
    assert made == wanted | {"whole", "whole left"}
