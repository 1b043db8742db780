"""The same request with the same key makes one thing, whenever, however often, and for one sender."""

import asyncio
from typing import Any

import pytest

from holdfast.apps.control.app import ALL
from holdfast.model.events import Kind
from tests.control_house import ADMIN, ONE_TENANT, House, served

OPEN = {"agent": "desk", "user": "ann"}
CLERK = ONE_TENANT.replace("tasks:", "  clerk: {model: claude-sonnet-5-5, tools: []}\ntasks:")
KEY = {"idempotency-key": "8e03978e"}


def counted(house: House, kind: Kind) -> int:
    return sum(record.kind is kind for record in house.store.journal)


async def posted(house: House, path: str, body: Any, key: str = "", **more: Any) -> Any:
    headers = {"idempotency-key": key} if key else {}
    return await house.call("POST", path, body, headers=headers, **more)


async def submitted(house: House, key: str = "", prompt: str = "count") -> Any:
    return await posted(house, "/v1/runs", OPEN | {"agent": "clerk", "prompt": prompt}, key)


def test_a_session_that_is_opened_again_with_its_key_is_the_same_with_the_same_token():
    async def main(house: House):
        first = await posted(house, "/v1/sessions", OPEN, "k1")
        again = await posted(house, "/v1/sessions", OPEN, "k1")
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()
        assert counted(house, Kind.SESSION_OPENED) == counted(house, Kind.ADMIN_ACTED) == 1
        live = await house.sessions.authenticate(again.json()["token"])
        assert live.session.session_id == first.json()["session"]["session_id"]

    served(main, CLERK)


def test_without_a_key_and_with_another_one_another_is_opened():
    async def main(house: House):
        answers = [await posted(house, "/v1/sessions", OPEN, key) for key in ("", "", "k1", "k2")]
        ids = {answer.json()["session"]["session_id"] for answer in answers}
        tokens = {answer.json()["token"] for answer in answers}
        assert len(ids) == len(tokens) == 4

    served(main, CLERK)


def test_a_key_is_found_again_after_the_server_began_again():
    async def main(house: House):
        first = (await posted(house, "/v1/sessions", OPEN, "k1")).json()
        run = (await submitted(house, "k1")).json()
        house.restart(CLERK)
        assert (await posted(house, "/v1/sessions", OPEN, "k1")).json()["token"] == first["token"]
        assert (await submitted(house, "k1")).json()["run_id"] == run["run_id"]
        assert counted(house, Kind.RUN_SUBMITTED) == 1

    served(main, CLERK)


def test_many_that_come_at_once_make_one():
    async def main(house: House):
        asked = [posted(house, "/v1/sessions", OPEN, "k1") for _ in range(12)]
        asked += [submitted(house, "k1") for _ in range(12)]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json().get("token") for answer in answers[:12]}) == 1
        assert len({answer.json().get("run_id") for answer in answers[12:]}) == 1
        assert counted(house, Kind.SESSION_OPENED) == 2
        assert counted(house, Kind.RUN_SUBMITTED) == 1

    served(main, CLERK)


def test_a_key_that_comes_with_another_request_is_refused_and_makes_nothing():
    async def main(house: House):
        await posted(house, "/v1/sessions", OPEN, "k1")
        before = len(house.store.journal)
        other = await posted(house, "/v1/sessions", OPEN | {"ttl_s": 60}, "k1")
        assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert other.json()["error"]["retryable"] is False
        assert len(house.store.journal) == before

    served(main, CLERK)


def test_the_order_of_fields_makes_no_other_request():
    async def main(house: House):
        first = await house.call("POST", "/v1/sessions", OPEN, headers=KEY)
        turned = dict(reversed(OPEN.items()))
        assert (
            await house.call("POST", "/v1/sessions", turned, headers=KEY)
        ).json() == first.json()

    served(main, CLERK)


def test_one_key_is_one_for_each_verb():
    async def main(house: House):
        opened = (await posted(house, "/v1/sessions", OPEN, "k1")).json()
        run = (await submitted(house, "k1")).json()
        assert run["session"] != opened["session"]["session_id"]

    served(main, CLERK)


def test_a_run_is_queued_and_said_once_and_shown_as_it_stands():
    async def main(house: House):
        run = (await submitted(house, "k1")).json()
        await posted(house, f"/v1/runs/{run['run_id']}/cancel", {})
        again = (await submitted(house, "k1")).json()
        assert (again["run_id"], again["state"]) == (run["run_id"], "cancelled")
        said = [r.body["action"] for r in house.store.journal if r.kind is Kind.ADMIN_ACTED]
        assert said == ["run.submit", "run.cancel"]
        assert (await submitted(house, "k1", "count again")).status_code == 422

    served(main, CLERK)


def test_a_run_is_done_again_once_for_each_key():
    async def main(house: House):
        run = (await submitted(house)).json()
        path = f"/v1/runs/{run['run_id']}"
        await posted(house, f"{path}/cancel", {})
        why = {"reason": "once more"}
        ids = [
            (await posted(house, f"{path}/retry", why, key)).json()["run_id"]
            for key in ("k1", "k1", "k2", "")
        ]
        assert ids[0] == ids[1]
        assert len({*ids, run["run_id"]}) == 4
        elsewhere = f"/v1/runs/{ids[2]}"
        await posted(house, f"{elsewhere}/cancel", {})
        assert (await posted(house, f"{elsewhere}/retry", why, "k1")).status_code == 422

    served(main, CLERK)


def test_what_was_refused_is_asked_anew():
    async def main(house: House):
        assert (await posted(house, "/v1/sessions", {"agent": "x", "user": "a"}, "k1")).is_error
        assert (await posted(house, "/v1/sessions", OPEN, "k1")).status_code == 200

    served(main, CLERK)


def test_a_session_whose_token_was_replaced_is_not_handed_out_again():
    async def main(house: House):
        opened = (await posted(house, "/v1/sessions", OPEN, "k1")).json()
        live = house.live(opened["session"]["session_id"])
        house.sessions.renew(live, live.session.expires_at_ns)
        await house.journal.commit([], [live.session])
        again = await posted(house, "/v1/sessions", OPEN, "k1")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")

    served(main, CLERK)


@pytest.mark.parametrize("keys", [[""], ["a b"], ["é"], ["x" * 256], ["a", "b"], ["a", "a"]])
def test_what_is_no_key_is_refused(keys):
    async def main(house: House):
        headers: Any = [(b"idempotency-key", key.encode("latin-1")) for key in keys]
        headers += [(b"authorization", f"Bearer {ADMIN}".encode())]
        headers += [(b"content-type", b"application/json")]
        answer = await house.call_raw("POST", "/v1/sessions", OPEN, headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "idempotency-key"
        assert not house.store.journal

    served(main, CLERK)


def test_every_verb_that_makes_something_takes_a_key():
    keyed = {one.name for one in ALL if one.keyed}
    assert keyed == {"open_session", "submit_run", "retry_run", "fork_run"}
