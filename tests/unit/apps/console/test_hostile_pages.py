"""Pages that hold words of strangers: a question, a session's story, a run, an answer of the journal."""

import html
import re
from typing import Any

import pytest

from holdfast.model.approvals import Need, Step
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.events import Kind, Record
from holdfast.model.tools import Idempotency
from tests.corpora.hostile_texts import HONEST, HOSTILE
from tests.visiting import Browser, visited

KEPT = [text for text in HOSTILE if "\ud800" not in text]
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\x00\x07\x08\x1b\x7f\x9b\u2028]")


def reason(text: str) -> Reason:
    return Reason(stage="risk", verdict=Verdict.ASK, code="risk.high", text=text, rule=text)


def safe(text: str) -> None:
    """Whatever stands on the page, it acts on nothing, hides nothing and moves nothing."""
    assert HIDDEN.search(text) is None
    page = re.sub(r"<script defer src=[^>]*></script>", "", text)
    assert "<script" not in page
    assert not re.search(r"<(img src=x|svg/onload)|<h1>APPROVED", page)
    assert not re.search(r"<[^>]*\s(on\w+|hx-trigger='load)=", page)


@pytest.mark.parametrize("text", KEPT, ids=range(len(KEPT)))
def test_what_a_model_says_is_shown_and_does_nothing(tmp_path, text):
    async def main(browser: Browser) -> None:
        house = browser.house
        session_id, _ = await house.opened()
        tool = text[:40].replace("\x00", "")
        asked = {"to": text, "deep": {"list": [text]}}
        fields = {"arguments": asked, "tool": tool, "resource": text, "reasons": (reason(text),)}
        one = await house.asked(session_id, tainted_by=text, note=text, **fields)
        flat: dict[str, Any] = {
            "tenant": "default",
            "session": session_id,
            "turn": 1,
            "call_id": "c1",
        }
        told = [
            Record(kind=Kind.PROMPT_SUBMITTED, at_ns=1, body={"text": text}, **flat),
            Record(
                kind=Kind.TOOL_CALL_DECIDED,
                at_ns=2,
                tool=tool,
                verdict="deny",
                body={
                    "arguments": asked,
                    "reasons": [{**vars_of(reason(text)), "verdict": "deny"}],
                },
                **flat,
            ),
            Record(
                kind=Kind.TOOL_CALL_FINISHED,
                at_ns=3,
                tool=tool,
                body={"ok": False, "error": text, "output": text},
                **flat,
            ),
            Record(kind=Kind.SESSION_PAUSED, at_ns=4, body={"reason": text, "by": text}, **flat),
        ]
        await house.store.commit(told)
        await browser.sign_in()
        for place in (f"approvals/{one.approval_id}", "approvals", f"sessions/{session_id}"):
            page = await browser.http.get(f"/console/{place}")
            assert page.status_code == 200, page.text
            safe(page.text)

    visited(tmp_path, main)


def vars_of(one: Reason) -> dict[str, str]:
    return {"stage": one.stage, "code": one.code, "text": one.text, "rule": one.rule}


def test_honest_words_are_shown_as_they_are(tmp_path):
    async def main(browser: Browser) -> None:
        house = browser.house
        session_id, _ = await house.opened()
        given = {f"a{number}": text for number, text in enumerate(HONEST)}
        one = await house.asked(session_id, arguments=given)
        await browser.sign_in()
        page = html.unescape((await browser.http.get(f"/console/approvals/{one.approval_id}")).text)
        # A tab has a sign of its own, as in a terminal.
        shown = [text.replace("\t", "⇥   ") for text in HONEST]
        assert [text for text in shown if text not in page] == []

    visited(tmp_path, main)


def test_a_question_says_whose_yes_it_takes_and_may_be_left_to_another(tmp_path):
    async def main(browser: Browser) -> None:
        session_id, _ = await browser.house.opened()
        step = Step(after_s=60, to=("role:admin",))
        need = Need(rule="money", by=("admin", "kim"), quorum=2, escalate=(step,))
        one = await browser.house.asked(session_id, needs=(need,), times=3)
        await browser.sign_in()
        place = f"approvals/{one.approval_id}"
        page = (await browser.http.get(f"/console/{place}")).text
        assert "2 of: admin or kim" in page
        assert "after 60 s also role:admin" in page
        assert "3 times" in page
        left = await browser.post(place, answer="delegate", to="nobody-of-this-name")
        assert left.status_code in (403, 404)
        said = await browser.post(place, answer="approve", digest=one.digest, note="a look")
        assert said.status_code == 303, said.text
        page = (await browser.http.get(f"/console/{place}")).text
        assert "admin said yes, 1 more has to" in page
        assert "a look" in page
        assert (await browser.post(place, answer="perhaps")).status_code == 400
        assert (
            await browser.http.post(f"/console/{place}", data={"answer": "deny"})
        ).status_code == 403

    visited(tmp_path, main)


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_an_effect_that_nobody_knows_of_is_settled_with_a_reason(tmp_path, outcome):
    async def main(browser: Browser) -> None:
        house = browser.house
        session_id, _ = await house.opened()
        entry = EffectEntry(
            tenant="default",
            key="k<1>",
            session=session_id,
            call_id="c1",
            tool="pay",
            idempotency=Idempotency.ONCE,
            state=EffectState.UNKNOWN,
            intended_at_ns=1,
            changed_at_ns=1,
        )
        await house.journal.commit([], [entry])
        await browser.sign_in()
        page = (await browser.http.get("/console/runs")).text
        assert 'value="k&lt;1&gt;"' in page
        fields = {"tenant": "default", "key": "k<1>", "outcome": outcome}
        assert (await browser.post("runs/settle", **fields, reason=" ")).status_code == 400
        assert (await browser.post("runs/settle", **{**fields, "outcome": "x"})).status_code == 400
        done = await browser.post("runs/settle", **fields, reason="the bank says so")
        assert done.status_code == 303, done.text
        found = await house.store.effect("default", "k<1>")
        assert found is not None
        assert (found.state, found.resolved_by) == (outcome, "admin")
        assert "k&lt;1&gt;" not in (await browser.http.get("/console/runs")).text

    visited(tmp_path, main)


def test_every_page_is_whole_where_there_is_nothing_yet(tmp_path):
    async def main(browser: Browser) -> None:
        await browser.sign_in()
        for place in ("fleet", "approvals", "budgets", "runs", "runs?show=all", "audit", "keys"):
            page = await browser.http.get(f"/console/{place}")
            assert page.status_code == 200, page.text
            assert page.text.count("<h1") == 1, place
        for place in ("sessions/ses_x", "approvals/apr_x", "runs/run_x", "keys/x"):
            page = await browser.http.get(f"/console/{place}")
            assert page.status_code == 404, place
            assert "That was not done" in page.text

    visited(tmp_path, main)
