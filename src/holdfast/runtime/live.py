"""A session as the server holds it in memory while it lives.

Everything here can be built again from the store (`runtime/sessions`): memory is a cache of the
journal, never the only place.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.context import ContextUse
from holdfast.core.flow import Vouched
from holdfast.core.flow.queries import Residue
from holdfast.core.place import Place, absolute
from holdfast.core.progress import Progress
from holdfast.model.budgets import AccountKey
from holdfast.model.effects import EffectEntry
from holdfast.model.principals import Principal
from holdfast.model.sessions import Session, SessionState
from holdfast.model.tools import CallRecord
from holdfast.runtime.doors import Asker

Cut = Callable[[str], None]
"""Ends one answer that is streaming now; the argument says why."""

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


class LiveSession:
    """One session in memory. Owned by the event loop; no awaits between check and change."""

    def __init__(self, session: Session, chain: tuple[AccountKey, ...]) -> None:
        self.session = session
        self.chain = chain
        self.calls: dict[str, CallRecord] = {}
        # Arguments of undecided calls as the model wrote them; lost with the process, and then
        # only a door that asks with the very same arguments is answered.
        self.emitted: dict[str, dict[str, Any]] = {}
        # What permitted calls run with, until their outcome; kept where a hook is going to see it.
        self.running: dict[str, dict[str, Any]] = {}
        # What the journal keeps of results that have not reached the model yet, by call id.
        self.answers: dict[str, str] = {}
        # Effects that were intended by a call id here and are not known to have taken.
        self.effects: dict[str, EffectEntry] = {}
        self.progress = Progress(session.loop)
        self.vouched = Vouched()
        # What its queries, and those of sessions below it, carried to search providers after taint.
        self.residue = Residue()
        # Since untrusted text was read, something was written or fetched where this works.
        self.stale = False
        # Files that it wrote, as `core/place` spells them.
        self.made: set[str] = set()
        # Ports of programs that it started from own files.
        self.serves: set[str] = set()
        # Calls that return the operator's own text; what others are seen to write there.
        self.neutral: set[str] = set()
        self.writing: dict[str, Writing] = {}
        # Calls at work that may write here what they read of others; how many there were so far.
        self.mixing: set[str] = set()
        self.mixed = 0
        # The same of calls that write what is own to its user; others take it for a stranger's.
        self.working: set[str] = set()
        self.worked = 0
        # What code that it left running prints into: the file, and how often others had written.
        self.grows: dict[str, int] = {}
        self.streams: dict[str, Cut] = {}
        # Streams in a relay that it was told to cut and has not said to be over: how to end it.
        self.unconfirmed: dict[str, End] = {}
        # Digests of addresses that the provider was let to reach for it, before or after taint.
        self.fetched: set[str] = set()
        # Tokens of a conversation that the provider holds, by the message id that ends it.
        self.threads: dict[str, int] = {}
        self.context = ContextUse()
        self.cost_nusd = 0
        self.turn = 0
        self.adopted = False
        # The session that started this one, in memory as long as this is; ids of those it started.
        self.parent: LiveSession | None = None
        self.children: list[str] = []
        # Digests of texts that children handed back, and whether they taint.
        self.collected: dict[str, bool] = {}
        # Ids of calls that stood in the transcript, of sessions that nobody named as this one's.
        self.found_calls: set[str] = set()
        # Faults of the shown history that the journal holds already, by call id and code.
        self.told_faults: set[tuple[str, str]] = set()
        # A prompt that a hook told of, until the model is asked with it; what lived before any
        # permit.
        self.pending_prompt = ""
        self.first_processes: frozenset[tuple[int, int]] | None = None
        # Claude Code's hooks have asked with the token made for them. Lost with the process, and
        # set again by the hook that comes before each model call.
        self.hooked = False
        # The journal holds that its client is too old.
        self.told_outdated = False
        # Calls whose decision is being made, so that a call is decided once even in parallel.
        self.deciding: set[str] = set()
        # Calls that the loop guard knows and that are still to be decided.
        self.counted: set[str] = set()
        # Undecided calls that were refused for their number, until the model is told so. Lost with
        # the process, and then the model reads of them what it reads of any call that never ran.
        self.limited: set[str] = set()

    @property
    def who(self) -> Principal:
        """Whom this session acts for."""
        return self.session.principal

    @property
    def asker(self) -> Asker:
        """As providers know it."""
        who = self.session.principal
        return Asker(self.session.session_id, f"{who.tenant}/{who.user}")

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
