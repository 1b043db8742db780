"""A decision made again from its record: what policy is asked, and what is said of the rest."""

from typing import Any

import pytest

from holdfast.apps.control.policy import replaying
from holdfast.model.decisions import PolicyRequest
from holdfast.model.events import Kind
from holdfast.runtime.digests import digest_of
from holdfast.testing.memory_policy import forbid, permit
from tests.control_house import ADMIN, TWO_TENANTS, House, served

ARGUMENTS = {"path": "a.txt"}
VERSION = "sha256:then"


def reason(stage, verdict, code="permission_denied", rule=""):
    return {"stage": stage, "verdict": verdict, "code": code, "text": "why", "rule": rule}


async def recorded(house: House, *reasons, verdict="allow", call="c1", who=None, **ours: Any):
    """One decision in the journal, of a session of ann's."""
    session = house.live((await house.opened(user="ann"))[0]) if who is None else who
    body = {"door": "http", "arguments": ARGUMENTS, "resource": "", "reasons": list(reasons)}
    told = {
        "digest": digest_of(ARGUMENTS),
        "policy_version": VERSION,
        "tainted": False,
        "policy_asked": {"at_ns": 5, "tainted": True},
    } | ours
    flat = {"call_id": call, "decision_id": f"dec_{call}", "tool": "Read", "risk": "MEDIUM"}
    record = house.journal.record_as_told(
        Kind.TOOL_CALL_DECIDED, session.who, body | told, verdict=verdict, **flat
    )
    await house.journal.commit([record])
    return session


async def asked(house: House, decision="dec_c1", **more):
    return await house.call("POST", "/v1/policy/replay", {"decision": decision, **more})


@pytest.mark.parametrize("name", ["dec_c1", "c1"])
def test_the_question_is_that_of_the_record_to_the_letter(name):
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        session = await recorded(house, task="refunds")
        again = (await asked(house, name)).json()
        assert (again["verdict"], again["again"]) == ("allow", "allow")
        assert again["same"]
        assert again["exact"]
        [sent] = house.policy.replayed
        assert (sent.version, sent.files) == (VERSION, None)
        [question] = sent.questions
        who = session.who
        assert (question.session, question.user, question.agent) == (who.session, "ann", "desk")
        assert (question.action, question.input, question.resource) == (
            "Read",
            ARGUMENTS,
            "tool:Read",
        )
        assert (question.tainted, question.at_ns, question.risk) == (True, 5, "MEDIUM")
        assert (question.roles, question.trust) == (who.roles, who.trust)

    served(main)


def test_the_question_has_all_that_the_session_was_opened_with():
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        place = {"tenant": "acme", "project": "shop"}
        session_id, _ = await house.opened(user="ann", task="refunds/4711", **place)
        session = house.live(session_id)
        await recorded(house, who=session, resource="file:a.txt")
        assert (await asked(house, tenant="acme")).status_code == 200
        [sent] = house.policy.replayed
        assert sent.questions == (
            PolicyRequest(
                **place,
                user="ann",
                agent="desk",
                session=session_id,
                roles=("support",),
                trust=session.who.trust,
                action="Read",
                resource="file:a.txt",
                input=ARGUMENTS,
                task_id=session.who.task,
                task={"max_refund": 50},
                tenant_attributes=session.session.tenant_attributes,
                resource_tags={},
                risk="MEDIUM",
                effect="",
                tainted=True,
                at_ns=5,
            ),
        )

    served(main, TWO_TENANTS)


def test_what_other_stages_said_keeps_its_word_and_the_strictest_verdict_wins():
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        await recorded(house, reason("risk", "ask", "risk.high"), verdict="ask")
        again = (await asked(house)).json()
        assert (again["again"], again["same"]) == ("ask", True)
        house.policy.rules = (permit("all"), forbid("no"))
        again = (await asked(house)).json()
        assert (again["again"], again["same"]) == ("deny", False)
        assert [one["stage"] for one in again["again_reasons"]] == ["risk", "policy"]

    served(main)


def test_a_no_of_policy_comes_before_what_lives_and_in_place_of_the_stages_after_it():
    async def main(house: House):
        then = (reason("risk", "ask"), reason("flow", "ask"), reason("live", "deny"))
        await recorded(house, *then, verdict="deny")
        found = []
        for rules in ((permit("all"),), (permit("all"), forbid("no"))):
            house.policy.rules = rules
            again = (await asked(house)).json()
            found.append([one["stage"] for one in again["again_reasons"]])
        assert found == [["risk", "flow", "live"], ["risk", "policy", "live"]]

    served(main)


def test_the_same_rule_with_another_verdict_is_another_answer():
    async def main(house: House):
        house.policy.rules = (permit("all"), forbid("new"))
        await recorded(house, reason("policy", "ask", rule="new"), verdict="ask")
        again = (await asked(house)).json()
        assert (again["verdict"], again["again"], again["same"]) == ("ask", "deny", False)

    served(main)


def test_another_rule_with_the_same_verdict_is_another_answer():
    async def main(house: House):
        house.policy.rules = (permit("all"), forbid("new"))
        await recorded(house, reason("policy", "deny", rule="old"), verdict="deny")
        again = (await asked(house)).json()
        assert (again["verdict"], again["again"], again["same"]) == ("deny", "deny", False)
        assert again["unasked"] == []
        house.policy.rules = (permit("all"), forbid("old"))
        assert (await asked(house)).json()["same"]

    served(main)


def test_where_policy_said_no_and_now_does_not_the_stages_after_it_are_named():
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        await recorded(house, reason("policy", "deny", rule="old"), verdict="deny")
        again = (await asked(house)).json()
        assert (again["again"], again["same"]) == ("allow", False)
        assert again["unasked"] == ["flow", "approval", "effect", "budget"]

    served(main)


def test_a_no_before_policy_is_the_same_without_a_question():
    async def main(house: House):
        await recorded(house, reason("contract", "deny"), verdict="deny", policy_version="")
        again = (await asked(house)).json()
        assert (again["again"], again["same"], again["again_version"]) == ("deny", True, "")
        assert not house.policy.replayed

    served(main)


@pytest.mark.parametrize(
    ("more", "lacks"),
    [
        ({"digest": "sha256:other"}, "secrets were taken out"),
        ({"policy_asked": None}, "moment"),
    ],
)
def test_a_question_that_is_not_the_one_of_then_is_not_called_exact(more, lacks):
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        kept = {name: value for name, value in more.items() if value is not None}
        session = house.live((await house.opened(user="ann"))[0])
        await recorded(house, who=session, **kept)
        if "policy_asked" in more:
            record = house.store.journal[-1]
            record.body.pop("policy_asked")
        again = (await asked(house)).json()
        assert not again["exact"]
        assert lacks in again["lacks"][0]

    served(main)


@pytest.mark.parametrize(
    ("reasons", "more", "status"),
    [
        ([reason("policy", "deny", "policy_unavailable")], {"policy_version": ""}, 409),
        ([], {"arguments_kept": False}, 409),
    ],
)
def test_what_cannot_be_made_again_is_refused(reasons, more, status):
    async def main(house: House):
        await recorded(house, *reasons, verdict="deny", **more)
        assert (await asked(house)).status_code == status
        assert not house.policy.replayed

    served(main)


def test_every_session_above_a_child_is_asked_too():
    async def main(house: House):
        house.policy.rules = (permit("all"), forbid("parent", lambda q: q.agent == "desk"))
        top = house.live((await house.opened(user="ann"))[0])
        draft = top.session.__class__(
            **{
                **{f: getattr(top.session, f) for f in top.session.__struct_fields__},
                "delegated_by": top.session.session_id,
                "expires_at_ns": 600,
            }
        )
        child, _ = await house.sessions.open_child(top, draft, "")
        await recorded(house, who=child)
        again = (await asked(house)).json()
        [sent] = house.policy.replayed
        assert [one.session for one in sent.questions] == [
            child.session.session_id,
            top.session.session_id,
        ]
        assert again["again"] == "deny"

    served(main)


def test_the_last_decision_of_a_call_is_meant_and_no_other_tenants():
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        session = await recorded_in(house, "acme")
        await recorded(house, reason("policy", "deny", rule="x"), verdict="deny", who=session)
        assert (await asked(house, "c1", tenant="acme")).json()["verdict"] == "deny"
        assert (await asked(house, "c1", tenant="umbra")).status_code == 404
        assert (await asked(house, "dec_c1", tenant="umbra")).status_code == 404
        assert (await asked(house, "c1")).status_code == 400
        found = await asked(house, "c1", tenant="acme", session="ses_other")
        assert found.status_code == 404

    served(main, TWO_TENANTS)


def test_a_decision_is_found_on_whatever_page_of_the_journal_it_stands(monkeypatch):
    monkeypatch.setattr(replaying, "_PAGE", 2)

    async def main(house: House):
        house.policy.rules = (permit("all"),)
        session = await recorded(house)
        for _ in range(3):
            await recorded(house, who=session)
        await recorded(house, reason("policy", "deny", rule="x"), verdict="deny", who=session)
        await recorded(house, who=session, call="c2")
        found = [(await asked(house, name)).json()["verdict"] for name in ("c1", "dec_c2")]
        assert found == ["deny", "allow"]

    served(main)


async def recorded_in(house, tenant):
    session_id, _ = await house.opened(user="ann", tenant=tenant, project="shop")
    return await recorded(house, who=house.live(session_id))


def test_only_operators_ask_and_files_have_plain_names():
    async def main(house: House):
        house.policy.rules = (permit("all"),)
        session_id, token = await house.opened(user="ann")
        await recorded(house, who=house.live(session_id))
        answer = await house.call("POST", "/v1/policy/replay", {"decision": "c1"}, token=token)
        assert answer.status_code == 403
        for name in ("../x.cedar", "a/b.cedar", "x.yaml", ".cedar/../x", ""):
            assert (await asked(house, files={name: "permit"})).status_code == 400
        given = await asked(house, files={"a.cedar": "permit"})
        assert given.status_code == 200
        assert house.policy.replayed[-1].files == {"a.cedar": b"permit"}
        answer = await house.call("POST", "/v1/policy/replay", {"decision": "c1"}, token=ADMIN)
        assert answer.status_code == 200

    served(main)
