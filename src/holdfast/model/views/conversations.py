"""Conversations of a user's own loop, as they are shown."""

import msgspec

from holdfast.model.conversations import ConversationHead


class ConversationList(msgspec.Struct, frozen=True):
    """By rising name."""

    conversations: tuple[ConversationHead, ...]


class LoadedConversation(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation; `messages` and `metadata` are the JSON that was saved, byte for byte."""

    name: str
    version: int
    messages: msgspec.Raw
    metadata: msgspec.Raw
    digest: str
    saved_at_ns: int
    expires_at_ns: int


class DeletedConversation(msgspec.Struct, frozen=True):
    """It is gone."""

    name: str
