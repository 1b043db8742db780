"""A kill alone: each lever, what it says, and what the receipt keeps of all of them."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.sessions import Command
from holdfast.model.sessions import SessionState
from holdfast.model.views.kills import ChildKilled
from holdfast.ports.processes import StopReport
from holdfast.runtime import kill as module
from holdfast.runtime.kill import Killer
from tests.unit.runtime.alone.desk import Desk, draft


class Processes:
    """What `stop` finds of each session; an exception is raised."""

    def __init__(self, **found):
        self.found = found
        self.stopped = []

    async def stop(self, session_ids):
        self.stopped += session_ids
        nothing = StopReport(how="none", found=0, survivors=0)
        found = {name: self.found.get(name, nothing) for name in session_ids}
        for one in found.values():
            if isinstance(one, Exception):
                raise one
        return found


def killer(desk, processes: Any) -> Killer:
    return Killer(desk.sessions, desk.journal, processes)


def levers(receipt):
    return [(one.lever, one.ok, one.detail) for one in receipt.levers]


REFUSED = ("refuse", True, "model calls, permits and the session's token are refused")
DURABLE = ("journal", True, "durable")


def child_of(parent, agent="aide"):
    return draft(agent=agent, delegated_by=parent.session.session_id, depth=1)


def test_receipt_of_a_kill_names_every_lever_and_is_journalled_whole():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        reasons: list[str] = []
        for name in ("a", "b"):
            live.streams[name] = reasons.append
        name = live.session.session_id
        found = StopReport(how="cgroup", found=3, survivors=0)
        processes: Any = Processes(**{name: found})
        receipt = await killer(desk, processes).kill(live, "bad", by="root")
        assert levers(receipt) == [
            REFUSED,
            ("streams", True, "2 streams cut"),
            DURABLE,
            ("processes", True, "3 processes ended, found by cgroup"),
        ]
        assert reasons == ["session_stopped: killed: bad"] * 2
        assert (receipt.session_id, receipt.state, receipt.already) == (
            name,
            SessionState.KILLED,
            False,
        )
        assert (receipt.children, receipt.taken_along) == ((), ())
        times = [one.ms for one in receipt.levers]
        assert times == sorted(times)
        assert 0 < times[-1] <= receipt.total_ms < 5_000
        killed, written = desk.since(1, live.who)
        assert killed == {
            "kind": "session.killed",
            "body": {"reason": "bad", "by": "root", "from": "active"},
        }
        assert written["kind"] == "kill.receipt"
        assert written["body"] == {
            "session_id": name,
            "state": "killed",
            "already": False,
            "levers": [
                {"lever": one.lever, "ms": one.ms, "ok": one.ok, "detail": one.detail}
                for one in receipt.levers
            ],
            "total_ms": receipt.total_ms,
            "children": [],
            "taken_along": [],
            "reason": "bad",
            "by": "root",
        }
        again = await killer(desk, processes).kill(live, "more", by="bob")
        assert again.already
        assert live.session.state_reason == "bad"
        assert processes.stopped == [name, name]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("report", "ok", "detail"),
    [
        (StopReport(how="group", found=3, survivors=2), False, "2 of 3 processes survived"),
        (OSError("gone"), False, "gone"),
        (OSError(), False, "OSError"),
        (
            StopReport(how="group", found=3, survivors=0, unproved="not all were seen"),
            True,
            "3 processes ended, found by group; not all were seen",
        ),
        (
            StopReport(how="none", found=0, survivors=0, unproved="not all were seen"),
            True,
            "0 processes ended, found by none",
        ),
    ],
)
def test_lever_of_processes_says_what_it_found(report, ok, detail):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        processes: Any = Processes(**{live.session.session_id: report})
        receipt = await killer(desk, processes).kill(live, "", by="")
        assert levers(receipt)[-1] == ("processes", ok, detail)

    asyncio.run(main())


def test_all_below_end_with_it_and_each_says_what_was_cut_and_ended_of_it():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        found: dict[str, object] = {}
        reports = (
            StopReport(how="cgroup", found=2, survivors=0),
            StopReport(how="cgroup", found=4, survivors=1),
            OSError(),
        )
        children = []
        for number, report in enumerate(reports):
            one, _ = await desk.sessions.open_child(live, child_of(live, f"aide{number}"), "")
            found[one.session.session_id] = report
            children.append(one)
        children[0].streams["h"] = lambda why: None
        receipt = await killer(desk, Processes(**found)).kill(live, "bad", by="root")
        assert receipt.children == tuple(
            ChildKilled(
                session_id=one.session.session_id,
                agent=f"aide{number}",
                state=SessionState.KILLED,
                streams=streams,
                processes=processes,
                ok=not detail,
                detail=detail,
            )
            for number, (one, streams, processes, detail) in enumerate(
                zip(
                    children,
                    (1, 0, 0),
                    (2, 4, 0),
                    ("", "1 of 4 processes survived", "OSError"),
                    strict=True,
                )
            )
        )
        lever = ("children", False, "2 of 3 sessions below are not all ended")
        assert levers(receipt)[-1] == lever

    asyncio.run(main())


def test_child_that_memory_had_let_go_is_read_and_killed():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        one, _ = await desk.sessions.open_child(live, child_of(live), "")
        over, _ = await desk.sessions.open_child(live, child_of(live), "")
        await desk.sessions.change(over, Command.KILL, "first")
        for gone in (one, over):
            desk.sessions.forget(gone)
        processes: Any = Processes()
        receipt = await killer(desk, processes).kill(live, "bad", by="root")
        assert levers(receipt)[-1] == ("children", True, "2 sessions below ended")
        assert [(one.streams, one.processes) for one in receipt.children] == [(0, 0), (0, 0)]
        assert processes.stopped == [
            live.session.session_id,
            one.session.session_id,
            over.session.session_id,
        ]
        stored = [await desk.store.session(name.session.session_id) for name in (one, over)]
        assert [(s.state, s.state_reason) for s in stored] == [
            (SessionState.KILLED, "the session above it is killed: bad"),
            (SessionState.KILLED, "first"),
        ]
        killed = [r for r in desk.since(0) if r["kind"] == "session.killed"]
        assert [r["body"]["by"] for r in killed] == ["", "root", "root"]

    asyncio.run(main())


def test_child_whose_state_is_not_killed_is_not_ended_for_the_receipt():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        one, _ = await desk.sessions.open_child(live, child_of(live), "")

        class Reviving(Processes):
            async def stop(self, session_ids):
                one.session = msgspec.structs.replace(one.session, state=SessionState.ACTIVE)
                return await super().stop(session_ids)

        receipt = await killer(desk, Reviving()).kill(live, "", by="")
        [child] = receipt.children
        assert (child.state, child.ok, child.detail) == (SessionState.ACTIVE, False, "")
        lever = ("children", False, "1 of 1 sessions below are not all ended")
        assert levers(receipt)[-1] == lever

    asyncio.run(main())


def test_stream_elsewhere_that_is_confirmed_in_time_ends_nobody(monkeypatch):
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        live.unconfirmed["h"] = lambda: ("never",)
        killing = asyncio.create_task(killer(desk, Processes()).kill(live, "", by=""))
        await asyncio.sleep(0.02)
        live.unconfirmed.clear()
        receipt = await killing
        assert levers(receipt)[-1] == ("confirm", True, "every stream is confirmed to be over")
        assert receipt.taken_along == ()
        assert receipt.total_ms < 1_000 * module.CONFIRM_S

    asyncio.run(main())


def test_carrier_that_does_not_confirm_is_ended_and_who_was_with_it_is_named(monkeypatch):
    monkeypatch.setattr(module, "CONFIRM_S", 0.02)

    async def main():
        desk: Any = Desk()
        live = await desk.open()
        one, _ = await desk.sessions.open_child(live, child_of(live), "")
        mine = [live.session.session_id, one.session.session_id]

        def end(owner):
            def ended():
                owner.unconfirmed.clear()
                return ("ses_z", *mine, "ses_b")

            return ended

        live.unconfirmed["h"] = end(live)
        one.unconfirmed["h"] = end(one)
        receipt = await killer(desk, Processes()).kill(live, "", by="")
        told = "; 2 relays did not confirm in 0.02 s and were ended"
        assert levers(receipt)[-1] == (
            "confirm",
            True,
            f"every stream is confirmed to be over{told}",
        )
        assert receipt.taken_along == ("ses_b", "ses_z")
        assert receipt.total_ms >= 20

    asyncio.run(main())


def test_journal_that_fails_is_a_lever_that_failed_and_no_other():
    async def main():
        desk: Any = Desk()
        live = await desk.open()
        desk.store.fail_commits()
        receipt = await killer(desk, Processes()).kill(live, "", by="")
        assert [(one.lever, one.ok) for one in receipt.levers] == [
            ("refuse", True),
            ("streams", True),
            ("journal", False),
            ("processes", True),
        ]
        assert live.session.state is SessionState.KILLED

    asyncio.run(main())
