"""Loops told from work through a whole door: each kind of series is a session of a loop of one's own.

What is asked for comes from the model, is decided by the guard and reported as a program reports it.
"""

import pytest

from holdfast.testing.project import SETTINGS, RunningProject
from tests.corpora.series import HONEST, LOOPS
from tests.served import emitted, fresh_user

STEPS = 36
# A cycle of four is seen when it came four times, and what went before it is one more.
MOST = 24
LOOP = "  loop: {max_turns: 1000, max_tool_calls: 1000}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    chosen = SETTINGS.replace("defaults:\n", "defaults:\n" + LOOP)
    with RunningProject(tmp_path_factory.mktemp("series"), settings=chosen) as running:
        yield running


def ran(project, series):
    """How many steps of a series ran, and the codes of those that were refused."""
    session = project.open(user=fresh_user())
    steps = [series(n) for n in range(STEPS)]
    asked = [{"tool": "lookup", "input": {"order": order}} for order, _ in steps]
    count, refused = 0, []
    for block, (_, output) in zip(emitted(project, session, *asked), steps, strict=True):
        reply = project.decide(session, block["id"], block["name"], block["input"])
        if reply.status != 200:
            break  # It did nothing but ask for what is refused, and was stopped.
        ruling = reply.json
        if ruling["verdict"] != "allow":
            refused.append(ruling["message"])
            continue
        count += 1
        done = {"call_id": block["id"], "ok": True, "output": output, "duration_ms": 7}
        reply = project.call("POST", "/v1/guard/finish", done, token=session.token)
        assert reply.status == 200, reply.body
    return count, refused


def test_no_honest_series_is_stopped_and_no_loop_goes_on_past_its_limit(project):
    stopped = {kind: refused[0] for kind in HONEST if (refused := ran(project, HONEST[kind])[1])}
    went_on, codes = {}, set()
    for kind, series in LOOPS.items():
        count, refused = ran(project, series)
        codes |= {text.partition(":")[0] for text in refused}
        if count > MOST:
            went_on[kind] = count
    print(  # noqa: T201 -- the figure
        f"honest series stopped: {len(stopped)} of {len(HONEST)};"
        f" loops past their limit: {len(went_on)} of {len(LOOPS)}"
    )
    assert min(len(HONEST), len(LOOPS)) >= 20
    assert (stopped, went_on) == ({}, {})
    assert codes == {"loop_detected"}
