"""Bodies of what is kept beside the journal: conversations, files that are own, retention."""

from typing import Annotated

from holdfast.model.bodies.base import OURS, Body


class Conversed(Body, frozen=True, kw_only=True):
    """A version of a kept conversation; `by` where no session did it."""

    name: str
    version: int
    size_bytes: int
    digest: str
    by: str = ""


class ConversationSaved(Conversed, frozen=True, kw_only=True):
    """It was saved, for `ttl_s` seconds."""

    ttl_s: int


class ConversationLoaded(Conversed, frozen=True, kw_only=True):
    """It was read."""


class ConversationDeleted(Conversed, frozen=True, kw_only=True):
    """It was deleted."""


class RetentionApplied(Body, frozen=True, kw_only=True):
    """A pass deleted so many of each; what had ended before the times given was old enough.

    `fault` says what ended a pass early.
    """

    by: str
    sessions: int
    calls: int
    runs: int
    effects: int
    conversations: int
    sessions_before_ns: int
    effects_before_ns: int
    conversations_before_ns: int
    freed_bytes: int
    fault: str


class FilesTrusted(Body, frozen=True, kw_only=True):
    """The files of a commit count as the operator's own.

    `kept`: by command, until they are forgotten; else as the settings say, for this start.
    """

    root: str
    ref: str
    by: str = ""
    commit: Annotated[str, OURS]
    kept: Annotated[bool, OURS] = False


class FilesForgotten(Body, frozen=True, kw_only=True):
    """The files of a commit no longer count as the operator's own."""

    root: str
    ref: str
    by: str
    commit: Annotated[str, OURS]


class FilesWritten(Body, frozen=True, kw_only=True):
    """Digests by path of files that a session left so, and which count as its user's own."""

    tenant: str
    user: str
    session: str
    files: dict[str, str]


class FilesUnsettled(Body, frozen=True, kw_only=True):
    """A session may have left something running that writes in a folder.

    `heard`: it may write what a stranger said; a record without it means so.
    """

    tenant: str
    user: str
    heard: bool | None = None
    session: str
    folder: str
