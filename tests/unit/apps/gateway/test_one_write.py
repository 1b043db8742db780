"""A head is one write with what follows it; whatever is written goes out, in its order."""

import asyncio
from typing import cast

from holdfast.apps.gateway.one_write import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
STREAMS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Wire:
    """A transport that keeps what was done to it."""

    def __init__(self):
        self.done = []
        self.closing = False

    def write(self, data):
        self.done.append(data)

    def close(self):
        self.done.append("closed")
        self.closing = True

    def is_closing(self):
        return self.closing


def written(act):
    """What `act` left on the wire, before and after its turn of the loop ended."""

    async def main():
        wire = Wire()
        act(OneWrite(cast("asyncio.Transport", wire), asyncio.get_running_loop()), wire)
        before = list(wire.done)
        await asyncio.sleep(0)
        return before, wire.done

    return asyncio.run(main())


def test_head_and_body_are_one_write():
    def act(answer, _):
        answer.write(HEAD)
        answer.write(b"body")
        answer.write(b"more")

    assert written(act) == ([HEAD + b"body", b"more"], [HEAD + b"body", b"more"])


def test_a_head_without_a_body_goes_out_at_the_end_of_the_turn():
    assert written(lambda answer, _: answer.write(HEAD)) == ([], [HEAD])


def test_the_head_of_a_stream_goes_with_its_first_event_or_alone():
    def act(answer, _):
        answer.write(STREAMS)
        answer.write(b"first")
        answer.write(b"second")

    assert written(act)[0] == [STREAMS + b"first", b"second"]
    assert written(lambda answer, _: answer.write(STREAMS)) == ([], [STREAMS])


def test_the_word_that_a_body_may_come_does_not_wait():
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert written(lambda answer, _: answer.write(go_on))[0] == [go_on]


def test_what_waits_goes_out_before_the_connection_closes():
    def act(answer, _):
        answer.write(HEAD)
        answer.close()

    assert written(act)[1] == [HEAD, "closed"]


def test_nothing_is_written_to_a_connection_that_closed_meanwhile():
    def act(answer, wire):
        answer.write(HEAD)
        wire.close()
        assert answer.is_closing()

    assert written(act)[1] == ["closed"]
