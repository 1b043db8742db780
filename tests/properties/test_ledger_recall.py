"""A ledger that lets accounts go and recalls them answers as one that keeps them all.

Two machines. In the first the store is a dictionary behind a queue, and every step is one call of
the ledger. In the second it is a whole server: sessions that share accounts are opened, forgotten,
loaded and restarted while the disk lags behind.
"""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.backends.system.clock import SystemEntropy
from holdfast.core.budgets import Ledger
from holdfast.model.budgets import (
    AccountKey,
    AccountState,
    Dimension,
    HoldState,
    Limit,
    Reserved,
    Scope,
    Window,
)
from holdfast.runtime.budgets import last_ledger
from holdfast.testing.memory_store import MemoryStore
from tests.unit.runtime.house import House, limit

USD, CALLS = Dimension.USD, Dimension.TOOL_CALLS
HOUR_NS = 3_600_000_000_000
KEYS = (
    AccountKey(Scope.TASK, "a/t", USD, Window.LIFE),
    AccountKey(Scope.SESSION, "a/s", USD, Window.LIFE),
    AccountKey(Scope.SESSION, "a/s", CALLS, Window.LIFE),
    AccountKey(Scope.USER, "a/u", USD, Window.HOUR),
    AccountKey(Scope.TENANT, "a", USD, Window.CALENDAR_DAY),
)
CHAINS = (KEYS, KEYS[:1] + KEYS[3:], KEYS[1:3], KEYS[3:])
AMOUNT = st.integers(0, 400)
CHAIN = st.sampled_from(CHAINS)


class Recalling(RuleBasedStateMachine):
    """`every` never lets go and is never asked anew; `few` keeps only what is in use."""

    def __init__(self):
        super().__init__()
        self.now = 1_795_000_000_000_000_000
        self.every = Ledger(absent=KEYS)
        self.few = Ledger()
        self.disk: dict[AccountKey, AccountState] = {}
        self.disk_holds: dict[str, HoldState] = {}
        self.queue: list[list[tuple[str, object]]] = []
        self.in_use: list[tuple[AccountKey, ...]] = []
        # Reads under way: for whom, of what, and what was found. Nothing was known of it then.
        self.reading: list[tuple[tuple[AccountKey, ...], list[AccountKey], list[AccountState]]] = []
        self.holds: list[str] = []
        self.count = 0

    def queued(self, *changes: tuple[str, object]) -> None:
        self.queue.append(list(changes))

    def flush(self) -> None:
        """The disk catches up: whoever reads what left the memory has waited for this."""
        for commit in self.queue:
            for name, change in commit:
                if isinstance(change, AccountState):
                    self.disk[change.key] = change
                elif isinstance(change, dict):
                    self.few.kept(change)
                elif isinstance(change, HoldState):
                    self.disk_holds[name] = change
                else:
                    self.disk_holds.pop(name, None)
        self.queue.clear()

    def ready(self) -> list[tuple[AccountKey, ...]]:
        return [c for c in self.in_use if all(self.few.knows(k) for k in c)]

    @rule(chain=CHAIN)
    def use(self, chain):
        """Ask for accounts; what is missing is read now, and arrives some steps later."""
        missing = self.few.use(chain)
        if not missing:
            self.in_use.append(chain)
            return
        self.flush()
        found = [self.disk[key] for key in missing if key in self.disk]
        self.reading.append((chain, missing, found))

    @precondition(lambda self: self.reading)
    @rule(dice=st.randoms(use_true_random=False))
    def a_read_arrives(self, dice):
        chain, missing, found = self.reading.pop(dice.randrange(len(self.reading)))
        self.few.know(missing, found)
        self.in_use.append(chain)

    @precondition(lambda self: self.in_use)
    @rule(dice=st.randoms(use_true_random=False))
    def leave(self, dice):
        """A session is forgotten; its holds may be open still."""
        self.few.leave(self.in_use.pop(dice.randrange(len(self.in_use))))

    @precondition(lambda self: self.ready())
    @rule(dice=st.randoms(use_true_random=False), amount=st.integers(0, 1_500))
    def open(self, dice, amount):
        chain = dice.choice(self.ready())
        states = []
        for key in chain:
            cap = Limit(scope=key.scope, dimension=key.dimension, window=key.window, amount=amount)
            state = self.few.open_account(key, cap, self.now)
            assert state == self.every.open_account(key, cap, self.now)
            states.append(("", state))
        self.queued(*states)

    @precondition(lambda self: self.ready())
    @rule(dice=st.randoms(use_true_random=False), amount=st.none() | st.integers(0, 2_500))
    def set_limit(self, dice, amount):
        key = dice.choice(dice.choice(self.ready()))
        state = self.few.set_limit(key, amount, self.now)
        assert state == self.every.set_limit(key, amount, self.now)
        self.queued(("", state))

    @precondition(lambda self: self.ready())
    @rule(dice=st.randoms(use_true_random=False), usd=AMOUNT, calls=st.integers(0, 2))
    def reserve(self, dice, usd, calls):
        chain = dice.choice(self.ready())
        self.count += 1
        hold_id, amounts = f"h{self.count}", {USD: usd, CALLS: calls}
        answers = [
            book.reserve(hold_id, chain, amounts, session="s", purpose="p", now_ns=self.now)
            for book in (self.few, self.every)
        ]
        assert answers[0] == answers[1]
        hold = self.few.hold(hold_id)
        if hold is not None:
            self.holds.append(hold_id)
            self.queued((hold_id, hold))

    @precondition(lambda self: self.holds)
    @rule(dice=st.randoms(use_true_random=False), more=AMOUNT)
    def extend(self, dice, more):
        hold_id = dice.choice(self.holds)
        answer = self.few.extend(hold_id, {USD: more}, self.now)
        assert answer == self.every.extend(hold_id, {USD: more}, self.now)
        self.queued((hold_id, self.few.hold(hold_id)))

    @precondition(lambda self: self.holds)
    @rule(dice=st.randoms(use_true_random=False), share=st.integers(0, 120), luck=st.integers(0, 9))
    def settle(self, dice, share, luck):
        """Without luck the store refuses the commit, and memory alone knows what was spent."""
        hold_id = self.holds.pop(dice.randrange(len(self.holds)))
        hold = self.few.hold(hold_id)
        assert hold is not None
        actual = {d: n * share // 100 for d, n in hold.amounts.items()}
        settled = self.few.settle(hold_id, actual, self.now)
        assert settled == self.every.settle(hold_id, actual, self.now)
        spent = [key for key in hold.keys if actual[key.dimension]]
        if not luck:
            return
        changed = dict.fromkeys([*spent, *(alert.key for alert in settled.alerts)])
        states = [("", state) for state in self.few.states(changed)]
        self.queued((hold_id, None), *states, ("", self.few.spendings(changed)))

    @rule()
    def the_disk_catches_up(self):
        self.flush()

    @precondition(lambda self: self.ready())
    @rule(dice=st.randoms(use_true_random=False))
    def mark_full(self, dice):
        key = dice.choice(dice.choice(self.ready()))
        assert self.few.mark_full(key, self.now) == self.every.mark_full(key, self.now)
        self.queued(*(("", state) for state in self.few.states([key])))

    @rule(step=st.sampled_from([1, HOUR_NS // 60, HOUR_NS, 30 * HOUR_NS]))
    def time_passes(self, step):
        self.now += step

    @rule(clean=st.booleans())
    def restart(self, clean):
        """Both begin with the disk: one with all that is on it, one with what the holds need."""
        if clean:
            self.flush()
        self.queue.clear()
        holds = list(self.disk_holds.values())
        wanted = {key for hold in holds for key in hold.keys}
        self.every = Ledger(self.disk.values(), holds, absent=KEYS)
        self.few = Ledger([s for k, s in self.disk.items() if k in wanted], holds, absent=wanted)
        self.in_use.clear()
        self.reading.clear()
        self.holds = list(self.disk_holds)

    @rule(key=st.sampled_from(KEYS))
    def what_is_not_here_is_refused(self, key):
        if self.few.knows(key):
            return
        for attempt in (
            lambda: self.few.open_account(key, None, self.now),
            lambda: self.few.set_limit(key, 1, self.now),
            lambda: self.few.account(key, self.now),
            lambda: self.few.states([key]),
            lambda: self.few.mark_full(key, self.now),
            lambda: self.few.room([key], key.dimension, self.now, held_counts=True),
            lambda: self.few.reserve(
                "x", [key], {key.dimension: 1}, session="s", purpose="p", now_ns=self.now
            ),
        ):
            with pytest.raises(LookupError):
                attempt()
        assert not self.few.knows(key)
        assert self.few.hold("x") is None

    @invariant()
    def the_totals_are_those_of_the_ledger_that_never_let_go(self):
        last = {
            change.key: change
            for commit in self.queue
            for _, change in commit
            if isinstance(change, AccountState)
        }
        for key in KEYS:
            theirs = self.every.account(key, self.now) or blank(key, self.now)
            assert theirs is not None
            mine: AccountState | None
            if self.few.knows(key):
                mine = self.few.account(key, self.now)
            else:
                mine = last.get(key, self.disk.get(key))
                assert theirs.held == 0
                mine = mine and as_of(mine, self.now)
            assert (mine or blank(key, self.now)) == theirs

    @invariant()
    def nothing_stays_that_nobody_needs(self):
        needed = {key for chain in self.in_use for key in chain}
        needed |= {key for chain, _, _ in self.reading for key in chain}
        needed |= {key for hold in self.few.open_holds() for key in hold.keys}
        self.few.leave(())
        for key in {key for key in KEYS if self.few.knows(key)} - needed:
            account = self.few._accounts[key]
            assert account is not None
            assert account.spent > account.saved


def as_of(state: AccountState, now_ns: int) -> AccountState | None:
    """What is stored, with nothing held, as it stands by now."""
    return Ledger([state]).account(state.key, now_ns)


def blank(key: AccountKey, now_ns: int) -> AccountState | None:
    return as_of(AccountState(key=key, limit=None, settled=0), now_ns)


Recalling.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, derandomize=True
)
TestRecalling = Recalling.TestCase


class Mirrored(Ledger):
    """A ledger that asks another, which keeps everything, whether it would have said the same."""

    def __init__(self, accounts=(), holds=(), *, absent=(), every):
        super().__init__(accounts, holds, absent=absent)
        self.every = every

    def _same(self, name, *given, **named):
        mine = getattr(super(), name)(*given, **named)
        assert mine == getattr(self.every, name)(*given, **named), name
        return mine

    def open_account(self, key, limit, now_ns):
        if not self.every.knows(key):
            self.every.use([key])
            self.every.know([key], ())
        return self._same("open_account", key, limit, now_ns)

    def set_limit(self, key, amount, now_ns):
        return self._same("set_limit", key, amount, now_ns)

    def reserve(self, hold_id, keys, amounts, **named):
        return self._same("reserve", hold_id, keys, amounts, **named)

    def extend(self, hold_id, more, now_ns):
        return self._same("extend", hold_id, more, now_ns)

    def settle(self, hold_id, actual, now_ns):
        return self._same("settle", hold_id, actual, now_ns)

    def mark_full(self, key, now_ns):
        return self._same("mark_full", key, now_ns)


async def mirrored(store):
    """A server on what `store` holds, its ledger beside one that has read it all."""
    house = House(store=store, entropy=SystemEntropy())
    every = Ledger(await store.accounts(), await store.holds())
    own = await last_ledger(store)
    stored = own.all_states(house.clock.now_ns())
    house.budgets.ledger = Mirrored(
        stored, own.open_holds(), absent=[k for h in own.open_holds() for k in h.keys], every=every
    )
    return house


class Town:
    """Sessions of few tasks and users at one server, each at another point of its life."""

    def __init__(self, house, dice):
        self.house, self.dice = house, dice
        self.spent: dict[AccountKey, int] = {}
        self.known: dict[str, str] = {}

    async def session(self):
        """A new one, or one that may be forgotten by now."""
        dice, house = self.dice, self.house
        if self.known and dice.random() < 0.5:
            return await house.sessions.get(dice.choice(list(self.known)))
        live = await house.open(
            limit(USD, 40_000, Scope.TASK),
            limit(USD, dice.randint(500, 9_000)),
            limit(USD, 60_000, Scope.USER),
            task=dice.choice(("refunds/1", "refunds/2", "refunds/", "")),
            user=dice.choice(("ann", "bob")),
        )
        self.known[live.session.session_id] = live.session.session_id
        return live

    async def life(self, number):
        dice, house = self.dice, self.house
        for step in range(4):
            live = await self.session()
            hold_id = f"h{number}.{step}.{id(self)}"
            held = dice.randint(0, 3_000)
            answer, _ = await house.budgets.reserve(
                hold_id, live.session, live.chain, lambda n=held: {USD: n}, purpose="p", wait_s=0
            )
            await self.pause()
            if isinstance(answer, Reserved):
                if dice.random() < 0.3:
                    # Its hold outlives it, and is settled when nobody uses the accounts.
                    house.sessions.forget(live)
                    await self.pause()
                used = dice.randint(0, held)
                house.budgets.settle_now(hold_id, {USD: used}, live.who)
                for key in live.chain:
                    self.spent[key] = self.spent.get(key, 0) + used
            if dice.random() < 0.5:
                house.sessions.forget(live)
            await self.pause()

    async def pause(self):
        for _ in range(self.dice.randint(0, 3)):
            await asyncio.sleep(0)

    async def disk(self):
        """It hangs now and then."""
        while True:
            self.house.store.hold_commits()
            await self.pause()
            await asyncio.sleep(0)
            self.house.store.release_commits()
            await self.pause()
            await asyncio.sleep(0)

    async def check(self):
        """What is shown is what was spent, wherever it stands."""
        shown = {s.key: s for s in await self.house.budgets.states(list(self.spent))}
        assert {k: s.settled for k, s in shown.items()} == self.spent
        assert all(state.held == 0 for state in shown.values())


@given(seed=st.integers(0, 10**6))
def test_a_server_that_forgets_sessions_counts_like_one_that_never_does(seed):
    async def main():
        dice = random.Random(seed)
        store, town = MemoryStore(), None
        for _ in range(3):
            house = await mirrored(store)
            before, town = town, Town(house, dice)
            if before is not None:
                town.spent, town.known = before.spent, before.known
                await town.check()
            disk = asyncio.create_task(town.disk())
            await asyncio.gather(*(town.life(n) for n in range(6)))
            disk.cancel()
            store.release_commits()
            await town.check()
            for live in house.sessions.in_memory():
                house.sessions.forget(live)
            assert house.budgets.ledger.all_states(house.clock.now_ns()) == []
            await town.check()
            await store.commit()
            store = store.crashed()

    asyncio.run(asyncio.wait_for(main(), 60))
