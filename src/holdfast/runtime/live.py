"""A session as the server holds it in memory while it lives.

Everything here can be built again from the store (`runtime/sessions`): memory is a cache of the
journal, never the only place.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from holdfast.core.calls import asks_in_vain
from holdfast.core.context import ContextUse
from holdfast.core.flow import Vouched
from holdfast.core.flow.queries import Residue
from holdfast.core.place import Place, absolute
from holdfast.core.progress import Progress
from holdfast.core.sparse import Sparse
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, Dimension, Refused
from holdfast.model.effects import EffectEntry
from holdfast.model.principals import Principal
from holdfast.model.sessions import Session, SessionState
from holdfast.model.tools import CallRecord
from holdfast.runtime.doors import Asker

Cut = Callable[[str], None]
"""Ends one answer that is streaming now; the argument says why."""

SoFar = Callable[[], int]
"""What one answer that is under way cost so far, estimated, in nano-dollars."""

End = Callable[[], tuple[str, ...]]
"""Ends whoever carries an answer, with all it carries; the sessions whose answers those were."""


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """What a call that read own files alone may leave behind, as it was before it ran.

    `named`: files that it is seen to write, own or absent; `told`: the digests that
    they may have then, empty where the call does not say. `before`: digests of all in the folder,
    None where it writes nothing else; `known` of these are own; `news`: so is what comes new.
    `mixed` tells whether others wrote there meanwhile; None where they do.
    """

    named: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()
    before: Mapping[str, str] | None = None
    known: frozenset[str] = frozenset()
    news: bool = False
    mixed: int | None = 0


class LiveSession(Sparse):
    """One session in memory. Owned by the event loop; no awaits between check and change."""

    session: Session
    chain: tuple[AccountKey, ...]
    calls: dict[str, CallRecord]
    emitted: dict[str, dict[str, Any]]
    """Arguments of undecided calls as the model wrote them; lost with the process, and then only a
    door that asks with the very same arguments is answered."""
    running: dict[str, dict[str, Any]]
    """What permitted calls run with, until their outcome; kept where a hook is going to see it."""
    answers: dict[str, str]
    """What the journal keeps of results that have not reached the model yet, by call id."""
    approvals: dict[tuple[str, str], Approval]
    """The last question to a person, and its answer, by tool and digest of what it is about."""
    lifting: set[str]
    """Answers that calls being decided are to run on; each is used up with the decision."""
    effects: dict[str, EffectEntry]
    """Effects that were intended by a call id here and are not known to have taken."""
    progress: Progress
    vouched: Vouched
    residue: Residue
    """What its queries, and those of sessions below it, carried to search providers after taint."""
    stale: bool
    """Since untrusted text was read, something was written or fetched where this works."""
    made: set[str]
    """Files that it wrote, as `core/place` spells them."""
    serves: set[str]
    """Ports of programs that it started from own files."""
    neutral: set[str]
    """Calls that return the operator's own text; what others are seen to write there."""
    writing: dict[str, Writing]
    mixing: set[str]
    """Calls at work that may write here what they read of others; `mixed`: how many so far."""
    mixed: int
    working: set[str]
    """The same of calls that write what is own to its user; others take it for a stranger's."""
    worked: int
    grows: dict[str, int]
    """What code that it left running prints into: the file, and how often others had written."""
    streams: dict[str, Cut]
    paying: dict[str, SoFar]
    """By the hold of each model call that is not settled; live state of this process alone."""
    unconfirmed: dict[str, End]
    """Streams in a relay that was told to cut and has not said to be over: how to end it."""
    fetched: set[str]
    """Digests of addresses that the provider was let to reach for it, before or after taint."""
    threads: dict[str, int]
    """Tokens of a conversation that the provider holds, by the message id that ends it."""
    context: ContextUse
    cost_nusd: int
    turn: int
    adopted: bool
    parent: "LiveSession | None"
    """The session that started this one, in memory as long as this is."""
    children: list[str]
    """Ids of those it started."""
    collected: dict[str, bool]
    """Digests of texts that children handed back, and whether they taint."""
    found_calls: set[str]
    """Ids of calls that stood in the transcript, of sessions that nobody named as this one's."""
    told_faults: set[tuple[str, str]]
    """Faults of the shown history that the journal holds already, by call id and code."""
    pending_prompt: str
    """A prompt that a hook told of, until the model is asked with it."""
    first_processes: frozenset[tuple[int, int]] | None
    refused: Refused | None
    """Why its last model call was not paid for, where waiting would not have helped."""
    """What lived before any permit."""
    hooked: bool
    """Claude Code's hooks have asked with the token made for them. Lost with the process, and set
    again by the hook that comes before each model call."""
    told_outdated: bool
    """The journal holds that its client is too old."""
    deciding: set[str]
    """Calls whose decision is being made, so that a call is decided once even in parallel."""
    counted: set[str]
    """Calls that the loop guard knows and that are still to be decided."""
    limited: set[str]
    """Undecided calls that were refused for their number, until the model is told so. Lost with the
    process, and then the model reads of them what it reads of any call that never ran."""

    EMPTY: ClassVar = {
        **dict.fromkeys(("calls", "emitted", "running", "answers", "effects", "approvals"), dict),
        **dict.fromkeys(("writing", "grows", "streams", "paying", "unconfirmed", "threads"), dict),
        **dict.fromkeys(("made", "serves", "neutral", "mixing", "working"), set),
        **dict.fromkeys(("fetched", "found_calls", "told_faults"), set),
        **dict.fromkeys(("deciding", "counted", "limited", "lifting"), set),
        "vouched": Vouched,
        "residue": Residue,
        "context": ContextUse,
        "children": list,
        "collected": dict,
    }
    __slots__ = (
        *EMPTY,
        *("session", "chain", "progress", "parent", "pending_prompt", "first_processes"),
        "refused",
        *("stale", "adopted", "hooked", "told_outdated", "mixed", "worked", "cost_nusd", "turn"),
    )

    def __init__(self, session: Session, chain: tuple[AccountKey, ...]) -> None:
        self.session = session
        self.chain = chain
        self.progress = Progress(session.loop)
        self.stale = self.adopted = self.hooked = self.told_outdated = False
        self.mixed = self.worked = self.cost_nusd = self.turn = 0
        self.parent = None
        self.pending_prompt = ""
        self.first_processes = self.refused = None

    @property
    def who(self) -> Principal:
        """Whom this session acts for."""
        return self.session.principal

    @property
    def asker(self) -> Asker:
        """As providers know it."""
        who = self.session.principal
        return Asker(self.session.session_id, f"{who.tenant}/{who.user}")

    def spared(self) -> tuple[Dimension, ...]:
        """Dimensions that stop no model call, though they are spent: the model draws on none of it.

        So what its last tool calls returned is answered. Once it asked for more than there was, it
        is stopped as its tools are.
        """
        own = (c for c in self.calls.values() if c.session == self.session.session_id)
        return () if asks_in_vain(own) else (Dimension.TOOL_CALLS,)

    @property
    def line(self) -> "Iterator[LiveSession]":
        """This session and those above it, innermost first: each must allow what this one does."""
        one: LiveSession | None = self
        while one is not None:
            yield one
            one = one.parent

    @property
    def place(self) -> Place:
        """Where it works: what one session of its line wrote there, all of them may run."""
        return Place(
            folder=self.session.folder,
            sandboxed=self.session.sandboxed,
            stale=any(one.stale for one in self.line),
            made=self.made,
            serves=self.serves,
        )

    def wrote(self, paths: Collection[str], *, stale: bool) -> None:
        """An allowed call writes these files; `stale` where others may have had a hand in them."""
        if paths:
            place = self.place
            self.made.update(absolute(path, place) for path in paths)
        if stale:
            for one in self.line:
                one.stale = True

    def begins(self, call_id: str, *, neutral: bool) -> None:
        """An allowed call may write from now on; `neutral` where that is own to its user."""
        if neutral:
            self.working.add(call_id)
            self.worked += 1
        else:
            self.mixing.add(call_id)
            self.mixed += 1

    def reported(self, call_id: str) -> Writing | None:
        """The call is over; what it was seen to begin to write."""
        self.mixing.discard(call_id)
        self.working.discard(call_id)
        return self.writing.pop(call_id, None)

    @property
    def standing(self) -> SessionState:
        """Its state, or that of the first above it that is not active."""
        states = (one.session.state for one in self.line)
        return next((s for s in states if s is not SessionState.ACTIVE), SessionState.ACTIVE)

    def cut_streams(self, reason: str) -> int:
        """End every answer that is streaming; the number of them."""
        cuts = list(self.streams.values())
        for cut in cuts:
            cut(reason)
        return len(cuts)
