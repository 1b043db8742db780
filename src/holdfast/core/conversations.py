"""What may be saved as a conversation, and under which name and version.

Not here: storing (`runtime/conversations`).
"""

import hashlib

MAX_NAME_BYTES = 256
DEFAULT_TTL_S = 3_600
MAX_TTL_S = 366 * 86_400
MAX_CONVERSATIONS = 2_000
"""Most that one user keeps at a time."""


def refusal(name: str, ttl_s: int) -> str:
    """Why nothing is saved under `name` for so long; empty where it is."""
    if not name or not name.isprintable() or len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return f"the name of a conversation is 1 to {MAX_NAME_BYTES} bytes of printable text"
    if not 1 <= ttl_s <= MAX_TTL_S:
        return f"a conversation is kept for 1 to {MAX_TTL_S} seconds"
    return ""


def shape_refusal(messages: bytes, metadata: bytes) -> str:
    """Why these (JSON both) are no conversation; empty where they are."""
    if messages.lstrip()[:1] != b"[":
        return "the messages of a conversation are a list"
    if metadata.lstrip()[:1] != b"{":
        return "the metadata of a conversation is an object"
    return ""


def digest_of(messages: bytes, metadata: bytes) -> str:
    """SHA-256 in hex; the line feed keeps the two apart."""
    return hashlib.sha256(messages + b"\n" + metadata).hexdigest()


def version_after(before: int, now_ns: int) -> int:
    """The next version: higher than the last, and than any of a conversation that was deleted.

    It begins with the time in milliseconds, so that a name that is used anew does not begin at a
    version that somebody may still hold of the old one.
    """
    return max(before + 1, now_ns // 1_000_000)
