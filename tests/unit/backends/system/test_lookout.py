"""A permit waits for a look that began after it was asked for, and only where one is needed."""

import asyncio
import functools
import threading

import pytest

from holdfast.backends.system.lookout import Lookout
from holdfast.backends.system.process_table import ProcessTable


def looped(test):
    """In an event loop of its own."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Births:
    """A count that a test moves."""

    def __init__(self, number=1):
        self.number = number

    def last(self):
        return self.number


class Table:
    """Looks that are counted, each as long as `gate` is closed."""

    def __init__(self):
        self.fresh = False
        self.looks = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def look(self, *, whole=False):
        self.looks.append(whole)
        self.entered.set()
        assert self.gate.wait(10)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def births():
    return Births()


@pytest.fixture
def lookout(table, births):
    found = Lookout(table, births)
    yield found
    found.thread.shutdown()


async def under_way(lookout, table):
    """A look that has begun, and goes on for as long as the gate is closed."""
    table.gate.clear()
    table.entered.clear()
    one = asyncio.create_task(lookout.look())
    await asyncio.to_thread(table.entered.wait, 10)
    return one


async def settled(lookout):
    """Looked at, and long enough ago."""
    await lookout.look()
    await asyncio.sleep(0.12)


@looped
async def test_nobody_is_looked_for_while_nobody_was_started(lookout, table):
    await settled(lookout)
    await lookout.look()
    assert len(table.looks) == 1


@looped
async def test_whoever_is_started_is_looked_for(lookout, table, births):
    await settled(lookout)
    births.number = 2
    await lookout.look()
    assert len(table.looks) == 2


@looped
async def test_one_just_numbered_is_looked_for_again_since_it_may_not_be_in_the_list_yet(
    lookout, table
):
    await lookout.look()
    await lookout.look()
    assert len(table.looks) == 2


@looped
async def test_one_that_is_still_to_be_read_again_is(lookout, table):
    await settled(lookout)
    table.fresh = True
    await lookout.look()
    assert len(table.looks) == 2


@looped
async def test_without_a_count_everybody_who_asks_has_a_look(lookout, table, births):
    births.number = None
    await settled(lookout)
    await lookout.look()
    assert len(table.looks) == 2


@looped
async def test_all_who_ask_during_a_look_share_one_that_begins_after_they_asked(
    lookout, table, births
):
    first = await under_way(lookout, table)
    births.number = 2
    later = [asyncio.create_task(lookout.look()) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert not any(one.done() for one in (first, *later))
    table.gate.set()
    await asyncio.gather(first, *later)
    assert len(table.looks) == 2


@looped
async def test_a_start_during_a_look_calls_for_another(lookout, table, births):
    await settled(lookout)
    births.number = 2
    first = await under_way(lookout, table)
    births.number = 3
    table.gate.set()
    await first
    await asyncio.sleep(0.12)
    await lookout.look()
    assert len(table.looks) == 3


@looped
async def test_nobody_passes_while_the_look_for_the_newest_is_not_done(lookout, table, births):
    await settled(lookout)
    births.number = 2
    first = await under_way(lookout, table)
    await asyncio.sleep(0.12)
    second = asyncio.create_task(lookout.look())
    await asyncio.sleep(0.05)
    assert not second.done()
    table.gate.set()
    await asyncio.gather(first, second)


@looped
async def test_one_who_leaves_takes_the_look_from_nobody(lookout, table):
    first = await under_way(lookout, table)
    leaving, staying = (asyncio.create_task(lookout.look()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    table.gate.set()
    await asyncio.gather(first, staying)
    assert leaving.cancelled()
    assert len(table.looks) == 2


@looped
async def test_everybody_is_read_again_after_many_permits_and_not_again_at_once(lookout, table):
    await settled(lookout)
    for _ in range(200):
        await lookout.look()
    assert table.looks == [False, True]


def test_a_real_table_says_whom_it_reads_again(tmp_path):
    folder = tmp_path / "100"
    folder.mkdir()
    (folder / "stat").write_text("100 (x) S 1 100 100 0")
    (folder / "environ").write_bytes(b"")
    table = ProcessTable(tmp_path)
    said = []
    for _ in range(3):
        table.look()
        said.append(table.fresh)
    assert said == [True, True, False]


@looped
async def test_a_look_that_nobody_waited_for_to_its_end_is_followed_by_another(lookout, table):
    left = await under_way(lookout, table)
    left.cancel()
    await asyncio.wait([left])
    table.gate.set()
    while lookout._last is None:  # noqa: ASYNC110 -- nothing tells of it
        await asyncio.sleep(0)
    await lookout.look()
    assert len(table.looks) == 2
