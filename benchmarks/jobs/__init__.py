"""Ordinary jobs, played by the real clients under what `holdfast init` writes."""

from benchmarks.rows import Row


def run(quick: bool) -> list[Row]:  # noqa: FBT001 -- as every benchmark is called
    """The figures of all jobs, at both doors and in sequence. Errors: RuntimeError, OSError."""
    # The Agent SDK is loaded only where it is played with.
    from benchmarks.jobs import command  # noqa: PLC0415

    return command.run(quick=quick)
