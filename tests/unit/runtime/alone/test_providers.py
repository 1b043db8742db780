"""A provider's keys: which is next, which is left alone, and what is asked for nothing."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from typing import Any

import pytest

from holdfast.core.breaker import BreakerLimits
from holdfast.core.wire.takes import ALL, Takes
from holdfast.model.upstreams import Fallback, Retries, Trouble
from holdfast.runtime.doors import Asker
from holdfast.runtime.providers import NO_RETRIES, Provider
from tests.unit.runtime.alone.desk import S

ANN, BOB = Asker("s1", "ann"), Asker("s2", "bob")
ONCE = BreakerLimits(failures=1, reset_ns=60 * S)


@pytest.fixture(autouse=True, params=["holdfast.runtime.providers"])
def module(request):
    """What these tests are about."""


class Key:
    """An upstream that answers what it is told."""

    def __init__(self, status=200, body=b"{}"):
        self.status = status
        self.body = body
        self.told: list[Any] = []

    async def send(self, cleared, *, timeout_s, whole=False):
        self.told.append(("send", cleared, timeout_s, whole))
        return Answer(self)

    async def close(self):
        self.told.append("closed")


class Answer:
    """Of a key, which remembers what was done with it."""

    def __init__(self, key):
        self.key = key
        self.status = key.status

    async def read(self, limit_bytes):
        self.key.told.append(("read", limit_bytes))
        if isinstance(self.key.body, Exception):
            raise self.key.body
        return self.key.body

    def close(self):
        self.key.told.append("close")


def keys(count=3, **settings):
    made = [Key() for _ in range(count)]
    first: Any
    first, *spare = made
    provider: Any = Provider(first, 500, name="main", spare=spare, **settings)
    return provider, made


def shut(provider, place, now_ns=0, asker=ANN):
    """Close a door for a user."""
    door = provider.doors[place]
    door.failed(door.admit(now_ns, asker), now_ns)


def test_provider_is_what_it_was_set_to_and_by_default_nothing_is_tried_again():
    plain: Any = Provider(Key())
    held = {k: v for k, v in vars(plain).items() if k not in ("upstream", "doors")}
    assert held == {
        "max_tokens_per_s": None,
        "name": "",
        "retries": Retries(attempts=0, base_s=0.5, most_s=8.0, after_sent=False),
        "fallbacks": (),
        "queue_s": 30.0,
        "takes": ALL,
        "trouble": Trouble.UPSTREAM,
        "_next": 0,
    }
    assert NO_RETRIES.attempts == 0
    one, takes = Fallback(on=(Trouble.UPSTREAM,), upstream="x"), Takes()
    provider, made = keys(
        retries=Retries(attempts=7), fallbacks=[one], breaker=ONCE, queue_s=1.5, takes=takes
    )
    assert (provider.max_tokens_per_s, provider.name, provider.queue_s) == (500, "main", 1.5)
    assert (provider.retries, provider.fallbacks) == (Retries(attempts=7), (one,))
    assert provider.takes is takes
    assert [(door.name, door.upstream) for door in provider.doors] == [
        ("key 1", made[0]),
        ("key 2", made[1]),
        ("key 3", made[2]),
    ]
    assert provider.upstream is made[0]


def test_keys_take_turns_past_those_that_were_tried_or_are_closed():
    provider, _ = keys(breaker=ONCE)

    def picked(*tried, asker=BOB, now_ns=0):
        found = provider.pick(now_ns, asker, [provider.doors[at] for at in tried])
        return found and (provider.doors.index(found[0]), found[1].asker)

    assert [picked() for _ in range(4)] == [(at, BOB) for at in (0, 1, 2, 0)]
    assert picked(1) == (2, BOB)
    assert picked(0, 1) == (2, BOB)
    assert picked(0, 1, 2) is None
    # The place stays after the last one that was picked.
    assert picked() == (0, BOB)
    shut(provider, 1)
    assert picked(asker=ANN) == (2, ANN)
    assert picked(asker=BOB) == (0, BOB)
    assert provider.admits(0, ANN)
    assert provider.admits(0, ANN, [provider.doors[0]])
    assert not provider.admits(0, ANN, [provider.doors[0], provider.doors[2]])
    assert provider.admits(0, BOB, [provider.doors[0], provider.doors[2]])
    shut(provider, 0)
    shut(provider, 2)
    assert (picked(asker=ANN), provider.admits(0, ANN), provider.admits(0, BOB)) == (
        None,
        False,
        True,
    )
    assert picked(asker=ANN, now_ns=60 * S) == (1, ANN)


def test_wait_is_that_of_the_key_that_opens_first():
    provider, _ = keys(2, breaker=ONCE)
    assert provider.wait_s(0, ANN) == 0.0
    shut(provider, 0)
    assert provider.wait_s(0, ANN) == 0.0
    shut(provider, 1, now_ns=15 * S)
    assert provider.wait_s(20 * S, ANN) == 40.0
    assert provider.wait_s(20 * S, BOB) == 0.0


def test_what_is_free_goes_by_a_key_that_works_or_by_the_first():
    async def main():
        provider, made = keys(2, breaker=ONCE)
        cleared: Any = object()
        assert (await provider.ask_free(0, cleared)).key is made[0]
        shut(provider, 0)
        assert (await provider.ask_free(0, cleared, timeout_s=3.0)).key is made[1]
        shut(provider, 1)
        assert provider.free(0) is made[0]
        assert [one.told for one in made] == [
            [("send", cleared, 60.0, False)],
            [("send", cleared, 3.0, False)],
        ]

    asyncio.run(main())


def test_count_is_the_body_of_a_200_read_within_bounds_and_let_go_of():
    async def main():
        cleared: Any = object()
        for status, body, found in (
            (200, b'{"input_tokens":3}', b'{"input_tokens":3}'),
            (201, b"x", None),
            (429, b"busy", None),
        ):
            key = Key(status, body)
            provider: Any = Provider(key)
            assert await provider.counted(0, cleared) == found
            assert key.told == [("send", cleared, 10.0, False), ("read", 65_536), "close"]
        broken: Any = Key(200, ValueError("gone"))
        with pytest.raises(ValueError, match="gone"):
            await Provider(broken).counted(0, cleared)
        assert broken.told[-1] == "close"

    asyncio.run(main())


def test_all_keys_are_let_go_of():
    async def main():
        provider, made = keys()
        await provider.close()
        assert [one.told for one in made] == [["closed"]] * 3

    asyncio.run(main())
