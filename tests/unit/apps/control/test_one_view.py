"""Every door shows the same of a session, and every answer is the struct that a client reads."""

from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from holdfast.apps.control import openapi
from holdfast.apps.control.app import ALL
from holdfast.apps.control.guard.routes import GuardDoor
from holdfast.apps.control.reading import Intake
from holdfast.core.sessions import Command
from tests.control_house import ONE_TENANT, House, served

CLERK = "  clerk: {model: claude-sonnet-5-5, tools: []}\ntasks:"
QUERIES: dict[str, dict[str, Any]] = {
    "show_budgets": {"session": ""},
    "list_effects": {"session": ""},
    "ask_audit": {"user": "ann", "at": "2026-11-16 12:00"},
    "list_records": {},
    "show_reach": {"everything": "true"},
}


def agents_door(house: House) -> Starlette:
    """The routes that a session's token opens; of the guard only what shows it."""
    door = GuardDoor(house.house, Intake(10_000, lambda fault: None))
    return Starlette(routes=door.routes())


async def to_its_agent(house: House, token: str) -> dict[str, Any]:
    transport = httpx2.ASGITransport(app=agents_door(house))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.get("/v1/guard/session", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


@pytest.mark.parametrize("late", [False, True])
def test_a_scoped_session_reads_the_same_to_its_agent_and_to_operators(late):
    async def main(house: House):
        session_id, token = await house.opened(scope={"path": ["src/*"]})
        live = house.live(session_id)
        live.turn, live.children = 3, ["ses_child"]
        live.vouched.taint("fetch")
        await house.sessions.change(live, Command.PAUSE, "lunch")
        house.clock.at_ns += 7 * 86_400 * 10**9 if late else 0
        mine = await to_its_agent(house, token)
        assert mine == await house.get(f"/v1/sessions/{session_id}")
        (listed,) = (await house.get("/v1/sessions"))["sessions"]
        assert mine == listed
        assert (mine["turn"], mine["children"], mine["tainted"]) == (3, ["ses_child"], True)
        assert mine["scopes"] == [{"path": ["src/*"]}]
        assert mine["state"] == ("expired" if late else "paused")

    served(main)


OPERATIONS = {one.name: one for one in ALL}


def test_every_operation_answers_with_a_view_and_the_document_says_which():
    document = openapi.document(ALL, title="t", version="1", url="http://test")
    for one in ALL:
        answer = document["paths"][one.path][one.method.lower()]["responses"]["200"]
        ref = answer["content"]["application/json"]["schema"]["$ref"]
        assert ref == f"#/components/schemas/{one.answer.__name__}", one.name
        described = document["components"]["schemas"][one.answer.__name__]["properties"]
        assert set(described) == set(one.answer.__struct_fields__), one.name


@pytest.mark.parametrize("name", [one.name for one in ALL if one.method == "GET"])
def test_what_is_looked_at_is_the_view_to_the_letter(name):
    one = OPERATIONS[name]
    kind = one.answer

    async def main(house: House):
        session_id, _ = await house.opened()
        query = {k: v or session_id for k, v in QUERIES.get(name, {}).items()}
        asked = {"agent": "clerk", "user": "ann", "prompt": "Refund it."}
        run = (await house.call("POST", "/v1/runs", asked)).json()["run_id"]
        asked_id = (await house.asked(session_id)).approval_id
        key = {"name": "ann", "agent": "desk", "budget": ["usd=1"]}
        assert (await house.call("POST", "/v1/keys", key)).status_code == 200
        known = {"session_id": session_id, "run_id": run, "approval_id": asked_id, "name": "ann"}
        named = one.path.format(**known)
        answer = await house.call(one.method, named, params=query)
        assert answer.status_code == 200, answer.text
        read = msgspec.json.decode(answer.content, type=kind)
        assert msgspec.json.encode(read) == answer.content
        assert set(answer.json()) == set(kind.__struct_fields__)

    served(main, ONE_TENANT.replace("tasks:", CLERK))
