"""Children: sessions that a session starts with less authority than its own, and collects from.

Authority, kill and budgets flow down, taint flows up. Not here: how much may be handed on
(`core/delegation`), how states flow (`runtime/sessions`), the routes (`apps/control/guard`).
"""

from collections.abc import Callable

import msgspec

from holdfast.core.calls import OUTSTANDING
from holdfast.core.delegation import DELEGATE_TOOL, Asked, Refusal, crowded, narrowed
from holdfast.core.sessions import Command, after
from holdfast.errors import DelegationRefused, NotFound, PermitInvalid
from holdfast.model import bodies
from holdfast.model.budgets import Dimension, Scope, Window
from holdfast.model.sessions import Session, SessionState
from holdfast.model.views.sessions import CollectedResult
from holdfast.runtime.digests import digest_of
from holdfast.runtime.dispatch import WAITING_LIFE_NS
from holdfast.runtime.live import LiveSession
from holdfast.runtime.services import Services
from holdfast.runtime.sessions import Begun

_SHOWN_CHARACTERS = 20_000
_AT_WORK = (SessionState.ACTIVE, SessionState.PAUSED)


class Delegation:
    """Starts children and takes their results."""

    def __init__(self, services: Services) -> None:
        self._sessions = services.sessions
        self._budgets = services.budgets
        self._journal = services.journal
        self._clock = services.clock

    async def delegate(
        self,
        live: LiveSession,
        asked: Asked,
        *,
        task_text: str,
        call_id: str = "",
        as_run: Callable[[int], Begun] | None = None,
    ) -> tuple[LiveSession, str]:
        """Open a child of `live`; returns it with its token, shown only here.

        `task_text` is journalled and vouches for nothing: a model wrote it. `call_id` names the
        allowed call of the tool `delegate` that asks for it, where the model did. `as_run` takes
        how long the child may be worked at, and says what begins with it; it waits until then.
        Errors: DelegationRefused, PermitInvalid for a call that was not allowed, SessionStopped,
        CredentialExpired, StoreUnavailable.
        """
        self._sessions.check_live(live)
        if call_id:
            self._check_call(live, call_id)
        async with self._budgets.at_hand(live.chain):
            drafted = self._drafted(live, asked)
            if isinstance(drafted, Refusal):
                raise DelegationRefused(
                    f"delegation_refused: {drafted.text}", authority=drafted.authority.value
                )
            shown = task_text[:_SHOWN_CHARACTERS]
            begun = None
            if as_run is not None:
                begun = as_run(drafted.expires_at_ns)
                drafted = msgspec.structs.replace(
                    drafted, expires_at_ns=WAITING_LIFE_NS, has_run=True
                )
            return await self._sessions.open_child(
                live, drafted, shown, call_id=call_id, begun=begun
            )

    def _drafted(self, live: LiveSession, asked: Asked) -> Session | Refusal:
        known = (self._sessions.loaded(name) for name in live.children)
        at_work = sum(1 for one in known if one is not None and one.session.state in _AT_WORK)
        refused = crowded(at_work, len(live.children))
        if refused is not None:
            return refused
        return narrowed(live.session, self._left(live), asked, self._clock.now_ns())

    def _left(self, live: LiveSession) -> dict[Dimension, int]:
        """What its own accounts, and those above it, have left over its life."""
        mine = [k for k in live.chain if k.scope is Scope.SESSION and k.window is Window.LIFE]
        now_ns, ledger = self._clock.now_ns(), self._budgets.ledger
        left = {}
        for dimension in {key.dimension for key in mine}:
            room = ledger.room(mine, dimension, now_ns, held_counts=False)
            if room is not None:
                left[dimension] = room
        return left

    def _check_call(self, live: LiveSession, call_id: str) -> None:
        call = live.calls.get(call_id)
        mine = call is not None and call.session == live.session.session_id
        if call is None or not mine or call.tool != DELEGATE_TOOL:
            raise PermitInvalid(f"the model made no such call of `{DELEGATE_TOOL}` in this session")
        if call.state not in OUTSTANDING:
            raise PermitInvalid("the call that asks for a child is not allowed, or was answered")

    async def collect(self, live: LiveSession, child_id: str, text: str) -> CollectedResult:
        """Take a child's result, and end the child if it is still at work.

        The parent is tainted from here on if the child is. The text vouches for nothing.
        Errors: NotFound for a session that is no child of this one, SessionStopped,
        CredentialExpired, StoreUnavailable.
        """
        self._sessions.check_live(live)
        if child_id not in live.children:
            raise NotFound(f"this session started no `{child_id[:64]}`")
        child = await self._sessions.get(child_id, live.who.tenant)
        self._sessions.check_live(live)
        if after(child.session, Command.END) is not None:
            reason = "its result was collected"
            durable = self._sessions.change(child, Command.END, reason)
            child.cut_streams(f"session_stopped: {reason}")
        else:
            durable = self._journal.commit(())
        tainted, digest = child.vouched.tainted, digest_of(text)
        # The same words may have come from two children: once untrusted, always untrusted.
        tainted_text = tainted or live.collected.get(digest, False)
        live.collected[digest] = tainted_text
        if tainted_text:
            live.vouched.taint(DELEGATE_TOOL)
        body = bodies.SessionCollected(
            child=child_id,
            agent=child.who.agent,
            state=child.session.state,
            taints=tainted_text,
            digest=digest,
            text=text[:_SHOWN_CHARACTERS],
        )
        record = self._journal.record(body, live.who, tool=DELEGATE_TOOL, turn=live.turn)
        await durable
        await self._journal.commit([record])
        return CollectedResult(
            tainted=tainted_text,
            text=text,
            state=child.session.state,
            reason=child.session.state_reason,
        )
