"""What a server logs is heard, whatever an earlier test of the same process did to its loggers."""

import logging

import pytest


@pytest.fixture(autouse=True)
def loggers_that_are_heard(monkeypatch):
    """A server in this process may have taken uvicorn's loggers off, or turned them down."""
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "propagate", True)
        monkeypatch.setattr(logger, "disabled", False)
        monkeypatch.setattr(logger, "level", logging.NOTSET)  # Put back afterwards.
        logger.setLevel(logging.NOTSET)
