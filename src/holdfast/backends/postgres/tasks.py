"""The tasks of this backend: they start here and are waited for by who asked for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def started(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """`work` on the running loop; the caller keeps the task, and waits for its end."""
    return asyncio.create_task(work, name=name)
