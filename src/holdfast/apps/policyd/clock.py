"""The process's wall clock, read only to say when a bundle was loaded."""

import time


def now_ns() -> int:
    """UTC nanoseconds."""
    return time.time_ns()
