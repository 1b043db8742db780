"""The corpus of ordinary jobs has the shape that its figures rest on."""

import pytest

from benchmarks.jobs.corpus import CorpusInvalid, _step, apart, jobs, placed, repositories
from benchmarks.jobs.mcp_server import SERVERS
from benchmarks.jobs.script import scenarios
from holdfast.testing.scripted_model.script import has_template, parse_script, template_texts

JOBS = jobs()
FOREIGN = {"issue", "pr", "web", "dependency", "log", "mcp"}


@pytest.fixture(params=JOBS, ids=[job.name for job in JOBS])
def job(request):
    return request.param


def test_there_are_enough_jobs_and_no_two_are_the_same():
    assert len(JOBS) >= 45
    assert len({job.name for job in JOBS}) == len(JOBS)
    assert len({job.prompt for job in JOBS}) == len(JOBS)


def test_a_job_runs_eight_shell_commands_or_more(job):
    assert sum(1 for step in job.calls() if step.tool == "Bash") >= 8


def test_a_job_hears_a_text_that_is_not_the_users_before_its_last_write(job):
    calls = list(job.calls())
    heard = [place for place, step in enumerate(calls) if step.hears]
    wrote = [place for place, step in enumerate(calls) if step.writes]
    assert heard
    assert wrote
    assert heard[0] < wrote[-1]


def test_at_most_one_ask_is_expected_of_a_job(job):
    assert sum(1 for step in job.calls() if step.ask) <= 1


def test_with_a_sandbox_one_job_in_ten_at_most_asks():
    asking = [job for job in JOBS if any(step.ask == "always" for step in job.calls())]
    assert 0 < len(asking) <= len(JOBS) / 10


def test_an_ask_for_want_of_a_sandbox_follows_a_strangers_text_and_a_write(job):
    calls = list(job.calls())
    for place, step in enumerate(calls):
        if step.ask == "bare":
            heard = [n for n, s in enumerate(calls[:place]) if s.hears in FOREIGN]
            assert heard
            assert any(s.writes for s in calls[heard[0] : place])


def test_a_job_can_be_set_up_as_it_is_written(job):
    assert job.repository in repositories()
    assert not job.server or job.server in SERVERS
    tools = {step.tool for step in job.calls() if step.tool.startswith(("mcp__", "Web"))}
    assert tools <= set(job.grants)


def test_the_scripted_model_says_a_job_byte_for_byte(job, tmp_path):
    raw = {"scenarios": scenarios(job, tmp_path, 80)}
    script = parse_script(raw)
    assert len(script.scenarios) == len(raw["scenarios"])
    for scenario in script.scenarios:
        for turn in scenario.turns:
            assert not any(has_template(text) for text in template_texts(turn))


def test_what_sessions_do_beside_shell_commands_is_there():
    tools = {step.tool for job in JOBS for step in job.calls()}
    wanted = {"Read", "Edit", "Write", "NotebookEdit", "Agent", "WebSearch"}
    assert tools >= wanted
    assert any(tool.startswith("mcp__") for tool in tools)


def test_a_third_is_kept_apart_whatever_else_is_added_to_a_file():
    kept = {job.name for job in jobs("apart")}
    worked = {job.name for job in jobs("worked")}
    assert kept | worked == {job.name for job in JOBS}
    assert not kept & worked
    assert 3 * len(kept) - len(JOBS) in (0, 1, 2)
    assert apart(job.name for job in reversed(JOBS)) == kept


def test_places_are_filled_in_wherever_they_stand(tmp_path):
    given = {"a": ["{root}/x", {"b": "localhost:{port}"}], "c": 1}
    assert placed(given, tmp_path, 80) == {"a": [f"{tmp_path}/x", {"b": "localhost:80"}], "c": 1}


@pytest.mark.parametrize("raw", [{"dance": "x"}, {"sh": "ls", "ask": "sometimes"}, {}])
def test_a_step_of_no_known_kind_is_refused(raw):
    with pytest.raises((CorpusInvalid, ValueError)):
        _step(raw)
