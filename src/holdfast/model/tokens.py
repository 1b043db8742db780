"""The three tokens of a session: for its host, for whatever runs the model loop, for a CLI's hooks.

The session token opens both doors: the guard's and the model's. The other two are derived from it
one way, and each opens one thing. The model token opens the model's door alone, so a tool that
reads it in its environment can spend the session's own money and nothing else. The hook token
opens the one route that Claude Code's own hooks post to: it asks for permits of calls that the
model made and reports outcomes, and vouches for no text. Not here: how tokens are kept (as
digests) and looked up (`runtime/sessions`).
"""

import base64
import hashlib

SESSION_PREFIX = "hfs_"
MODEL_PREFIX = "hfm_"
HOOK_PREFIX = "hfh_"
SIGN_IN_PREFIX = "hfc_"
"""Of a browser that an operator is signed in with."""
TERMINAL_PREFIX = "hft_"
"""Of a terminal that somebody is signed in with: it signs, and is not sent."""
LINK_PREFIX = "hfl_"
"""Of what signs one browser in, once."""
_ID_PREFIX = "ses_"


def model_token(session_id: str, session_token: str) -> str:
    """`hfm_<session>_<52 characters>`: names its session, and cannot be turned back."""
    return _derived(MODEL_PREFIX, b"holdfast model token\0", session_id, session_token)


def hook_token(session_id: str, session_token: str) -> str:
    """`hfh_<session>_<52 characters>`: names its session, and cannot be turned back."""
    return _derived(HOOK_PREFIX, b"holdfast hook token\0", session_id, session_token)


def session_of(token: str, prefix: str = MODEL_PREFIX) -> str:
    """The session id that a derived token of this prefix names; empty when it is none."""
    if not token.startswith(prefix):
        return ""
    name, _, secret = token.removeprefix(prefix).rpartition("_")
    return _ID_PREFIX + name if name and secret else ""


def _derived(prefix: str, label: bytes, session_id: str, session_token: str) -> str:
    derived = hashlib.sha256(label + session_token.encode()).digest()
    secret = base64.b32encode(derived).decode().rstrip("=").lower()
    return f"{prefix}{session_id.removeprefix(_ID_PREFIX)}_{secret}"
