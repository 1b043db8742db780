"""A project whose store is a real Postgres: workers and servers that die, a Postgres that fails."""

import json
import os
import signal
import subprocess
import sys

import asyncpg
import pytest

from holdfast.testing.project import NotStarted
from tests.native_project import SETTINGS, NativeProject, calls, end, script, until
from tests.postgres import serving

REFUND = script(refund=calls(("look", "o1"), ("pay", "slow1"), ("look", "o2"), ("ship", "slow2")))
ONCE = [["pay", "slow1"], ["ship", "slow2"]]


def cli(folder, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "holdfast.apps.cli.main", *arguments, "--project", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.fixture
def url(postgres):
    return postgres.new_database()


def test_two_workers_and_a_server_are_killed_and_each_effect_happens_once(tmp_path, url):
    with NativeProject(tmp_path, REFUND, store_url=url) as house:
        hands = [house.worker(), house.worker()]
        run = house.submit("refund it")
        until(lambda: house.acts("pay"), 60)
        end(hands[0])
        end(hands[1])
        hands = [house.worker(), house.worker()]
        until(lambda: house.acts("ship"), 60)
        house.project.stop(signal.SIGKILL)
        house.project.start()
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        assert [a[:2] for a in house.acts()] == ONCE
        assert not (house.project.state / "holdfast.db").exists()


def test_a_postgres_that_crashes_in_the_middle_is_come_back_to(tmp_path):
    with serving() as postgres:
        played = NativeProject(tmp_path, REFUND, store_url=postgres.new_database())
        with played as house:
            house.worker()
            run = house.submit("refund it")
            until(lambda: house.acts("pay"), 60)
            pid = json.loads((house.project.state / "server.json").read_text())["pid"]
            postgres.stop("immediate")
            until(lambda: "waiting for the store" in house.project.said(), 60)
            postgres.start()
            done = until(lambda: _done(house, run), 60, house.project.said)
            assert done["state"] == "done", done
            assert [a[:2] for a in house.acts()] == ONCE
            again = json.loads((house.project.state / "server.json").read_text())
            assert (again["pid"], again["url"]) == (pid, house.project.url)
            assert str(postgres.folder) not in house.project.said()


def _done(house, run):
    try:
        found = house.show(run)
    except (OSError, ValueError):
        return None
    return found if found.get("state") in {"done", "failed", "dead", "parked"} else None


def test_a_postgres_that_stands_still_is_waited_for(tmp_path):
    with (
        serving() as postgres,
        NativeProject(tmp_path, REFUND, store_url=postgres.new_database()) as house,
    ):
        house.worker()
        run = house.submit("refund it")
        until(lambda: house.acts("pay"), 60)
        with postgres.frozen(), pytest.raises(subprocess.TimeoutExpired):
            # Longer than a worker's lease: nothing is decided, nothing is forgotten.
            house.workers[0].wait(5)
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        assert [a[:2] for a in house.acts()] == ONCE


def test_a_second_server_is_refused_and_the_first_goes_on(tmp_path, url):
    with NativeProject(tmp_path / "one", script(talk=calls()), store_url=url) as first:
        with pytest.raises(NotStarted) as second:
            NativeProject(tmp_path / "two", script(talk=calls()), store_url=url).__enter__()
        assert second.value.code == 9
        assert "another server owns this store" in second.value.said
        first.worker()
        assert first.until(first.submit("talk"), "done")["state"] == "done"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("postgresql://u:secret@127.0.0.1:1/db", "postgres: it cannot be reached"),
        ("postgresql://u:secret@db.example/x", "says no sslmode"),
        ("mysql://u:secret@localhost/x", "begins with `postgresql://`"),
        ("postgresql://u:secret@localhost", "names a database"),
        ("", "`TEST_STORE_URL` of `store.url_env` is not set"),
    ],
)
def test_a_store_that_cannot_be_had_is_one_sentence_without_the_password(tmp_path, where, said):
    settings = SETTINGS + "store: {url_env: TEST_STORE_URL}\n"
    project = NativeProject(
        tmp_path, script(), settings=settings, environment={"TEST_STORE_URL": where}
    )
    with pytest.raises(NotStarted) as refused:
        project.__enter__()
    assert said in refused.value.said
    assert "secret" not in refused.value.said
    assert "Traceback" not in refused.value.said


def test_a_postgres_without_connections_or_durability_is_refused(tmp_path):
    with serving(max_connections="5", superuser_reserved_connections="3", fsync="off") as postgres:
        postgres.execute("CREATE ROLE plain LOGIN")
        url = postgres.new_database()
        with pytest.raises(NotStarted) as refused:
            NativeProject(tmp_path, script(talk=calls()), store_url=url).__enter__()
        assert "postgres runs with fsync=off" in refused.value.said
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLD, url.replace("postgres@", "plain@", 1)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            plain = url.replace("postgres@", "plain@", 1)
            with pytest.raises(NotStarted) as refused:
                NativeProject(tmp_path, script(talk=calls()), store_url=plain).__enter__()
            assert "postgres: it has no connection left" in refused.value.said
        finally:
            holder.communicate(timeout=10)


_HOLD = """
import asyncio, sys, asyncpg
async def main():
    held = []
    try:
        for _ in range(9):
            held.append(await asyncpg.connect(sys.argv[1]))
    except asyncpg.PostgresError:
        pass
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


def test_a_schema_of_a_newer_holdfast_is_refused_and_left_as_it_is(tmp_path, postgres, url):
    with NativeProject(tmp_path, script(talk=calls()), store_url=url):
        pass
    newer = "INSERT INTO holdfast.migrations VALUES (9999, 'later', 1)"
    postgres.execute(newer, url)
    before = postgres.execute("SELECT * FROM holdfast.journal", url)
    with pytest.raises(NotStarted) as refused:
        NativeProject(tmp_path, script(talk=calls()), store_url=url).__enter__()
    assert "run the newer holdfast" in refused.value.said
    assert postgres.execute("SELECT * FROM holdfast.journal", url) == before


def test_the_journal_refuses_to_be_rewritten(tmp_path, postgres, url):
    with NativeProject(tmp_path, script(talk=calls()), store_url=url):
        pass
    journal = "holdfast.journal"
    for sql in (f"UPDATE {journal} SET body = ''", f"DELETE FROM {journal}", f"TRUNCATE {journal}"):
        with pytest.raises(asyncpg.RaiseError, match="never changed or deleted"):
            postgres.execute(sql, url)


def test_a_store_moves_to_postgres_with_its_runs_and_budgets_and_back(tmp_path, url):
    played = script(
        refund=calls(("look", "o1"), ("pay", "slow1"), ("look", "o2"), ("ship", "slow2")),
        talk=calls(),
    )
    with NativeProject(tmp_path, played) as house:
        first = house.worker()
        house.until(house.submit("talk"), "done")
        run = house.submit("refund it")
        until(lambda: house.acts("pay"), 60)
        refused = cli(tmp_path, "store", "move", "--to", url)
        assert refused.returncode == 2
        assert "stop it first" in refused.stderr
        end(first)
        house.project.stop(signal.SIGKILL)

        # The server does not come up on an empty store by itself.
        settings = (tmp_path / "holdfast.yaml").read_text()
        remote = settings + "store: {url_env: TEST_STORE_URL}\n"
        (tmp_path / "holdfast.yaml").write_text(remote)
        house.project._environment["TEST_STORE_URL"] = url
        with pytest.raises(NotStarted, match="holdfast store move"):
            house.project.start()

        moved = cli(tmp_path, "store", "move", "--json", TEST_STORE_URL=url)
        assert moved.returncode == 0, moved.stderr
        rows = json.loads(moved.stdout)["rows"]
        assert rows["runs"] == 2
        assert rows["journal"] > 10
        assert (tmp_path / ".holdfast" / "holdfast.db.moved").exists()

        house.project.start()
        house.worker()
        house.worker()
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        assert [a[:2] for a in house.acts()] == ONCE
        spent = house.project.call("GET", "/v1/budgets?tenant=acme").json
        house.project.stop()

        # And back: the same budgets, the same runs.
        back = cli(tmp_path, "store", "move", "--to", "sqlite", TEST_STORE_URL=url)
        assert back.returncode == 0, back.stderr
        with pytest.raises(NotStarted, match="still the file"):
            house.project.start()
        (tmp_path / "holdfast.yaml").write_text(settings)
        house.project.start()
        assert house.show(run)["state"] == "done"
        assert house.project.call("GET", "/v1/budgets?tenant=acme").json == spent


def test_a_move_to_a_place_that_is_not_empty_changes_nothing(tmp_path, postgres, url):
    with NativeProject(tmp_path / "one", script(talk=calls()), store_url=url):
        pass
    with NativeProject(tmp_path / "two", script(talk=calls())):
        pass
    before = (tmp_path / "two" / ".holdfast" / "holdfast.db").read_bytes()
    refused = cli(tmp_path / "two", "store", "move", "--to", url)
    assert refused.returncode == 2
    assert "the target holds other rows already" in refused.stderr
    assert (tmp_path / "two" / ".holdfast" / "holdfast.db").read_bytes() == before


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("postgresql://u:secret@localhost/x", "a password"),
        ("sqlite", "the store is this file already"),
        ("", "the store is this file already"),
        ("nonsense", "begins with `postgresql://`"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_in_one_sentence(tmp_path, to, said):
    with NativeProject(tmp_path, script(talk=calls())):
        pass
    refused = cli(tmp_path, "store", "move", "--to", to)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr


def test_a_project_without_a_store_has_none_to_move(tmp_path):
    (tmp_path / "holdfast.yaml").write_text("version: 1\n")
    (tmp_path / "policies").mkdir()
    refused = cli(tmp_path, "store", "move", "--to", "postgresql://localhost/x")
    assert refused.returncode == 2
    assert "there is no store yet" in refused.stderr
