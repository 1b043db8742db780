"""Any interleaving of reserve, extend, settle, crash, time and raised caps keeps every cap."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from holdfast.core.budgets import Ledger
from holdfast.model.budgets import (
    AccountKey,
    Dimension,
    Limit,
    Refused,
    Scope,
    Window,
)

USD, CALLS = Dimension.USD, Dimension.TOOL_CALLS
HOUR_NS = 3_600_000_000_000
LENGTH = {Window.HOUR: HOUR_NS, Window.DAY: 24 * HOUR_NS}
KEYS = (
    AccountKey(Scope.SESSION, "a/s", USD, Window.LIFE),
    AccountKey(Scope.SESSION, "a/s", CALLS, Window.LIFE),
    AccountKey(Scope.USER, "a/u", USD, Window.HOUR),
    AccountKey(Scope.USER, "a/u", USD, Window.CALENDAR_DAY),
    AccountKey(Scope.TENANT, "a", USD, Window.DAY),
    AccountKey(Scope.TENANT, "a", USD, Window.CALENDAR_MONTH),
)
AMOUNT = st.integers(0, 400)


class LedgerMachine(RuleBasedStateMachine):
    holds: Bundle[str] = Bundle("holds")

    def __init__(self):
        super().__init__()
        self.now = 1_795_000_000_000_000_000
        self.ledger = Ledger(absent=KEYS)
        self.limits = {}
        self.spent: list[tuple[int, AccountKey, int]] = []
        self.count = 0

    @initialize(amounts=st.lists(st.integers(0, 1_500), min_size=6, max_size=6))
    def open(self, amounts):
        for key, amount in zip(KEYS, amounts, strict=True):
            limit = Limit(
                scope=key.scope, dimension=key.dimension, window=key.window, amount=amount
            )
            self.ledger.open_account(key, limit, self.now)
            self.limits[key] = amount

    @rule(target=holds, usd=AMOUNT, calls=st.integers(0, 2), take=st.sets(st.sampled_from(KEYS)))
    def reserve(self, usd, calls, take):
        self.count += 1
        hold_id = f"h{self.count}"
        before = self.ledger.all_states(self.now)
        keys = tuple(k for k in KEYS if k in take)
        got = self.ledger.reserve(
            hold_id,
            keys,
            {USD: usd, CALLS: calls},
            session="s",
            purpose="p",
            now_ns=self.now,
        )
        if isinstance(got, Refused):
            assert self.ledger.all_states(self.now) == before
            wanted = {USD: usd, CALLS: calls}
            full = [
                k
                for k, s in zip(KEYS, before, strict=True)
                if k in keys
                and wanted[k.dimension] > 0
                and s.settled + s.held + wanted[k.dimension] > self.limits[k]
            ]
            assert got.key == full[0]
        return hold_id

    @rule(hold_id=holds, more=AMOUNT)
    def extend(self, hold_id, more):
        if self.ledger.hold(hold_id) is None:
            return
        before = self.ledger.all_states(self.now)
        if isinstance(self.ledger.extend(hold_id, {USD: more}, self.now), Refused):
            assert self.ledger.all_states(self.now) == before

    @rule(hold_id=consumes(holds), share=st.integers(0, 100))
    def settle(self, hold_id, share):
        hold = self.ledger.hold(hold_id)
        actual = {d: n * share // 100 for d, n in hold.amounts.items()} if hold else {USD: 99}
        settled = self.ledger.settle(hold_id, actual, self.now)
        assert settled.overshot == ()
        for key in hold.keys if hold else ():
            self.spent.append((self.now, key, actual.get(key.dimension, 0)))

    @rule(step=st.sampled_from([1, HOUR_NS // 60, HOUR_NS - 1, HOUR_NS, 30 * HOUR_NS]))
    def time_passes(self, step):
        self.now += step

    @rule(key=st.sampled_from(KEYS), more=AMOUNT)
    def raise_limit(self, key, more):
        self.limits[key] += more
        self.ledger.set_limit(key, self.limits[key], self.now)

    @rule()
    def crash(self):
        self.ledger = Ledger(self.ledger.all_states(self.now), self.ledger.open_holds())

    @invariant()
    def no_cap_is_passed(self):
        for state in self.ledger.all_states(self.now):
            assert state.settled + state.held <= self.limits[state.key]
            assert state.held >= 0
            assert state.settled >= 0

    @invariant()
    def nothing_drifts(self):
        for state in self.ledger.all_states(self.now):
            mine = [(at, n) for at, key, n in self.spent if key == state.key]
            if state.key.window is Window.LIFE:
                assert state.settled == sum(n for _, n in mine)
            held = [h.amounts.get(state.key.dimension, 0) for h in self.ledger.open_holds()
                    if state.key in h.keys]  # fmt: skip
            assert state.held == sum(held)

    @invariant()
    def no_true_window_holds_more_than_its_cap(self):
        """The oracle adds up every window that begins at a settlement."""
        for key in KEYS:
            length = LENGTH.get(key.window, 0)
            mine = [(at, n) for at, owner, n in self.spent if owner == key]
            for begin, _ in mine if length else ():
                inside = sum(n for at, n in mine if begin <= at < begin + length)
                assert inside <= self.limits[key]


LedgerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
TestLedger = LedgerMachine.TestCase
