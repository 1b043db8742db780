"""Large bodies are read in a process of their own: whatever becomes of it, others go on."""

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from holdfast.backends.reader_host import ReaderHost, host
from holdfast.backends.reader_host.files import HeldFile
from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.core.edits import Edits
from holdfast.core.large import Edit, Parse, Parsed, Read, Requested, Unusable, Written
from holdfast.errors import Unavailable

SMALL = msgspec.json.encode(
    {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
)
LARGE = msgspec.json.encode(
    {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "word " * 4_000_000}]}
)


def looped(test):
    """A test in a loop of its own."""

    @functools.wraps(test)
    def run(*given, **named):
        asyncio.run(test(*given, **named))

    return run


@contextlib.asynccontextmanager
async def readers(**settings):
    found = ReaderHost(os.environ, SystemSandbox(), **settings)
    try:
        yield found
    finally:
        await found.close()


def held(reader, content):
    body = reader.hold()
    body.append(content)
    return body


async def soon(what, timeout_s=5.0):
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


@looped
async def test_a_large_request_comes_back_without_its_body():
    async with readers() as reader:
        answer, written = await reader.ask(Read(), held(reader, LARGE))
    assert isinstance(answer, Requested)
    assert written is None
    assert answer.request is not None
    assert (answer.request.model, answer.request.body) == ("m", b"")
    assert (answer.request.input_tokens_bound or 0) >= len(LARGE)
    assert len(msgspec.msgpack.encode(answer)) < 2_000


@looped
async def test_what_is_no_request_is_said_in_a_sentence():
    async with readers() as reader:
        answer, _ = await reader.ask(Read(), held(reader, b'{"model": "m"'))
    assert answer == Requested(bad=answer.bad)
    assert "not usable JSON" in answer.bad


@looped
async def test_an_edited_body_comes_back_as_memory_and_is_what_the_server_would_write():
    edits = Edits(max_tokens=3)
    async with readers() as reader:
        answer, written = await reader.ask(Edit(edits=edits), held(reader, LARGE))
        assert answer == Written()
        assert bytes(written.view()) == edits.applied(LARGE)
        written.close()


@looped
async def test_a_report_is_read_and_no_more_of_it_comes_back_than_is_kept():
    sent = {"call_id": "c", "ok": True, "output": "x" * 9_000_000, "content": "y" * 9_000_000}
    async with readers() as reader:
        answer, _ = await reader.ask(Parse(outcome=True), held(reader, msgspec.json.encode(sent)))
    assert isinstance(answer, Parsed)
    assert len(answer.value["output"]) < 4_300_000
    assert len(answer.value["content"]) < 1_000_100
    assert answer.replaced == ("what exceeds 4194304 bytes",)


@looped
async def test_while_a_body_is_read_the_loop_goes_on():
    async with readers() as reader:
        await reader.ask(Read(), held(reader, SMALL))
        body, gaps, last = held(reader, LARGE), [0.0], time.perf_counter()
        task = asyncio.ensure_future(reader.ask(Read(), body))
        while not task.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now
    # Where it was read in this process, each of a dozen steps held everything for 20 to 40 ms.
    assert sorted(gaps)[len(gaps) // 2] < 0.02


@looped
async def test_one_that_is_killed_at_work_costs_one_request_and_is_started_again():
    async with readers() as reader:
        await reader.ask(Read(), held(reader, SMALL))
        was, task = reader.pid, asyncio.ensure_future(reader.ask(Read(), held(reader, LARGE)))
        await asyncio.sleep(0.02)
        os.kill(was, signal.SIGKILL)
        with pytest.raises(Unavailable, match="ended: nothing was forwarded") as refused:
            await task
        assert refused.value.fields["retry_after_s"] == 1
        answer, _ = await reader.ask(Read(), held(reader, SMALL))
        assert isinstance(answer, Requested)
        assert reader.pid != was


@looped
async def test_one_that_was_killed_while_idle_costs_nothing():
    async with readers() as reader:
        await reader.ask(Read(), held(reader, SMALL))
        was = reader.pid
        os.kill(was, signal.SIGKILL)
        await soon(lambda: reader.pid != was)
        answer, _ = await reader.ask(Read(), held(reader, SMALL))
        assert isinstance(answer, Requested)


@looped
async def test_one_that_takes_too_long_is_ended_at_its_deadline():
    async with readers(job_s=1.0) as reader:
        await reader.ask(Read(), held(reader, SMALL))
        was = reader.pid
        os.kill(was, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="took longer than 1 s"):
            await reader.ask(Read(), held(reader, SMALL))
        assert time.monotonic() - began < 3
        answer, _ = await reader.ask(Read(), held(reader, SMALL))
        assert isinstance(answer, Requested)
        assert reader.pid != was


@looped
async def test_a_body_that_takes_too_much_memory_is_refused_and_the_process_lives():
    async with readers(most_bytes=300 * 1024 * 1024) as reader:
        # Each escape makes the text be read a second way, and one sign more makes it four times.
        content = b'{"a":"\\u00e9' + "\U0001f600".encode() + b"x" * 60_000_000 + b'"}'
        answer, _ = await reader.ask(Parse(), held(reader, content))
        assert answer == Unusable(text=answer.text, too_large=True)
        assert "more memory" in answer.text
        was = reader.pid
        again, _ = await reader.ask(Read(), held(reader, SMALL))
        assert isinstance(again, Requested)
        assert reader.pid == was


@looped
async def test_whoever_leaves_does_not_leave_the_answer_to_the_next():
    async with readers() as reader:
        await reader.ask(Read(), held(reader, SMALL))
        task = asyncio.ensure_future(reader.ask(Read(), held(reader, LARGE)))
        await asyncio.sleep(0.02)
        task.cancel()
        answer, _ = await reader.ask(Parse(), held(reader, b"[1]"))
        assert answer == Parsed(value=[1])


@looped
async def test_what_is_large_waits_in_line_and_the_line_has_an_end(monkeypatch):
    monkeypatch.setattr(host, "WAITING_MOST", 2)
    async with readers() as reader:
        await reader.ask(Read(), held(reader, SMALL))
        tasks = [asyncio.ensure_future(reader.ask(Read(), held(reader, LARGE))) for _ in range(4)]
        done = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [one for one in done if isinstance(one, Unavailable)]
    assert [one.message for one in refused] == [
        "too many large requests wait to be read; try again in a moment"
    ]


FAKES = {
    "nonsense": "os.write(memory, b'\\xc1nonsense'); seal(); send(number, memory)",
    "another number": "os.write(memory, b'\\x81'); seal(); send(b'1234567z', memory)",
    "no memory at all": "line.send(number)",
    "memory that it can shorten": "os.write(memory, b'\\x81'); send(number, memory)",
    "more than was asked for": "os.ftruncate(memory, 1 << 34); seal(); send(number, memory)",
}
FAKE = """
    import fcntl, os, socket, sys
    line = socket.socket(fileno=int(sys.argv[1]))
    number, *_ = socket.recv_fds(line, 8, 2)
    memory = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    def seal(): fcntl.fcntl(memory, fcntl.F_ADD_SEALS, 14)
    def send(number, fd): socket.send_fds(line, [number], [fd])
    {act}
    line.recv(8)
"""


@pytest.mark.parametrize("act", FAKES.values(), ids=FAKES.keys())
@looped
async def test_what_is_no_answer_ends_the_process_and_refuses_the_request(
    act, monkeypatch, tmp_path
):
    (tmp_path / "fake.py").write_text(textwrap.dedent(FAKE).format(act=act))
    await _as_a_reader(monkeypatch, tmp_path / "fake.py")
    async with readers() as reader:
        with pytest.raises(Unavailable, match="answered what is no answer"):
            await reader.ask(Read(), held(reader, SMALL))
        assert reader.pid == 0


async def _as_a_reader(monkeypatch, program: Path):
    start = asyncio.create_subprocess_exec

    async def fake(python, *arguments, **given):
        return await start(python, str(program), *arguments[2:], **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fake)


@looped
async def test_one_that_cannot_be_started_is_not_tried_again_at_once(monkeypatch):
    tried = []

    async def fails(*given, **_):
        tried.append(given)
        raise OSError("no more processes")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fails)
    async with readers() as reader:
        for _ in range(3):
            with pytest.raises(Unavailable, match="cannot be started"):
                await reader.ask(Read(), held(reader, SMALL))
    assert len(tried) == 1


@looped
async def test_it_ends_with_the_process_that_started_it(tmp_path):
    program = """
        import asyncio, os, sys, time
        from holdfast.backends.reader_host import ReaderHost
        from holdfast.backends.system.sandbox import SystemSandbox
        from holdfast.core.large import Parse
        async def main():
            reader = ReaderHost(os.environ, SystemSandbox())
            body = reader.hold(); body.append(b"1")
            await reader.ask(Parse(), body)
            print(reader.pid, flush=True)
            time.sleep(60)
        asyncio.run(main())
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(program)), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    pid = int(await child.stdout.readline())
    child.kill()
    await child.wait()
    await soon(lambda: not Path(f"/proc/{pid}").exists() or _zombie(pid))


def _zombie(pid):
    return ") Z" in _of(pid, "stat")


def _of(pid, name):
    return Path(f"/proc/{pid}/{name}").read_text()


@looped
async def test_its_memory_is_bounded_and_given_back():
    async with readers() as reader:
        await reader.ask(Read(), held(reader, LARGE))
        said, limits = _of(reader.pid, "status"), _of(reader.pid, "limits")
    rss_kb = int(said.split("VmRSS:")[1].split()[0])
    assert rss_kb < 60_000
    assert f"Max address space         {host.MOST_BYTES}" in limits


def test_what_is_not_sealed_or_too_large_is_not_taken():
    with contextlib.closing(HeldFile.new()) as open_still:
        open_still.append(b"x")
        with pytest.raises(ValueError, match="not sealed"):
            HeldFile.given(os.dup(open_still.fd), 10)
    large = HeldFile.of(b"x" * 11)
    with pytest.raises(ValueError, match="too large"):
        HeldFile.given(os.dup(large.fd), 10)
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="not sealed"):
        HeldFile.given(ours.detach(), 10)


def test_a_view_outlives_the_file_it_is_of():
    body = HeldFile.of(b"abc")
    view = body.view()
    body.close()
    body.close()
    assert bytes(view) == b"abc"
