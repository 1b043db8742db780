"""The server is killed under work and started again; in a file of its own, since all share a server."""

import signal

from tests.promises.doors import DONE, call
from tests.promises.house import until
from tests.promises.matrix import promise


@promise("S58")
def test_work_goes_on_after_the_server_is_killed(door):
    """Killed with -9 in the middle of an answer, and started again: the work is done, each effect once."""
    order, task = f"S58-{door.name}", f"open/S58-{door.name}"
    slow = {"words": 400, "pacing": {"event_interval_ms": 25}}
    turns = (
        call("pay", order, amount=7),
        {**call("step", order), **slow},
        call("note", order),
        DONE,
    )
    work = door.begin(*turns, task=task)
    assert until(lambda: work.acts("pay", order), 40)
    assert until(lambda: any(r.events_sent > 5 for r in door.house.requests(work.marker)[1:]), 30)
    restart(door.house, signal.SIGKILL)
    work.wait(90)
    if work.failed:
        work = door.work(*turns, task=task, user=work.user)
    assert (work.failed, "done" in work.text) == (False, True), work.said
    assert len(work.acts("pay", order)) == 1
    assert len(work.acts("note", order)) == 1


def restart(house, how) -> None:
    port = house.project.url.rsplit(":", 1)[1]
    house.project.stop(how)
    until(lambda: False, 0.3)
    house.project.start("--port", port)
