"""Conversations alone: whole heads, whole records, and each refusal with its next step."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core import conversations as rules
from holdfast.errors import Conflict, InvalidRequest, NotFound, TooLarge
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.ports.store import ConversationFilter
from holdfast.ports.store_refusals import MAX_CONVERSATION_BYTES
from holdfast.runtime import conversations
from holdfast.runtime.conversations import Draft, Owner
from tests.unit.runtime.alone.desk import Desk, S

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.conversations"])
ANN = Owner(tenant="acme", user="ann")
BUSY = "the conversation is saved by others all the time; try again"


class Shelf(Desk):
    """A desk that keeps conversations; the next `races` commits find that others were faster."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = self.conversations
        self.races = self.commits = 0
        self._commit, self.journal.commit = self.journal.commit, self._raced

    def _raced(self, *given):
        self.commits += 1
        if self.commits <= self.races:
            raise Conflict("raced")
        return self._commit(*given)

    async def save(self, name="chat", owner=ANN, **more):
        given: Any = {"messages": b"[1]", "metadata": b"{}"} | more
        return await self.kept.save(owner, Draft(name=name, **given))


async def why(act):
    with pytest.raises((Conflict, InvalidRequest, NotFound, TooLarge)) as refused:
        await act
    return type(refused.value), refused.value.message, refused.value.fields


@ABOUT
def test_saved_loaded_and_deleted_conversation_is_told_whole_each_time(module):
    assert module == conversations.__name__

    async def main():
        shelf: Any = Shelf()
        live = await shelf.open()
        for owner in (ANN, Owner(tenant="acme", user="ann", who=live.who)):
            seq, now = shelf.seq, shelf.clock.now_ns()
            head = await shelf.save(owner=owner, ttl_s=7)
            digest = rules.digest_of(b"[1]", b"{}")
            assert head == ConversationHead(
                name="chat",
                version=now // 1_000_000,
                size_bytes=5,
                digest=digest,
                saved_at_ns=now,
                expires_at_ns=now + 7 * S,
            )
            found = await shelf.kept.load(owner, "chat")
            assert found == Conversation(
                tenant="acme",
                user="ann",
                name="chat",
                version=head.version,
                messages=b"[1]",
                metadata=b"{}",
                digest=digest,
                saved_at_ns=now,
                expires_at_ns=now + 7 * S,
                replaces=0,
            )
            assert await shelf.kept.listed(owner) == [head]
            again = await shelf.save(owner=owner, messages=b"[]", expected=head.version)
            assert again.version == head.version + 1
            assert again.expires_at_ns == now + 3600 * S
            assert (await shelf.kept.load(owner, "chat")).replaces == head.version
            await shelf.kept.delete(owner, "chat")
            assert await shelf.kept.listed(owner) == []
            told = {"name": "chat", "version": head.version, "size_bytes": 5}
            told |= {"digest": f"sha256:{digest}"}
            other = {"name": "chat", "version": again.version, "size_bytes": 4}
            other |= {"digest": f"sha256:{again.digest}"}
            flat = {} if owner.who else {"tenant": "acme", "user": "ann"}
            by = {} if owner.who else {"by": "admin"}
            assert shelf.since(seq, owner.who) == [
                {"kind": "conversation.saved", "body": told | by | {"ttl_s": 7}} | flat,
                {"kind": "conversation.loaded", "body": told | by} | flat,
                {"kind": "conversation.saved", "body": other | by | {"ttl_s": 3600}} | flat,
                {"kind": "conversation.loaded", "body": other | by} | flat,
                {"kind": "conversation.deleted", "body": other | by} | flat,
            ]
            shelf.clock.advance(10)

    asyncio.run(main())


@ABOUT
def test_refused_is_what_is_too_large_misshaped_gone_or_stale(module):
    assert module == conversations.__name__

    async def main():
        shelf: Any = Shelf()
        most = MAX_CONVERSATION_BYTES
        text = f"the conversation has {most + 1} bytes; {most} at most are kept"
        large = b"[" + b" " * (most - 3)
        assert (await shelf.save("large", messages=large)).size_bytes == most
        found = await why(shelf.save("large", messages=large + b" "))
        assert found == (TooLarge, text, {"limit_bytes": most})
        for given, message in (
            ({"name": ""}, rules.refusal("", 1)),
            ({"ttl_s": 0}, rules.refusal("a", 0)),
            ({"messages": b"{}"}, rules.shape_refusal(b"{}", b"{}")),
            ({"metadata": b"[]"}, rules.shape_refusal(b"[]", b"[]")),
        ):
            assert message
            assert await why(shelf.save(**given)) == (InvalidRequest, message, {})
        gone = "there is no such conversation any more; the version that was expected is gone"
        assert await why(shelf.save(expected=5)) == (Conflict, gone, {"version": 0})
        head = await shelf.save(expected=0, ttl_s=9)
        stale = f"the conversation is at version {head.version} by now; load it and save again"
        for act in (
            shelf.save(expected=0),
            shelf.save(expected=head.version - 1),
            shelf.kept.delete(ANN, "chat", head.version - 1),
        ):
            assert await why(act) == (Conflict, stale, {"version": head.version})
        # From its last nanosecond on it is absent.
        shelf.clock.advance(9 - 1e-9)
        assert (await shelf.kept.load(ANN, "chat")).version == head.version
        shelf.clock.advance(1e-9)
        absent = (NotFound, "no conversation `chat` is kept for this user", {})
        assert await why(shelf.kept.load(ANN, "chat")) == absent
        assert await why(shelf.kept.delete(ANN, "chat")) == absent
        assert (await why(shelf.kept.load(ANN, "x" * 65)))[1].count("x") == 64
        assert await why(shelf.save(expected=head.version)) == (Conflict, gone, {"version": 0})
        anew = await shelf.save(expected=0)
        assert anew.version > head.version
        assert (await shelf.kept.load(ANN, "chat")).replaces == 0
        await shelf.kept.delete(ANN, "chat", anew.version)

    asyncio.run(main())


@ABOUT
def test_save_or_delete_that_others_were_faster_than_is_tried_twenty_times(module):
    assert module == conversations.__name__

    async def main():
        for races, fails in ((1, False), (19, False), (20, True)):
            shelf: Any = Shelf()
            await shelf.save()
            for act in (
                lambda shelf=shelf: shelf.save(),
                lambda s=shelf: s.kept.delete(ANN, "chat"),
            ):
                shelf.commits, shelf.races = 0, races
                if fails:
                    assert await why(act()) == (Conflict, BUSY, {})
                    assert shelf.commits == 20
                else:
                    await act()
                    assert shelf.commits == races + 1
        # Of a version that was named there is one try.
        shelf = Shelf()
        head = await shelf.save()
        for act in (
            lambda: shelf.save(expected=head.version),
            lambda: shelf.kept.delete(ANN, "chat", head.version),
        ):
            shelf.commits, shelf.races = 0, 1
            assert await why(act()) == (Conflict, "raced", {})
            assert shelf.commits == 1

    asyncio.run(main())


@ABOUT
def test_room_of_a_user_is_asked_for_a_new_one_alone(module, monkeypatch):
    assert module == conversations.__name__

    async def main():
        monkeypatch.setattr(rules, "MAX_CONVERSATIONS", 2)
        shelf: Any = Shelf()
        asked: list[Any] = []
        listed = shelf.store.conversations

        async def told(where):
            asked.append(where)
            return await listed(where)

        shelf.store.conversations = told
        now = shelf.clock.now_ns()
        await shelf.save("a", ttl_s=5)
        room = ConversationFilter(tenant="acme", user="ann", live_at_ns=now, limit=2)
        assert asked == [room]
        await shelf.save("b")
        await shelf.save("b")
        assert len(asked) == 2
        text = "2 conversations are kept for this user already; delete some, or let them expire"
        assert await why(shelf.save("c")) == (TooLarge, text, {"limit": 2})
        await shelf.save("c", owner=Owner(tenant="acme", user="bob"))
        shelf.clock.advance(5)
        await shelf.save("c")
        asked.clear()
        heads = await shelf.kept.listed(ANN, prefix="c", after="b", limit=9)
        assert [head.name for head in heads] == ["c"]
        await shelf.kept.listed(ANN)
        plain = ConversationFilter(tenant="acme", user="ann", live_at_ns=now + 5 * S, limit=200)
        where = ConversationFilter(
            tenant="acme", user="ann", prefix="c", after="b", live_at_ns=now + 5 * S, limit=9
        )
        assert asked == [where, plain]

    asyncio.run(main())
