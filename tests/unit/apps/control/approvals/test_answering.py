"""Whose answer a question takes: by rule, by quorum, by time, by who left it to whom."""

import dataclasses

import pytest

from holdfast.apps.control.operator_file import Operator
from holdfast.core.proofs import key_of
from holdfast.model.approvals import ApprovalState as A
from holdfast.model.approvals import Need, Step
from holdfast.model.operators import Role
from tests.control_house import ADMIN, ONE_TENANT, House, S, served
from tests.unit.apps.control.test_who_may import Named

PEOPLE = {"mia": Role.APPROVER, "leo": Role.OPERATOR, "ann": Role.APPROVER, "vic": Role.VIEWER}
TEXT = (
    ONE_TENANT
    + """
tenants: {default: {users: {'*': {}}}}
approvals:
  groups: {money: [mia, leo, ann], leads: [zoe]}
"""
)
MONEY = Need(rule="money", by=("group:money",))


class People(Named):
    def all(self):
        more = [Operator("zoe", key_of("hfo_zoe").hex(), 1, Role.APPROVER)]
        far = [Operator("far", key_of("hfo_far").hex(), 1, Role.APPROVER, ("elsewhere",))]
        named = [Operator(n, key_of(f"hfo_{n}").hex(), 1, role) for n, role in PEOPLE.items()]
        return named + more + far


def told(main, *needs, user="carol", text=TEXT, **fields):
    async def run(house: House):
        house.deps = dataclasses.replace(house.deps, operators=People())
        session, _ = await house.opened(user=user)
        one = await house.asked(session, needs=needs, **fields)
        await main(house, one)

    served(run, text)


async def says(house, one, who, verb="approve", **body):
    token = ADMIN if who == "admin" else f"hfo_{who}"
    given = {"digest": one.digest} if verb != "delegate" else {}
    return await house.call(
        "POST", f"/v1/approvals/{one.approval_id}/{verb}", given | body, token=token
    )


def test_a_rule_says_whose_yes_it_takes_and_anybody_may_say_no():
    async def main(house, one):
        for who in ("zoe", "admin", "vic"):
            refused = await says(house, one, who)
            assert refused.status_code == 403, who
        assert "it is for: `group:money`" in (await says(house, one, "zoe")).text
        assert (await says(house, one, "mia")).json()["state"] == A.APPROVED
        assert (await says(house, one, "zoe", "deny")).json()["state"] == A.DENIED

    told(main, MONEY)


def test_two_people_say_yes_and_the_same_one_never_counts_twice():
    async def main(house, one):
        first = (await says(house, one, "mia", note="I looked")).json()
        assert (first["state"], [y["by"] for y in first["yes"]]) == (A.PENDING, ["mia"])
        again = await says(house, one, "mia")
        assert again.status_code == 409
        assert "said yes already" in again.text
        assert (await says(house, one, "leo")).json()["state"] == A.APPROVED
        answered = [r.body for r in house.store.journal if r.kind == "approval.answered"]
        assert [(b["by"], b.get("missing", 0)) for b in answered] == [("mia", 1), ("leo", 0)]

    told(main, Need(rule="money", by=("group:money",), quorum=2))


def test_one_no_ends_a_question_that_others_said_yes_to():
    async def main(house, one):
        await says(house, one, "mia")
        assert (await says(house, one, "leo", "deny")).json()["state"] == A.DENIED
        assert (await says(house, one, "ann")).status_code == 409

    told(main, Need(rule="money", by=("group:money",), quorum=3))


def test_nobody_answers_what_binds_themselves_but_the_owner_where_a_rule_says_so():
    async def bound(house, one):
        refused = await says(house, one, "ann")
        assert refused.status_code == 403
        assert "binds themselves" in refused.text

    async def owner(house, one):
        assert (await says(house, one, "zoe")).status_code == 403
        assert (await says(house, one, "ann")).json()["state"] == A.APPROVED

    told(bound, MONEY, user="ann")
    told(bound, user="ann")
    told(owner, Need(rule="own", by=("owner", "mia")), user="ann")


def test_the_owner_is_one_voice_beside_that_of_others():
    async def main(house, one):
        assert (await says(house, one, "ann")).json()["state"] == A.PENDING
        assert (await says(house, one, "leo")).json()["state"] == A.APPROVED

    told(main, Need(rule="own", by=("owner",)), MONEY, user="ann")


def test_whom_it_is_for_leave_it_to_another_whose_voice_is_theirs():
    async def main(house, one):
        assert (await says(house, one, "zoe", "delegate", to="mia")).status_code == 403
        left = await says(house, one, "mia", "delegate", to="zoe")
        assert left.status_code == 200, left.text
        assert (await says(house, one, "mia")).json()["state"] == A.PENDING
        # Both speak for mia.
        assert (await says(house, one, "zoe")).json()["state"] == A.PENDING
        assert (await says(house, one, "leo")).json()["state"] == A.APPROVED
        assert [r.body["to"] for r in house.store.journal if r.kind == "approval.delegated"] == [
            "zoe"
        ]

    told(main, Need(rule="money", by=("mia", "leo"), quorum=2))


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("vic", "is no operator who may answer"),
        ("nobody", "is no operator who may answer"),
        ("far", "does not act in"),
        ("ann", "binds themselves"),
    ],
)
def test_a_voice_is_left_to_nobody_who_could_not_answer(to, why):
    async def main(house, one):
        refused = await says(house, one, "mia", "delegate", to=to)
        assert refused.status_code == 403
        assert why in refused.text

    told(main, Need(rule="money", by=("mia",)), user="ann")


def test_the_next_group_may_answer_once_it_was_asked_for_so_long():
    async def main(house, one):
        assert (await says(house, one, "zoe")).status_code == 403
        house.clock.at_ns += 61 * S
        assert (await says(house, one, "zoe")).json()["state"] == A.APPROVED

    step = Step(after_s=60, to=("group:leads",))
    told(main, Need(rule="money", by=("mia",), escalate=(step,)))


def test_the_admin_answers_where_those_who_are_named_are_too_few():
    async def few(house, one):
        assert (await says(house, one, "admin")).json()["state"] == A.APPROVED

    async def enough(house, one):
        assert (await says(house, one, "admin")).status_code == 403

    told(few, Need(rule="own", by=("ann", "vic", "far", "gone")), user="ann")
    told(enough, Need(rule="own", by=("ann", "leo")), user="ann")
    told(enough, Need(rule="own", by=("role:approver",)))


def test_neither_a_session_nor_a_key_answers():
    async def main(house, one):
        _, token = await house.opened(user="dora")
        asked = {"name": "k", "agent": "desk", "budget": ["usd=1"], "users": ["x"]}
        key = (await house.call("POST", "/v1/keys", asked)).json()["key"]
        for secret in (token, key):
            for verb in ("approve", "deny", "delegate"):
                answer = await house.call(
                    "POST",
                    f"/v1/approvals/{one.approval_id}/{verb}",
                    {"digest": one.digest} if verb != "delegate" else {"to": "mia"},
                    token=secret,
                )
                assert answer.status_code in (401, 403), (verb, answer.text)
        assert (await house.approvals.get(one.approval_id)).state is A.PENDING

    told(main)
