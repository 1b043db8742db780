"""What is reported of a permitted call, and what a further attempt at one comes to."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import json
from typing import Any

import msgspec
import pytest

from holdfast.core.news import news_of
from holdfast.core.sessions import Command
from holdfast.errors import (
    Conflict,
    PermitInvalid,
    PolicyUnavailable,
    RateLimited,
    SessionStopped,
)
from holdfast.model.attempts import Next
from holdfast.model.budgets import Dimension
from holdfast.model.decisions import PolicyAnswer, Verdict
from holdfast.model.effects import EffectState
from holdfast.model.hooks import HookAnswer, HookInput, HookPoint, Recovery
from holdfast.model.tools import CallState
from holdfast.ports.store import EffectFilter
from holdfast.runtime.attempts import Attempt, Found, Retry
from holdfast.runtime.digests import digest_of
from holdfast.runtime.outcomes import Outcomes, Shown
from tests.unit.runtime.alone.desk import draft, limit
from tests.unit.runtime.alone.gatehouse import BOOK, Gatehouse

CALLS = Dimension.TOOL_CALLS
SECRET = "AKIA" + "A" * 16


def hook(seen=None, point=HookPoint.POST_TOOL, **answer):
    async def answered(given):
        await asyncio.sleep(0)
        if seen is not None:
            seen.append(given)
        return HookAnswer(**answer)

    return {point: (("h", answered),)}


async def allowed(house, tool="look", arguments=None):
    live = await house.seat(limit(CALLS, 9))
    ruling = await house.decide(live, "c1", tool, arguments or {})
    assert ruling.permit
    return live


@pytest.mark.parametrize("ok", [True, False])
def test_outcome_is_told_whole_settles_its_hold_and_is_progress(ok):
    async def main():
        house: Any = Gatehouse()
        heard: list[str] = []
        house.outcomes = Outcomes(
            house.house,
            contracts=BOOK,
            hooks=house.hooks,
            points=house.house.points,
            got_on=lambda session: [heard.append(session)][:0],
        )
        live = await allowed(house)
        live.running["c1"] = {}
        before, seq = live.calls["c1"], house.seq
        shown = await house.finish(
            live,
            "c1",
            ok=ok,
            output={"n": SECRET},
            error="e" * 3_000,
            duration_ms=7,
            replaced=["r" * 300] * 12,
        )
        told = "" if ok else f"tool_execution_failed: {'e' * 3_000}"
        assert shown == Shown({"n": SECRET}, "", None, None, told)
        state = CallState.EXECUTED if ok else CallState.FAILED
        assert live.calls["c1"] == msgspec.structs.replace(
            before, state=state, denial=told, quotes=not ok
        )
        assert await house.store.calls(live.session.session_id) == [live.calls["c1"]]
        assert live.running == {}
        assert live.deciding == set()
        assert heard == [live.session.session_id]
        assert house.budgets.ledger.open_holds() == []
        assert [s.settled for s in house.budgets.ledger.all_states(0)] == [1]
        shown_output = '{"n":"<secret:aws_key>"}'
        assert house.since(seq, live.who) == [
            {
                "kind": "tool_call.finished",
                "turn": 2,
                "call_id": "c1",
                "decision_id": before.decision_id,
                "tool": "look",
                "body": {
                    "output": shown_output,
                    "error": "e" * 2_000,
                    "contract": [],
                    "replaced": ["r" * 200] * 10,
                    "ok": ok,
                    "output_digest": digest_of({"n": SECRET}),
                    "news": news_of(
                        json.dumps({"n": SECRET}, separators=(",", ":"))
                        + ("" if ok else f" {'e' * 2_000}")
                    ),
                    "output_bytes": len('{"n":""}') + len(SECRET),
                    "duration_ms": 7,
                },
            }
        ]
        with pytest.raises(Conflict) as twice:
            await house.finish(live, "c1")
        assert twice.value.fields == {"call_id": "c1"}

    asyncio.run(main())


@pytest.mark.parametrize(
    "change",
    [{"state": CallState.EMITTED}, {"session": "ses_other"}, {"deciding": True}, {"gone": True}],
)
def test_only_a_sessions_own_running_call_has_an_outcome(change):
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house)
        if "deciding" in change:
            live.deciding.add("c1")
        elif "gone" in change:
            live.calls.clear()
        else:
            live.calls["c1"] = msgspec.structs.replace(live.calls["c1"], **change)
        seq = house.seq
        with pytest.raises(Conflict) as refused:
            await house.finish(live, "c1")
        assert refused.value.message == "no running call of that id"
        assert house.since(seq) == []
        if "gone" in change:
            with pytest.raises(Conflict) as long:
                await house.finish(live, "c" * 300)
            assert long.value.fields == {"call_id": "c" * 200}

    asyncio.run(main())


def test_output_without_canonical_form_is_told_by_a_digest_of_none_and_breaches_of_contract_are():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "order", {"order": "7"})
        await house.finish(live, "c1", output={"n": 2**70})
        body = house.store.journal[-1].body
        assert (body["output"], body["output_bytes"]) == ("", 0)
        for ok in (True, False):
            other = await allowed(house, "order", {"order": "7"})
            await house.finish(other, "c1", ok=ok, output={"m": 1})
            assert len(house.store.journal[-1].body["contract"]) == int(ok)

    asyncio.run(main())


def test_long_output_is_told_up_to_twenty_thousand_characters():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house)
        await house.finish(live, "c1", output="x y " * 10_000)
        body = house.store.journal[-1].body
        assert len(body["output"]) == 20_000
        assert body["output_bytes"] == 40_002

    asyncio.run(main())


def test_what_the_model_reads_is_kept_clean_in_the_same_commit_in_place_of_the_output():
    async def main():
        house: Any = Gatehouse()
        for long in (False, True):
            live = await allowed(house)
            seq = house.seq
            content = f"use {SECRET}" + (" and so on" * 2_000 if long else "")
            shown = await house.finish(live, "c1", output="raw", content=content)
            clean = content.replace(SECRET, "<secret:aws_key>")
            assert shown == Shown("raw", "", clean)
            assert live.answers == {"c1": clean}
            finished, answered = house.since(seq, live.who)
            assert finished["body"]["output"] == ""
            assert answered == {
                "kind": "run.tool_answered",
                "turn": 2,
                "call_id": "c1",
                "tool": "look",
                "body": {"content": clean, "is_error": False},
            }

    asyncio.run(main())


def test_failed_call_is_an_error_to_the_model():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house)
        await house.finish(live, "c1", ok=False, content="no")
        told = {"content": "tool_execution_failed: no", "is_error": True}
        assert house.store.journal[-1].body == told


@pytest.mark.parametrize(
    ("code", "error", "reads"),
    [
        ("", "RuntimeError: boom", "tool_execution_failed: RuntimeError: boom"),
        ("tool_timeout", "tool_timeout: too late", "tool_timeout: too late"),
        ("tool_died", "it ended", "tool_died: it ended"),
        ("http_503", "busy", "http_503: busy"),
        ("full", "full: no room", "full: no room"),
        ("full", "", "full: the tool gave no reason"),
        ("", "full: no room", "full: no room"),
        ("", "Error: full: no room", "full: no room"),
        ("", "tool_timeout: says who", "tool_execution_failed: tool_timeout: says who"),
        (
            "",
            "made_up: trust me",
            "tool_execution_failed: `asks` failed with a code that its contract does not declare",
        ),
        (
            "made_up",
            "made_up: trust me",
            "tool_execution_failed: `asks` failed with a code that its contract does not declare",
        ),
    ],
)
def test_a_failure_reads_alike_at_every_door_and_only_under_a_code_that_somebody_declared(
    code, error, reads
):
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "asks")
        shown = await house.finish(live, "c1", ok=False, error=error, code=code)
        assert (shown.withheld, shown.reads, live.calls["c1"].denial) == ("", reads, reads)

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, "what was read"])
def test_hook_that_objects_withholds_the_result_everywhere_and_what_was_done_stands(content):
    async def main():
        seen: list[HookInput] = []
        house: Any = Gatehouse(hooks=hook(seen, verdict=Verdict.DENY, code="pii", reason="names"))
        live = await allowed(house, "keyed", {"a": 1})
        seq = house.seq
        shown = await house.finish(live, "c1", output={"n": 1}, content=content)
        call = live.calls["c1"]
        text = (
            "pii: this call was made, and its result is withheld: names"
            f" (rule h) [{call.decision_id}]"
        )
        assert shown == Shown(text, text, text if content is not None else None, None, text)
        assert (call.state, call.denial) == (CallState.EXECUTED, text)
        entry = await house.effects.find("acme", call.effect_key)
        assert (entry.state, entry.output) == (EffectState.DONE, text)
        assert [(one.tool, one.call_id, one.arguments, one.output, one.ok) for one in seen] == [
            ("keyed", "c1", {"a": 1}, {"n": 1}, True)
        ]
        kinds = [one["kind"] for one in house.since(seq)]
        if content is None:
            assert kinds == ["hook.ran", "tool_call.finished"]
            assert live.answers == {}
        else:
            assert kinds == ["hook.ran", "tool_call.finished", "run.tool_answered"]
            assert house.store.journal[-1].body == {"content": text, "is_error": True}
            assert live.answers == {"c1": text}

    asyncio.run(main())


@pytest.mark.parametrize("output", ["fine", {"m": "fine"}])
def test_hook_that_rewrites_is_what_is_shown_recorded_and_kept_and_the_raw_one_is_marked(output):
    async def main():
        house: Any = Gatehouse(hooks=hook(output=output))
        live = await allowed(house, "keyed")
        raw = "a line with the name of ann in it\nand one more of the same length"
        shown = await house.finish(live, "c1", output=raw, content=raw)
        told = output if isinstance(output, str) else '{"m": "fine"}'
        assert shown == Shown(output, "", told)
        assert live.calls["c1"].rewritten
        assert (await house.effects.find("acme", live.calls["c1"].effect_key)).output == output
        assert live.answers == {"c1": told}
        other = await allowed(house, "keyed")
        await house.finish(other, "c1", ok=False, output=raw, content=raw)
        assert other.calls["c1"].rewritten == ()
        assert other.answers == {"c1": told}

    asyncio.run(main())


def test_call_that_failed_is_seen_by_the_hooks_of_errors_after_those_of_outcomes():
    async def main():
        seen: list[HookInput] = []
        house: Any = Gatehouse(
            hooks=hook(seen, output=1) | hook(seen, HookPoint.ON_ERROR, recovery=Recovery.SKIP)
        )
        live = await allowed(house)
        shown = await house.finish(live, "c1", ok=False, output=0, error="why")
        assert [(str(one.point), one.output, one.ok, one.detail) for one in seen] == [
            ("post_tool", 0, False, "why"),
            ("on_error", 1, False, "why"),
        ]
        assert (shown.output, shown.withheld, shown.recovery) == (1, "", Recovery.SKIP)
        seen.clear()
        other = await allowed(house)
        await house.finish(other, "c1")
        assert [str(one.point) for one in seen] == ["post_tool"]

    asyncio.run(main())


def test_denial_that_the_model_has_read_meanwhile_stays():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house)
        live.calls["c1"] = msgspec.structs.replace(live.calls["c1"], denial="read before")
        shown = await house.finish(live, "c1", output=1)
        assert shown == Shown("read before", "read before", None, None, "read before")
        assert live.calls["c1"].denial == "read before"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tool", "fields", "state"),
    [
        ("keyed", {"ok": True}, EffectState.DONE),
        ("once", {"ok": False}, EffectState.UNKNOWN),
        ("once", {"ok": True, "uncertain": False}, EffectState.DONE),
        ("keyed", {"ok": False, "uncertain": True}, EffectState.UNKNOWN),
        ("asks", {"ok": False, "code": "full"}, EffectState.FAILED),
        ("asks", {"ok": False, "code": "other"}, EffectState.UNKNOWN),
        ("once", {"ok": False, "code": "not_run"}, EffectState.FAILED),
    ],
)
def test_failure_leaves_an_effect_open_unless_its_contract_says_what_it_means(tool, fields, state):
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, tool)
        await house.finish(live, "c1", **fields)
        key = live.calls["c1"].effect_key
        assert (await house.effects.find("acme", key)).state is state
        assert live.effects == {}

    asyncio.run(main())


def test_results_that_bring_nothing_new_are_an_alert():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        for number in range(9):
            await house.decide(live, f"c{number}", "look", {"n": number})
            await house.finish(live, f"c{number}", output="same")
        assert house.written_kinds().count("loop.alert") == 1
        assert house.written_kinds()[-2:] == ["tool_call.finished", "loop.alert"]

    asyncio.run(main())


@pytest.mark.parametrize(("vouched", "child"), [(True, False), (False, False), (True, True)])
def test_prompt_is_told_and_vouches_where_a_user_may_have_typed_it(vouched, child):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        if child:
            wanted = draft(delegated_by=live.session.session_id, depth=1)
            live, _ = await house.sessions.open_child(live, wanted, "")
        live.progress._in_a_row = 3
        seq = house.seq
        text = "pay bob@shop.com " + "x " * 20_000
        await house.outcomes.prompt(live, text, vouched=vouched)
        believed = vouched and not child
        body = {"text": text[:20_000]} | ({} if believed else {"vouched": False})
        assert house.since(seq, live.who) == [{"kind": "prompt.submitted", "body": body}]
        assert live.vouched.typed("bob@shop.com") == believed
        assert live.progress._in_a_row == 0

    asyncio.run(main())


def test_sixty_prompts_a_minute_are_as_many_as_a_session_takes():
    async def main():
        house: Any = Gatehouse()
        live, other = await house.seat(), await house.seat()
        for _ in range(60):
            await house.outcomes.prompt(live, "x")
        with pytest.raises(RateLimited) as refused:
            await house.outcomes.prompt(live, "x")
        assert refused.value.fields == {"retry_after_s": 60}
        assert refused.value.message == "a session takes 60 prompts a minute"
        await house.outcomes.prompt(other, "x")
        house.clock.advance(60)
        await house.outcomes.prompt(live, "x")
        await house.sessions.change(live, Command.PAUSE, "")
        with pytest.raises(SessionStopped):
            await house.outcomes.prompt(live, "x")

    asyncio.run(main())


def retry(tool, **fields):
    given: dict[str, Any] = {"call_id": "c1", "tool": tool, "arguments": {}, "door": "t"}
    return Retry(**(given | fields))


@pytest.mark.parametrize(
    ("tool", "found", "after"),
    [
        ("look", Found.NOTHING_KNOWN, Next.EXECUTE),
        ("keyed", Found.NOTHING_KNOWN, Next.EXECUTE),
        ("asks", Found.NOTHING_KNOWN, Next.PROBE),
        ("asks", Found.CANNOT_TELL, Next.PARKED),
        ("asks", Found.NOTHING_HAPPENED, Next.EXECUTE),
        ("asks", Found.HAPPENED, Next.ANSWERED),
        ("once", Found.NOTHING_KNOWN, Next.PARKED),
        ("once", Found.NOTHING_HAPPENED, Next.PARKED),
        ("once", Found.HAPPENED, Next.ANSWERED),
        ("keyed", Found.CANNOT_TELL, Next.EXECUTE),
        ("keyed", Found.GIVEN_UP, Next.PARKED),
        ("asks", Found.GIVEN_UP, Next.PARKED),
        ("once", Found.GIVEN_UP, Next.PARKED),
    ],
)
def test_what_follows_a_lost_answer_is_its_tools_class_to_say(tool, found, after):
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, tool)
        before, seq = live.calls["c1"], house.seq
        attempt = await house.attempts.again(
            live, retry(tool, found=found, output={"n": 1}, error="it was killed")
        )
        assert (attempt.next, attempt.effect_key) == (after, before.effect_key)
        call = live.calls["c1"]
        told = house.since(seq, live.who)
        used = sum(s.settled for s in house.budgets.ledger.all_states(0))
        if after is Next.EXECUTE:
            assert attempt.ruling is not None
            assert attempt.ruling.permit
            assert (attempt.attempt, attempt.message) == (2, "")
            assert (call.state, call.attempts) == (CallState.ALLOWED, 2)
            assert call.hold_id != before.hold_id
            assert call.permit_id != before.permit_id
            retried = {
                "kind": "tool_call.retried",
                "turn": 2,
                "call_id": "c1",
                "tool": tool,
                "body": {"attempt": 2, "error": "it was killed"},
            }
            assert told[0] == retried
            assert told[-1]["body"]["again"] is True
            assert used == 1
        elif after is Next.ANSWERED:
            assert attempt.entry is not None
            assert (attempt.entry.output, attempt.attempt) == ({"n": 1}, 1)
            assert call.state is CallState.EXECUTED
        else:
            assert (attempt.attempt, attempt.message) == (
                1,
                "it is not known whether this call took effect",
            )
            body = {"key": before.effect_key, "why": "it was killed", "attempt": 1}
            assert told == [{"kind": "effect.unknown", "call_id": "c1", "tool": tool, "body": body}]
            assert call == before

    asyncio.run(main())


def test_attempt_without_a_word_says_that_its_executor_ended():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "once")
        await house.attempts.again(live, retry("once"))
        why = "the executor ended before it could report"
        assert house.store.journal[-1].body["why"] == why

    asyncio.run(main())


def test_call_that_nobody_decided_is_decided_and_one_that_was_reported_is_not_tried_again():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 9))
        house.emit(live, "c1", "keyed", {})
        first = await house.attempts.again(live, retry("keyed"))
        assert (first.next, first.attempt) == (Next.EXECUTE, 1)
        assert first.ruling is not None
        assert "again" not in house.store.journal[-1].body
        await house.finish(live, "c1", output=5)
        done = await house.attempts.again(live, retry("keyed"))
        assert (done.next, done.entry.output) == (Next.ANSWERED, 5)
        house.emit(live, "c2", "look", {})
        await house.attempts.again(live, retry("look", call_id="c2"))
        await house.finish(live, "c2")
        with pytest.raises(Conflict) as reported:
            await house.attempts.again(live, retry("look", call_id="c2"))
        assert reported.value.message == "the outcome of this call was reported"
        assert reported.value.fields == {"call_id": "c2"}

    asyncio.run(main())


@pytest.mark.parametrize("change", [{"call_id": "c9"}, {"tool": "fetch"}, {"session": "ses_o"}])
def test_only_the_sessions_own_call_is_tried_again(change):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", "look", {}, session=change.get("session", live.session.session_id))
        asked = {k: v for k, v in change.items() if k != "session"}
        with pytest.raises(PermitInvalid) as refused:
            await house.attempts.again(live, retry(asked.pop("tool", "look"), **asked))
        assert refused.value.message == "the model made no such call in this session"
        house.emit(live, "c1", "look", {})
        live.deciding.add("c1")
        with pytest.raises(Conflict) as deciding:
            await house.attempts.again(live, retry("look"))
        assert deciding.value.fields == {"call_id": "c1"}
        await house.sessions.change(live, Command.PAUSE, "")
        with pytest.raises(SessionStopped):
            await house.attempts.again(live, retry("look"))

    asyncio.run(main())


def test_no_to_a_further_attempt_leaves_open_what_the_one_before_did():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "keyed")
        key = live.calls["c1"].effect_key
        house.policy.answer = PolicyAnswer(verdict=Verdict.DENY, text="no more")
        seq = house.seq
        attempt = await house.attempts.again(live, retry("keyed"))
        denial = live.calls["c1"].denial
        assert attempt == Attempt(
            next=Next.PARKED,
            effect_key=key,
            attempt=1,
            message="it is not known whether this call took effect",
        )
        assert denial.startswith("permission_denied: no more")
        assert house.since(seq, live.who)[-1]["body"] == {
            "key": key,
            "why": f"no further attempt was allowed: {denial}",
            "attempt": 1,
        }
        # A person settles it, and it is answered.
        entry = await house.effects.unknown_of("acme", key)
        await house.effects.resolve(live, entry, done=True, output=8, by="root", reason="")
        again = await house.attempts.again(live, retry("keyed"))
        assert (again.next, again.entry.output) == (Next.ANSWERED, 8)

    asyncio.run(main())


@pytest.mark.parametrize("tool", ["look", "keyed"])
def test_no_to_the_first_attempt_is_a_denial_also_when_it_is_asked_again(tool):
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        house.emit(live, "c1", tool, {})
        house.policy.answer = PolicyAnswer(verdict=Verdict.DENY, text="no")
        first = await house.attempts.again(live, retry(tool))
        denial = live.calls["c1"].denial
        assert (first.next, first.message, first.attempt) == (Next.DENIED, denial, 0)
        assert first.ruling is not None
        second = await house.attempts.again(live, retry(tool))
        assert second == Attempt(
            next=Next.DENIED, effect_key=live.calls["c1"].effect_key, message=denial
        )

    asyncio.run(main())


def test_effect_of_another_call_is_not_taken_for_this_ones():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        await house.decide(live, "c0", "keyed", {})
        await house.finish(live, "c0", output="of the other call")
        key = live.calls["c0"].effect_key
        house.emit(live, "c1", "keyed", {}, state=CallState.DENIED, denial="no", effect_key=key)
        found = await house.attempts.again(live, retry("keyed"))
        assert found == Attempt(next=Next.DENIED, effect_key=key, message="no")

    asyncio.run(main())


def test_repeated_effect_is_answered_with_what_was_kept():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat()
        await house.decide(live, "c0", "keyed", {})
        await house.finish(live, "c0", output="kept")
        house.emit(live, "c1", "keyed", {})
        found = await house.attempts.again(live, retry("keyed"))
        assert found.next is Next.ANSWERED
        assert found.entry is not None
        assert found.entry.output == "kept"

    asyncio.run(main())


def test_policy_that_cannot_be_asked_leaves_an_attempt_without_an_outcome_and_no_hold():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "keyed")
        before = live.calls["c1"]
        house.policy.answer = PolicyUnavailable("down")
        with pytest.raises(PolicyUnavailable):
            await house.attempts.again(live, retry("keyed"))
        assert live.calls["c1"] == msgspec.structs.replace(
            before, state=CallState.BEGUN, hold_id=""
        )
        assert await house.store.calls(live.session.session_id) == [live.calls["c1"]]
        assert house.budgets.ledger.open_holds() == []
        house.policy.answer = PolicyAnswer(verdict=Verdict.ALLOW)
        again = await house.attempts.again(live, retry("keyed", error="e" * 3_000))
        assert (again.next, again.attempt) == (Next.EXECUTE, 2)
        retried = [r for r in house.store.journal if r.kind == "tool_call.retried"]
        assert retried[-1].body["error"] == "e" * 2_000

    asyncio.run(main())


@pytest.mark.parametrize("door", ["answered", "gave up"])
def test_what_comes_after_the_time_of_the_contract_is_no_answer(door):
    """A client that knows no time-out of its own hands on what it waited for."""

    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "keyed")
        ok = door == "answered"
        shown = await house.finish(
            live, "c1", ok=ok, output="late" if ok else None, error="gone", duration_ms=61_000
        )
        assert shown.reads.startswith("tool_timeout: ")
        assert "late" not in shown.reads
        assert live.calls["c1"].state is CallState.FAILED
        (entry,) = await house.store.effects(live.session.session_id)
        assert entry.state is EffectState.UNKNOWN
        finished = next(r for r in house.store.journal if r.kind == "tool_call.finished")
        assert finished.body["ok"] is False

    asyncio.run(main())


def test_a_tool_whose_server_ended_is_dead_and_its_effect_unknown():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "keyed")
        error = "MCP error -32000: Connection closed"
        shown = await house.finish(live, "c1", ok=False, error=error)
        assert shown.reads == f"tool_died: {error}"
        (entry,) = await house.store.effects(live.session.session_id)
        assert entry.state is EffectState.UNKNOWN

    asyncio.run(main())


def test_a_call_whose_tries_were_all_lost_waits_for_a_person_and_is_then_tried_again():
    async def main():
        house: Any = Gatehouse()
        live = await allowed(house, "keyed")
        parked = await house.attempts.again(live, retry("keyed", found=Found.GIVEN_UP))
        assert parked.next is Next.PARKED
        (entry,) = await house.store.unknown_effects(EffectFilter())
        assert (entry.call_id, entry.key) == ("c1", parked.effect_key)
        again = await house.attempts.again(live, retry("keyed"))
        assert (again.next, again.effect_key) == (Next.EXECUTE, entry.key)
        assert await house.store.unknown_effects(EffectFilter()) == []

    asyncio.run(main())


@pytest.mark.parametrize(("first", "second"), [(False, False), (False, True), (True, False)])
def test_a_keyed_effect_that_was_lost_is_had_again_only_where_both_tries_hand_its_key_on(
    first, second
):
    """Whichever door tried before: one that hands no key on could do it a second time."""

    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 9))
        assert (await house.decide(live, "c1", "keyed", {}, hands_key=first)).permit
        await house.finish(live, "c1", ok=False, error="gone", code="tool_died")
        (entry,) = await house.store.unknown_effects(EffectFilter())
        again = await house.decide(live, "c2", "keyed", {}, hands_key=second)
        assert (again.permit, again.effect_key) == ("", entry.key)
        assert again.message.startswith("outcome_unknown: ")

    asyncio.run(main())


def test_a_keyed_effect_that_was_lost_is_had_again_under_its_key():
    async def main():
        house: Any = Gatehouse()
        live = await house.seat(limit(CALLS, 9))
        one = await house.decide(live, "c1", "keyed", {})
        await house.finish(live, "c1", ok=False, error="gone", code="tool_died")
        two = await house.decide(live, "c2", "keyed", {})
        assert two.permit
        assert two.effect_key == one.effect_key

    asyncio.run(main())
