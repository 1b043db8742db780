"""What governs is its owner's alone: another user of the machine reads and writes none of it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from holdfast.testing.project import RunningProject

NOBODY = 65_534
pytestmark = pytest.mark.part("root")


@pytest.fixture(scope="module")
def project():
    folder = Path(tempfile.mkdtemp(prefix="holdfast-owner-"))
    folder.chmod(0o755)
    try:
        with RunningProject(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder)


def may(how: str, path: Path) -> bool:
    """Whether another user may read or write (`-r`, `-w`) something, as the kernel says."""
    asked = ["test", how, str(path)]
    done = subprocess.run(asked, check=False, user=NOBODY, group=NOBODY, extra_groups=[])
    return done.returncode == 0


def test_another_user_sees_the_project_and_nothing_that_governs_it(project):
    assert may("-r", project.folder)
    state = project.state
    kept = [state, *state.rglob("*")]
    assert {path.name for path in kept} >= {
        "admin.token",
        "policies",
        "policyd.sock",
        "holdfast.db",
    }
    assert not [path for path in kept if may("-r", path) or may("-w", path)]


def test_another_user_writes_no_settings_and_no_policies(project):
    files = [
        project.folder,
        project.folder / "holdfast.yaml",
        *(project.folder / "policies").rglob("*"),
    ]
    assert len(files) >= 3
    assert not [path for path in files if may("-w", path)]


def test_the_policy_process_is_the_servers_users(project):
    assert Path(f"/proc/{project.policy_pid}").stat().st_uid == os.geteuid()
    assert project.policy_pid != project.pid
