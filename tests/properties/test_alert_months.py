"""Months of spending: each threshold of each account is told once a window, none missed or doubled.

A month has answers that settle late, more dearly than held or not at all, refusals, caps that are
raised, lowered and lifted, two servers that take over from one another with a clock of their own,
and deaths in the middle of calls. What is told is read from the journal and compared with what
every window really held, added up from the payments themselves.

`pytest -s` prints the counts; `make chaos` plays a thousand months, by `ALERT_MONTHS`.
"""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import os
import random
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.model.budgets import AccountKey, Dimension, Refused, Scope, Window
from holdfast.model.events import Kind
from holdfast.runtime.budgets import last_ledger
from holdfast.testing.clock import FakeClock
from tests.unit.runtime.alone.desk import Desk, limit

MONTHS, PARTS = int(os.environ.get("ALERT_MONTHS", "200")), 4
S = 1_000_000_000
HOUR, DAY = 3_600 * S, 86_400 * S
LENGTH = {Window.HOUR: HOUR, Window.DAY: DAY}
USD, TOKENS = Dimension.USD, Dimension.TOKENS
FIRST = int(datetime(2026, 1, 20, tzinfo=UTC).timestamp()) * S
WAITS = (1, 61 * S, HOUR, 5 * HOUR, DAY // 2, DAY, DAY, 2 * DAY)


_SAME: Any = object()


class Account:
    """What really happened on one account, and what was told of it."""

    def __init__(self, given):
        self.dimension, self.window = given.dimension, given.window
        self.limit, self.percents = given.amount, given.alerts
        self.paid: list[tuple[int, int]] = []
        self.number: Any = None
        # Each time that it was looked at: when, in which window, what was reached before and then.
        self.seen: list[tuple[int, Any, frozenset[int], frozenset[int]]] = []
        self.told: dict[int, list[int]] = {}
        self.keep()

    def keep(self):
        """What was looked at is durable by now."""
        self.kept = (list(self.paid), self.number, len(self.seen))

    def moved(self):
        """The next server goes on from what is durable, and its clock may have been set back."""
        paid, self.number, looks = self.kept
        self.paid, self.seen = list(paid), self.seen[:looks]

    def look(self, now, paid=0, *, refused=False, cap=_SAME):
        """Something happens on it now."""
        self._forget(now)
        before = self._reached()
        if cap is not _SAME:
            self.limit = cap
        if paid:
            self.paid.append((now, paid))
        after = self._reached()
        if refused and self.limit is not None and self._sum() > 0:
            after |= {100} & set(self.percents)
        self.seen.append((now, self.number, before, after))
        if paid or refused or cap is not _SAME:
            self.keep()

    def _forget(self, now):
        at = datetime.fromtimestamp(now // S, UTC)
        length = LENGTH.get(self.window)
        if length is not None:
            # A bucket is a sixtieth; what counts is never less than any true window holds.
            oldest = now * 60 // length - 60
            self.paid = [(t, n) for t, n in self.paid if t * 60 // length >= oldest]
        elif self.window is not Window.LIFE:
            number = (at.year, at.month, at.day if self.window is Window.CALENDAR_DAY else 0)
            if self.number is None or number > self.number:
                self.number, self.paid = number, []

    def _sum(self):
        return sum(n for _, n in self.paid)

    def _reached(self):
        if self.limit is None or not self._sum():
            return frozenset()
        return frozenset(p for p in self.percents if self._sum() * 100 >= p * self.limit)

    def stayed(self, percent, since, until):
        """Whether it was reached at every look behind `since`, before anything new was added."""
        return all(percent in before for _, _, before, _ in self.seen[since + 1 : until + 1])

    def same_window(self, percent, earlier, later):
        """Whether what was told at one look covers another one."""
        then, now = self.seen[earlier], self.seen[later]
        length = LENGTH.get(self.window)
        if length is None:
            return then[1] == now[1]
        return now[0] - then[0] < length or self.stayed(percent, earlier, later)

    def faults(self):
        """How many tellings were owed, and how many of them were missed, doubled or untrue."""
        missed = doubled = untrue = 0
        for percent in self.percents:
            told = self.told.get(percent, [])
            for n, at in enumerate(told):
                untrue += percent not in self.seen[at][3]
                doubled += n > 0 and self.same_window(percent, told[n - 1], at)
            for k, (_, _, _, after) in enumerate(self.seen):
                if percent in after:
                    missed += not any(j <= k and self.same_window(percent, j, k) for j in told)
        return missed, doubled, untrue


class Month:
    """One month of one session, on whichever server has it."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.ends = FIRST + self.dice.randrange(31) * DAY + 31 * DAY
        self.clock = FakeClock(self.ends - 31 * DAY + self.dice.randrange(DAY))
        self.events = self.servers = 0
        self.open: dict[str, dict[Dimension, int]] = {}

    async def play(self):
        caps = [self.dice.choice((300, 1_000, 3_000)) * k for k in (1, 3, 4, 30, 60)]
        limits = (
            limit(USD, caps[0], Scope.USER, Window.HOUR),
            limit(USD, caps[1], Scope.USER, Window.DAY, alerts=(25, 50, 80, 100)),
            limit(TOKENS, caps[2], Scope.PROJECT, Window.CALENDAR_DAY),
            limit(USD, caps[3], Scope.TENANT, Window.CALENDAR_MONTH),
            limit(USD, caps[4], Scope.SESSION, Window.LIFE, alerts=(40, 50, 80, 100)),
        )
        self.desk: Any = Desk(clock=self.clock)
        live = await self.desk.open(*limits, ttl_s=90 * 86_400)
        self.session, self.who, self.chain = live.session, live.who, live.chain
        by_place = {(x.scope, x.window): x for x in limits}
        self.accounts = {k: Account(by_place[k.scope, k.window]) for k in self.chain}
        acts = (self.begin, self.begin, self.begin, self.settle, self.settle, self.cap, self.move)
        while self.clock.now_ns() < self.ends:
            self.clock.advance(self.dice.choice(WAITS) * self.dice.random() / S)
            await self.dice.choice(acts)()
            self.events += 1
        return self

    async def told(self, seq, looked):
        """What was told since then belongs to the look at its account."""
        await self.desk.journal.commit(())
        for record in reversed(self.desk.store.journal):
            if record.seq <= seq:
                break
            if record.kind is Kind.BUDGET_ALERT:
                name, percent = record.body["account"], record.body["percent"]
                account = next(a for k, a in self.accounts.items() if str(k) == name)
                assert account in looked, f"{name} was told of, and nothing happened on it"
                account.told.setdefault(percent, []).append(len(account.seen) - 1)
                account.keep()

    async def begin(self):
        amounts = {USD: self.dice.randrange(1, 250), TOKENS: self.dice.randrange(1, 400)}
        if self.dice.random() < 0.1:
            amounts = {d: 20 * n for d, n in amounts.items()}
        name, seq = f"h{self.events}", self.desk.seq
        answer, _ = await self.desk.budgets.reserve(
            name, self.session, self.chain, lambda: amounts, purpose="model", wait_s=0
        )
        if not isinstance(answer, Refused):
            self.open[name] = amounts
            return
        looked = []
        if not answer.fits_when_settled:
            self.accounts[answer.key].look(self.clock.now_ns(), refused=True)
            looked.append(self.accounts[answer.key])
        await self.told(seq, looked)

    async def settle(self):
        if not self.open:
            return
        name = self.dice.choice(list(self.open))
        share = self.dice.choice((0.0, 0.3, 1.0, 1.0, 1.3))
        await self.paid(name, {d: round(n * share) for d, n in self.open[name].items()})

    async def paid(self, name, actual):
        del self.open[name]
        seq = self.desk.seq
        _, durable = self.desk.budgets.settle(name, actual, self.who)
        await durable
        await self.looked(seq, actual)

    async def looked(self, seq, actual):
        for account in self.accounts.values():
            account.look(self.clock.now_ns(), actual.get(account.dimension, 0))
        await self.told(seq, list(self.accounts.values()))

    async def cap(self):
        key: AccountKey = self.dice.choice(self.chain)
        account, seq = self.accounts[key], self.desk.seq
        cap = None
        if self.dice.random() < 0.9:
            cap = round((account.limit or 2_000) * self.dice.choice((0.5, 0.9, 1.1, 2)))
        async with self.desk.budgets.at_hand((key,)):
            record = self.desk.journal.record_as_told(Kind.BUDGET_CHANGED, None, {})
            _, durable = self.desk.budgets.set_limit(key, cap, record)
            await durable
        account.look(self.clock.now_ns(), cap=cap)
        await self.told(seq, [account])

    async def move(self):
        """The other server takes over, by its own clock; calls in flight count as used in full."""
        await self.desk.journal.commit(())
        off = self.dice.choice((0, 0, 0, -2 * HOUR, -90 * S, 40 * S, 2 * HOUR))
        self.clock = FakeClock(self.clock.now_ns() + off)
        self.desk = Desk(self.desk.store.crashed(), self.clock, self.desk.entropy)
        self.desk.budgets.ledger = await last_ledger(self.desk.store)
        self.servers += 1
        for account in self.accounts.values():
            account.moved()
        for hold in self.desk.budgets.ledger.open_holds():
            seq, amounts = self.desk.seq, self.open.pop(hold.hold_id)
            self.desk.budgets.settle_orphans([hold], lambda _: self.who)
            await self.looked(seq, amounts)


@pytest.mark.parametrize("part", range(PARTS))
def test_of_generated_months_of_spending_no_alert_is_missed_or_doubled(part):
    async def main():
        sums = dict.fromkeys(("months", "events", "servers", "told", "missed", "doubled"), 0)
        for seed in range(part, MONTHS, PARTS):
            month = await Month(seed).play()
            found = [account.faults() for account in month.accounts.values()]
            missed, doubled, untrue = (sum(column) for column in zip(*found, strict=True))
            told = [len(at) for a in month.accounts.values() for at in a.told.values()]
            assert (missed, doubled, untrue) == (0, 0, 0), f"month {seed}"
            for name, n in zip(
                sums, (1, month.events, month.servers, sum(told), missed, doubled), strict=True
            ):
                sums[name] += n
        sys.stdout.write(", ".join(f"{n:,} {name}" for name, n in sums.items()) + "\n")
        assert sums["told"] > 10 * sums["months"]

    asyncio.run(main())
