"""The two tokens of a session: one for its host, one for whatever runs the model loop.

The session token opens both doors: the guard's and the model's. The model token is derived from
it one way and opens the model's door alone, so a tool that reads it in its environment can spend
the session's own money and nothing else: it can ask for no permit, report no outcome and vouch
for no text. Not here: how tokens are kept (as digests) and looked up (`runtime/sessions`).
"""

import base64
import hashlib

SESSION_PREFIX = "hfs_"
MODEL_PREFIX = "hfm_"
_ID_PREFIX = "ses_"


def model_token(session_id: str, session_token: str) -> str:
    """`hfm_<session>_<52 characters>`: names its session, and cannot be turned back."""
    derived = hashlib.sha256(b"holdfast model token\0" + session_token.encode()).digest()
    secret = base64.b32encode(derived).decode().rstrip("=").lower()
    return f"{MODEL_PREFIX}{session_id.removeprefix(_ID_PREFIX)}_{secret}"


def session_of(token: str) -> str:
    """The session id that a model token names; empty when it is no model token."""
    if not token.startswith(MODEL_PREFIX):
        return ""
    name, _, secret = token.removeprefix(MODEL_PREFIX).rpartition("_")
    return _ID_PREFIX + name if name and secret else ""
