"""What a record says, and what is taken out of it."""

from holdfast.core.scrub import RuleScrubber
from holdfast.model.events import Kind
from holdfast.runtime.journal import Journal
from holdfast.testing.clock import FakeClock
from holdfast.testing.memory_store import MemoryStore

SECRET = "AKIA" + "A" * 16


def test_only_what_came_from_elsewhere_is_scrubbed_and_ours_has_the_last_word():
    journal = Journal(MemoryStore(), FakeClock(), RuleScrubber())
    record = journal.record(
        Kind.HOOK_RAN, None, {"text": f"use {SECRET}", "digest": "theirs"}, {"digest": "ours"}
    )
    assert record.body == {"text": "use <secret:aws_key>", "digest": "ours"}
