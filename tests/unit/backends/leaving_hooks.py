"""Hooks that leave something behind, in every way that was thought of, and note its ids."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from holdfast.model.hooks import HookAnswer

PR_SET_PDEATHSIG = 1
NOTES = "import os,sys,time; open(sys.argv[1], 'a').write(f'{os.getpid()} ');"
SLEEPS = f"{NOTES} time.sleep(120)"
# Starts another by itself, and goes.
TWICE = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', *sys.argv[1:]],"
    " start_new_session=True, env={})"
)
# Starts the next one and goes, again and again.
BREEDS = (
    "import subprocess, sys, time; open(sys.argv[2], 'a').write('x'); time.sleep(0.02);"
    "subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1], *sys.argv[1:]],"
    " start_new_session=True, env={})"
)
# Takes in whoever is orphaned below it, as long as it lives.
GATHERS = (
    f"{NOTES} import ctypes, subprocess; ctypes.CDLL(None).prctl(36, 1);"
    "subprocess.run([sys.executable, '-S', '-c', sys.argv[2], sys.argv[3], sys.argv[1]],"
    " start_new_session=True, env={}); time.sleep(120)"
)
HALTS = f"{NOTES}\nwhile True: os.kill(int(sys.argv[2]), 19); time.sleep(0.0001)"


def left(code, *arguments, **more):
    return subprocess.Popen([sys.executable, "-S", "-c", code, *arguments], **more)


def hang():
    time.sleep(120)


def count(note):
    return len(note.read_text().split()) if note.exists() else 0


async def noted(given, least=1):
    while count(Path(given.detail)) < least:  # noqa: ASYNC110 -- set by another process
        await asyncio.sleep(0.01)


async def agree(given):
    return None


async def pid(given):
    return HookAnswer(reason=str(os.getpid()))


async def keeper(given):
    return HookAnswer(reason=str(os.getppid()))


async def spins(given):
    while True:
        pass


async def notes(given):
    left(NOTES, given.detail).wait()


async def leaves_half_an_answer(given):
    for fd in range(3, 32):
        with contextlib.suppress(OSError):
            os.write(fd, b'{"id":')
    hang()


async def leaves_a_child(given):
    left(SLEEPS, given.detail)
    hang()


async def leaves_a_session(given):
    left(SLEEPS, given.detail, start_new_session=True)
    hang()


async def leaves_an_orphan_without_a_mark(given):
    left(TWICE, SLEEPS, given.detail, start_new_session=True, env={}).wait()
    hang()


async def leaves_a_session_and_dies(given):
    left(SLEEPS, given.detail, start_new_session=True)
    await noted(given)
    os._exit(0)


async def leaves_and_answers(given):
    left(SLEEPS, given.detail, start_new_session=True)
    await noted(given)


async def leaves_a_breeder(given):
    left(BREEDS, BREEDS, given.detail, start_new_session=True, env={})
    hang()


async def leaves_and_never_yields(given):
    # What holds the interpreter cannot be told anything by a signal.
    left(SLEEPS, given.detail, start_new_session=True, env={})
    sum(range(10**15))


async def leaves_orphans_that_end(given):
    for _ in range(3):
        left(TWICE, NOTES, given.detail).wait()


async def leaves_a_subreaper(given):
    left(GATHERS, given.detail, TWICE, SLEEPS, start_new_session=True, env={})
    await noted(given, 2)
    os._exit(0)


async def halts_its_keeper(given):
    left(SLEEPS, given.detail, start_new_session=True, env={})
    await noted(given)
    os.kill(os.getppid(), signal.SIGSTOP)
    hang()


async def halts_its_keeper_for_good(given):
    left(HALTS, given.detail, str(os.getppid()), start_new_session=True, env={})
    await noted(given)
    hang()


async def ends_its_keeper(given):
    # What the system would end with its keeper goes on.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
    left(SLEEPS, given.detail, env={})
    left(SLEEPS, given.detail, start_new_session=True)
    left(f"import os; open({given.detail!r}, 'a').write(f'{{os.getppid()}} ')")
    await noted(given, 3)
    os.kill(os.getppid(), signal.SIGKILL)
    hang()
