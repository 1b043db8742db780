"""Makes a job's repository: a fresh folder with its history, a remote, and programs on the path.

`gh`, `docker` and `npm` only print; `git`, `python`, `pytest`, `ruff` and `node` are real. Nothing
reaches beyond this machine. Not here: what is played in it (`doors`).
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.jobs.corpus import Commit, Job, repositories

_TOOLS = Path(__file__).with_name("tools")
_REMOTE = "https://github.example/acme/shop.git"
_PERSON = "[user]\n\tname = Ann Dev\n\temail = ann@acme.example\n[init]\n\tdefaultBranch = main\n"
_MODULES = ("pytest", "ruff")
_SYSTEM = (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin"))
SANDBOX = ("bwrap", "socat")
"""What Claude Code's own sandbox is made of; clients find it where the player does."""


class Place:
    """Where one client works: `root` is its folder, `home` its own home, `port` a free port.

    All is below the folder given, which should be temporary. Without `sandbox` nobody there finds
    what Claude Code's own is made of, whatever is installed.
    """

    def __init__(self, folder: Path, *, sandbox: bool) -> None:
        self.folder = folder.resolve()
        self.sandbox = sandbox
        self.root = self.folder / "work"
        self.home = self.folder / "home"
        self.port = _free_port()
        self.root.mkdir(parents=True)
        self.home.mkdir()
        (self.home / ".gitconfig").write_text(_PERSON, encoding="utf-8")
        programs = _programs(self.folder / "bin")
        self._path = [programs, *_SYSTEM] if sandbox else [programs, _bare(self.folder / "usr")]
        if sandbox:
            for name in SANDBOX:
                if found := shutil.which(name):
                    (programs / name).symlink_to(found)

    @property
    def environment(self) -> dict[str, str]:
        """What a client is started with, as after `env -i`."""
        return {
            "PATH": ":".join(map(str, self._path)),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "IS_SANDBOX": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # Plugins of this interpreter have nothing to do with the fixtures.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def shell(self, script: str, cwd: Path | None = None) -> str:
        """Run a shell script in the repository; its output. Errors: RuntimeError with the same."""
        done = subprocess.run(
            ["/bin/bash", "-ec", script],
            cwd=cwd or self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"a fixture could not be made: {done.stderr or done.stdout}")
        return done.stdout

    def prepare(self, job: Job) -> None:
        """The job's history, remote and state in `root`. Errors: RuntimeError."""
        self.shell("git init -q")
        self.write_history(job, self.root)
        self.add_remote()

    def add_remote(self) -> None:
        """A remote whose address looks like any other, and is a folder here."""
        remote = self.folder / "origin.git"
        self.shell(
            f"git init -q --bare {remote}; git remote add origin {_REMOTE}\n"
            f"git config url.{remote}.insteadOf {_REMOTE}; git push -q -u origin main"
        )

    def finish(self, job: Job) -> None:
        """What happened in the working copy just before the prompt was typed."""
        if job.setup:
            self.shell(job.setup)

    def write_history(self, job: Job, folder: Path) -> None:
        """The commits of the job's repository and its own files, in `folder`."""
        own = [Commit("What the job is about", job.files)] if job.files else []
        for commit in [*repositories()[job.repository], *own]:
            write(folder, commit.files)
            self.shell(f"git add -A . && git commit -qm {commit.message!r}", folder)

    def branches(self) -> list[str]:
        """Local branches that are not checked out. Errors: RuntimeError."""
        told = self.shell("git for-each-ref --format='%(HEAD)%(refname:short)' refs/heads")
        return [name.strip() for name in told.splitlines() if name.startswith(" ")]

    def end_processes(self) -> None:
        """End what the client's tools left running: processes that work below the folder."""
        for pid in _working_below(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """End what runs there and remove the folder."""
        self.end_processes()
        shutil.rmtree(self.folder, ignore_errors=True)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, with the folders they need."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _programs(folder: Path) -> Path:
    folder.mkdir()
    for path in _TOOLS.iterdir():
        shutil.copy(path, folder / path.name)
        (folder / path.name).chmod(0o755)
    launchers = dict.fromkeys(("python", "python3"), "") | {m: f" -m {m}" for m in _MODULES}
    for name, arguments in launchers.items():
        script = f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n'
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def _bare(folder: Path) -> Path:
    """The system's programs but for what a sandbox is made of, as links."""
    folder.mkdir()
    for system in reversed(_SYSTEM):
        for program in system.iterdir() if system.is_dir() else ():
            link = folder / program.name
            link.unlink(missing_ok=True)
            if program.name not in SANDBOX:
                link.symlink_to(program)
    return folder


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def _working_below(folder: Path) -> Iterable[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(folder):
                    yield int(entry.name)
