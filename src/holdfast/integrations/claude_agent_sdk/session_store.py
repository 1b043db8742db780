"""The Agent SDK's `SessionStore` on Holdfast: transcripts live where the journal does.

    options = ClaudeAgentOptions(session_store=HoldfastSessionStore(session.conversations))

A transcript is a row of conversations, each a part of it, so that an append rewrites the last part
alone. Entries are passed through; an entry whose `uuid` was there before is left out. Not here:
governing the SDK (`govern`).
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

import msgspec
from claude_agent_sdk.types import (
    SessionKey,
    SessionListSubkeysKey,
    SessionStore,
    SessionStoreEntry,
    SessionStoreListEntry,
    SessionSummaryEntry,
)

from holdfast.client import ConversationHead, Conversations
from holdfast.errors import Conflict, InvalidRequest, NotFound

TTL_S = 30 * 86_400
_PART_BYTES = 512 * 1024
_MAX_SEGMENT = 80
_TRIES = 8


class _Tail:
    """What this process knows of a transcript: its last part, and which entries it holds."""

    def __init__(self) -> None:
        self.number = 0
        self.version = 0
        self.entries: list[bytes] = []
        self.seen: set[str] = set()
        # When the last part was saved and ends, and when the first of the others ends; 0 unknown.
        self.saved_at_ns = 0
        self.end_ns = 0
        self.oldest_end_ns = 0
        self.lock = asyncio.Lock()
        self.known = False


class HoldfastSessionStore(SessionStore):
    """A SessionStore over the conversations of one user.

    `ttl_s` counts from the last append, of the whole transcript. Errors of each method are those
    of `holdfast.client.Conversations`; the SDK logs a failed append and goes on.
    """

    if TYPE_CHECKING:

        async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
            """Optional, and left out: the SDK looks whether it is there, type checkers do not."""
            ...

    def __init__(self, conversations: Conversations, *, ttl_s: int = TTL_S) -> None:
        self._conversations = conversations
        self._ttl_s = ttl_s
        self._tails: dict[str, _Tail] = {}

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add entries at the end; those of other processes that append too are kept."""
        if not entries:
            return
        place = _place(key)
        tail = self._tails.setdefault(place, _Tail())
        async with tail.lock:
            for _ in range(_TRIES):
                try:
                    await self._append(place, tail, entries)
                except Conflict:
                    # Somebody else appended; what of ours is there by now is seen by its uuid.
                    tail.known = False
                except BaseException:
                    tail.known = False
                    raise
                else:
                    return
        raise Conflict("the transcript is appended to by others all the time")

    async def _append(self, place: str, tail: _Tail, entries: Sequence[SessionStoreEntry]) -> None:
        if not tail.known:
            await self._learn(place, tail)
        fresh = [(_uuid(entry), msgspec.json.encode(entry)) for entry in entries]
        todo = [(name, raw) for name, raw in fresh if not name or name not in tail.seen]
        while todo:
            batch: list[tuple[str, bytes]] = []
            size = sum(map(len, tail.entries))
            while todo and (size + len(todo[0][1]) <= _PART_BYTES or not (tail.entries or batch)):
                batch.append(todo.pop(0))
                size += len(batch[-1][1])
            if not batch:
                tail.oldest_end_ns = min(tail.oldest_end_ns or tail.end_ns, tail.end_ns)
                tail.number, tail.version, tail.entries = tail.number + 1, 0, []
                continue
            grown = tail.entries + [raw for _, raw in batch]
            head = await self._conversations.save(
                _part(place, tail.number),
                b"[" + b",".join(grown) + b"]",
                ttl_s=self._ttl_s,
                expected_version=tail.version,
            )
            tail.entries, tail.version = grown, head.version
            tail.saved_at_ns, tail.end_ns = head.saved_at_ns, head.expires_at_ns
            tail.seen.update(name for name, _ in batch if name)
        await self._keep_earlier_parts(place, tail)

    async def _learn(self, place: str, tail: _Tail) -> None:
        """Read the transcript as it stands."""
        tail.number, tail.version, tail.entries, tail.seen = 0, 0, [], set()
        heads = _whole(await self._conversations.list(f"{place}/"))
        for number, head in enumerate(heads):
            found = await self._conversations.load(head.name)
            entries = msgspec.json.decode(found.messages_json, type=list[msgspec.Raw])
            tail.number, tail.version = number, found.version
            tail.entries = [bytes(entry) for entry in entries]
            tail.end_ns = found.expires_at_ns
            tail.seen.update(
                name for raw in tail.entries if (name := _uuid(msgspec.json.decode(raw)))
            )
        tail.oldest_end_ns = min((head.expires_at_ns for head in heads[:-1]), default=0)
        tail.known = True

    async def _keep_earlier_parts(self, place: str, tail: _Tail) -> None:
        """Save earlier parts anew once half their time is over, so that none ends before the last.

        What time it is, the server's last answer says.
        """
        half_ns = self._ttl_s * 500_000_000
        if tail.number == 0 or tail.oldest_end_ns - tail.saved_at_ns > half_ns:
            return
        ends = []
        for number in range(tail.number):
            found = await self._conversations.load(_part(place, number))
            head = await self._conversations.save(
                found.name,
                found.messages_json,
                found.metadata_json,
                ttl_s=self._ttl_s,
                expected_version=found.version,
            )
            ends.append(head.expires_at_ns)
        tail.oldest_end_ns = min(ends)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Every entry in order; None for a transcript that is not there, or not whole."""
        heads = _whole(await self._conversations.list(f"{_place(key)}/"))
        entries: list[SessionStoreEntry] = []
        try:
            for head in heads:
                found = await self._conversations.load(head.name)
                entries += cast("list[SessionStoreEntry]", found.messages)
        except NotFound:
            return None
        return entries or None

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The sessions of a project, with the time of their last append."""
        latest: dict[str, int] = {}
        for head in await self._conversations.list(f"{_project(project_key)}/"):
            session_id, segment, _ = head.name.split("/")[-3:]
            if segment == _MAIN:
                name = unquote(session_id)
                latest[name] = max(latest.get(name, 0), head.saved_at_ns // 1_000_000)
        return [{"session_id": name, "mtime": mtime} for name, mtime in latest.items()]

    async def delete(self, key: SessionKey) -> None:
        """Delete a transcript; a session's own takes those of its sub-agents with it."""
        place = _place(key) if key.get("subpath") else _session(key)
        for head in await self._conversations.list(f"{place}/"):
            try:
                await self._conversations.delete(head.name)
            except NotFound:
                continue
        for name in [known for known in self._tails if f"{known}/".startswith(f"{place}/")]:
            del self._tails[name]

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The transcripts of a session's sub-agents."""
        found: dict[str, None] = {}
        for head in await self._conversations.list(f"{_session(key)}/"):
            segment = head.name.split("/")[-2]
            if segment != _MAIN:
                found[unquote(segment.removeprefix(_SUB))] = None
        return list(found)


_MAIN, _SUB = "main", "sub-"


def _project(project_key: str) -> str:
    # Folders can be long; a project is only ever looked up, never read back from a name.
    return f"claude-sdk/{hashlib.sha256(project_key.encode()).hexdigest()[:32]}"


def _session(key: Mapping[str, Any]) -> str:
    return f"{_project(key['project_key'])}/{_segment(key['session_id'])}"


def _place(key: SessionKey) -> str:
    subpath = key.get("subpath", "")
    return f"{_session(key)}/{_SUB + _segment(subpath) if subpath else _MAIN}"


def _part(place: str, number: int) -> str:
    return f"{place}/{number:08d}"


def _segment(text: str) -> str:
    spelled = quote(text, safe="")
    if not 0 < len(spelled) <= _MAX_SEGMENT:
        raise InvalidRequest(f"`{text[:64]}` is too long for the name of a transcript")
    return spelled


def _whole(heads: Sequence[ConversationHead]) -> Sequence[ConversationHead]:
    """The parts, if none is missing: half a transcript would mislead whoever goes on from it."""
    numbers = [int(head.name.rpartition("/")[2]) for head in heads]
    return heads if numbers == list(range(len(heads))) else ()


def _uuid(entry: Mapping[str, Any] | Any) -> str:
    found = entry.get("uuid") if isinstance(entry, Mapping) else None
    return found if isinstance(found, str) else ""
