"""Telling a starter that a process is ready, whether it still listens or not."""

import os

import pytest

from holdfast.backends.system.ready import told_ready


def test_the_starter_reads_one_line_and_then_the_end():
    heard, told = os.pipe()
    told_ready(told, "http://127.0.0.1:1")
    with os.fdopen(heard) as pipe:
        assert pipe.read() == "http://127.0.0.1:1\n"


def test_a_starter_that_has_gone_is_no_fault_and_nothing_stays_open():
    heard, told = os.pipe()
    os.close(heard)
    told_ready(told, "ready")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(told)
