"""Coroutines in a thread that has no event loop, where nothing they wait for takes any time."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def ran(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine comes to that blocks instead of waiting.

    Errors: its own; RuntimeError when it wanted to wait after all.
    """
    try:
        work.send(None)
    except StopIteration as done:
        found: T = done.value
        return found
    work.close()
    raise RuntimeError("the coroutine waits for an event loop, and there is none")
