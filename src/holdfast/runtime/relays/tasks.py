"""The task of one call that a relay carries: it outlives the frame that began it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start it; whoever asked keeps the task, and ends it with its relay."""
    return asyncio.create_task(work)
