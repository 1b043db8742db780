"""Reading the journal and asking it, over the control API."""

from datetime import UTC, datetime

import pytest

from holdfast.model.events import Kind, Record
from tests.control_house import NOON, TWO_TENANTS, House, S, served

AT = int(datetime(2026, 11, 10, 14, 42, tzinfo=UTC).timestamp()) * S  # last Tuesday


def made(at_ns=AT, tenant="default", user="ann", kind=Kind.TOOL_USE_EMITTED, **flat):
    return Record(kind=kind, at_ns=at_ns, tenant=tenant, user=user, **flat)


async def write(house: House, *records: Record) -> None:
    await house.store.commit(list(records))


def test_records_are_filtered_and_come_in_order():
    async def main(house: House):
        await write(
            house,
            made(session="s1"),
            made(session="s2", user="bob"),
            made(session="s1", kind=Kind.PROMPT_SUBMITTED, at_ns=AT + 5),
            made(session="s1", tool="Read", call_id="c1", at_ns=AT + 9),
        )

        async def seqs(**query: str) -> list[int]:
            return [r["seq"] for r in (await house.get("/v1/records", **query))["records"]]

        assert await seqs() == [1, 2, 3, 4]
        assert await seqs(session="s1") == [1, 3, 4]
        assert await seqs(user="bob") == [2]
        assert await seqs(kind="prompt.submitted") == [3]
        assert await seqs(tool="Read", call_id="c1") == [4]
        assert await seqs(from_ns=str(AT + 5), until_ns=str(AT + 9)) == [3]
        assert await seqs(after_seq="2", limit="1") == [3]
        assert await seqs(tenant="other") == []

    served(main)


def test_a_record_is_shown_whole():
    async def main(house: House):
        await write(house, made(session="s1", body={"why": "x", "deep": [1, {"a": None}]}))
        (found,) = (await house.get("/v1/records"))["records"]
        assert found["kind"] == "tool_use.emitted"
        assert found["body"] == {"why": "x", "deep": [1, {"a": None}]}
        assert found["cost_nusd"] == 0

    served(main)


def test_the_journal_is_read_to_its_end_by_pages():
    async def main(house: House):
        await write(house, *(made(at_ns=AT + i) for i in range(25)))
        seen: list[int] = []
        while True:
            after = str(seen[-1] if seen else 0)
            page = (await house.get("/v1/records", after_seq=after, limit="10"))["records"]
            if not page:
                break
            seen += [r["seq"] for r in page]
        assert seen == list(range(1, 26))

    served(main)


def test_what_the_server_did_itself_is_told_apart_from_what_is_of_a_tenant():
    async def main(house: House):
        opened = {"upstream": "main", "key": "1 of 2", "trouble": "5 failures"}
        await write(
            house,
            made(at_ns=NOON - 9 * 86_400 * S, tenant="", user="", kind=Kind.SERVER_STARTED),
            made(at_ns=NOON - 60 * S, tenant="", user="", kind=Kind.UPSTREAM_OPENED, body=opened),
            made(at_ns=NOON - 30 * S, session="s1"),
            made(
                at_ns=NOON - 9 * S,
                tenant="",
                user="",
                kind=Kind.CLOCK_JUMPED,
                body={"off_by_ns": -90 * S},
            ),
        )

        async def told(**query: str) -> list[str]:
            answer = await house.get("/v1/audit/server", **query)
            assert len(answer["records"]) == len(answer["lines"])
            assert {record["tenant"] for record in answer["records"]} <= {""}
            return answer["lines"]

        jumped = "2026-11-16 11:59:51 the wall clock was moved back by 90.0 s"
        failed = "the upstream `main` (1 of 2) failed too often and is left alone: 5 failures"
        assert await told() == [f"2026-11-16 11:59:00 {failed}", jumped]
        assert await told(tz="Europe/Paris", limit="1") == [f"2026-11-16 12:59:00 {failed}"]
        assert await told(after_seq="2") == [jumped]
        assert await told(kind="clock.jumped") == [jumped]
        assert len(await told(last_s=str(10 * 86_400))) == 3

    served(main, TWO_TENANTS)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"last_s": "0"}, "last_s"),
        ({"kind": "tea.served"}, "kind"),
        ({"tz": "Nowhere"}, "tz"),
        ({"tenant": "acme"}, "tenant"),
    ],
)
def test_a_filter_of_the_server_s_own_that_does_not_hold_is_refused_by_name(query, field):
    async def main(house: House):
        answer = await house.call("GET", "/v1/audit/server", params=query)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)

    served(main)


@pytest.mark.parametrize("path", ["/v1/records", "/v1/audit/ask"])
def test_a_tenant_is_needed_where_there_are_several(path):
    async def main(house: House):
        query = {"user": "ann", "at": "now"} if "ask" in path else {}
        refused = await house.call("GET", path, params=query)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, "tenant")
        assert (await house.call("GET", path, params=query | {"tenant": "acme"})).status_code == 200

    served(main, TWO_TENANTS)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "1001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"kind": "tea.served"}, "kind"),
        ({"from_ns": "-1"}, "from_ns"),
        ({"until_ns": str(2**63)}, "until_ns"),
        ({"usr": "ann"}, "usr"),
    ],
)
def test_a_filter_that_does_not_hold_is_refused_by_name(query, field):
    async def main(house: House):
        answer = await house.call("GET", "/v1/records", params=query)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)

    served(main)


def test_a_question_is_answered_with_the_minute_marked_and_a_sentence_each():
    async def main(house: House):
        assert NOON <= house.clock.at_ns < NOON + 1000  # a Monday
        await write(
            house,
            made(at_ns=AT - 900 * S, tool="too_early"),
            made(at_ns=AT - 60 * S, tool="before"),
            made(at_ns=AT + 7 * S, tool="refund", kind=Kind.TOOL_CALL_DECIDED, verdict="deny"),
            made(at_ns=AT + 7 * S, tool="refund", user="bob"),
            made(at_ns=AT + 60 * S, tool="after"),
            made(at_ns=AT + 930 * S, tool="too_late"),
        )
        answer = await house.get("/v1/audit/ask", user="ann", at="last tuesday 14:42")
        asked = answer["question"]
        assert asked["at_text"] == "tuesday 2026-11-10 14:42 (UTC)"
        assert (asked["asked_from_ns"], asked["asked_until_ns"]) == (AT, AT + 60 * S)
        assert asked["until_ns"] - asked["from_ns"] == 1800 * S
        marks = [(r["tool"], r["in_minute"]) for r in answer["records"]]
        assert marks == [("before", False), ("refund", True), ("after", False)]
        assert answer["lines"] == [
            "14:41:00 the model asked to call `before`",
            "14:42:07 the call of `refund` was denied",
            "14:43:00 the model asked to call `after`",
        ]
        assert answer["cut_short"] is False
        assert answer["took_ms"] >= 0

    served(main)


def test_the_window_is_as_wide_as_asked_and_never_narrower_than_the_minute():
    async def main(house: House):
        for window_s, width_s in ((0, 60), (60, 60), (600, 600)):
            query = {"user": "ann", "at": "last tuesday 14:42", "window_s": str(window_s)}
            asked = (await house.get("/v1/audit/ask", **query))["question"]
            assert asked["until_ns"] - asked["from_ns"] == width_s * S

    served(main)


def test_the_zone_of_the_question_is_the_askers():
    async def main(house: House):
        await write(house, made(at_ns=AT))
        query = {"user": "ann", "at": "last tuesday 15:42", "tz": "Europe/Berlin"}
        answer = await house.get("/v1/audit/ask", **query)
        assert answer["lines"] == ["15:42:00 the model asked to call ``"]
        assert "Europe/Berlin" in answer["question"]["at_text"]

    served(main)


def test_what_was_asked_for_comes_before_its_context_when_there_is_too_much():
    async def main(house: House):
        early = [made(at_ns=AT - 800 * S + i, tool="early") for i in range(5200)]
        near = [made(at_ns=AT - 10 * S + i, tool="near") for i in range(3)]
        inside = [made(at_ns=AT + i, tool="inside") for i in range(990)]
        await write(house, *early, *near, *inside, made(at_ns=AT + 61 * S, tool="after"))
        answer = await house.get("/v1/audit/ask", user="ann", at="last tuesday 14:42")
        tools = [r["tool"] for r in answer["records"]]
        assert tools == ["near"] * 3 + ["inside"] * 990 + ["after"]
        assert len(answer["lines"]) == len(tools)
        assert answer["cut_short"] is True

    served(main)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"at": "whenever"}, "at"),
        ({"at": "tomorrow 10:00"}, "at"),
        ({"at": ""}, "at"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"tz": "Europe"}, "tz"),
        ({"tz": "a\x00b"}, "tz"),
        ({"user": ""}, "user"),
        ({"window_s": "-1"}, "window_s"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(query, field):
    async def main(house: House):
        asked = {"user": "ann", "at": "now"} | query
        answer = await house.call("GET", "/v1/audit/ask", params=asked)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)

    served(main)


def test_the_journal_is_read_back_from_its_end_with_a_sentence_for_each():
    async def main(house: House):
        await write(house, *(made(at_ns=AT + i, session="s1", tool="Read") for i in range(7)))
        seen: list[int] = []
        cursor = ""
        while True:
            page = await house.get(
                "/v1/records", session="s1", latest="true", told="true", limit="3", cursor=cursor
            )
            seen[:0] = [one["seq"] for one in page["records"]]
            assert page["lines"] == ["the model asked to call `Read`"] * len(page["records"])
            cursor = page["next"]
            if not cursor:
                break
        assert seen == list(range(1, 8))
        assert (await house.get("/v1/records", session="s1"))["lines"] == []

    served(main)
