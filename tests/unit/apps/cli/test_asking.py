"""`[y/N]` in a terminal: what is a yes, what is a no, and what leaves the question to others."""

import asyncio
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from holdfast.apps.cli.asking import Terminal, Typed, answered_here
from holdfast.errors import Conflict
from holdfast.model.approvals import ApprovalState
from holdfast.model.events import Kind, Record
from holdfast.testing.conformance.store_approvals import an_approval


class Approvals:
    def __init__(self, fault: Exception | None = None) -> None:
        self.said: list[tuple[str, str]] = []
        self.fault = fault

    async def show(self, name: str) -> Any:
        return an_approval(approval_id=name, state=ApprovalState.PENDING)

    async def approve(self, shown: Any) -> None:
        if self.fault is not None:
            raise self.fault
        self.said.append((shown.approval_id, "yes"))

    async def deny(self, shown: Any, note: str) -> None:
        self.said.append((shown.approval_id, note))


class Client:
    def __init__(self, fault: Exception | None = None) -> None:
        self.approvals = Approvals(fault)


def told(kind: Kind, name: str) -> Record:
    return Record(
        kind=kind, at_ns=1, tenant="t", project="p", user="u", agent="a", session="s",
        body={"approval_id": name},
    )  # fmt: skip


def asked(fd: int, *names: str, client: Any = None, then: Any = None) -> list[tuple[str, str]]:
    """What was answered about these, with `fd` as standard input."""
    client = client or Client()

    async def main() -> None:
        terminal = Terminal(client, Typed(fd))
        for name in names:
            terminal.heard(told(Kind.APPROVAL_ASKED, name))
        serving = asyncio.create_task(terminal.serve())
        if then is not None:
            await asyncio.sleep(0.05)
            then(terminal)
        done, _ = await asyncio.wait((serving,), timeout=0.3)
        serving.cancel()
        for one in done:
            one.result()

    asyncio.run(main())
    return list(client.approvals.said)


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


NO = "no at the terminal"


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        (b"y\n", ["yes"]),
        (b"YES \n", ["yes"]),
        (b"n\n", [NO]),
        (b"\n", [NO]),
        (b"yy\n", [NO]),
        (b"\xff\xfey\n", [NO]),
        (b"", []),
    ],
)
def test_yes_is_yes_and_everything_else_that_is_typed_is_no(pipe, typed, answers):
    os.write(pipe[1], typed)
    assert [said for _, said in asked(pipe[0], "apr_1")] == answers


def test_lines_that_come_at_once_answer_one_question_each(pipe):
    os.write(pipe[1], b"y\nn\n")
    assert asked(pipe[0], "apr_1", "apr_2") == [("apr_1", "yes"), ("apr_2", NO)]


def test_the_end_of_input_leaves_what_is_asked_to_others(pipe, capsys):
    os.close(pipe[1])
    assert asked(pipe[0], "apr_1", "apr_2") == []
    assert "nobody answers here" in capsys.readouterr().err


def test_a_file_and_the_null_device_are_read_as_they_are(tmp_path):
    with Path(os.devnull).open("rb") as null:
        assert asked(null.fileno(), "apr_1") == []
    (tmp_path / "answers").write_bytes(b"y\n")
    with (tmp_path / "answers").open("rb") as file:
        assert asked(file.fileno(), "apr_1") == [("apr_1", "yes")]


def test_what_is_answered_elsewhere_is_not_answered_here_as_well(pipe):
    def elsewhere(terminal: Terminal) -> None:
        terminal.heard(told(Kind.APPROVAL_ANSWERED, "apr_1"))
        os.write(pipe[1], b"y\n")

    assert asked(pipe[0], "apr_1", then=elsewhere) == []


def test_what_was_typed_before_the_question_was_there_is_no_answer():
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"y\n")
        assert asked(theirs, "apr_1") == []
        later = asked(theirs, "apr_1", then=lambda _: os.write(ours, b"y\n"))
        assert later == [("apr_1", "yes")]
    finally:
        os.close(ours)
        os.close(theirs)


def test_an_answer_that_the_server_refuses_is_shown_and_the_next_is_asked(pipe, capsys):
    os.write(pipe[1], b"y\nn\n")
    client = Client(Conflict("it no longer waits"))
    assert asked(pipe[0], "apr_1", "apr_2", client=client) == [("apr_2", NO)]
    assert "it no longer waits" in capsys.readouterr().err


@pytest.mark.parametrize("asks", [None, True, False])
def test_a_program_without_standard_input_asks_nobody(monkeypatch, asks):
    monkeypatch.setattr("sys.stdin", None)

    async def main() -> None:
        async with answered_here(Client(), asks=asks, as_json=False) as heard:  # type: ignore[arg-type]
            heard(told(Kind.APPROVAL_ASKED, "apr_1"))

    asyncio.run(main())
