"""What these tests have in common."""

import asyncio

import pytest
import uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def loops(request, monkeypatch):
    """Run on the standard loop and on the one that the server has: transports differ."""
    if request.param == "asyncio":
        return

    def run(main):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)

    monkeypatch.setattr(asyncio, "run", run)
