"""Conversations of users' own loops: saved, loaded, listed and deleted, for one user of one tenant.

What was saved is loaded byte for byte, so it is not scrubbed, and never stands in the journal: a
record says only that it happened, with digest and size. Not here: deleting what is old
(`runtime/retention`).
"""

from typing import TypedDict

import msgspec

from holdfast.core import conversations as rules
from holdfast.errors import Conflict, InvalidRequest, NotFound, TooLarge
from holdfast.model import bodies
from holdfast.model.conversations import Conversation, ConversationClosed, ConversationHead
from holdfast.model.events import Record
from holdfast.model.principals import Principal
from holdfast.ports.clock import Clock
from holdfast.ports.store import ConversationFilter, Store
from holdfast.ports.store_refusals import MAX_CONVERSATION_BYTES
from holdfast.runtime.journal import Journal

_NS = 1_000_000_000
_TRIES = 20


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose conversations: a user of a tenant, and the session that asks, if one does."""

    tenant: str
    user: str
    who: Principal | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be saved.

    `expected` is the version that it was made from: 0 for none yet, None to save whatever stands.
    """

    name: str
    messages: bytes
    metadata: bytes
    ttl_s: int = rules.DEFAULT_TTL_S
    expected: int | None = None


class Conversations:
    """Every conversation of this server."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock

    async def save(self, owner: Owner, draft: Draft) -> ConversationHead:
        """Save one, durably; its time to live begins anew.

        Errors: InvalidRequest, TooLarge, Conflict when it is not the expected version any more,
        StoreUnavailable.
        """
        size = len(draft.messages) + len(draft.metadata)
        if size > MAX_CONVERSATION_BYTES:
            raise TooLarge(
                f"the conversation has {size} bytes; {MAX_CONVERSATION_BYTES} at most are kept",
                limit_bytes=MAX_CONVERSATION_BYTES,
            )
        why = rules.refusal(draft.name, draft.ttl_s)
        why = why or rules.shape_refusal(draft.messages, draft.metadata)
        if why:
            raise InvalidRequest(why)
        for _ in range(_TRIES):
            try:
                return await self._save(owner, draft)
            except Conflict:
                if draft.expected is not None:
                    raise
        raise Conflict("the conversation is saved by others all the time; try again")

    async def _save(self, owner: Owner, draft: Draft) -> ConversationHead:
        found = await self._store.conversation(owner.tenant, owner.user, draft.name)
        now_ns = self._clock.now_ns()
        before = found if found is not None and found.expires_at_ns > now_ns else None
        stands = before.version if before is not None else 0
        if draft.expected is not None and draft.expected != stands:
            raise Conflict(_stale(stands), version=stands)
        if before is None:
            await self._check_room(owner, now_ns)
        saved = Conversation(
            tenant=owner.tenant,
            user=owner.user,
            name=draft.name,
            version=rules.version_after(found.version if found is not None else 0, now_ns),
            replaces=stands,
            messages=draft.messages,
            metadata=draft.metadata,
            digest=rules.digest_of(draft.messages, draft.metadata),
            saved_at_ns=now_ns,
            expires_at_ns=now_ns + draft.ttl_s * _NS,
        )
        told = bodies.ConversationSaved(ttl_s=draft.ttl_s, **_told(owner, saved.head))
        record = self._record(told, owner)
        await self._journal.commit([record], [saved])
        return saved.head

    async def _check_room(self, owner: Owner, now_ns: int) -> None:
        where = ConversationFilter(
            tenant=owner.tenant,
            user=owner.user,
            live_at_ns=now_ns,
            limit=rules.MAX_CONVERSATIONS,
        )
        if len(await self._store.conversations(where)) >= rules.MAX_CONVERSATIONS:
            raise TooLarge(
                f"{rules.MAX_CONVERSATIONS} conversations are kept for this user already;"
                " delete some, or let them expire",
                limit=rules.MAX_CONVERSATIONS,
            )

    async def load(self, owner: Owner, name: str) -> Conversation:
        """One as it was saved. Errors: NotFound, also once it has expired; StoreUnavailable."""
        found = await self._standing(owner, name)
        record = self._record(bodies.ConversationLoaded(**_told(owner, found.head)), owner)
        await self._journal.commit([record])
        return found

    async def listed(
        self, owner: Owner, *, prefix: str = "", after: str = "", limit: int = 200
    ) -> list[ConversationHead]:
        """Those that have not expired, by name, without their text."""
        where = ConversationFilter(
            tenant=owner.tenant,
            user=owner.user,
            prefix=prefix,
            after=after,
            live_at_ns=self._clock.now_ns(),
            limit=limit,
        )
        return await self._store.conversations(where)

    async def delete(self, owner: Owner, name: str, expected: int | None = None) -> None:
        """Delete one, durably.

        Errors: NotFound, Conflict when it is not the expected version any more.
        """
        for _ in range(_TRIES):
            found = await self._standing(owner, name)
            if expected is not None and expected != found.version:
                raise Conflict(_stale(found.version), version=found.version)
            closed = ConversationClosed(
                tenant=owner.tenant, user=owner.user, name=name, replaces=found.version
            )
            record = self._record(bodies.ConversationDeleted(**_told(owner, found.head)), owner)
            try:
                await self._journal.commit([record], [closed])
            except Conflict:
                if expected is not None:
                    raise
            else:
                return
        raise Conflict("the conversation is saved by others all the time; try again")

    async def _standing(self, owner: Owner, name: str) -> Conversation:
        found = await self._store.conversation(owner.tenant, owner.user, name)
        if found is None or found.expires_at_ns <= self._clock.now_ns():
            raise NotFound(f"no conversation `{name[:64]}` is kept for this user")
        return found

    def _record(self, body: bodies.Conversed, owner: Owner) -> Record:
        if owner.who is not None:
            return self._journal.record(body, owner.who)
        return self._journal.record(body, None, tenant=owner.tenant, user=owner.user)


class _Told(TypedDict):
    """What every record of a conversation says."""

    name: str
    version: int
    size_bytes: int
    digest: str
    by: str


def _told(owner: Owner, head: ConversationHead) -> _Told:
    return {
        "name": head.name,
        "version": head.version,
        "size_bytes": head.size_bytes,
        "digest": f"sha256:{head.digest}",
        "by": "admin" if owner.who is None else "",
    }


def _stale(stands: int) -> str:
    if stands == 0:
        return "there is no such conversation any more; the version that was expected is gone"
    return f"the conversation is at version {stands} by now; load it and save again"
