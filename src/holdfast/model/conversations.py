"""Conversations that a user's own loop keeps here between its processes.

They are the user's, byte for byte: never scrubbed, never journalled, never shown to the model by
Holdfast itself. Not here: what may be saved (`core/conversations`).
"""

import msgspec


class ConversationHead(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its text, of a user who is known.

    `digest` is SHA-256 of the JSON that is kept, in hex; `size_bytes` counts messages and metadata.
    """

    name: str
    version: int
    digest: str
    saved_at_ns: int
    expires_at_ns: int
    size_bytes: int = 0


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One saved conversation, known by `tenant`, `user` and `name`.

    `messages` and `metadata` are JSON as it was sent. `version` rises with each save and is never
    used again under the same name; `replaces` is the version that this one was made from, 0 where
    there was none. `digest` is SHA-256 of messages and metadata, in hex. Times are UTC nanoseconds;
    from `expires_at_ns` on it counts as absent.
    """

    tenant: str
    user: str
    name: str
    version: int
    messages: bytes
    metadata: bytes
    digest: str
    saved_at_ns: int
    expires_at_ns: int
    replaces: int = 0

    @property
    def head(self) -> ConversationHead:
        """This conversation without its text."""
        return ConversationHead(
            name=self.name,
            version=self.version,
            size_bytes=len(self.messages) + len(self.metadata),
            digest=self.digest,
            saved_at_ns=self.saved_at_ns,
            expires_at_ns=self.expires_at_ns,
        )


class ConversationClosed(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation is deleted, if it still is the version that `replaces` says."""

    tenant: str
    user: str
    name: str
    replaces: int
