"""Lists come a page at a time, and all pages together are the list, whatever comes meanwhile."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.control.paging import cursor_of, place_of
from holdfast.core.sessions import Command
from holdfast.errors import InvalidRequest
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.runs import RunState
from holdfast.model.tools import Idempotency
from holdfast.runtime.views import sessions as views
from tests.control_house import ONE_TENANT, House, served
from tests.unit.apps.control.test_sessions import acted

CLERK = ONE_TENANT.replace("tasks:", "  clerk: {model: claude-sonnet-5-5, tools: []}\ntasks:")
MOST_NS = 2**63 - 1


async def pages(house: House, path: str, name: str, size: int, **query: Any) -> list[list[Any]]:
    """Every page of a list, until no cursor is given."""
    found: list[list[Any]] = []
    cursor = ""
    while True:
        asked = {**query, "limit": size} | ({"cursor": cursor} if cursor else {})
        page = await house.get(path, **asked)
        found.append(page[name])
        cursor = page["next"]
        if not cursor:
            break
        assert len(found) < 100
    # Where a state is asked for, what was looked at may not be in it.
    assert "state" in query or all(found) or found == [[]], "only a list is empty, never a page"
    return found


@given(number=st.integers(0, MOST_NS), name=st.text(max_size=200))
def test_place_comes_back_from_its_cursor(number, name):
    cursor = cursor_of((number, name))
    assert place_of(cursor) == (number, name)
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_where_nothing_follows_there_is_no_cursor_and_none_is_the_beginning():
    assert cursor_of(None) == ""
    assert place_of("") is None


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "!!!!", "e30", cursor_of((-1, "")), cursor_of((2**63, "")), "A" * 400, "bnVsbA"],
)
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(InvalidRequest):
        place_of(cursor)


@given(st.text(max_size=80))
def test_no_text_at_all_breaks_the_reading(text):
    try:
        place = place_of(text)
    except InvalidRequest:
        return
    assert place is None or (0 <= place[0] <= MOST_NS and isinstance(place[1], str))


@pytest.mark.parametrize("path", ["sessions", "runs", "dlq", "records", "audit/server"])
def test_list_refuses_a_cursor_that_is_none(path):
    async def main(house: House):
        answer = await house.call("GET", f"/v1/{path}", params={"cursor": "nonsense"})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "cursor")

    served(main)


@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_pages_of_sessions_together_are_the_list(size):
    async def main(house: House):
        opened = [(await house.opened())[0] for _ in range(7)]
        found = await pages(house, "/v1/sessions", "sessions", size)
        assert [s["session_id"] for page in found for s in page] == opened[::-1]
        assert {len(page) for page in found[:-1]} <= {size}

    served(main)


def test_pages_of_sessions_in_a_state_leave_none_out_however_few_are_looked_at(monkeypatch):
    monkeypatch.setattr(views, "_MAX_SCANNED", 3)

    async def main(house: House):
        opened = [(await house.opened())[0] for _ in range(11)]
        paused = opened[::4]
        for name in paused:
            await house.sessions.change(house.live(name), Command.PAUSE, "lunch")
        house.clock.at_ns += 7 * 86_400 * 10**9
        # They expired by the clock alone; whatever state is stored.
        late = [(await house.opened())[0] for _ in range(2)]
        for state, names in (("expired", opened), ("active", late), ("paused", [])):
            found = await pages(house, "/v1/sessions", "sessions", 2, state=state)
            assert [s["session_id"] for page in found for s in page] == names[::-1], state

    served(main)


def test_what_is_opened_meanwhile_moves_no_page():
    async def main(house: House):
        opened = [(await house.opened())[0] for _ in range(4)]
        first = await house.get("/v1/sessions", limit=2)
        await house.opened()
        rest = await house.get("/v1/sessions", limit=2, cursor=first["next"])
        shown = [s["session_id"] for page in (first, rest) for s in page["sessions"]]
        assert shown == opened[::-1]
        assert rest["next"] == ""

    served(main)


def test_cursor_of_one_tenant_opens_nothing_of_another():
    async def main(house: House):
        for _ in range(3):
            await house.opened(tenant="acme")
        first = await house.get("/v1/sessions", tenant="acme", limit=1)
        other = await house.get("/v1/sessions", tenant="umbra", limit=9, cursor=first["next"])
        assert (other["sessions"], other["next"]) == ([], "")

    text = ONE_TENANT + "tenants:\n  acme: {users: {ann: {}}}\n  umbra: {users: {ann: {}}}\n"
    served(main, text)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_pages_of_turns_together_are_the_turns_and_divide_none(size):
    async def main(house: House):
        session_id, _ = await house.opened()
        await acted(house, session_id, (1, 2), (2, 0), (3, 1), (4, 0))
        whole = (await house.get(f"/v1/sessions/{session_id}/turns"))["turns"]
        found = await pages(house, f"/v1/sessions/{session_id}/turns", "turns", size)
        assert [row for page in found for row in page] == whole
        ends = [page[-1]["turn"] for page in found]
        assert ends == sorted(set(ends))

    served(main)


async def submitted(house: House, count: int) -> list[str]:
    found = []
    for number in range(count):
        asked = {"agent": "clerk", "user": "ann", "prompt": f"{number}"}
        found.append((await house.call("POST", "/v1/runs", asked)).json()["run_id"])
    return found


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_of_runs_and_of_those_that_wait_together_are_the_lists(size):
    async def main(house: House):
        runs = await submitted(house, 5)
        found = await pages(house, "/v1/runs", "runs", size)
        assert [r["run_id"] for page in found for r in page] == runs[::-1]
        assert await pages(house, "/v1/dlq", "runs", size) == [[]]
        waiting = [await house.deps.house.runs.get(name) for name in runs[::2]]
        parked = [msgspec.structs.replace(run, state=RunState.PARKED) for run in waiting]
        await house.store.commit([], parked)
        found = await pages(house, "/v1/dlq", "runs", size)
        assert [r["run_id"] for page in found for r in page] == runs[::2][::-1]

    served(main, CLERK)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_pages_of_records_together_are_the_journal_of_the_tenant(size):
    async def main(house: House):
        for _ in range(3):
            await house.opened()
        whole = (await house.get("/v1/records", limit=1000))["records"]
        found = await pages(house, "/v1/records", "records", size)
        assert [r for page in found for r in page] == whole
        assert len(whole) >= 6

    served(main)


@pytest.mark.parametrize("size", [1, 2, 9])
def test_pages_of_effects_together_are_the_ledger_of_the_session(size):
    async def main(house: House):
        session_id, _ = await house.opened()
        entries = [
            EffectEntry(
                tenant="default",
                key=f"key-{number}",
                session=session_id,
                call_id=f"c{number}",
                tool="pay",
                idempotency=Idempotency.KEYED,
                state=EffectState.DONE,
                intended_at_ns=number // 2,
                changed_at_ns=9,
            )
            for number in range(5)
        ]
        await house.store.commit([], entries)
        found = await pages(house, "/v1/effects", "effects", size, session=session_id)
        assert [e["key"] for page in found for e in page] == [e.key for e in entries]

    served(main)
