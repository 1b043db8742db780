"""What a call without a final usage is charged, where no byte of it was seen."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.metering import Reading
from holdfast.runtime.pricing import Quote
from holdfast.runtime.purse import Paid, Purse, tranche_tokens

HELD = 30_000
TOKENS_PER_S = 500
TRANCHE_TOKENS = tranche_tokens(TOKENS_PER_S) or 0


def bound_after(
    seconds: float, *, stream: bool, opaque: bool, reading: Reading | None = None
) -> int:
    """Output tokens charged for a call that was abandoned after so many seconds."""

    async def main() -> int:
        request: Any = SimpleNamespace(stream=stream, opaque=opaque, cached=False, cached_1h=False)
        quote = Quote(
            model="m", input_tokens=10, in_nusd=1, out_nusd_per_token=1, context_tokens=100
        )
        paid = Paid(
            hold_id="hld_1",
            quote=quote,
            request=request,
            output_tokens=HELD,
            held_output_tokens=HELD,
            started_s=asyncio.get_running_loop().time() - seconds,
            timeout_s=60.0,
            agent_path="",
        )
        live: Any = SimpleNamespace(turn=0, paying={})
        nobody: Any = None
        purse = Purse(live, paid, nobody, nobody, nobody, max_tokens_per_s=TOKENS_PER_S)
        return purse._bounded(reading or Reading()).output_tokens

    return asyncio.run(main())


def test_what_is_billed_unseen_is_charged_by_the_time_it_had():
    tokens = bound_after(20, stream=True, opaque=True)
    assert 20 * TOKENS_PER_S + TRANCHE_TOKENS <= tokens < HELD


@pytest.mark.parametrize("opaque", [False, True])
def test_an_answer_in_one_piece_that_is_left_may_have_run_to_the_end(opaque):
    assert bound_after(0.4, stream=False, opaque=opaque) == HELD


@pytest.mark.parametrize("opaque", [False, True])
def test_an_error_before_any_output_leaves_none_to_be_billed(opaque):
    nothing = Reading(failed=True, saw_usage=True)
    assert bound_after(20, stream=True, opaque=opaque, reading=nothing) == 0


@pytest.mark.parametrize("opaque", [False, True])
def test_an_error_behind_output_is_charged_for_no_less_than_its_bytes(opaque):
    some = Reading(failed=True, saw_usage=True, opened=True, output_bytes=700)
    assert bound_after(0, stream=True, opaque=opaque, reading=some) == 700


def test_a_stream_of_visible_text_is_charged_by_its_bytes_and_a_tranche():
    assert bound_after(20, stream=True, opaque=False) == TRANCHE_TOKENS


def test_no_bound_is_more_than_what_was_held():
    assert bound_after(3_600, stream=False, opaque=False) == HELD


def test_without_word_of_the_provider_s_speed_there_are_no_tranches():
    assert tranche_tokens(None) is None
    assert tranche_tokens(512) == 2048
    assert (tranche_tokens(1) or 0) >= 512
