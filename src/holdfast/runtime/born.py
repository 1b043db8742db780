"""What a draft of a session becomes: its ids, its times, its tokens and their digests.

Not here: opening it (`sessions`).
"""

import hashlib

import msgspec

from holdfast.core.repeats import Named
from holdfast.model.sessions import Session, SessionState
from holdfast.model.tokens import hook_token, model_token
from holdfast.ports.clock import Clock, Entropy


def token_digest(token: str) -> str:
    """How a session token is kept: SHA-256, since the token itself has 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def born(draft: Session, named: Named, clock: Clock, entropy: Entropy) -> tuple[Session, str]:
    """The session of a draft: with ids, times, and the digests of its tokens."""
    session_id = named.session_id or entropy.new_id("ses")
    token = named.token or entropy.new_token("hfs")
    task = draft.principal.task
    who = msgspec.structs.replace(
        draft.principal,
        session=session_id,
        task=task + session_id if task.endswith("/") else task or session_id,
    )
    now_ns = clock.now_ns()
    session = msgspec.structs.replace(
        draft,
        session_id=session_id,
        principal=who,
        state=SessionState.ACTIVE,
        opened_at_ns=now_ns,
        expires_at_ns=now_ns + draft.expires_at_ns,
        token_digest=token_digest(token),
        model_token_digest=token_digest(model_token(session_id, token)),
        hook_token_digest=token_digest(hook_token(session_id, token)),
        state_changed_at_ns=now_ns,
        held=False,
        parked_for="",
        life_left_ns=0,
        told_ending=False,
        by_stop=False,
        asked=named.asked,
    )
    return session, token
