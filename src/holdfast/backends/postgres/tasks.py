"""The one task of this backend: it starts here and is waited for by who asked for it."""

import asyncio
from collections.abc import Coroutine


def started(work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """`work` on the running loop; the caller keeps the task, and waits for its end."""
    return asyncio.create_task(work, name=name)
