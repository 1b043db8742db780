"""An answer as it arrives: in order whoever takes it, bounded while nobody does, given up in time."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.anthropic.answer import WAITING_BYTES_MAX, HttpAnswer
from holdfast.errors import UpstreamUnavailable
from tests.skipped_time import run

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(body):
    return b"%x\r\n%b\r\n" % (len(body), body)


class Line:
    """A connection that remembers what it was told."""

    def __init__(self):
        self.told: list[str] = []

    def pause(self):
        self.told.append("pause")

    def resume(self):
        self.told.append("resume")

    def over(self, *, reusable):
        self.told.append("kept" if reusable else "closed")


def begun(silence_s=None):
    line = Line()
    answer = HttpAnswer(line, silence_s)
    answer.asked()
    answer.received(HEAD)
    return answer, line


async def reading(answer, got):
    async for piece in answer.chunks():
        got.append(piece)


def test_a_piece_is_taken_in_the_call_that_received_it():
    async def main():
        answer, line = begun()
        taken: list[bytes] = []
        answer.taking(lambda piece: taken.append(piece) is None)
        got: list[bytes] = []
        task = asyncio.create_task(reading(answer, got))
        await asyncio.sleep(0)
        answer.received(chunk(b"one") + chunk(b"two"))
        assert taken == [b"onetwo"]
        answer.received(chunk(b"three") + END)
        assert taken == [b"onetwo", b"three"]
        await task
        assert (got, line.told) == ([], ["kept"])

    run(main)


def test_nothing_is_taken_before_somebody_waits_or_while_something_does():
    async def main():
        answer, _ = begun()
        taken: list[bytes] = []
        answer.taking(lambda piece: taken.append(piece) is None)
        answer.received(chunk(b"early"))
        chunks = answer.chunks()
        assert await anext(chunks) == b"early"
        answer.received(chunk(b"meanwhile"))
        assert await anext(chunks) == b"meanwhile"
        assert taken == []

    run(main)


def test_what_was_offered_and_not_taken_comes_by_itself():
    async def main():
        answer, _ = begun()
        offered: list[bytes] = []
        answer.taking(lambda piece: offered.append(piece) is not None)
        got: list[bytes] = []
        task = asyncio.create_task(reading(answer, got))
        await asyncio.sleep(0)
        for piece in (b"a", b"b", b"c"):
            answer.received(chunk(piece))
        answer.received(END)
        await task
        assert (offered, got) == ([b"a"], [b"a", b"bc"])

    run(main)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.booleans(), st.booleans())))
def test_whoever_takes_what_all_of_it_comes_once_and_in_order(script):
    async def main():
        answer, line = begun()
        got: list[bytes] = []
        takes = False
        offered: list[bytes] = []

        def take(piece):
            if takes:
                got.append(piece)
            else:
                offered.append(piece)
            return takes

        answer.taking(take)
        task = asyncio.create_task(reading(answer, got))
        await asyncio.sleep(0)
        for piece, taken, waits in script:
            takes = taken
            answer.received(chunk(piece))
            if waits:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        answer.received(END)
        await task
        assert b"".join(got) == b"".join(piece for piece, _, _ in script)
        assert all(piece in got for piece in offered)
        assert line.told == ["kept"]

    run(main)


def test_a_fault_of_who_takes_is_raised_in_who_reads():
    async def main():
        answer, line = begun()

        def take(_):
            raise RuntimeError("ours")

        answer.taking(take)
        task = asyncio.create_task(reading(answer, []))
        await asyncio.sleep(0)
        answer.received(chunk(b"one"))
        with pytest.raises(RuntimeError, match="ours"):
            await task
        assert line.told == ["closed"]

    run(main)


def test_what_nobody_reads_stops_the_connection_until_somebody_does():
    async def main():
        answer, line = begun()
        answer.received(chunk(b"x" * WAITING_BYTES_MAX))
        assert line.told == []
        answer.received(chunk(b"y"))
        assert line.told == ["pause"]
        await anext(answer.chunks())
        assert line.told == ["pause", "resume"]

    run(main)


def test_silence_is_given_up_but_not_while_it_is_we_who_do_not_read():
    async def main():
        answer, line = begun(silence_s=0.05)
        answer.received(chunk(b"x" * (WAITING_BYTES_MAX + 1)))
        await asyncio.sleep(0.15)
        assert line.told == ["pause"]
        chunks = answer.chunks()
        await anext(chunks)
        with pytest.raises(UpstreamUnavailable, match="in time"):
            await asyncio.wait_for(anext(chunks), 5)
        assert line.told == ["pause", "resume", "closed"]

    run(main)


def test_while_the_request_goes_out_the_provider_may_be_silent():
    async def main():
        line = Line()
        answer = HttpAnswer(line, 0.01)
        await asyncio.sleep(0.05)
        assert line.told == []
        answer.asked()
        await asyncio.sleep(0.1)
        assert (line.told, answer.failed) == (["closed"], "the provider did not answer in time")

    run(main)


def test_a_reader_that_takes_in_what_waited_has_the_rest_come():
    class Swallowing:
        def __init__(self):
            self.headers: dict[str, str] = {}

        def feed(self, piece):
            return b""

        def end(self):
            return b"all"

    async def main():
        answer, line = begun()
        answer.received(chunk(b"x" * (WAITING_BYTES_MAX + 1)))
        answer.read_by(Swallowing())
        assert line.told == ["pause", "resume"]
        answer.received(END)
        assert await answer.read(10) == b"all"

    run(main)


def test_bytes_of_any_kind_put_off_the_end_of_patience():
    async def main():
        answer, line = begun(silence_s=0.2)
        for _ in range(6):
            await asyncio.sleep(0.07)
            answer.received(b"1")
            answer.received(b"\r\nx\r\n")
        assert line.told == []
        await asyncio.sleep(0.3)
        assert line.told == ["closed"]

    run(main)


def test_what_came_before_the_answer_broke_is_read_and_then_the_error():
    async def main():
        answer, line = begun()
        answer.received(chunk(b"one") + b"zz\r\n")
        chunks = answer.chunks()
        assert await anext(chunks) == b"one"
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="broke off"):
                await anext(answer.chunks())
        assert line.told == ["closed"]

    run(main)


def test_a_closed_answer_gives_nothing_that_was_not_read():
    async def main():
        answer, line = begun()
        answer.received(chunk(b"one") + END)
        assert line.told == ["kept"]
        answer.close()
        with pytest.raises(UpstreamUnavailable):
            await anext(answer.chunks())
        answer.close()
        assert line.told == ["kept"]

    run(main)


class Doubling:
    """A dialect's reader: twice each piece, and a word at the end."""

    headers = {"content-type": "text/plain"}  # noqa: RUF012 - a test's

    def feed(self, piece):
        if piece == b"bad":
            raise UpstreamUnavailable("it does not hold")
        return piece * 2

    def end(self):
        return b"end"


@pytest.mark.parametrize("late", [True, False])
def test_a_dialect_reads_what_came_before_and_after_it_was_there(late):
    async def main():
        answer, _ = begun()
        answer.received(chunk(b"a"))
        if late:
            answer.received(chunk(b"b") + END)
        answer.read_by(Doubling())
        if not late:
            answer.received(chunk(b"b") + END)
        assert answer.headers == Doubling.headers
        assert await answer.read(100) == b"aabbend"

    run(main)


def test_bytes_that_a_dialect_cannot_read_are_its_own_error():
    async def main():
        answer, line = begun()
        answer.read_by(Doubling())
        answer.received(chunk(b"bad"))
        with pytest.raises(UpstreamUnavailable, match="does not hold"):
            await answer.read(100)
        assert line.told == ["closed"]

    run(main)
