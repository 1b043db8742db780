"""How much each reviewer is asked: what waits for them, how they answered, how long they looked."""

import dataclasses

from holdfast.model.approvals import Need
from tests.control_house import House, S, served
from tests.unit.apps.control.approvals.test_answering import MONEY, TEXT, People, says

TWO = Need(rule="two", by=("group:money",), quorum=2)


def loaded(main):
    async def run(house: House):
        house.deps = dataclasses.replace(house.deps, operators=People())
        session, _ = await house.opened(user="carol")
        await main(house, session)

    served(run, TEXT)


async def load(house, **query):
    answer = await house.call("GET", "/v1/approval-load", params=query)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return told, {one["name"]: one for one in told["reviewers"]}


async def ask(house, session, number, *needs, **more):
    return await house.asked(
        session, approval_id=f"apr_{number}", digest=f"sha256:{number}", needs=needs, **more
    )


def test_what_waits_is_counted_for_each_whom_it_is_for():
    async def main(house, session):
        for number in range(3):
            await ask(house, session, number, MONEY)
        await ask(house, session, 3)
        told, by = await load(house)
        assert told["pending"] == 4
        assert {name: one["pending"] for name, one in by.items()} == {
            "mia": 4,
            "leo": 4,
            "ann": 4,
            "zoe": 1,
            "admin": 1,
        }
        assert by["mia"]["answered"] == 0

    loaded(main)


def test_answers_are_timed_from_the_question_and_looks_from_the_first():
    async def main(house, session):
        for number, (waits_s, looks_s, verb) in enumerate(
            ((10, 4, "approve"), (30, 6, "approve"), (90, 0, "deny"))
        ):
            one = await ask(house, session, number, MONEY)
            house.clock.at_ns += (waits_s - looks_s) * S
            for _ in range(2 if looks_s else 0):
                await house.call("GET", f"/v1/approvals/{one.approval_id}", token="hfo_mia")
            house.clock.at_ns += looks_s * S
            assert (await says(house, one, "mia", verb)).status_code == 200
        _, by = await load(house)
        assert (by["mia"]["answered"], by["mia"]["approved"]) == (3, 2)
        assert round(by["mia"]["median_answer_s"]) == 30
        assert round(by["mia"]["median_look_s"]) == 5
        assert "leo" not in by

    loaded(main)


def test_a_yes_of_several_is_counted_for_each_and_waits_for_others_alone():
    async def main(house, session):
        one = await ask(house, session, 1, TWO)
        await says(house, one, "mia")
        _, by = await load(house)
        assert (by["mia"]["approved"], by["mia"]["pending"]) == (1, 0)
        assert by["leo"]["pending"] == 1

    loaded(main)


def test_what_is_older_is_left_out():
    async def main(house, session):
        await ask(house, session, 1, MONEY, asked_at_ns=house.clock.now_ns() - 3600 * S)
        told, _ = await load(house, last_s=1800)
        assert told["pending"] == 0
        told, _ = await load(house, last_s=7200)
        assert told["pending"] == 1
        told, _ = await load(house, tenant="elsewhere")
        assert told["reviewers"] == []

    loaded(main)
