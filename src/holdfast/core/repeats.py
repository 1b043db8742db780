"""What a request makes that may be sent again: names that follow from its key, not from chance.

Whoever sends a request that makes something may give it a key (`Idempotency-Key`). What it makes is
then named by that key, so that the same request finds it again, also after a crash, and nothing
else has to be kept beside it. A key means something only with who sent it and what for, and only
the server can tell from a key what it names.
Not here: finding it (`apps/control/repeating`).
"""

import base64
import hashlib
import hmac
from typing import NamedTuple

from holdfast.model.tokens import SESSION_PREFIX

HEADER = "idempotency-key"
KEY_MOST = 255
"""Characters of a key: visible ASCII."""
_ID_BYTES = 16
_ID_CHARACTERS = 26


class Named(NamedTuple):
    """What a request with a key makes; all empty for one without, which makes something new.

    `asked` is SHA-256 of what was asked, in hex; `token` is the token of the session.
    """

    session_id: str = ""
    run_id: str = ""
    token: str = ""
    asked: str = ""


ANEW = Named()
"""What a request without a key makes: whatever chance names."""


def is_key(text: str) -> bool:
    """Whether this can be a key."""
    return 0 < len(text) <= KEY_MOST and all("!" <= character <= "~" for character in text)


def named(secret: bytes, sender: str, verb: str, key: str, asked: bytes) -> Named:
    """What `key` names when `sender` uses it for `verb`; `secret` is the server's own."""

    def derived(what: str) -> bytes:
        joined = bytearray(b"holdfast repeats 1\0")
        for part in (what, sender, verb, key):
            raw = part.encode("utf-8", "surrogatepass")
            joined += len(raw).to_bytes(8, "big") + raw
        return hmac.digest(secret, bytes(joined), "sha256")

    return Named(
        session_id=f"ses_{_letters(derived('session')[:_ID_BYTES])[:_ID_CHARACTERS]}",
        run_id=f"run_{_letters(derived('run')[:_ID_BYTES])[:_ID_CHARACTERS]}",
        token=f"{SESSION_PREFIX}{_letters(derived('token'))}",
        asked=hashlib.sha256(asked).hexdigest(),
    )


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
