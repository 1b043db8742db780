"""What a tool returned is bounded before it is looked through, and looked through off the loop."""

import asyncio
import threading

import pytest

from holdfast.core.large import CONTENT_CHARACTERS
from holdfast.errors import Conflict
from holdfast.model.events import Kind
from holdfast.runtime.journal import Journal
from holdfast.runtime.outcomes import Finish
from tests.unit.runtime.house import House

SECRET = "password=correct-horse-battery"


@pytest.fixture
def seen(monkeypatch):
    """Threads in which trees were scrubbed, with the trees."""
    found = []
    real = Journal.scrubbed

    def scrubbed(self, tree):
        found.append((threading.current_thread(), tree))
        return real(self, tree)

    monkeypatch.setattr(Journal, "scrubbed", scrubbed)
    return found


def test_no_more_of_a_result_is_kept_than_a_model_could_read_and_the_text_says_so(seen):
    async def main():
        house = House()
        live = await house.open()
        await house.decide(live, "c1", "look", {"order": "7"})
        content = SECRET + " " + "x" * 3 * CONTENT_CHARACTERS
        done = Finish(call_id="c1", ok=True, output={"n": 1}, content=content)
        shown = await house.outcomes.finish(live, done)
        assert shown.content is not None
        assert shown.content.endswith(
            f"[{len(content) - CONTENT_CHARACTERS} further characters are left out]"
        )
        assert len(shown.content) < CONTENT_CHARACTERS + 100
        assert SECRET not in shown.content
        (record,) = house.written(Kind.RUN_TOOL_ANSWERED)
        assert record.body["content"] == shown.content
        long = [thread for thread, tree in seen if len(str(tree)) > 20_000]
        assert long
        assert threading.main_thread() not in long

    asyncio.run(main())


def test_a_report_on_no_running_call_is_refused_unread(seen):
    async def main():
        house = House()
        live = await house.open()
        with pytest.raises(Conflict):
            await house.outcomes.finish(
                live, Finish(call_id="never", ok=True, content="x" * 1_000_000)
            )
        assert seen == []

    asyncio.run(main())


def test_an_output_too_long_to_be_kept_with_its_effect_is_not_looked_through(seen):
    async def main():
        house = House()
        live = await house.open()
        await house.decide(live, "c1", "write", {})
        output = {"text": "y" * 2_000_000}
        await house.outcomes.finish(live, Finish(call_id="c1", ok=True, output=output))
        assert all(tree.get("output") is None for _, tree in seen)
        entry = await house.effects.find("acme", live.calls["c1"].effect_key)
        assert entry is not None
        assert entry.output is None
        assert not entry.output_kept

    asyncio.run(main())
