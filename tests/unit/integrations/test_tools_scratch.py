"""What tools keep in memory or in their temporary folder crosses to no other run."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.errors import Unavailable
from holdfast.integrations.native import scratch
from holdfast.integrations.native.router import Router
from holdfast.runtime.workers import this_process
from holdfast.tools.lease import Lease, now_s

TOOLS = """
import pathlib, tempfile

SEEN = []

def keeps(word: str):
    found = sorted(p.read_text() for p in pathlib.Path(tempfile.gettempdir()).iterdir())
    before = list(SEEN)
    SEEN.append(word)
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(word)
    return {"files": found, "memory": before, "folder": tempfile.gettempdir()}
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where this process's temporary folders go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def one_run(folder, *words):
    """What the tools of one run say to each word, in turn."""
    run = {"kind": "python", "target": "mine:keeps", "probe": "", "folder": str(folder)}
    told = {"timeout_s": 20.0, "max_output_bytes": 10_000, "idempotency": "once", "run": run}

    async def main():
        lease = Lease(now_s() + 60)
        router = Router(
            {"keeps": told},
            {},
            session_id="ses_1",
            environment=os.environ,
            lease=lease,
            sandbox=SystemSandbox(),
        )
        await router.open()
        try:
            return [
                (await router.run("keeps", {"word": w}, key="k", attempt=1, call_id="c1")).output
                for w in words
            ]
        finally:
            await router.close()

    return asyncio.run(main())


def test_a_run_finds_what_it_kept_and_nothing_of_the_run_before(tmp_path, temporary):
    (tmp_path / "mine.py").write_text(TOOLS)
    first, second = one_run(tmp_path, "one", "two")
    assert (first["files"], first["memory"]) == ([], [])
    assert (second["files"], second["memory"]) == (["one"], ["one"])
    assert Path(first["folder"]).is_relative_to(temporary)
    (other,) = one_run(tmp_path, "three")
    assert (other["files"], other["memory"]) == ([], [])
    assert list(temporary.iterdir()) == []


def test_what_a_worker_left_that_died_is_removed_and_nothing_else(temporary):
    said = "from holdfast.runtime import workers; print(workers.this_process())"
    ended = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, check=True
    ).stdout.strip()
    for name, owner in {"dead": ended, "mine": this_process(), "elsewhere": "w/1"}.items():
        folder = temporary / f"holdfast-tools-{name}"
        (folder / "tmp").mkdir(parents=True)
        (folder / "tmp" / "file").write_text("x")
        (folder / "worker").write_text(owner)
    (temporary / "holdfast-tools-empty").mkdir()
    (temporary / "other").mkdir()
    (temporary / "holdfast-tools-link").symlink_to(temporary / "other")
    scratch.sweep()
    left = sorted(found.name for found in temporary.iterdir())
    assert left == [
        "holdfast-tools-elsewhere",
        "holdfast-tools-empty",
        "holdfast-tools-link",
        "holdfast-tools-mine",
        "other",
    ]
    assert (temporary / "holdfast-tools-mine" / "tmp" / "file").exists()


def test_where_there_is_no_room_for_it_no_tool_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(Unavailable, match="no folder for what tools write"):
        one_run(tmp_path, "one")
