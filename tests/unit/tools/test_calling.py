import asyncio
import contextvars
import threading

import pytest

from holdfast.tools.calling import Late, in_time, threaded

WHO = contextvars.ContextVar("WHO", default="nobody")


def run(called, timeout_s=5.0):
    return asyncio.run(in_time(called, timeout_s))


def test_what_returns_is_awaited_where_it_can_be():
    async def later():
        await asyncio.sleep(0)
        return 7

    assert run(lambda: 6) == 6
    assert run(later) == 7
    assert run(later, 0) == 7


def test_a_plain_function_blocks_a_thread_of_its_own_and_knows_its_caller():
    seen = []

    def work():
        seen.append((threading.current_thread() is threading.main_thread(), WHO.get()))
        return 8

    async def main():
        WHO.set("ann")
        return await in_time(lambda: threaded(work), 5)

    assert asyncio.run(main()) == 8
    assert seen == [(False, "ann")]


def test_a_late_coroutine_is_cancelled():
    ended = []

    async def hangs():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(Late):
        run(hangs, 0.01)
    assert ended == [True]


def test_a_late_thread_is_left_alone_and_its_answer_is_nobodys():
    go = threading.Event()

    async def main():
        with pytest.raises(Late):
            await in_time(lambda: threaded(lambda: go.wait(60)), 0.01)
        go.set()
        await asyncio.sleep(0.05)

    asyncio.run(main())


@pytest.mark.parametrize(
    "error", [ValueError("odd"), TimeoutError(), SystemExit(3), KeyboardInterrupt(), StopIteration]
)
@pytest.mark.parametrize("in_thread", [False, True])
def test_what_is_raised_is_raised_to_the_one_who_waits(error, in_thread):
    """A tool's own time-out is no late tool, and one that ends programs is caught where it may be."""

    def raises():
        raise error

    async def main():
        try:
            await in_time((lambda: threaded(raises)) if in_thread else raises, 5)
        except BaseException as seen:  # noqa: BLE001 -- that is what is looked at
            return type(seen)

    expected = error if isinstance(error, type) else type(error)
    assert asyncio.run(main()) in (expected, RuntimeError)


def test_who_waits_may_be_cancelled_and_the_tool_is_with_them():
    ended = []

    async def hangs():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def main():
        waits = asyncio.create_task(in_time(hangs, 60))
        await asyncio.sleep(0.01)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        await asyncio.sleep(0)

    asyncio.run(main())
    assert ended == [True]
