"""`holdfast up` becomes the server, unless one answers already."""

import os
import sys

import pytest
from typer.testing import CliRunner

from holdfast.apps.cli import reaching
from holdfast.apps.cli.main import app
from holdfast.apps.cli.project import SERVER_FILE
from holdfast.client import discovery


@pytest.fixture
def becomes(monkeypatch) -> list[list[str]]:
    """The commands that it would have become."""
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _, command, __: found.append(command))
    return found


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "holdfast.yaml").write_text("version: 1\n")
    return tmp_path


def test_the_server_file_is_the_one_that_the_client_looks_for(folder):
    (folder / SERVER_FILE).parent.mkdir()
    (folder / SERVER_FILE).write_text("{}")
    assert discovery.find_server_file(folder) == folder / SERVER_FILE


def test_what_was_typed_is_handed_on(folder, becomes):
    typed = ("up", "-C", str(folder), "--port", "0", "--host", "::1", "--workers", "2")
    result = CliRunner().invoke(app, [*typed, "--store", "postgresql://h/d"])
    assert result.exit_code == 0, result.output
    server = [sys.executable, "-P", "-m", "holdfast.apps.server"]
    given = ["--project", str(folder), "--port", "0", "--host", "::1"]
    assert becomes == [
        [*server, *given, "--store", "postgresql://h/d", "--workers", "2"],
    ]


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_that_answers_is_not_started_twice(folder, becomes, monkeypatch, answers):
    class Client:
        base_url = "http://127.0.0.1:1"

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

    async def answering(_):
        return Client() if answers else None

    (folder / SERVER_FILE).parent.mkdir()
    (folder / SERVER_FILE).write_text("{}")
    monkeypatch.setattr(reaching, "answering", answering)
    result = CliRunner().invoke(app, ["up", "-C", str(folder)])
    assert bool(becomes) is not answers
    assert ("answers already at http://127.0.0.1:1" in result.output) is answers
