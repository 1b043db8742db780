"""What a record says, and what is taken out of it."""

from holdfast.core.scrub import RuleScrubber
from holdfast.model import bodies
from holdfast.runtime.journal import Journal
from holdfast.testing.clock import FakeClock
from holdfast.testing.memory_store import MemoryStore

SECRET = "AKIA" + "A" * 16


def test_only_what_came_from_elsewhere_is_scrubbed():
    journal = Journal(MemoryStore(), FakeClock(), RuleScrubber())
    body = bodies.EffectUnknown(why=f"use {SECRET}", key=SECRET, attempt=1)
    record = journal.record(body, None)
    assert record.body == {"why": "use <secret:aws_key>", "key": SECRET, "attempt": 1}
