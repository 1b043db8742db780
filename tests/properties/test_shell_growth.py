"""The judge is linear: twice the command is about twice the work, counted and not timed.

Work is every Python and C call, and every byte that the parser hands back.
"""

import sys

import pytest

from holdfast.core.risk import shell_parse
from holdfast.core.risk.shell import classify
from tests.corpora.shell_hostile import hostile

SMALL, FACTOR = 1_500, 4
# Between linear and quadratic, nearer to linear: sorting and rounding are in it.
MOST = 1.5 * FACTOR


class Work:
    def __init__(self):
        self.done = 0

    def __call__(self, _frame, event, _arg):
        self.done += event in ("call", "c_call")


def work_of(text, monkeypatch):
    work = Work()

    class Counted(bytes):
        def __getitem__(self, at):
            piece = super().__getitem__(at)
            work.done += len(piece) // 64
            return piece

    with monkeypatch.context() as patched:
        parse = shell_parse.parse
        patched.setattr(shell_parse, "parse", lambda source: parse(Counted(source)))
        sys.setprofile(work)
        try:
            classify(text, folder="/home/alice/project")
        finally:
            sys.setprofile(None)
    return work.done


@pytest.fixture(autouse=True)
def _no_other_profiler():
    before = sys.getprofile()
    yield
    sys.setprofile(before)


def test_four_times_the_command_is_about_four_times_the_work(monkeypatch):
    large = dict(hostile(SMALL * FACTOR))
    grown = {}
    # Every third, so that it stays short; which ones is of no account.
    for unit, text in list(hostile(SMALL))[::3]:
        small, big = work_of(text, monkeypatch), work_of(large[unit], monkeypatch)
        if big > MOST * max(small, 2_000):
            grown[unit] = (small, big)
    assert not grown


def test_the_count_sees_quadratic_work(monkeypatch):
    # Whole text for each node, as it was: what the bound on a piece is for.
    monkeypatch.setattr(shell_parse, "_CHUNK", 65_536)
    text = "x=1\n" * (SMALL // 4)
    small, big = work_of(text, monkeypatch), work_of(text * FACTOR, monkeypatch)
    assert big > MOST * max(small, 2_000)
