"""Conversations of a user's own loop, kept by the server with a time to live.

With a session's token they are the session's user's; with the admin's, tenant and user are named
(`client.conversations(user="ann")`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from holdfast.errors import InvalidRequest
from holdfast.model.conversations import ConversationHead
from holdfast.model.views.conversations import (
    ConversationList,
    DeletedConversation,
    LoadedConversation,
)

from .wire import Door

TTL_S = 3_600
_PAGE = 1000


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation; `messages_json` and `metadata_json` are the bytes that were saved."""

    name: str
    version: int
    messages_json: bytes
    metadata_json: bytes
    digest: str
    saved_at_ns: int
    expires_at_ns: int

    @property
    def messages(self) -> list[Any]:
        """The messages as values."""
        return msgspec.json.decode(self.messages_json, type=list[Any])

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata as values."""
        return msgspec.json.decode(self.metadata_json, type=dict[str, Any])


class Conversations:
    """Save, load, list and delete. Errors of each: SessionStopped, StoreUnavailable."""

    def __init__(self, door: Door, path: str, owner: Mapping[str, str]) -> None:
        self._door = door
        self._path = path
        self._owner = dict(owner)

    async def save(
        self,
        name: str,
        messages: Sequence[Any] | bytes,
        metadata: Mapping[str, Any] | bytes = b"{}",
        *,
        ttl_s: int = TTL_S,
        expected_version: int | None = None,
    ) -> ConversationHead:
        """Save under `name` for `ttl_s` seconds from now; bytes are JSON and kept as they are.

        `expected_version` is the version that this was made from, 0 where there was none; without
        it whatever stands there is replaced. Errors: Conflict when it is another version by now,
        TooLarge, InvalidRequest.
        """
        body: dict[str, Any] = {
            "name": name,
            "messages": _json(messages, "messages"),
            "metadata": _json(metadata, "metadata"),
            "ttl_s": ttl_s,
        }
        if expected_version is not None:
            body["expected_version"] = expected_version
        return await self._door.post(f"{self._path}/save", ConversationHead, self._owner | body)

    async def load(self, name: str) -> Conversation:
        """One as it was saved. Errors: NotFound, also once it has expired."""
        found = await self._door.post(
            f"{self._path}/load", LoadedConversation, self._owner | {"name": name}
        )
        return Conversation(
            name=found.name,
            version=found.version,
            messages_json=bytes(found.messages),
            metadata_json=bytes(found.metadata),
            digest=found.digest,
            saved_at_ns=found.saved_at_ns,
            expires_at_ns=found.expires_at_ns,
        )

    async def list(self, prefix: str = "") -> tuple[ConversationHead, ...]:
        """Those whose name begins so, by name."""
        found: tuple[ConversationHead, ...] = ()
        while True:
            asked: dict[str, Any] = {
                "prefix": prefix,
                "after": found[-1].name if found else "",
                "limit": _PAGE,
            }
            page = (
                await self._door.post(f"{self._path}/list", ConversationList, self._owner | asked)
            ).conversations
            found += page
            if len(page) < _PAGE:
                return found

    async def delete(self, name: str, *, expected_version: int | None = None) -> None:
        """Delete one. Errors: NotFound, Conflict when it is another version by now."""
        body: dict[str, Any] = {"name": name}
        if expected_version is not None:
            body["expected_version"] = expected_version
        await self._door.post(f"{self._path}/delete", DeletedConversation, self._owner | body)


def _json(value: Any, what: str) -> Any:
    """Bytes as the JSON that they are; anything else is written by the door."""
    if not isinstance(value, bytes):
        return value
    try:
        msgspec.json.decode(value)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"the {what} are no json: {error}") from None
    return msgspec.Raw(value)
