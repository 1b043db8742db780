"""A chunk held against its check: a list without objections is the only thing that verifies it."""

import json

import pytest

from holdfast.client import RunView
from holdfast.errors import Conflict
from holdfast.integrations.batches import chunks_of, judged, standings
from holdfast.model.runs import RunState

RECORDS = [{"id": "a"}, {"id": "b"}]
(CHUNK,) = chunks_of(RECORDS, 2, "Sort them.")


def run(state=RunState.DONE, *, answer=("a", "b")):
    """The chunk's run with its answer."""
    return RunView(
        run_id="run_1",
        session="ses_1",
        tenant="acme",
        project="support",
        user="ann",
        agent="clerk",
        state=state,
        prompt=CHUNK.prompt,
        submitted_at_ns=1,
        changed_at_ns=2,
        result=json.dumps([{"id": name} for name in answer]),
    )


def held_against(folder, body, *, state=RunState.DONE, answer=("a", "b")):
    """The chunk's standing, with a check of that body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "checks.py").write_text(f"def check(records, result):\n{lines}")
    return judged(CHUNK, run(state, answer=answer), "checks:check", folder)


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        ("False", "bool"),
        ("None", "NoneType"),
        ("True", "bool"),
        ("0", "int"),
        ("''", "str"),
        ("'all is well'", "str"),
        ("'[]'", "str"),
        ("b''", "bytes"),
        ("{}", "dict"),
        ("{'ok': True}", "dict"),
        ("set()", "set"),
    ],
)
def test_a_check_that_returns_anything_but_a_list_is_a_failed_check(tmp_path, returned, kind):
    standing = held_against(tmp_path, f"return {returned}")
    assert not standing.verified
    assert standing.problems == (f"the check failed: it returned {kind} and no list of objections",)


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "print('[]')",
        "import sys; sys.stdout.write('[]'); sys.exit(0)",
        "import os; os.write(1, b'[]'); os._exit(0)",
        "raise SystemExit",
        "raise RuntimeError('no')",
        "yield from ()\nraise RuntimeError('late')",
        "return [1 / 0]",
    ],
)
def test_a_check_that_comes_to_no_answer_is_a_failed_check(tmp_path, body):
    standing = held_against(tmp_path, body)
    assert not standing.verified
    (problem,) = standing.problems
    assert problem.startswith("the check failed: ")


@pytest.mark.parametrize("body", ["return []", "return ()", "yield from ()", "return list(())"])
def test_a_check_without_objections_verifies_the_chunk(tmp_path, body):
    standing = held_against(tmp_path, body)
    assert standing.problems == ()
    assert standing.verified


@pytest.mark.parametrize("body", ["return ['no']", "yield 'no'", "return [None]", "return ['']"])
def test_one_objection_is_enough_whatever_it_says(tmp_path, body):
    standing = held_against(tmp_path, body)
    assert len(standing.problems) == 1
    assert not standing.verified


def test_a_check_that_is_not_there_lets_nothing_pass(tmp_path):
    (tmp_path / "checks.py").write_text("")
    for named in ("checks:check", "no_such_module:check"):
        standing = judged(CHUNK, run(), named, tmp_path)
        assert not standing.verified
        assert standing.problems[0].startswith("the check failed: ")


@pytest.mark.parametrize("state", [s for s in RunState if s is not RunState.DONE])
def test_a_run_that_is_not_done_verifies_nothing(tmp_path, state):
    assert not held_against(tmp_path, "return []", state=state).verified


def test_the_check_is_not_asked_where_a_record_is_not_answered(tmp_path):
    asked = tmp_path / "asked"
    body = f"open({str(asked)!r}, 'w').close()\nreturn []"
    standing = held_against(tmp_path, body, answer=("a",))
    assert standing.problems == ("record `b` is not answered",)
    assert not asked.exists()
    assert held_against(tmp_path, body).verified
    assert asked.exists()


def test_runs_of_another_agent_under_the_same_name_are_no_standing_of_this_one(tmp_path):
    with pytest.raises(Conflict, match="another agent"):
        standings((CHUNK,), [run()], "", tmp_path, agent="intern")
    (standing,) = standings((CHUNK,), [run()], "", tmp_path, agent="clerk")
    assert standing.verified
