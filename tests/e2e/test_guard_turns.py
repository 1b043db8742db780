"""Two tenants at one guard: one floods it, the other gets its turn, and a kill waits for nobody."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from holdfast.testing.project import SETTINGS, Opened, RunningProject
from tests.served import emitted, figure, turned_down

TENANT = '{projects: {support: {}}, users: {"*": {roles: [support]}}}'
LOOSE = "{warn_turns: 997, alert_turns: 998, max_turns: 999, max_tool_calls: 99999}"
WHOLE = (
    SETTINGS.replace(
        "tenants:\n",
        f"tenants:\n  loud: {TENANT}\n"
        f"  paced: {TENANT.replace('{projects', '{max_decisions_per_s: 2, projects')}\n",
    )
    .replace("tokens: none}}", "tokens: none}}\n  loop: " + LOOSE)
    .replace("limits: {project:", "limits: {task: {tool_calls: none}, project:")
)
# Fewer than the connections that may wait unknown for long: beyond those the oldest give way.
FLOOD = 300
QUIET = 5


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p"), settings=WHOLE) as running:
        yield running


def calls(project: RunningProject, session: Opened, count: int) -> list[dict[str, Any]]:
    """Bodies of requests for a decision, each about a call that the model made."""
    wanted = [{"tool": "lookup", "input": {"order": str(n)}} for n in range(count)]
    blocks = emitted(project, session, *wanted, max_tokens=60_000)
    return [{"call_id": b["id"], "tool": b["name"], "arguments": b["input"]} for b in blocks]


def well(project: RunningProject) -> None:
    """The server answers, and wrote no trace."""
    health = project.call("GET", "/healthz", token="").json
    assert (health["status"], health["policy"]) == ("ok", "ok")
    assert "Traceback" not in project.said(), project.said()


class Crowd:
    """Decisions asked for all at once, each on a connection of its own."""

    def __init__(self, project: RunningProject, http: aiohttp.ClientSession) -> None:
        self._url = f"{project.url}/v1/guard/decide"
        self._http = http
        self.answers: list[tuple[int, dict[str, Any]]] = []

    async def ask(self, session: Opened, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {session.token}"}
        async with self._http.post(self._url, json=body, headers=headers) as reply:
            answer = reply.status, await reply.json()
        self.answers.append(answer)
        return answer

    async def flood(
        self, session: Opened, bodies: list[dict[str, Any]]
    ) -> list[asyncio.Task[tuple[int, dict[str, Any]]]]:
        """All of them under way, and the first answered."""
        tasks = [asyncio.create_task(self.ask(session, body)) for body in bodies]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks


def client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def test_while_one_tenant_floods_the_guard_another_ones_calls_are_decided_in_turn(project):
    loud, quiet = project.open(tenant="loud"), project.open(tenant="acme")
    many, few = calls(project, loud, FLOOD), calls(project, quiet, QUIET)

    async def main() -> list[int]:
        async with client() as http:
            crowd, beside = Crowd(project, http), Crowd(project, http)
            tasks = await crowd.flood(loud, many)
            before = []
            for body in few:
                status, answer = await beside.ask(quiet, body)
                assert (status, answer["verdict"]) == (200, "allow")
                before.append(len(crowd.answers))
            done = await asyncio.gather(*tasks)
            assert {(status, answer["verdict"]) for status, answer in done} == {(200, "allow")}
            return before

    before = asyncio.run(main())
    figure(f"{QUIET} decisions of the quiet tenant came after {before} of {FLOOD} of the loud one")
    assert before[-1] < FLOOD / 2
    well(project)


def test_kill_under_a_flood_is_done_before_the_flood_is_and_leaves_it_no_permit(project):
    loud, quiet = project.open(tenant="loud"), project.open(tenant="acme")
    many = calls(project, loud, FLOOD)
    calls(project, quiet, 1)
    receipts: list[dict[str, Any]] = []

    def kill() -> None:
        reply = project.call("POST", f"/v1/sessions/{loud.session_id}/kill", {"reason": "a test"})
        receipts.append(reply.json)

    async def main() -> tuple[int, list[tuple[int, dict[str, Any]]]]:
        async with client() as http:
            crowd = Crowd(project, http)
            tasks = await crowd.flood(loud, many)
            killing = threading.Thread(target=kill)
            killing.start()
            await asyncio.to_thread(killing.join)
            answered = len(crowd.answers)
            return answered, list(await asyncio.gather(*tasks))

    answered, done = asyncio.run(main())
    [receipt] = receipts
    figure(f"killed in {receipt['total_ms']} ms, after {answered} of {FLOOD} were answered")
    assert receipt["state"] == "killed"
    assert all(lever["ok"] for lever in receipt["levers"]), receipt
    permits = [answer for status, answer in done if status == 200 and answer["permit"]]
    refused = {answer["error"]["code"] for status, answer in done if status != 200}
    assert refused == {"session_stopped"}
    assert len(permits) < FLOOD / 2
    for answer in permits[:3]:
        fields = {"permit": answer["permit"], "tool": "lookup"} | {
            "call_id": many[0]["call_id"],
            "arguments": many[0]["arguments"],
        }
        reply = project.call("POST", "/v1/guard/redeem", fields, token=loud.token)
        turned_down(reply, 403, "session_stopped")
    well(project)


def test_tenant_beyond_its_rate_waits_or_is_told_when_and_no_other_does(project):
    paced, quiet = project.open(tenant="paced"), project.open(tenant="acme")
    many, [one] = calls(project, paced, 40), calls(project, quiet, 1)

    async def main() -> tuple[int, list[tuple[int, dict[str, Any]]]]:
        async with client() as http:
            crowd = Crowd(project, http)
            tasks = await crowd.flood(paced, many)
            status, _ = await Crowd(project, http).ask(quiet, one)
            assert status == 200
            answered = sum(status == 200 for status, _ in crowd.answers)
            return answered, list(await asyncio.gather(*tasks))

    answered, done = asyncio.run(main())
    assert answered < 20
    refused = [answer["error"] for status, answer in done if status != 200]
    assert refused
    for error in refused:
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert float(error["retry_after_s"]) > 0
    allowed = sum(status == 200 for status, _ in done)
    assert 2 <= allowed < 30
    # What was refused was not decided: it may be asked for again.
    left = [body for body, (status, _) in zip(many, done, strict=True) if status != 200]
    again = project.decide(paced, left[0]["call_id"], "lookup", left[0]["arguments"])
    assert again.status == 200, again.body
    counted, told = 0, []
    for _ in range(100):
        told = project.records(tenant="paced", kind="tool_call.limited")
        counted = sum(record["body"]["refused"] for record in told)
        if counted >= len(refused):
            break
        time.sleep(0.1)
    assert counted == len(refused)
    assert {record["tenant"] for record in told} == {"paced"}
    assert len(told) < len(refused)
    well(project)
