"""Opening, finding, and changing the state of sessions; memory is rebuilt from the store.

Not here: what a kill pulls besides the state (`runtime/kill`), what a session may do (`guard`).
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakValueDictionary

import msgspec

from holdfast.core import approvals
from holdfast.core.repeats import ANEW, Named
from holdfast.core.sessions import (
    GOING_ON,
    RECORDED,
    Command,
    after,
    lapsed_reason,
    longer,
    paused,
    resumed,
)
from holdfast.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    Unauthenticated,
)
from holdfast.model import bodies
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, AccountState, Limit, Scope
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.sessions import Session, SessionState
from holdfast.model.tokens import HOOK_PREFIX, hook_token, model_token, session_of
from holdfast.ports.clock import Clock, Entropy
from holdfast.ports.store import Change, Store
from holdfast.runtime.born import born, token_digest
from holdfast.runtime.budgets import Budgets, owners
from holdfast.runtime.effects import Effects
from holdfast.runtime.exhaustion import expired_error, stopped_error
from holdfast.runtime.inherited import Inherited
from holdfast.runtime.journal import Journal, noted
from holdfast.runtime.keys import Keys
from holdfast.runtime.live import LiveSession
from holdfast.runtime.replay import trust_attributes
from holdfast.runtime.stops import Stops

_RECALLED_MOST = 10_000

Begun = Callable[[LiveSession], tuple[Sequence[Record], Sequence[Change]]]
"""Records and changes that begin with a session, asked before anything of it is durable."""


class Sessions:
    """Every session of this server."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        budgets: Budgets,
        effects: Effects,
        keys: Keys,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._journal = journal
        self._budgets = budgets
        self._effects = effects
        self._keys = keys
        self._clock = clock
        self._entropy = entropy
        self._inherited = Inherited(store, journal)
        self.stops = Stops(journal, clock)
        self._live: dict[str, LiveSession] = {}
        self._by_token: dict[str, str] = {}
        # Each as long as somebody holds it or waits for it, whether the load succeeds or not.
        self._loading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Each is told of a session that ended, or that is read again and had.
        self.ended: list[Callable[[LiveSession], None]] = []
        # Told of each that comes into memory.
        self.came: Callable[[LiveSession], None] = lambda _: None
        self.has_run: Callable[[str], bool] = lambda _: False

    async def open(
        self,
        draft: Session,
        begun: Begun | None = None,
        named: Named = ANEW,
    ) -> tuple[LiveSession, str]:
        """Open a session from a draft without ids; returns it with its token, shown only here.

        `begun` says what begins with it, in the same commit; `named` how it is called, where no
        session is called so yet.

        The draft's `expires_at_ns` counts from the opening. Where its task is empty the session
        is the task; where the task ends in `/` (a kind), the session is the instance of it.
        """
        session, token = born(draft, named, self._clock, self._entropy)
        if draft.parent:
            await self._check_parent(draft)
        live = self._made(session)
        if session.parent:
            # Before anything of it is durable: where this cannot be read, nothing was opened.
            await self._journal.commit(())
            await self._inherited.into(live)
        async with self._budgets.at_hand(live.chain, new=session.session_id):
            accounts = self._budgets.open_chain(session, live.chain)
            # Nothing is awaited from here to the commit: what a stop found had been committed.
            self.stops.check_open(session.principal)
            record = self._opened(session, accounts)
            records, changes = begun(live) if begun is not None else ([], [])
            await self._journal.commit([record, *records], [session, *accounts, *changes])
            self._remember(live)
        return live, token

    async def open_child(
        self,
        parent: LiveSession,
        draft: Session,
        task_text: str,
        *,
        call_id: str = "",
        begun: Begun | None = None,
    ) -> tuple[LiveSession, str]:
        """Open what `core/delegation` drafted, as a child of `parent`; with its token, shown once.

        `task_text` is journalled with the parent, `call_id` names its call that asked for it,
        `begun` says what begins with it, in the same commit.
        Errors: SessionStopped when the parent was stopped meanwhile, or a stop holds what the child
        would be; StoreUnavailable.
        """
        self.stops.check_open(draft.principal)
        inherited = tuple(key for key in parent.chain if key.scope is Scope.SESSION)
        draft = msgspec.structs.replace(draft, ancestor_accounts=inherited)
        session, token = born(draft, ANEW, self._clock, self._entropy)
        live = LiveSession(session, self._budgets.chain(session))
        live.parent, live.vouched = parent, parent.vouched.copy()
        # Known before it is durable, so that whatever stops the parent meanwhile stops it too.
        self._remember(live, new=session.session_id)
        parent.children.append(session.session_id)
        try:
            await self._begun(live, parent, task_text, call_id, begun)
        except BaseException:
            self.forget(live)
            parent.children.remove(session.session_id)
            raise
        self.check_live(live)
        return live, token

    def _begun(
        self,
        live: LiveSession,
        parent: LiveSession,
        task_text: str,
        call_id: str,
        begun: Begun | None,
    ) -> asyncio.Future[None]:
        """A child's accounts and first records, its parent's too; durable once awaited."""
        session = live.session
        accounts = self._budgets.open_chain(session, live.chain)
        delegated = bodies.SessionDelegated(
            task_text=task_text,
            tools=session.allowed_tools,
            child=session.session_id,
            agent=live.who.agent,
        )
        records = [
            self._journal.record(delegated, parent.who, call_id=call_id, turn=parent.turn),
            self._opened(session, accounts, live, by_call=call_id),
        ]
        more, changes = begun(live) if begun is not None else ([], [])
        return self._journal.commit([*records, *more], [session, *accounts, *changes])

    def _opened(
        self,
        session: Session,
        accounts: Sequence[AccountState],
        child: LiveSession | None = None,
        by_call: str | None = None,
    ) -> Record:
        who = session.principal
        body = bodies.SessionOpened(
            limits={str(s.key): s.limit for s in accounts},
            trust=who.trust,
            roles=who.roles,
            allowed_tools=session.allowed_tools,
            expires_at_ns=session.expires_at_ns,
            config_version=session.config_version,
            parent=session.parent if child is None else None,
            delegated_by=session.delegated_by,
            depth=session.depth,
            root="" if child is None else [*child.line][-1].session.session_id,
            by_call=by_call,
            resources=None if child is None else session.resources,
            taints=None if child is None else child.vouched.tainted,
        )
        return self._journal.record(body, who)

    async def _check_parent(self, draft: Session) -> None:
        parent = await self._store.session(draft.parent)
        same = parent is not None and parent.principal.tenant == draft.principal.tenant
        if not same or parent is None or parent.principal.user != draft.principal.user:
            raise NotFound(f"no session `{draft.parent}` to continue for this user")
        if parent.purged_at_ns:
            # Without its permits, the results in its conversation would count as forged.
            raise Conflict("retention deleted what that session's calls were; begin a new one")

    def _made(self, session: Session) -> LiveSession:
        """A session's memory, empty but for what the operator wrote about its task."""
        live = LiveSession(session, self._budgets.chain(session))
        trust_attributes(live, session)
        return live

    def _remember(self, live: LiveSession, *, new: str = "") -> None:
        session_id = live.session.session_id
        before = self._live.get(session_id)
        self._budgets.use(live.chain, new=new)
        self._live[session_id] = live
        self._by_token[live.session.token_digest] = session_id
        if before is not None:
            self._budgets.leave(before.chain)
        self.came(live)
        if changed := self.hold(live):
            noted(self._journal.commit(*changed))

    def hold(self, live: LiveSession, **lifted: str) -> tuple[list[Record], list[Change]] | None:
        """Let the stops that stand hold a session, or let it go; what to commit, None for nothing.

        `lifted` is told of the stop that was, as `Stops.hold` takes it.
        """
        before = live.session
        live.session, records = self.stops.hold(before, **lifted)
        if not records:
            return None
        changes: list[Change] = [live.session]
        if live.session.state is SessionState.ACTIVE:
            changes += self._go_on_below(live, before.state_changed_at_ns)
        return records, changes

    def forget(self, live: LiveSession) -> None:
        """Give back the memory of a session and of its accounts; both are read again when asked."""
        before = self._live.pop(live.session.session_id, None)
        self._by_token.pop(live.session.token_digest, None)
        if before is not None:
            self._budgets.leave(before.chain)

    async def authenticate(self, token: str) -> LiveSession:
        """The session of a token, whatever its state.

        Errors: Unauthenticated for a token that was never issued.
        """
        digest = token_digest(token)
        session_id = self._by_token.get(digest)
        if session_id is not None:
            return self._live[session_id]
        session = await self._store.session_by_token(digest)
        if session is None:
            raise Unauthenticated("the token is not one that this server issued")
        return await self._load(session)

    async def authenticate_model(self, token: str) -> LiveSession:
        """The session of either of its tokens: the model's door takes both.

        Errors: Unauthenticated for a token that was never issued.
        """
        named = session_of(token)
        if not named:
            return await self.authenticate(token)
        live = await self._named(named)
        return _own(live, live.session.model_token_digest if live is not None else "", token)

    async def authenticate_hook(self, token: str) -> LiveSession:
        """The session of a hook token, whatever its state; no other token passes.

        Errors: Unauthenticated for a token that was never issued.
        """
        named = await self._named(session_of(token, HOOK_PREFIX))
        live = _own(named, named.session.hook_token_digest if named is not None else "", token)
        live.hooked = True
        return live

    async def _named(self, session_id: str) -> LiveSession | None:
        try:
            return await self.get(session_id) if session_id else None
        except (NotFound, InvalidRequest):
            return None

    async def get(self, session_id: str, tenant: str = "") -> LiveSession:
        """A session by id; with a tenant, only if it is that tenant's. Errors: NotFound."""
        live = self._live.get(session_id)
        if live is None:
            session = await self._store.session(session_id)
            if session is None or (tenant and session.principal.tenant != tenant):
                raise NotFound(f"no session `{session_id[:64]}`")
            live = await self._load(session)
        if tenant and live.who.tenant != tenant:
            raise NotFound(f"no session `{session_id[:64]}`")
        return live

    async def recall_left_open(self) -> None:
        """Hold the sessions of the process before that left an effect open.

        Their clients may be gone for good, and wall clocks are looked at in memory: what nobody
        will report has to become unknown. Errors: StoreUnavailable.
        """
        for session_id in await self._store.sessions_left_open(_RECALLED_MOST):
            await self.get(session_id)

    def loaded(self, session_id: str) -> LiveSession | None:
        """A session only if this process holds it already; nothing is read."""
        return self._live.get(session_id)

    def in_memory(self) -> Iterable[LiveSession]:
        """Sessions that this process holds."""
        return tuple(self._live.values())

    def check_live(self, live: LiveSession) -> None:
        """Pass only a session that may act now.

        Errors: SessionStopped (with the state and why), SessionPaused where a spent cap paused it,
        CredentialExpired past its wall clock.
        """
        for one in live.line:
            self.lapse(one)
            session = one.session
            if session.state is SessionState.ACTIVE:
                continue
            if session.state is SessionState.EXPIRED:
                raise expired_error(session)
            which = "the session" if one is live else f"the session above it, {one.who.agent},"
            if session.by_stop:
                raise self.stops.stopped(which, one.who)
            raise stopped_error(session, which)

    def lapse(self, live: LiveSession) -> None:
        """End a session whose time is over, or whose key is; its streams are cut.

        Time stands still for one that is paused or below one, that of a key does not.
        """
        session = live.session
        if session.state not in GOING_ON:
            return
        if live.who.key and (over := self._keys.over(live.who.key)):
            noted(self.change(live, Command.STOP, over))
            live.cut_streams(f"session_stopped: {over}")
            return
        if self._clock.now_ns() < session.expires_at_ns:
            return
        above = live.parent
        if above is not None and above.standing is SessionState.PAUSED:
            return
        text = lapsed_reason(session)
        noted(self.change(live, Command.EXPIRE, text))
        live.cut_streams(f"credential_expired: {text}")

    def renew(self, live: LiveSession, expires_at_ns: int) -> str:
        """New tokens in place of the old, which are dead at once; the caller commits `session`.

        Its children end: their tokens are still with whoever started them. Not one that is a run,
        and what that one started: its tokens are with a worker of its own.
        """
        session_id = live.session.session_id
        self._by_token.pop(live.session.token_digest, None)
        token = self._entropy.new_token("hfs")
        waits = live.session.state is SessionState.PAUSED
        live.session = msgspec.structs.replace(
            live.session,
            token_digest=token_digest(token),
            model_token_digest=token_digest(model_token(session_id, token)),
            hook_token_digest=token_digest(hook_token(session_id, token)),
            expires_at_ns=expires_at_ns,
            life_left_ns=expires_at_ns - self._clock.now_ns() if waits else 0,
        )
        self._by_token[live.session.token_digest] = session_id
        # Whoever held the old ones is cut off in the middle of an answer, too.
        reason = "the run was given to another worker"
        live.cut_streams(f"session_stopped: {reason}")
        for child in self._of_the_same_worker(live):
            if after(child.session, Command.END) is not None:
                noted(self.change(child, Command.END, reason))
                child.cut_streams(f"session_stopped: {reason}")
        return token

    def cap(self, live: LiveSession, limit: Limit) -> list[Session]:
        """Give a session a cap that it has not; all below it draws on that, too, from now on.

        The caller has the account at hand, and commits what is returned.
        """
        owner = owners(live.who)[Scope.SESSION]
        key = AccountKey(Scope.SESSION, owner, limit.dimension, limit.window)
        limits = (*live.session.limits, limit)
        live.session = msgspec.structs.replace(live.session, limits=limits)
        changed = [live, *self.below(live)]
        for one in changed[1:]:
            above = (*one.session.ancestor_accounts, key)
            one.session = msgspec.structs.replace(one.session, ancestor_accounts=above)
        for one in changed:
            one.chain = self._budgets.chain(one.session)
            self._budgets.use((key,))
        return [one.session for one in changed]

    def extend(
        self, live: LiveSession, for_ns: int, extra: Sequence[Record]
    ) -> asyncio.Future[None]:
        """Give it so much more time to act, with `extra` in one commit; durable once awaited.

        Errors: Conflict for one that is over, or whose time is its run's.
        """
        self.lapse(live)
        if live.session.state not in GOING_ON or live.session.has_run:
            what = "its time is that of its run" if live.session.has_run else "it is over"
            raise Conflict(what, state=live.session.state)
        live.session = longer(live.session, for_ns, self._clock.now_ns())
        return self._journal.commit(extra, [live.session])

    def let_wait(self, live: LiveSession, expires_at_ns: int) -> None:
        """Stand still: no token opens anything until `renew`; the caller commits `session`."""
        self.renew(live, expires_at_ns)

    def change(
        self,
        live: LiveSession,
        command: Command,
        reason: str,
        *,
        by: str = "",
        account: str = "",
        stop: str = "",
        extra: Sequence[Record] = (),
        also: Sequence[Change] = (),
    ) -> asyncio.Future[None]:
        """Change the state at once, in memory, and queue the record; durable once awaited.

        What ends a session ends all that it started, and cuts their streams. A pause needs no more
        than its own state: nothing below a paused session is live. `account` is the one whose cap
        pauses it, `stop` the stop that ends it. Errors: Conflict when the command does not apply to
        the state.
        """
        state = after(live.session, command)
        if state is None:
            raise Conflict(
                f"a session that is {live.session.state} cannot be told to {command}",
                state=live.session.state,
            )
        since_ns = live.session.state_changed_at_ns
        records, changes = self._told(live, command, state, reason, by, account, stop)
        if command is Command.RESUME:
            changes += self._go_on_below(live, since_ns)
            held = self.hold(live) or ([], [])
            records, changes = records + held[0], changes + held[1]
        for below in self.below(live) if command not in (Command.PAUSE, Command.RESUME) else ():
            to = after(below.session, command)
            if to is None:
                continue
            text = f"the session above it is {state}: {reason}"
            more, changed = self._told(below, command, to, text, by, stop=stop)
            records, changes = records + more, changes + changed
            if command is not Command.KILL:  # A kill cuts them itself, and counts them.
                below.cut_streams(f"session_stopped: {text}")
        return self._journal.commit([*extra, *records], [*changes, *also])

    def _go_on_below(self, live: LiveSession, since_ns: int) -> list[Change]:
        """The clocks of what a resumed session started stood still with its own, since then."""
        found = [one for one in self.below(live) if one.session.state is SessionState.ACTIVE]
        for one in found:
            # One that waited by itself meanwhile got that time back already.
            stood_ns = self._clock.now_ns() - max(since_ns, one.session.state_changed_at_ns)
            later_ns = one.session.expires_at_ns + stood_ns
            one.session = msgspec.structs.replace(one.session, expires_at_ns=later_ns)
        return [one.session for one in found]

    def _told(
        self,
        live: LiveSession,
        command: Command,
        state: SessionState,
        reason: str,
        by: str,
        account: str = "",
        stop: str = "",
    ) -> tuple[list[Record], list[Change]]:
        """One session's change in memory; what to commit of it."""
        session, now_ns = live.session, self._clock.now_ns()
        timed = session
        if command is Command.PAUSE:
            timed = paused(session, now_ns, parked_for=account)
        elif command is Command.RESUME:
            timed = resumed(session, now_ns)
        live.session = msgspec.structs.replace(
            timed,
            state=state,
            state_reason=reason,
            state_changed_at_ns=session.state_changed_at_ns if state is session.state else now_ns,
            by_stop=False,
            held=command in (Command.PAUSE, Command.KILL)
            or (session.held and command is not Command.RESUME),
        )
        lost: tuple[list[Record], list[EffectEntry]] = ([], [])
        if account:
            self._settle_unreported(live)
        if state not in GOING_ON:
            self._tell_ended(live)
            self._settle_unreported(live)
            lost = self._effects.abandon(live, f"the session is {state}, and nothing was reported")
        body: bodies.SessionChanged = RECORDED[command](
            reason=reason, by=by, from_state=session.state, stop=stop
        )
        if isinstance(body, bodies.SessionPaused):
            until_ns = live.session.expires_at_ns
            body = msgspec.structs.replace(body, account=account, until_ns=until_ns)
        record = self._journal.record(body, live.who)
        return [record, *lost[0]], [live.session, *lost[1], *self._withdrawn(live)]

    def _withdrawn(self, live: LiveSession) -> list[Approval]:
        """Questions that nothing may run on any more, now that the session is over."""
        if live.session.state in GOING_ON or not live.approvals:
            return []
        now_ns = self._clock.now_ns()
        found = [
            approvals.moved(one, approvals.Move.WITHDRAW, approvals.By.SESSION, at_ns=now_ns)
            for one in live.approvals.values()
            if one.state in approvals.OPEN
        ]
        live.approvals.update({(one.tool, one.digest): one for one in found})
        return found

    def below(self, live: LiveSession) -> list[LiveSession]:
        """Every session in memory that this one started, and that those started."""
        known = [self._live[name] for name in live.children if name in self._live]
        return [one for child in known for one in (child, *self.below(child))]

    def _of_the_same_worker(self, live: LiveSession) -> list[LiveSession]:
        """Those below whose tokens are with the worker of this one's run."""
        known = [self._live[name] for name in live.children if name in self._live]
        mine = [
            child
            for child in known
            # A session of before does not say that it has a run.
            if not child.session.has_run and not self.has_run(child.session.session_id)
        ]
        return [one for child in mine for one in (child, *self._of_the_same_worker(child))]

    async def descendants(self, live: LiveSession) -> list[LiveSession]:
        """Every session that this one and its children started, those no longer in memory too."""
        found: list[LiveSession] = []
        for name in tuple(live.children):
            child = await self.get(name)
            found += [child, *await self.descendants(child)]
        return found

    def _tell_ended(self, live: LiveSession) -> None:
        for told in self.ended:
            told(live)

    def _settle_unreported(self, live: LiveSession) -> None:
        """Tool calls whose outcome comes late or never may have run: their holds are used."""
        for hold in self._budgets.ledger.open_holds(live.session.session_id):
            if hold.purpose == "tool":
                self._budgets.settle_now(hold.hold_id, hold.amounts, live.who)

    async def _load(self, session: Session) -> LiveSession:
        """Build a session's memory from the store, and that of those above and below it."""
        above = await self.get(session.delegated_by) if session.delegated_by else None
        live = await self._load_one(session, above)
        for name in tuple(live.children):
            if name not in self._live:
                child = await self._store.session(name)
                if child is not None and child.state in (SessionState.ACTIVE, SessionState.PAUSED):
                    await self._load(child)
        return live

    async def _load_one(self, session: Session, above: LiveSession | None) -> LiveSession:
        """Build one session's memory, once even when asked for twice at a time."""
        lock = self._loading.get(session.session_id) or asyncio.Lock()
        self._loading[session.session_id] = lock
        async with lock:
            known = self._live.get(session.session_id)
            if known is not None:
                return known
            live = self._made(session)
            live.parent = above
            async with self._budgets.at_hand(live.chain):
                await self._inherited.into(live)
                self._remember(live)
        if live.session.state not in GOING_ON:
            self._tell_ended(live)
        return live


def _own(live: LiveSession | None, known: str, token: str) -> LiveSession:
    """The session whose derived token this is. Errors: Unauthenticated."""
    if live is None or not known or not hmac.compare_digest(known, token_digest(token)):
        raise Unauthenticated("the token is not one that this server issued")
    return live
