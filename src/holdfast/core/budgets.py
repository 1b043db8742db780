"""The ledger's arithmetic: reserve on every account of a chain or on none, extend, settle.

Invariant I1: settled + held <= limit on every account, after every call, as long as what is
settled stays within what was held; `settle` reports the accounts where the provider charged more.

State lives in `Ledger`, which does no I/O and reads no clock. Whoever owns it makes the returned
changes durable before acting on them (`runtime/budgets`). It keeps the accounts that somebody uses
or that a hold is open on; the others are in the store, and it refuses to touch one of those, since
a guess at zero would forget what was spent. Not here: waiting, prices, storage.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from holdfast.model.budgets import (
    AccountKey,
    AccountState,
    Alert,
    Amounts,
    HoldState,
    Limit,
    Refused,
    Reserved,
    Scope,
    Window,
)

_NS = 1_000_000_000
_ROLLING_NS = {Window.HOUR: 3600 * _NS, Window.DAY: 86_400 * _NS}
# A rolling window is a ring of buckets; one extra bucket is counted, so that the sum is never
# less than what any true window of that length holds.
_BUCKETS = 60
_INNER = (Scope.TASK, Scope.SESSION)
# Of accounts whose window does not roll: one for all, since only those that roll write to theirs.
_NONE: dict[int, int] = {}


class Settled(msgspec.Struct, frozen=True):
    """What `settle` did: alerts crossed, and accounts on which more was charged than was held."""

    alerts: tuple[Alert, ...]
    overshot: tuple[AccountKey, ...]


class _Account:
    """One account in memory; `settled` is the sum in force for the current window."""

    __slots__ = (
        "alerted",
        "alerts",
        "buckets",
        "held",
        "holds",
        "key",
        "limit",
        "period",
        "saved",
        "set_by_hand",
        "settled",
        "spent",
        "told_at_ns",
    )

    def __init__(self, state: AccountState) -> None:
        self.key = state.key
        self.limit = state.limit
        self.settled = state.settled
        self.held = 0
        self.holds = 0  # How many are open on it, of nothing too.
        self.spent = 0  # Which spending of the ledger was the last on it,
        self.saved = 0  # and the last on it that is durable.
        self.period = state.period
        rolls = state.key.window in _ROLLING_NS
        self.buckets = dict(state.buckets) if state.buckets or rolls else _NONE
        self.told_at_ns = _told_at_ns(state) if rolls else _NONE
        self.alerts = state.alerts
        self.alerted = state.alerted
        self.set_by_hand = state.set_by_hand

    def roll(self, now_ns: int) -> None:
        """Let go of what has left the window."""
        window = self.key.window
        if window is Window.LIFE:
            return
        length_ns = _ROLLING_NS.get(window)
        if length_ns is None:
            period = _period(window, now_ns)
            if period > self.period:
                self.settled, self.alerted, self.period = 0, (), period
            return
        oldest = now_ns * _BUCKETS // length_ns - _BUCKETS
        for bucket in [b for b in self.buckets if b < oldest]:
            self.settled -= self.buckets.pop(bucket)
        # A rolling window goes on: what was told stands for as long as it is reached.
        if self.alerted and not all(map(self._at, self.alerted)):
            self.alerted = tuple(filter(self._at, self.alerted))

    def _at(self, percent: int) -> bool:
        """Whether so much of the cap is spent."""
        limit, settled = self.limit, self.settled
        return limit is not None and settled > 0 and percent * limit <= settled * 100

    def add(self, amount: int, now_ns: int) -> None:
        """Count `amount` as spent now."""
        self.settled += amount
        length_ns = _ROLLING_NS.get(self.key.window)
        if length_ns is not None and amount:
            bucket = now_ns * _BUCKETS // length_ns
            self.buckets[bucket] = self.buckets.get(bucket, 0) + amount

    def crossed(self, now_ns: int, percent_floor: int = 0) -> list[Alert]:
        """Alerts newly due; `percent_floor` 100 marks one that has spent as full.

        Of a rolling window each is due once within its length, however often it is reached.
        """
        if self.limit is None:
            return []
        due = []
        for percent in self.alerts:
            full = percent == percent_floor and self.settled > 0
            if percent in self.alerted or not (self._at(percent) or full):
                continue
            if (length_ns := _ROLLING_NS.get(self.key.window)) is not None:
                told_ns = self.told_at_ns.get(percent)
                if told_ns is not None and now_ns - told_ns < length_ns:
                    continue
                self.told_at_ns[percent] = now_ns
            self.alerted = (*self.alerted, percent)
            due.append(Alert(self.key, percent, self.limit, self.settled))
        return due

    def state(self) -> AccountState:
        """An immutable copy for the store and for people."""
        return AccountState(
            key=self.key,
            limit=self.limit,
            settled=self.settled,
            held=self.held,
            period=self.period,
            buckets=dict(self.buckets),
            alerts=self.alerts,
            alerted=tuple(sorted(self.alerted)),
            told_at_ns=dict(self.told_at_ns),
            set_by_hand=self.set_by_hand,
        )


def _told_at_ns(state: AccountState) -> dict[int, int]:
    """When each percent of a rolling window was told; earlier versions kept in which stretch."""
    since_ns = state.period * _ROLLING_NS[state.key.window]
    return dict.fromkeys(state.alerted, since_ns) | state.told_at_ns


def _period(window: Window, now_ns: int) -> int:
    """Number of the calendar's window that `now_ns` falls into; rises with time."""
    if window is Window.CALENDAR_DAY:
        return now_ns // (86_400 * _NS)
    at = datetime.fromtimestamp(now_ns // _NS, UTC)
    return at.year * 12 + at.month


class Ledger:
    """The accounts in use and the open holds of one authority.

    Not thread-safe: one owner, one thread. Errors: LookupError for an account that is neither here
    nor declared absent, whatever was asked of it.
    """

    def __init__(
        self,
        accounts: Iterable[AccountState] = (),
        holds: Iterable[HoldState] = (),
        *,
        absent: Iterable[AccountKey] = (),
    ) -> None:
        """Begin with what is stored: `holds` are all that are open, `accounts` at least theirs.

        `absent` names accounts that are not stored; of one that is in `accounts` it says nothing.
        """
        # None stands for an account that is known not to exist yet.
        self._accounts: dict[AccountKey, _Account | None] = dict.fromkeys(absent)
        self._accounts.update((state.key, _Account(state)) for state in accounts)
        self._uses: dict[AccountKey, int] = {}
        self._spendings = 0
        # What nobody uses, and was not looked at since: it may be ready to go.
        self._idle = set(self._accounts)
        self._holds: dict[str, HoldState] = {}
        for hold in holds:
            self._holds[hold.hold_id] = hold
            for key in hold.keys:
                account = self._account(key)
                account.held += hold.amounts.get(key.dimension, 0)
                account.holds += 1

    def use(self, keys: Iterable[AccountKey]) -> list[AccountKey]:
        """Keep accounts here until `leave`; returns those to read from the store and `know`.

        To be called before they are read: what is in use cannot leave and come back meanwhile.
        """
        missing = []
        for key in keys:
            self._uses[key] = self._uses.get(key, 0) + 1
            if key not in self._accounts:
                missing.append(key)
        return missing

    def know(self, keys: Iterable[AccountKey], stored: Iterable[AccountState]) -> None:
        """Take in what the store holds of `keys`; those not among `stored` do not exist yet.

        What is here already is newer, and stays. Errors: LookupError for what nobody uses.
        """
        found = {state.key: state for state in stored}
        for key in keys:
            if key not in self._uses:
                raise LookupError(f"the account `{key}` was read before anyone used it")
            if key not in self._accounts:
                state = found.get(key)
                self._accounts[key] = None if state is None else _Account(state)

    def knows(self, key: AccountKey) -> bool:
        """Whether an account is here, or known not to exist."""
        return key in self._accounts

    def leave(self, keys: Iterable[AccountKey]) -> None:
        """End one `use`.

        An account leaves the memory once nobody uses it, no hold is open on it, and all that was
        spent on it is `kept`.
        """
        for key in keys:
            left = self._uses[key] - 1
            if left:
                self._uses[key] = left
            else:
                del self._uses[key]
                self._idle.add(key)
        self._let_go()

    def spendings(self, keys: Iterable[AccountKey]) -> dict[AccountKey, int]:
        """Which spending was the last on each account; for `kept`, beside their `states`."""
        return {key: self._account(key).spent for key in keys}

    def kept(self, spendings: dict[AccountKey, int]) -> None:
        """What was spent on accounts up to these spendings is durable."""
        for key, number in spendings.items():
            account = self._accounts.get(key)
            if account is None:
                continue
            account.saved = max(account.saved, number)
            if key not in self._uses:
                self._idle.add(key)
        self._let_go()

    def _let_go(self) -> None:
        """Drop what may go; what may not is looked at again when its last obstacle falls."""
        for key in self._idle:
            if key in self._uses:
                continue
            account = self._accounts.get(key)
            if account is None or not (account.holds or account.spent > account.saved):
                self._accounts.pop(key, None)
        self._idle.clear()

    def _account(self, key: AccountKey) -> _Account:
        try:
            account = self._accounts[key]
        except KeyError:
            raise LookupError(f"the account `{key}` was not read from the store") from None
        if account is None:
            account = self._accounts[key] = _Account(AccountState(key=key, limit=None, settled=0))
        return account

    def open_account(self, key: AccountKey, limit: Limit | None, now_ns: int) -> AccountState:
        """Make sure that an account exists, under the limit that the configuration gives it.

        A `None` limit only counts. A limit that was set by hand stays as it is.
        """
        account = self._account(key)
        account.roll(now_ns)
        if limit is not None and not account.set_by_hand:
            account.limit = limit.amount
            account.alerts = limit.alerts
        return account.state()

    def set_limit(self, key: AccountKey, amount: int | None, now_ns: int) -> AccountState:
        """Change a cap. Below what is settled or held it only refuses what comes next.

        What was told of in this window is not told again, whatever the new cap is.
        """
        account = self._account(key)
        account.roll(now_ns)
        account.limit = amount
        account.set_by_hand = True
        return account.state()

    def account(self, key: AccountKey, now_ns: int) -> AccountState | None:
        """One account as it stands, None when it does not exist."""
        if key in self._accounts and self._accounts[key] is None:
            return None
        account = self._account(key)
        account.roll(now_ns)
        return account.state()

    def hold(self, hold_id: str) -> HoldState | None:
        """One open hold, or None."""
        return self._holds.get(hold_id)

    def open_holds(self, session: str = "") -> list[HoldState]:
        """Open holds, of one session or of all."""
        return [h for h in self._holds.values() if not session or h.session == session]

    def room(
        self, keys: Sequence[AccountKey], dimension: str, now_ns: int, *, held_counts: bool
    ) -> int | None:
        """Least that is left on the chain in one dimension, None when nothing limits it.

        `held_counts` False answers what could be afforded once every other call has settled at
        nothing.
        """
        least: int | None = None
        for key in keys:
            if key.dimension != dimension:
                continue
            account = self._account(key)
            if account.limit is None:
                continue
            account.roll(now_ns)
            left = account.limit - account.settled - (account.held if held_counts else 0)
            least = left if least is None else min(least, left)
        return least

    def full(
        self, keys: Sequence[AccountKey], now_ns: int, *, spared: Collection[str] = ()
    ) -> Refused | None:
        """The innermost account of a chain that is spent to its limit or past it, in any dimension.

        Open holds do not count: what they cover is not spent. A limit of 0 is always reached.
        Dimensions that are `spared` stop nothing here.
        """
        for key in keys:
            if key.dimension in spared:
                continue
            account = self._account(key)
            account.roll(now_ns)
            limit = account.limit
            if limit is not None and account.settled >= limit:
                return Refused(key, limit, account.settled, account.held, 0, False)
        return None

    def _refusal(
        self, keys: Sequence[AccountKey], amounts: Amounts, now_ns: int, own: Amounts
    ) -> Refused | None:
        for key in keys:
            wanted = amounts.get(key.dimension, 0)
            if wanted <= 0:
                continue
            account = self._account(key)
            account.roll(now_ns)
            limit = account.limit
            if limit is None or account.settled + account.held + wanted <= limit:
                continue
            already = own.get(key.dimension, 0)
            return Refused(
                key=key,
                limit=limit,
                settled=account.settled,
                held=account.held,
                wanted=wanted,
                fits_when_settled=account.settled + already + wanted <= limit,
            )
        return None

    def reserve(
        self,
        hold_id: str,
        keys: Sequence[AccountKey],
        amounts: Amounts,
        *,
        session: str,
        purpose: str,
        now_ns: int,
    ) -> Reserved | Refused:
        """Hold `amounts` on every account of the chain, or on none.

        Shape: `keys` run innermost to outermost; each account takes the amount of its own
        dimension. Errors: none raised; Refused names the innermost account without room.
        """
        if hold_id in self._holds:
            raise ValueError(f"hold `{hold_id}` is open already")
        refused = self._refusal(keys, amounts, now_ns, {})
        if refused is not None:
            return refused
        for key in keys:
            account = self._account(key)
            account.held += amounts.get(key.dimension, 0)
            account.holds += 1
        self._holds[hold_id] = HoldState(
            hold_id=hold_id,
            session=session,
            purpose=purpose,
            keys=tuple(keys),
            amounts=dict(amounts),
            opened_at_ns=now_ns,
        )
        return Reserved(hold_id)

    def extend(self, hold_id: str, more: Amounts, now_ns: int) -> Reserved | Refused:
        """Grow an open hold by `more` on its whole chain, or not at all."""
        hold = self._holds[hold_id]
        refused = self._refusal(hold.keys, more, now_ns, hold.amounts)
        if refused is not None:
            return refused
        for key in hold.keys:
            self._account(key).held += more.get(key.dimension, 0)
        grown = dict(hold.amounts)
        for dimension, amount in more.items():
            grown[dimension] = grown.get(dimension, 0) + amount
        self._holds[hold_id] = msgspec.structs.replace(hold, amounts=grown)
        return Reserved(hold_id)

    def settle(self, hold_id: str, actual: Amounts, now_ns: int) -> Settled:
        """Replace a hold by what was used; a hold that is gone settles nothing (idempotent)."""
        hold = self._holds.pop(hold_id, None)
        if hold is None:
            return Settled((), ())
        alerts: list[Alert] = []
        overshot = []
        for key in hold.keys:
            account = self._account(key)
            account.roll(now_ns)
            account.held -= hold.amounts.get(key.dimension, 0)
            account.holds -= 1
            amount = actual.get(key.dimension, 0)
            account.add(amount, now_ns)
            if amount:
                self._spendings += 1
                account.spent = self._spendings
            limit = account.limit
            over = limit is not None and account.settled + account.held > limit
            if over and amount > hold.amounts.get(key.dimension, 0):
                overshot.append(key)
            alerts.extend(account.crossed(now_ns))
            if key not in self._uses:
                self._idle.add(key)
        return Settled(tuple(alerts), tuple(overshot))

    def mark_full(self, key: AccountKey, now_ns: int) -> tuple[Alert, ...]:
        """Raise an account's last alert: a refusal for money is its 100 %, once it has spent."""
        account = self._account(key)
        account.roll(now_ns)
        return tuple(account.crossed(now_ns, percent_floor=100))

    def due(self, key: AccountKey, now_ns: int) -> tuple[Alert, ...]:
        """Raise the alerts that a cap which was changed makes due."""
        return tuple(self._account(key).crossed(now_ns))

    def states(self, keys: Iterable[AccountKey]) -> list[AccountState]:
        """Immutable copies of accounts, for the store."""
        return [self._account(key).state() for key in keys]

    def all_states(self, now_ns: int) -> list[AccountState]:
        """Every account that is here, as it stands."""
        here = [account for account in self._accounts.values() if account is not None]
        for account in here:
            account.roll(now_ns)
        return [account.state() for account in here]


def chain(
    limits: Sequence[Limit],
    owners: dict[Scope, str],
    counted: Sequence[Limit] = (),
    ancestors: Sequence[AccountKey] = (),
) -> tuple[AccountKey, ...]:
    """The account keys of one session, innermost first; `counted` adds accounts without a cap.

    `ancestors` are accounts of the sessions that started it, innermost first; they pay for all
    that it does, and stand between its own and its user's.
    """
    order = list(Scope)
    keys = {AccountKey(x.scope, owners[x.scope], x.dimension, x.window) for x in limits}
    keys |= {AccountKey(x.scope, owners[x.scope], x.dimension, x.window) for x in counted}
    own = sorted(keys, key=lambda k: (order.index(k.scope), k.dimension, k.window))
    if not ancestors:
        return tuple(own)
    outer = next((i for i, key in enumerate(own) if key.scope not in _INNER), len(own))
    return (*own[:outer], *ancestors, *own[outer:])
