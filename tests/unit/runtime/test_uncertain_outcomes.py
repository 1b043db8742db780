"""What must not happen twice does not, whatever a session says of its own calls."""

import asyncio

import pytest

from holdfast.core.effects import NOT_RUN, REFUSALS
from holdfast.model.attempts import Next
from holdfast.model.effects import EffectState
from holdfast.model.events import Kind
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import Effect, EffectKey, Idempotency
from holdfast.runtime.attempts import Found, Retry
from tests.unit.runtime.house import CONTRACTS, House, contract

ASKED = {"order": "7"}
ERRORS = {"locked": "the order is locked, nothing was paid"}
CLASSES = tuple(
    contract(f"pay_{i}", Effect.COMMIT, RiskLevel.LOW, idempotency=i, errors=ERRORS)
    for i in Idempotency
)
SHELL = contract(
    "shell",
    Effect.COMMIT,
    RiskLevel.LOW,
    idempotency=Idempotency.ONCE,
    effect_key=EffectKey.CALL,
)
GUARDED = [Idempotency.ONCE, Idempotency.PROBE]
REPEATED = [Idempotency.IDEMPOTENT, Idempotency.KEYED]


def played(scenario):
    async def main():
        home = House(contracts=(*CONTRACTS, *CLASSES, SHELL))
        await scenario(home, await home.open())

    asyncio.run(main())


def again(home, live, tool, found):
    retry = Retry(call_id="c1", tool=tool, arguments=ASKED, door="test", found=found)
    return home.attempts.again(live, retry)


@pytest.mark.parametrize("tried", range(3))
def test_no_word_of_a_session_opens_a_second_try_at_what_must_not_happen_twice(tried):
    async def scenario(home, live):
        ruling = await home.decide(live, "c1", "pay_once", ASKED)
        for _ in range(tried):
            await again(home, live, "pay_once", Found.NOTHING_KNOWN)
        attempt = await again(home, live, "pay_once", Found.NOTHING_HAPPENED)
        assert (attempt.next, attempt.ruling) == (Next.PARKED, None)
        entry = await home.store.effect("acme", ruling.effect_key)
        assert entry.state is EffectState.UNKNOWN
        second = await home.decide(live, "c2", "pay_once", ASKED)
        assert second.message.startswith("outcome_unknown: ")
        # An operator's word does.
        await home.effects.resolve(
            live, entry, done=False, output=None, by="mia", reason="looked at the bank"
        )
        assert (await again(home, live, "pay_once", Found.NOTHING_KNOWN)).next is Next.EXECUTE

    played(scenario)


@pytest.mark.parametrize("kind", GUARDED)
@pytest.mark.parametrize(
    "report",
    [
        {"error": "TimeoutError: "},
        {"error": "the agent stopped before the call reported"},
        {"error": "locked", "code": "undeclared"},
        {"error": "http_500", "code": "http_500"},
        {"error": "http_409", "code": "http_409"},
        {"error": "x", "uncertain": True, "code": "locked"},
    ],
)
def test_a_failure_without_a_declared_error_is_unknown_and_the_second_ask_is_refused(kind, report):
    async def scenario(home, live):
        tool = f"pay_{kind}"
        ruling = await home.decide(live, "c1", tool, ASKED)
        await home.finish(live, "c1", ok=False, **report)
        assert (await home.store.effect("acme", ruling.effect_key)).state is EffectState.UNKNOWN
        assert [r.call_id for r in home.written(Kind.EFFECT_UNKNOWN)] == ["c1"]
        second = await home.decide(live, "c2", tool, ASKED)
        assert second.message.startswith("outcome_unknown: ")

    played(scenario)


@pytest.mark.parametrize("kind", GUARDED)
@pytest.mark.parametrize("code", ["locked", *sorted(REFUSALS)[:3], "service_unreachable"])
def test_a_declared_error_is_a_no_and_the_effect_may_be_asked_for_again(kind, code):
    async def scenario(home, live):
        tool = f"pay_{kind}"
        await home.decide(live, "c1", tool, ASKED)
        await home.finish(live, "c1", ok=False, error="no", code=code)
        assert (await home.decide(live, "c2", tool, ASKED)).permit

    played(scenario)


@pytest.mark.parametrize("redeemed", [True, False])
def test_a_call_was_not_run_only_while_its_permit_is_unused(redeemed):
    async def scenario(home, live):
        ruling = await home.decide(live, "c1", "pay_once", ASKED)
        if redeemed:
            await home.guard.redeem(live, ruling.permit, "c1", "pay_once", ASKED)
        await home.finish(live, "c1", ok=False, error="not run", code=NOT_RUN)
        second = await home.decide(live, "c2", "pay_once", ASKED)
        assert bool(second.permit) is not redeemed

    played(scenario)


@pytest.mark.parametrize("kind", REPEATED)
def test_what_may_happen_twice_is_tried_again_after_any_failure(kind):
    async def scenario(home, live):
        await home.decide(live, "c1", f"pay_{kind}", ASKED)
        await home.finish(live, "c1", ok=False, error="TimeoutError: ")
        assert (await home.decide(live, "c2", f"pay_{kind}", ASKED)).permit

    played(scenario)


def test_a_command_that_fails_is_its_own_effect_and_leaves_nothing_for_a_person():
    async def scenario(home, live):
        for n in range(3):
            ruling = await home.decide(live, f"c{n}", "shell", ASKED)
            assert ruling.permit
            await home.finish(live, f"c{n}", ok=False, error="exit code 1")
            entry = await home.store.effect("acme", ruling.effect_key)
            assert entry.state is EffectState.FAILED
        assert not home.written(Kind.EFFECT_UNKNOWN)

    played(scenario)
