"""Ordinary jobs play from end to end with the real clients: the corpus and its player do not rot.

What comes of the jobs is the benchmark's to say (`python -m benchmarks jobs`), not this test's.
"""

import pytest

from benchmarks.jobs.corpus import jobs
from benchmarks.jobs.player import play
from benchmarks.jobs.verdicts import figures
from holdfast.integrations.claude_code import sandbox_holds

pytestmark = pytest.mark.part("claude-code", "git", "bash")


def named(name):
    return next(job for job in jobs() if job.name == name)


def test_a_job_runs_as_it_is_written_where_nothing_governs_it():
    played = play(named("notebook-edit"), "direct", held=False)
    assert [call for call in played.calls if call.refused] == []
    assert played.clean, played.ended


@pytest.mark.parametrize(
    ("door", "name"), [("claude-code", "fix-lint"), ("govern", "rename-function")]
)
def test_each_call_of_a_governed_job_is_found_in_the_journal(door, name):
    played = play(named(name), door, held=sandbox_holds())
    assert played.calls[0].verdict == "allow", played.calls[0]
    assert [call.place for call in played.calls if call.verdict == "unseen"] == [], played
    assert played.finished, played.ended
    found = figures([played])
    assert found.jobs == 1
    assert found.free == len(played.calls)
