"""Bodies of what happens to a session, its children and its prompts."""

from typing import Annotated

import msgspec

from holdfast.model.bodies.base import OURS, Body
from holdfast.model.views.kills import ChildKilled, KillLever


class SessionOpened(Body, frozen=True, kw_only=True):
    """A session began. Limits are by account, in its own unit; None is unlimited.

    `parent`: the session whose conversation it continues. What stands only with a child's opening:
    who started it, how deep it is, the session at the top, the call that asked for it, what it may
    reach, and whether it begins tainted.
    """

    limits: dict[str, int | None]
    trust: str
    roles: tuple[str, ...]
    allowed_tools: tuple[str, ...]
    expires_at_ns: int
    config_version: str
    parent: str | None = None
    delegated_by: str = ""
    depth: int = 0
    root: str = ""
    by_call: str | None = None
    resources: tuple[str, ...] | None = None
    taints: bool | None = None


class SessionChanged(Body, frozen=True, kw_only=True):
    """A session's state changed: why, by whom (empty: by the server itself), and from which.

    `stop` is the stop that did it, or that was lifted.
    """

    reason: str
    by: str
    from_state: str = msgspec.field(name="from")
    stop: str = ""


class SessionPaused(SessionChanged, frozen=True, kw_only=True):
    """Nothing of it goes on until somebody resumes it, at `until_ns` at the latest.

    `account` is the one that was spent, where that paused it.
    """

    account: str = ""
    until_ns: int = 0


class SessionEnding(Body, frozen=True, kw_only=True):
    """A paused session ends at `until_ns` unless somebody resumes it; `reason` is why it waits."""

    reason: str
    until_ns: int


class SessionResumed(SessionChanged, frozen=True, kw_only=True):
    """It goes on."""


class SessionStopped(SessionChanged, frozen=True, kw_only=True):
    """A limit or a bypass ended it."""


class SessionKilled(SessionChanged, frozen=True, kw_only=True):
    """A person ended it."""


class SessionExpired(SessionChanged, frozen=True, kw_only=True):
    """Its wall clock ran out."""


class SessionEnded(SessionChanged, frozen=True, kw_only=True):
    """Its work is over."""


class SessionDelegated(Body, frozen=True, kw_only=True):
    """A session started a child. A model wrote the text of its task, which is cut."""

    task_text: str
    tools: tuple[str, ...]
    child: str
    agent: str


class SessionCollected(Body, frozen=True, kw_only=True):
    """A session took its child's result. `digest` is of the whole text, which is shown cut.

    `taints`: the child had read untrusted text, or another had that said the same words.
    """

    child: str
    agent: str
    state: str
    taints: bool
    digest: str
    text: str


class SessionContinued(Body, frozen=True, kw_only=True):
    """The history of another session goes on in this one; `taints` where that one was."""

    session: str
    taints: bool = False


class KillReceipt(Body, frozen=True, kw_only=True):
    """What a kill did, by whom and why. `already`: the session was dead before.

    `children` are all the sessions that it started, and that those started. `taken_along` are other
    sessions that lost a stream with a relay that had to be ended. `stop` is the stop that it fell
    under, empty where it was killed alone.
    """

    session_id: str
    state: str
    already: bool
    levers: Annotated[tuple[KillLever, ...], OURS]
    total_ms: float
    children: Annotated[tuple[ChildKilled, ...], OURS]
    taken_along: tuple[str, ...]
    reason: str
    by: str
    stop: str = ""


class PromptSubmitted(Body, frozen=True, kw_only=True):
    """What a user typed, cut; its words are vouched for where no tool could have written it."""

    text: str
    vouched: bool = True


class PromptConfirmed(Body, frozen=True, kw_only=True):
    """The model was asked with what the user typed, which vouches."""

    text: str
