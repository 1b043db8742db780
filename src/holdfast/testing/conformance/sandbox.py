"""What every Sandbox must do, as a suite that a backend's tests inherit.

    class TestMySandbox(SandboxConformance):
        def sandbox(self) -> Sandbox: ...

The programs of the suite are Python's, with nothing but its standard library. What a sandbox says
that it holds is tried: a program that can do it after all is a failure. Not here: what only one
sandbox has.
"""

import abc
import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from holdfast.errors import ConfigInvalid
from holdfast.ports.sandbox import Isolation, Pipes, Program, Sandbox

_SOON_S = 30.0
_WRITES = """
import os, sys
os.write(int(sys.argv[1]), b"hello")
try:
    os.write(int(sys.argv[2]), b"x")
    print("leaked")
except OSError:
    print("closed")
"""


def python(text: str, *arguments: str, **more: object) -> Program:
    """A program whose output is ours to read."""
    given: dict[str, object] = {"stdout": Pipes.PIPE} | more
    return Program(arguments=(sys.executable, "-c", text, *arguments), **given)  # type: ignore[arg-type]


class _Heard(asyncio.SubprocessProtocol):
    """What a program wrote, until it ended."""

    def __init__(self) -> None:
        self.wrote = b""
        self.ended = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Bytes of one of its pipes."""
        self.wrote += data

    def process_exited(self) -> None:
        """It is over."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, and all that it wrote was heard."""
        if self._transport is not None:
            self._transport.close()
        self.ended.set()


class SandboxConformance(abc.ABC):
    """Inherit, and give a sandbox."""

    @abc.abstractmethod
    def sandbox(self) -> Sandbox:
        """The one that is tried."""

    def run(self, body: Callable[[Sandbox], Awaitable[None]]) -> None:
        """Run a coroutine against it, within the time that a test may take."""

        async def main() -> None:
            async with asyncio.timeout(_SOON_S):
                await body(self.sandbox())

        asyncio.run(main())

    def said(self, program: Program, typed: bytes = b"") -> tuple[str, int | None]:
        """What a program wrote, and how it ended."""
        found: list[tuple[str, int | None]] = []

        async def ran(sandbox: Sandbox) -> None:
            process = await sandbox.start(program)
            wrote, _ = await process.communicate(typed or None)
            found.append((wrote.decode().strip(), process.returncode))

        self.run(ran)
        return found[0]

    def test_a_program_gets_its_words_as_they_are_and_no_shell_reads_them(self) -> None:
        """Quotes, patterns, blanks and nothing at all."""
        hard = ("a b", "$HOME", "*", "; echo x", "", "ünï'\"")
        said, code = self.said(python("import sys; print(ascii(sys.argv[1:]))", *hard))
        assert (said, code) == (ascii(list(hard)), 0)

    def test_it_gets_its_own_variables_and_no_other_ones(self) -> None:
        """Or all of ours, where none are given."""
        os.environ["HOLDFAST_SUITE"] = "ours"
        shown = "import os; print(os.environ.get('HOLDFAST_SUITE'), os.environ.get('OWN'))"
        assert self.said(python(shown)) == ("ours None", 0)
        assert self.said(python(shown, environment={"OWN": "1"})) == ("None 1", 0)

    def test_it_begins_in_its_folder(self) -> None:
        """And sees what lies there."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "here.txt").write_text("found")
            text = "print(open('here.txt').read())"
            assert self.said(python(text, folder=folder)) == ("found", 0)

    def test_what_is_typed_is_read_and_nothing_is_there_without(self) -> None:
        """The input is a pipe where that is asked for."""
        text = "import sys; print(len(sys.stdin.read()))"
        assert self.said(python(text, stdin=Pipes.PIPE), b"12345") == ("5", 0)
        assert self.said(python(text)) == ("0", 0)

    def test_how_it_ended_is_known(self) -> None:
        """By its code, or by the signal that ended it."""
        assert self.said(python("import sys; sys.exit(7)"))[1] == 7
        text = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
        assert self.said(python(text))[1] == -signal.SIGTERM

    def test_descriptors_that_are_handed_over_arrive_and_no_other_ones(self) -> None:
        """Under their numbers."""
        ours, theirs = socket.socketpair()
        kept, secret = os.pipe()
        os.set_inheritable(secret, True)
        try:
            with ours, theirs:
                given = (str(theirs.fileno()), str(secret))
                program = python(_WRITES, *given, handed=(theirs.fileno(),))
                assert self.said(program) == ("closed", 0)
                assert ours.recv(16) == b"hello"
        finally:
            os.close(kept)
            os.close(secret)

    def test_it_leads_a_group_and_a_session_of_its_own(self) -> None:
        """So that it can be ended with what it started, and our Ctrl-C does not reach it."""
        text = "import os; print(os.getpgrp() == os.getpid() == os.getsid(0))"
        assert self.said(python(text)) == ("True", 0)

    def test_a_protocol_hears_what_it_writes_and_that_it_ended(self) -> None:
        """Without streams."""

        async def body(sandbox: Sandbox) -> None:
            heard = await sandbox.talk(python("print('x' * 100_000)"), _Heard)
            await heard.ended.wait()
            assert heard.wrote.strip() == b"x" * 100_000

        self.run(body)

    def test_what_cannot_be_started_is_an_error_at_once(self) -> None:
        """And nothing runs."""

        async def body(sandbox: Sandbox) -> None:
            for verb in (sandbox.start, lambda program: sandbox.talk(program, _Heard)):
                try:
                    await verb(Program(arguments=("/no/such/program",)))
                except OSError:
                    continue
                raise AssertionError("a program that is not there was started")

        self.run(body)

    def test_what_needs_more_than_it_holds_is_refused(self) -> None:
        """Nothing is weakened in silence."""

        async def body(sandbox: Sandbox) -> None:
            for needed in Isolation:
                program = python("print(1)", needs=needed)
                if needed <= sandbox.holds.isolation:
                    process = await sandbox.start(program)
                    await process.communicate()
                    continue
                for verb in (sandbox.start, lambda program: sandbox.talk(program, _Heard)):
                    try:
                        await verb(program)
                    except ConfigInvalid:
                        continue
                    raise AssertionError(f"it started what needs {needed.name}")

        self.run(body)

    def test_what_it_says_that_it_holds_holds(self) -> None:
        """Files and network are tried; a report that says too much is a failure."""
        holds = self.sandbox().holds
        with tempfile.NamedTemporaryFile("w") as file, socket.create_server(("127.0.0.1", 0)) as us:
            file.write("secret")
            file.flush()
            reads = f"print(open({file.name!r}).read())"
            dials = f"import socket; socket.create_connection(('127.0.0.1', {us.getsockname()[1]}))"
            assert (self.said(python(reads))[0] != "secret") == holds.files
            assert (self.said(python(dials, stderr=Pipes.NOTHING))[1] != 0) == holds.network
