"""A question to a person outlives every process, and its answer reaches the call that asked."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.promises.doors import DONE, DOORS, Work, call
from tests.promises.house import House, cli, fresh, until

pytestmark = pytest.mark.part("claude-code")


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house"), answers=False) as found:
        yield found


def asked(house: House, work: Work) -> dict[str, Any]:
    """The question that the work waits for."""
    found = until(
        lambda: [q for q in house.questions(work.session_id) if q["state"] == "pending"], 60
    )
    assert found, (work.said, work.records("tool_call.decided"))
    return dict(found[0])


def restart(house: House) -> None:
    """Server and workers die at once, and come back."""
    port = house.project.url.rsplit(":", 1)[1]
    for worker in house.workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait(15)
    workers, house.workers[:] = len(house.workers), []
    house.project.stop(signal.SIGKILL)
    house.project.start("--port", port)
    for _ in range(workers):
        house.worker()


def answer(house: House, question: dict[str, Any], verb: str, code: int = 200) -> None:
    path = f"/v1/approvals/{question['approval_id']}/{verb}"
    told = house.project.call("POST", path, {"digest": question["digest"], "note": "seen"})
    assert told.status == code, told.body


@pytest.mark.parametrize("verb", ["approve", "deny"])
@pytest.mark.parametrize("name", ["runs", "loop"])
def test_what_waits_goes_on_once_after_server_and_worker_were_killed(house, name, verb):
    door, order = DOORS[name](house), fresh("order")
    work = door.begin(call("close_account", order), DONE)
    question = asked(house, work)
    calls = len(house.requests(work.marker))
    restart(house)
    again = asked(house, work)
    assert (again["approval_id"], again["digest"]) == (question["approval_id"], question["digest"])
    assert work.acts("close_account", order) == []
    assert len(house.requests(work.marker)) == calls, "it used tokens while it waited"
    assert [a["held"] for a in house.project.accounts(work.session_id) if a["held"]] == []
    answer(house, again, verb)
    work.wait()
    assert not work.failed, work.said
    assert len(work.acts("close_account", order)) == (1 if verb == "approve" else 0)
    [read] = work.read("close_account", order)
    assert read["error"] is (verb == "deny"), read
    assert len(work.records("approval.asked")) == 1
    answer(house, again, "approve", 409)


@pytest.mark.parametrize("name", ["runs", "loop"])
def test_a_kill_ends_the_waiting_and_no_answer_runs_the_call(house, name):
    door, order = DOORS[name](house), fresh("order")
    work = door.begin(call("close_account", order), DONE)
    question = asked(house, work)
    killed = house.project.call("POST", f"/v1/sessions/{work.session_id}/kill", {"reason": "no"})
    assert killed.status == 200, killed.body
    answer(house, question, "approve", 409)
    work.or_end()
    assert work.failed
    assert work.acts("close_account", order) == []
    [after] = house.questions(work.session_id)
    assert after["state"] == "withdrawn"


def test_a_grant_is_given_listed_and_ended_at_the_command_line(house):
    work = DOORS["runs"](house).begin(call("close_account", fresh("order")), DONE)
    question = asked(house, work)
    name, where = question["approval_id"], ("--project", str(house.project.folder))
    given = ("approvals", "approve", name, "--grant", "--for", "30m", "--most", "3")
    code, said = cli(*given, "--yes", "--digest", question["digest"], *where)
    assert (code, f"{name} is granted" in said) == (0, True), said
    work.wait()
    assert not work.failed, work.said
    code, said = cli("approvals", "grants", *where)
    assert code == 0
    if name in said:  # The run may be over, and the grant with it.
        assert "1 of 3" in said
    code, said = cli("approvals", "load", *where)
    assert (code, "admin" in said) == (0, True), said
    code, said = cli("approvals", "revoke", name, *where)
    assert code != 0, "a grant ends with its session"
    [after] = house.questions(work.session_id)
    assert (after["state"], after["grant"]["used"]) == ("withdrawn", 1)
