"""A kill's receipt in words."""

from typing import Any

from holdfast.apps.cli.stopping import receipt_lines
from holdfast.client import ChildKilled, KillLever, KillReceipt
from holdfast.model.sessions import SessionState


def child(session_id, **more):
    given: dict[str, Any] = {
        "agent": "reader",
        "state": SessionState.KILLED,
        "streams": 1,
        "processes": 2,
    }
    return ChildKilled(session_id=session_id, **given | {"ok": True} | more)


def test_every_session_below_the_killed_one_has_a_line():
    receipt = KillReceipt(
        session_id="ses_1",
        state=SessionState.KILLED,
        already=False,
        levers=(KillLever(lever="children", ms=1.5, ok=False, detail="1 of 2"),),
        total_ms=2.0,
        children=(child("ses_2"), child("ses_3", ok=False, detail="1 of 2 processes survived")),
    )
    assert receipt_lines(receipt)[2:] == [
        "  ✓ child ses_2 of reader, 1 streams cut, 2 processes ended",
        "  ✗ child ses_3 of reader, 1 streams cut, 2 processes ended: 1 of 2 processes survived",
    ]
