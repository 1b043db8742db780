"""Databases and workers of other versions, and databases that cannot be had: refused, unharmed."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from holdfast.backends.sql.schema import migrations
from holdfast.backends.sqlite import SqliteStore, schema
from holdfast.backends.system.clock import SystemClock
from holdfast.model.runs import WORK_PROTOCOL
from holdfast.testing.project import NotStarted, RunningProject
from tests.native_project import NativeProject, calls, end, script, until
from tests.served import ask
from tests.served import body as spoken_by

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1
_RUNS_SINCE = 2


def database(project: RunningProject) -> Path:
    return project.state / "holdfast.db"


def contents(folder: Path) -> dict[str, bytes]:
    """The database and its write-ahead log; locks, and the log's index, are no part of it."""
    found = (p for p in folder.glob("holdfast.db*") if not p.name.endswith((".lock", "-shm")))
    # An empty log is as good as none.
    return {path.name: path.read_bytes() for path in found if path.stat().st_size}


def of_tomorrow(path: Path, *, killed: bool) -> int:
    """Mark the database as one that a newer holdfast migrated; its schema.

    A newer holdfast that was killed leaves what it wrote last beside the database.
    """
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(killed))
    newest = "SELECT max(version) + 1 FROM migrations"
    version = int(connection.execute(newest).get)
    connection.execute(f"CREATE TABLE tomorrow_{version} (x)").fetchall()
    connection.execute(
        "INSERT INTO migrations (version, name, applied_at_ns) VALUES (?, 'of_tomorrow', 1)",
        (version,),
    ).fetchall()
    connection.close()
    return version


def refused_start(project: RunningProject) -> str:
    """What the server said; it ended by itself, in order."""
    with pytest.raises(NotStarted) as caught:
        project.start()
    assert caught.value.code == 9, caught.value.said
    assert "Traceback" not in caught.value.said
    return caught.value.said


@pytest.fixture
def stopped(tmp_path):
    """A project that has run, with a record or two, and runs no more."""
    project = RunningProject(tmp_path)
    project.start()
    session = project.open()
    assert ask(project, session, spoken_by({"text": "hello"})).status == 200
    project.stop()
    yield project
    project.close()


def test_a_database_of_a_newer_version_is_refused_and_stays_as_it_is_to_the_byte(stopped):
    for killed in (False, True):
        version = of_tomorrow(database(stopped), killed=killed)
        before = contents(stopped.state)
        assert ("holdfast.db-wal" in before) is killed
        said = refused_start(stopped)
        assert f"has schema {version}" in said
        assert "run the newer holdfast" in said
        assert contents(stopped.state) == before


def test_a_database_that_is_locked_by_another_process_is_said_to_be(stopped):
    other = apsw.Connection(str(database(stopped)))
    other.pragma("locking_mode", "exclusive")
    other.execute("BEGIN EXCLUSIVE").fetchall()
    said = refused_start(stopped)
    assert "locked by another process" in said
    other.execute("ROLLBACK").fetchall()
    other.close()
    stopped.start()
    assert stopped.call("GET", "/healthz", token="").json["store"] == "ok"


def bound_by_modes() -> None:
    """In the child: also root obeys the modes of files and folders."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE) != 0:
        raise PermissionError("the capability cannot be dropped")


@pytest.mark.part("linux")
def test_a_database_that_cannot_be_written_is_refused_and_stays_as_it_is(stopped):
    for place in (stopped.state, database(stopped)):
        (stopped.state / "holdfast.db.lock").unlink(missing_ok=True)
        before, mode = contents(stopped.state), place.stat().st_mode
        place.chmod(0o500 if place.is_dir() else 0o400)
        command = ["-m", "holdfast.apps.server", "--project", str(stopped.folder), "--port", "0"]
        try:
            ended = subprocess.run(
                [sys.executable, *command],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                preexec_fn=bound_by_modes if os.geteuid() == 0 else None,
                env={**os.environ, "SCRIPTED_UPSTREAM_KEY": "key"},
            )
        finally:
            place.chmod(mode)
        assert ended.returncode == 9, ended.stderr
        assert "cannot be written" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert contents(stopped.state) == before


def lowered(path: Path, version: int) -> None:
    """Replace a database by one of an older schema with the same rows, as far as it has places."""
    older = path.with_name("older.db")
    connection = apsw.Connection(str(older))
    connection.execute(schema.BEGIN).fetchall()
    for step in migrations(schema.PACKAGE)[:version]:
        connection.execute(step.sql).fetchall()
        row = (step.version, step.name, 1)
        connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", row).fetchall()
    connection.execute("ATTACH ? AS now", (str(path),)).fetchall()
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for table in (str(name) for (name,) in tables):
        if table == "migrations" or table.startswith("sqlite_"):
            continue
        names = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
        columns = ", ".join(names)
        # What a step itself put there is replaced by what stands.
        connection.execute(f"DELETE FROM main.{table}").fetchall()
        connection.execute(
            f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}"
        ).fetchall()
    connection.close()
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    older.replace(path)


def test_open_runs_of_the_database_before_this_one_go_on_after_the_way_up(tmp_path):
    before_this = max(_RUNS_SINCE, migrations(schema.PACKAGE)[-1].version - 1)
    played = script(refund=calls(("look", "o1"), ("pay", "slow1"), ("ship", "o1")))
    with NativeProject(tmp_path, played) as house:
        half = house.submit("refund, at once")
        worker = house.worker()
        until(lambda: house.acts("pay"), 60)
        end(worker)
        waiting = house.submit("refund, later")
        house.project.stop(signal.SIGKILL)
        acted = house.acts()
        # A log is of its own schema alone: the version that was killed brings it in.
        asyncio.run(SqliteStore.open(database(house.project), clock=SystemClock()).close())
        lowered(database(house.project), before_this)
        house.project.start()
        house.worker()
        for run in (half, waiting):
            assert house.until(run, "done", "failed", "dead", "parked")["state"] == "done"
        connection = apsw.Connection(str(database(house.project)))
        newest = connection.execute("SELECT max(version) FROM migrations").get
        connection.close()
        assert newest == migrations(schema.PACKAGE)[-1].version
        # What was done under the older schema stands, and was not done again.
        assert house.acts()[: len(acted)] == acted
        assert sorted(name for name, _, _ in house.acts()) == ["pay", "pay", "ship", "ship"]


def as_of(change: int) -> list[str]:
    """A worker process that speaks another protocol than this version's."""
    program = (
        "import sys, holdfast.model.runs as runs;"
        f" runs.WORK_PROTOCOL += {change};"
        " from holdfast.apps.worker.__main__ import main;"
        " sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-c", program]


def test_a_worker_of_another_version_is_told_what_to_do_and_gets_nothing(tmp_path):
    with NativeProject(tmp_path, script(talk=calls())) as house:
        run = house.submit("talk")
        for change, todo in ((-1, "update the worker"), (1, "update the server, or run workers")):
            ended = subprocess.run(
                [*as_of(change), "--project", str(house.folder)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert ended.returncode == 2, ended.stderr
            assert todo in ended.stderr
            assert "Traceback" not in ended.stderr
        token = (house.project.state / "worker.token").read_text().strip()
        for spoken in ({}, {"protocol": WORK_PROTOCOL - 1}, {"protocol": WORK_PROTOCOL + 1}):
            for path, asked in (("claim", {"wait_s": 0}), ("heartbeat", {"runs": []})):
                body = {"worker": "w", **asked, **spoken}
                reply = house.project.call("POST", f"/v1/work/{path}", body, token=token)
                assert reply.status == 409
                error = reply.json["error"]
                assert (error["code"], error["retryable"]) == ("version_mismatch", False)
                told = (error["server_protocol"], error["worker_protocol"])
                assert told == (WORK_PROTOCOL, spoken.get("protocol", 0))
        found = house.show(run)
        assert (found["state"], found["activations"]) == ("queued", 0)
        house.worker()
        assert house.until(run, "done", "failed", "dead")["state"] == "done"
