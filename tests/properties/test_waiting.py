"""Whoever comes, leaves or runs out of time, and whenever: no place is lost, nobody is left out."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.runtime.waiting import NotYet, Waiting
from tests.skipped_time import breath, run

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("abc"), st.integers(1, 4)),
        st.tuples(st.just("cancel"), st.just(""), st.integers(0, 60)),
        st.tuples(st.just("finish"), st.just(""), st.integers(0, 60)),
        st.tuples(st.just("breathe"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 4)),
    ),
    max_size=80,
)


class Want:
    """What one asks for: so much of what its key, or everybody, shares."""

    def __init__(self, key: str, much: int) -> None:
        self.key = key
        self.much = much


class Shared:
    """So much for all together; a key may have `each` at most and holds up nobody meanwhile."""

    def __init__(self, much: int, each: int) -> None:
        self.much = much
        self.each = each
        self.given: dict[Want, int] = {}
        self.served: list[Want] = []
        self.line = Waiting[str, Want, int](self.serve, self.undo)

    def of(self, key: str) -> int:
        return sum(much for want, much in self.given.items() if want.key == key)

    def serve(self, key: str, want: Want) -> int | NotYet:
        assert key == want.key
        assert want not in self.given, "somebody is served twice"
        if self.of(key) + want.much > self.each:
            return NotYet()
        if sum(self.given.values()) + want.much > self.much:
            return NotYet(before_all=True)
        self.given[want] = want.much
        self.served.append(want)
        return want.much

    def undo(self, want: Want, given: int) -> None:
        assert self.given.pop(want) == given
        self.line.pump()

    async def use(self, want: Want, done: asyncio.Event, timeout_s: float) -> None:
        given = await self.line.stand(want.key, want, timeout_s=timeout_s)
        try:
            assert self.given[want] == given
            await done.wait()
        finally:
            self.undo(want, given)

    def nobody_waits_in_vain(self) -> None:
        for key in "abc":
            want = self.line.first(key)
            if want is None:
                continue
            left = self.much - sum(self.given.values())
            fits = self.of(key) + want.much <= self.each
            # It, or one before it in turn whom the others may not pass, waits for the rest.
            if fits and want.much <= left:
                assert any(
                    other.much > left and self.of(other.key) + other.much <= self.each
                    for other in map(self.line.first, "abc")
                    if other is not None
                )


@settings(max_examples=300, deadline=None)
@given(steps=_STEPS, much=st.integers(4, 9), each=st.integers(4, 9))
def test_random_steps_leave_no_place_lost_and_nobody_who_could_be_served(steps, much, each):
    async def main() -> None:
        room = Shared(much, each)
        tasks: list[asyncio.Task[None]] = []
        events: list[asyncio.Event] = []
        for step, key, number in steps:
            if step == "ask":
                events.append(asyncio.Event())
                using = room.use(Want(key, number), events[-1], timeout_s=float(number * 2))
                tasks.append(asyncio.create_task(using))
            elif step == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            elif step == "finish" and events:
                events[number % len(events)].set()
            elif step == "breathe":
                await breath(number)
            elif step == "wait":
                await asyncio.sleep(number)
            assert sum(room.given.values()) <= much
        await breath(4 * len(tasks) + 4)
        room.nobody_waits_in_vain()
        for event in events:
            event.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ended:
            assert end is None or isinstance(end, TimeoutError | asyncio.CancelledError)
        assert room.given == {}
        assert len(room.line) == 0

    run(main)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.sampled_from("abcd"), min_size=2, max_size=40))
def test_key_that_floods_gets_one_turn_for_each_of_anothers(calls):
    async def main() -> None:
        room = Shared(1, 1)
        free = asyncio.Event()
        first = asyncio.create_task(room.use(Want("z", 1), free, 100.0))
        await breath()
        free_at_once = asyncio.Event()
        free_at_once.set()
        tasks = [asyncio.create_task(room.use(Want(c, 1), free_at_once, 100.0)) for c in calls]
        await breath()
        free.set()
        await asyncio.gather(first, *tasks)
        order = [want.key for want in room.served[1:]]
        assert sorted(order) == sorted(calls)
        left = Counter(calls)
        for place, key in enumerate(order):
            left[key] -= 1
            waiting = {one for one, n in left.items() if n and one != key}
            assert waiting <= set(order[place + 1 : place + 1 + len(waiting)])

    run(main)


class Accounts:
    """So much under each key; what somebody wants it wants of two keys at once, in order."""

    def __init__(self, much: dict[str, int]) -> None:
        self.left = dict(much)
        self.served: list[int] = []
        # Where each of those who wait stands.
        self.standing: dict[int, str] = {}
        self.line = Waiting[str, Any, int](self.serve, self.undo, apart=True)

    def blocked(self, ticket: int, wants: dict[str, int]) -> str | None:
        for key in wants:
            ahead = self.line.first(key)
            if ahead is not None and ahead[0] < ticket:
                return key
        return next((key for key, much in wants.items() if self.left[key] < much), None)

    def serve(self, key: str, want: Any) -> int | NotYet:
        ticket, wants = want
        at = self.blocked(ticket, wants)
        if at is not None:
            self.standing[ticket] = at
            return NotYet(at=at)
        self.standing.pop(ticket, None)
        passed = {old for old, where in self.standing.items() if old < ticket and where in wants}
        assert not passed, "somebody older waits for the same"
        for one, much in wants.items():
            self.left[one] -= much
        self.served.append(ticket)
        return ticket

    def undo(self, want: Any, given: int) -> None:
        assert want[0] == given
        for one, much in want[1].items():
            self.left[one] += much
        self.line.pump(want[1])

    async def use(self, ticket: int, wants: dict[str, int], done: asyncio.Event, s: float) -> None:
        want = ticket, wants
        given = self.serve("", want)
        if isinstance(given, NotYet):
            try:
                given = await self.line.stand(given.at, want, timeout_s=s, rank=(ticket,))
            finally:
                self.standing.pop(ticket, None)
        try:
            await done.wait()
        finally:
            self.undo(want, given)


_WANTS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(steps=_STEPS, wants=st.lists(_WANTS, min_size=1, max_size=20))
def test_accounts_apart_lose_nothing_and_no_small_call_passes_a_large_one(steps, wants):
    async def main() -> None:
        full = dict.fromkeys("abc", 4)
        accounts = Accounts(full)
        tasks: list[asyncio.Task[None]] = []
        events: list[asyncio.Event] = []
        for step, _, number in steps:
            if step == "ask":
                ticket = len(tasks)
                events.append(asyncio.Event())
                want = wants[ticket % len(wants)]
                using = accounts.use(ticket, want, events[-1], float(number * 2))
                tasks.append(asyncio.create_task(using))
            elif step == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            elif step == "finish" and events:
                events[number % len(events)].set()
            elif step == "breathe":
                await breath(number)
            elif step == "wait":
                await asyncio.sleep(number)
            assert min(accounts.left.values()) >= 0
        await breath(4 * len(tasks) + 4)
        # The very first of all who stand waits for room, and for nobody's turn.
        heads = [head for head in map(accounts.line.first, "abc") if head is not None]
        if heads:
            ticket, wanted = min(heads, key=lambda head: head[0])
            assert any(accounts.left[key] < much for key, much in wanted.items())
        for key in "abc":
            head = accounts.line.first(key)
            # Nobody stands where nothing holds it up.
            assert head is None or accounts.blocked(*head) == key
        for event in events:
            event.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert accounts.left == full
        assert len(accounts.line) == 0
        assert len(accounts.served) == len(set(accounts.served))

    run(main)
