"""Conversations at the runtime: versions, time to live, whose they are, what the journal holds."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.conversations import MAX_CONVERSATIONS, MAX_TTL_S
from holdfast.errors import Conflict, InvalidRequest, NotFound, TooLarge
from holdfast.model.events import Kind
from holdfast.ports.store_refusals import MAX_CONVERSATION_BYTES
from holdfast.runtime.conversations import Draft, Owner
from holdfast.testing.clock import FakeClock
from tests.wired import Wired, ports

S = 1_000_000_000
ANN = Owner(tenant="acme", user="ann")
SECRET = b'[{"role": "user", "content": "my key is sk-ant-REDACTED"}]'


class House(Wired):
    def __init__(self):
        super().__init__(ports(clock=FakeClock(1_800_000_000 * S)))
        self.kept = self.conversations

    async def save(self, name="chat", messages=b"[]", owner=ANN, **more):
        draft = Draft(name=name, messages=messages, metadata=more.pop("metadata", b"{}"), **more)
        return await self.kept.save(owner, draft)


def test_a_conversation_is_loaded_as_it_was_saved_and_the_journal_has_none_of_it():
    async def main():
        home = House()
        head = await home.save(messages=SECRET, metadata=b' {"a":  1}')
        found = await home.kept.load(ANN, "chat")
        assert (found.messages, found.metadata) == (SECRET, b' {"a":  1}')
        assert found.version == head.version
        await home.kept.delete(ANN, "chat")
        kinds = [record.kind for record in home.store.journal]
        assert kinds == [
            Kind.CONVERSATION_SAVED,
            Kind.CONVERSATION_LOADED,
            Kind.CONVERSATION_DELETED,
        ]
        for record in home.store.journal:
            assert record.body["digest"] == f"sha256:{head.digest}"
            assert record.body["size_bytes"] == head.size_bytes == len(SECRET) + 10
            assert "role" not in str(record.body)
            assert (record.tenant, record.user) == ("acme", "ann")

    asyncio.run(main())


def test_it_ends_with_its_time_to_live_which_a_save_begins_anew():
    async def main():
        home = House()
        first = await home.save(ttl_s=100)
        home.clock.advance(99)
        second = await home.save(ttl_s=100, expected=first.version)
        home.clock.advance(99)
        assert (await home.kept.load(ANN, "chat")).version == second.version
        home.clock.advance(2)
        with pytest.raises(NotFound):
            await home.kept.load(ANN, "chat")
        with pytest.raises(NotFound):
            await home.kept.delete(ANN, "chat")
        assert await home.kept.listed(ANN) == []
        with pytest.raises(Conflict, match="gone"):
            await home.save(expected=second.version)
        third = await home.save(expected=0)
        assert third.version > second.version

    asyncio.run(main())


def test_a_stale_save_is_a_conflict_also_after_it_was_deleted_and_saved_anew():
    async def main():
        home = House()
        first = await home.save(messages=b"[1]", expected=0)
        second = await home.save(messages=b"[1,2]", expected=first.version)
        for stale in (0, first.version, second.version + 1):
            with pytest.raises(Conflict) as refused:
                await home.save(messages=b"[9]", expected=stale)
            assert refused.value.fields["version"] == second.version
        with pytest.raises(Conflict):
            await home.kept.delete(ANN, "chat", first.version)
        await home.kept.delete(ANN, "chat", second.version)
        home.clock.advance(1)
        anew = await home.save(messages=b"[]")
        assert anew.version > second.version
        for stale in (first.version, second.version):
            with pytest.raises(Conflict):
                await home.save(messages=b"[9]", expected=stale)
        last = await home.save(messages=b"[3]")
        assert last.version == anew.version + 1

    asyncio.run(main())


def test_nobody_reaches_another_users_or_tenants():
    async def main():
        home = House()
        await home.save(messages=b"[1]")
        for other in (
            Owner(tenant="acme", user="bob"),
            Owner(tenant="umbra", user="ann"),
        ):
            assert await home.kept.listed(other) == []
            with pytest.raises(NotFound):
                await home.kept.load(other, "chat")
            with pytest.raises(NotFound):
                await home.kept.delete(other, "chat")
            await home.save(messages=b"[2]", owner=other)
        assert (await home.kept.load(ANN, "chat")).messages == b"[1]"

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\n"},
        {"name": "x" * 257},
        {"name": "é" * 129},
        {"ttl_s": 0},
        {"ttl_s": MAX_TTL_S + 1},
        {"messages": b'{"a": 1}'},
        {"messages": b""},
        {"metadata": b"[]"},
    ],
)
def test_what_is_no_conversation_is_refused(wrong):
    async def main():
        home = House()
        with pytest.raises(InvalidRequest):
            await home.save(**wrong)
        assert home.store.journal == ()

    asyncio.run(main())


def test_too_large_is_a_refusal_of_its_own():
    async def main():
        home = House()
        fits = b"[" + b" " * (MAX_CONVERSATION_BYTES - 4) + b"]"
        await home.save(messages=fits)
        with pytest.raises(TooLarge):
            await home.save(messages=fits + b" ")

    asyncio.run(main())


def test_a_user_keeps_so_many_and_no_more(monkeypatch):
    monkeypatch.setattr("holdfast.core.conversations.MAX_CONVERSATIONS", 3)
    assert MAX_CONVERSATIONS > 3

    async def main():
        home = House()
        for n in range(3):
            await home.save(f"c{n}", ttl_s=10 + n)
        with pytest.raises(TooLarge, match="3 conversations"):
            await home.save("c3")
        await home.save("c1")
        await home.save("c3", owner=Owner(tenant="acme", user="bob"))
        home.clock.advance(11)
        await home.save("c3")

    asyncio.run(main())


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(1, 4), st.booleans())
def test_no_append_is_lost_whoever_appends_at_the_same_time(writers, each, deletes):
    """Load, add, save with the version: whatever interleaves, every acknowledged one is there."""

    async def main():
        home = House()

        async def appended(word: str) -> None:
            while True:
                try:
                    found = await home.kept.load(ANN, "chat")
                    texts, version = found.messages, found.version
                except NotFound:
                    texts, version = b"[]", 0
                grown = texts[:-1] + (b"," if texts != b"[]" else b"") + f'"{word}"]'.encode()
                try:
                    await home.save(messages=grown, expected=version)
                except Conflict:
                    continue
                return

        async def writer(n: int) -> None:
            for k in range(each):
                await appended(f"{n}-{k}")

        if deletes:
            await home.save(messages=b"[]")
            await home.kept.delete(ANN, "chat")
        await asyncio.gather(*(writer(n) for n in range(writers)))
        words = (await home.kept.load(ANN, "chat")).messages
        wanted = {f"{n}-{k}" for n in range(writers) for k in range(each)}
        assert sorted(json.loads(words)) == sorted(wanted)

    asyncio.run(main())


def test_a_save_without_a_version_wins_in_the_end():
    async def main():
        home = House()
        await asyncio.gather(*(home.save(messages=b"[%d]" % n) for n in range(6)))
        saved = [r.body["version"] for r in home.store.journal]
        assert sorted(saved) == list(range(min(saved), min(saved) + 6))

    asyncio.run(main())
