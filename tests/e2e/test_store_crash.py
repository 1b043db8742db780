"""The SQLite store against real kills, a real full disk, a dying disk and real other processes."""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from holdfast.backends.sqlite import SqliteStore
from holdfast.errors import Conflict, HoldfastError, StoreUnavailable
from holdfast.ports.store import RecordFilter
from holdfast.testing.conformance.store import a_record

ROOT = Path(__file__).resolve().parents[2]
KILLS = 24

PRELUDE = """
import asyncio, sys, time, os
from pathlib import Path
from holdfast.backends.sqlite import SqliteStore
from holdfast.errors import HoldfastError
from holdfast.model.budgets import AccountState
from holdfast.ports.store import HoldClosed, RecordFilter
from holdfast.testing.conformance.store import USD, a_call, a_hold, a_record, a_session

class SystemClock:
    def now_ns(self):
        return time.time_ns()

path = Path(sys.argv[1])

def said(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

# Every commit n says the same thing four or five ways; whatever survives must agree with itself.
COMMITTING = (
    PRELUDE
    + """
async def main():
    store = SqliteStore.open(path, clock=SystemClock())
    done = len(await store.records(RecordFilter(tenant="acme", limit=100_000)))
    numbers = iter(range(done + 1, 10**9))
    said("ready")

    async def caller():
        for n in numbers:
            await store.commit([a_record(n, turn=n)], [
                AccountState(key=USD, limit=None, settled=n),
                a_hold(f"hold_{n}", nusd=n, at_ns=n), HoldClosed(f"hold_{n - 1}"),
                a_call(f"call_{n}", turn=n),
                # With a session a commit goes another way than without.
                *([a_session(state_reason=str(n))] if n % 5 == 0 else ()),
            ])
            said(n)

    await asyncio.gather(*(caller() for _ in range(8)))

asyncio.run(main())
"""
)


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()


class Child(subprocess.Popen):
    """A process whose output is always there to read."""

    def line(self) -> str:
        assert self.stdout is not None
        return self.stdout.readline()


def start(source: str, path: Path, *words: str) -> Child:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return Child(
        [sys.executable, "-c", source, str(path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )


def finished(source: str, path: Path, *words: str) -> str:
    process = start(source, path, *words)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


async def contents(path: Path):
    store = SqliteStore.open(path, clock=SystemClock())
    try:
        return (
            await store.records(RecordFilter(tenant="acme", limit=100_000)),
            await store.accounts(),
            await store.holds(),
            await store.session("ses_1"),
            await store.calls("ses_1"),
        )
    finally:
        await store.close()


def check_prefix(path: Path, acknowledged: int) -> int:
    """What is stored is the history up to some n, in every table, n at least `acknowledged`."""
    records, accounts, holds, session, calls = asyncio.run(contents(path))
    last = len(records)
    assert last >= acknowledged
    assert [r.seq for r in records] == list(range(1, last + 1))
    assert [r.turn for r in records] == list(range(1, last + 1))
    if last:
        assert [(a.settled, a.held) for a in accounts] == [(last, last)]
        assert [h.hold_id for h in holds] == [f"hold_{last}"]
        assert session is None if last < 5 else session.state_reason == str(last - last % 5)
        assert [c.turn for c in calls] == list(range(1, last + 1))
    return last


def test_a_killed_server_keeps_every_acknowledged_commit_and_no_half_of_any(tmp_path):
    path = tmp_path / "holdfast.db"
    chance = random.Random(7)
    acknowledged = grown = 0
    for _ in range(KILLS):
        process = start(COMMITTING, path)
        assert process.line() == "ready\n"
        for _ in range(chance.randrange(60)):
            process.line()
        time.sleep(chance.random() * 0.02)
        process.kill()
        lines = process.communicate(timeout=20)[0].splitlines()
        acknowledged = max([acknowledged, *(int(line) for line in lines if line.isdigit())])
        before, grown = grown, check_prefix(path, acknowledged)
        assert grown >= before
    assert grown > KILLS


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 2 MB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    subprocess.run(mount, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(path: Path, store: SqliteStore):
    async def main():
        acknowledged = 0
        refusals: list[HoldfastError] = []
        for n in range(1, 4000):
            try:
                await store.commit([a_record(n, body={"x": "y" * 2000})])
                assert not refusals, "nothing is accepted after a failure"
                acknowledged = n
            except HoldfastError as error:
                refusals.append(error)
                if len(refusals) == 3:
                    break
        await store.close()
        return acknowledged, [(type(e).__name__, e.message) for e in refusals]

    return asyncio.run(main())


def stored(path: Path) -> list[int]:
    async def main():
        store = SqliteStore.open(path, clock=SystemClock())
        try:
            found = await store.records(RecordFilter(tenant="acme", limit=10_000))
            await store.commit([a_record(9999)])
            return [record.at_ns for record in found]
        finally:
            await store.close()

    return asyncio.run(main())


def check_filled(acknowledged: int, refusals) -> None:
    assert acknowledged > 20
    assert [name for name, _ in refusals] == ["StoreUnavailable"] * 3
    assert "disk" in refusals[0][1]
    assert "restart to go on" in refusals[0][1]


@pytest.mark.part("mounts")
def test_a_full_disk_is_a_typed_refusal_and_loses_nothing_acknowledged(small_disk):
    path = small_disk / "holdfast.db"
    ballast = small_disk / "ballast"
    # What the log has needs as much room in the tables, and once more on its way there.
    ballast.write_bytes(b"x" * 1_300_000)
    acknowledged, refusals = fill(path, SqliteStore.open(path, clock=SystemClock()))
    check_filled(acknowledged, refusals)
    with pytest.raises(StoreUnavailable, match="disk"):
        stored(path)
    ballast.unlink()
    assert stored(path)[:acknowledged] == list(range(1, acknowledged + 1))


def test_a_full_database_is_a_typed_refusal_and_loses_nothing_acknowledged(tmp_path):
    path = tmp_path / "holdfast.db"
    store = SqliteStore.open(path, clock=SystemClock())
    store._connection.raw.pragma("max_page_count", 300)
    acknowledged, refusals = fill(path, store)
    check_filled(acknowledged, refusals)
    assert stored(path) == list(range(1, acknowledged + 1))


@pytest.mark.parametrize("way", ["log", "tables"])
def test_a_disk_whose_sync_fails_acknowledges_nothing_from_then_on(tmp_path, way):
    source = (
        PRELUDE
        + """
import apsw

class Dying(apsw.VFS):
    def __init__(self):
        super().__init__("dying", "", makedefault=True)
    def xOpen(self, name, flags):
        return DyingFile(name, flags)

class DyingFile(apsw.VFSFile):
    dead = False
    def __init__(self, name, flags):
        super().__init__("unix", name, flags)
    def xSync(self, flags):
        if DyingFile.dead:
            raise apsw.IOError("the disk is gone")
        super().xSync(flags)

def dying_sync(file):
    if DyingFile.dead:
        raise OSError("the disk is gone")
    sync(file)

dying, sync = Dying(), os.fdatasync
os.fdatasync = dying_sync
changed = [a_session()] if "tables" in sys.argv else []

async def main():
    store = SqliteStore.open(path, clock=SystemClock())
    for n in range(1, 6):
        await store.commit([a_record(n)], changed)
    DyingFile.dead = True
    for n in (6, 7):
        try:
            await store.commit([a_record(n)], changed)
            said("acknowledged", n)
        except HoldfastError as error:
            said(error.code, error.message)
    DyingFile.dead = False
    try:
        await store.commit([a_record(8)])
        said("acknowledged", 8)
    except HoldfastError as error:
        said(error.code, error.message)
    os._exit(0)

asyncio.run(main())
"""
    )
    lines = finished(source, tmp_path / "holdfast.db", way).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("store_unavailable a commit did not become") for line in lines)
    assert "the disk refused" in lines[0]
    # The sixth was written before the sync failed: it may be there, but nothing after it.
    assert stored(tmp_path / "holdfast.db") in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])


OPENING = (
    PRELUDE
    + """
if "as-nobody" in sys.argv:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteStore.open(path, clock=SystemClock())
    said("opened")
except HoldfastError as error:
    said(type(error).__name__, error.message)
"""
)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_may_only_be_read_is_refused(what):
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        path = Path(place) / "state" / "holdfast.db"
        stored(path)
        path.chmod(0o444)
        path.with_name(path.name + ".lock").chmod(0o444 if what == "folder" else 0o666)
        path.parent.chmod(0o555 if what == "folder" else 0o777)
        # Permissions do not stop root, which therefore becomes nobody.
        dropped = ["as-nobody"] if os.geteuid() == 0 else []
        try:
            assert finished(OPENING, path, *dropped).startswith("StoreUnavailable ")
        finally:
            path.parent.chmod(0o700)
            path.chmod(0o600)
            path.with_name(path.name + ".lock").chmod(0o600)
        assert len(stored(path)) == 1


def test_a_database_that_another_process_owns_is_refused_until_that_process_is_gone(tmp_path):
    path = tmp_path / "holdfast.db"
    owner = start(COMMITTING, path)
    assert owner.line() == "ready\n"
    with pytest.raises(Conflict, match=f"process {owner.pid}"):
        SqliteStore.open(path, clock=SystemClock())
    assert finished(OPENING, path).startswith("Conflict ")
    owner.kill()
    owner.communicate(timeout=20)
    stored(path)


def test_a_process_that_never_closes_its_store_still_ends(tmp_path):
    source = PRELUDE + textwrap.dedent(
        """
        async def main():
            store = SqliteStore.open(path, clock=SystemClock())
            await store.commit([a_record(1)])
            await store.last_at_ns()
            said("done")

        asyncio.run(main())
        """
    )
    assert finished(source, tmp_path / "holdfast.db") == "done\n"
    assert stored(tmp_path / "holdfast.db") == [1]
