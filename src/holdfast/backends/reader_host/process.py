"""`python -m holdfast.backends.reader_host.process FD PARENT BYTES`: reads large bodies.

Each packet on the socket FD is the number of a job, with two descriptors: the job and the body.
It is answered under the same number with one descriptor, or two where a body was written. The
process ends with the server PARENT that started it, also in the middle of a job, gets no more than
BYTES of address space, and is of low priority: whoever waits for a decision goes first.
"""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys

import msgspec

from holdfast.backends.reader_host.files import NUMBER_BYTES, HeldFile
from holdfast.core.large import Answer, Job, Unusable, done

_PR_SET_PDEATHSIG = 1
_NICE = 5
_MOST_BYTES = 1 << 40
_decoder = msgspec.msgpack.Decoder(Job)
_encode = msgspec.msgpack.Encoder().encode


def serve(line: socket.socket) -> None:
    """One job after the other, until the server closes its end."""
    while True:
        number, fds, _, _ = socket.recv_fds(line, NUMBER_BYTES, 2)
        if not number:
            return
        answers = [HeldFile.of(content) for content in _answered(*fds)]
        socket.send_fds(line, [number], [held.fd for held in answers])
        for held in answers:
            held.close()
        _give_back()


def _answered(job_fd: int, body_fd: int) -> list[bytes]:
    job, body = HeldFile.given(job_fd, _MOST_BYTES), HeldFile.given(body_fd, _MOST_BYTES)
    try:
        answer, written = done(_decoder.decode(job.view()), body.read())
        spelled = _encode(answer)
    except MemoryError:
        answer, written = _too_much(), None
        spelled = _encode(answer)
    finally:
        job.close()
        body.close()
    return [spelled] if written is None else [spelled, written]


def _too_much() -> Answer:
    text = "reading it takes more memory than a request may have; send less of it at once"
    return Unusable(text=text, too_large=True)


def _give_back() -> None:
    """Memory of one body is not kept for the next."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def main(arguments: list[str]) -> None:
    """Become a reader."""
    fd, parent, most_bytes = (int(argument) for argument in arguments)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    gc.freeze()
    with socket.socket(fileno=fd) as line:
        serve(line)


if __name__ == "__main__":
    main(sys.argv[1:])
