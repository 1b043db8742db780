"""The fleet out of memory and store: filters, order, counts, and what each did last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.sessions import SessionState
from holdfast.runtime.fleet import SORTS, Asked, _in
from tests.control_house import TWO_TENANTS, House, served


async def several(house: House) -> dict[str, str]:
    """Sessions by a word of the test."""
    opened = {
        "ann": {"tenant": "acme", "project": "shop"},
        "shop": {"tenant": "acme", "project": "shop", "user": "Bob", "task": "refunds/4711"},
        "web": {"tenant": "acme", "project": "web", "user": "<'&\">"},
        "umbra": {"tenant": "umbra", "user": "bob"},
    }
    return {word: (await house.opened(**asked))[0] for word, asked in opened.items()}


async def found(house: House, **asked) -> list[str]:
    fleet = await house.house.fleet.listed(Asked(**asked))
    return [row.session.session_id for row in fleet.rows]


def test_filters_and_words_find_what_they_name_and_nothing_else():
    async def main(house: House) -> None:
        named = await several(house)
        for asked, words in {
            "tenant:acme": ("ann", "shop", "web"),
            "user:bob": ("shop", "umbra"),
            "BOB acme": ("shop",),
            "4711": ("shop",),
            "user:desk": (),
            "agent:desk": ("ann", "shop", "web", "umbra"),
            "<'&\">": ("web",),
            "id:" + named["ann"][:12]: ("ann",),
            "nothing:bob": (),
        }.items():
            ids = {named[word] for word in words}
            assert set(await found(house, words=tuple(asked.split()))) == ids, asked
        assert await found(house, tenant="umbra") == [named["umbra"]]
        assert await found(house, project="web", tenant="umbra") == []
        assert await found(house, user="Bob") == [named["shop"]]
        assert await found(house, agent="des") == []

    served(main, TWO_TENANTS)


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_goes_both_ways_and_equals_are_newest_first(sort):
    async def main(house: House) -> None:
        await several(house)
        falling = await found(house, sort=sort)
        rising = await found(house, sort=sort, falling=False)
        assert set(falling) == set(rising)
        if sort in {"opened", "last"}:
            assert rising == falling[::-1]
        if sort in {"turns", "spent", "used", "context"}:
            assert rising == falling == await found(house)

    served(main, TWO_TENANTS)


def test_a_stretch_is_cut_out_and_the_counts_are_of_all():
    async def main(house: House) -> None:
        named = await several(house)
        await house.call("POST", f"/v1/sessions/{named['web']}/pause")
        whole = await found(house)
        fleet = await house.house.fleet.listed(Asked(skip=1, limit=2))
        assert [row.session.session_id for row in fleet.rows] == whole[1:3]
        assert fleet.matches == 4
        assert fleet.by_state == {SessionState.ACTIVE: 3, SessionState.PAUSED: 1}
        paused = await house.house.fleet.listed(Asked(states=(SessionState.PAUSED,)))
        assert paused.matches == 1
        assert paused.by_state == fleet.by_state

    served(main, TWO_TENANTS)


def test_what_each_did_last_is_known_also_by_another_process():
    async def main(house: House) -> None:
        named = await several(house)
        await house.call("POST", f"/v1/sessions/{named['ann']}/pause")
        before = await house.house.fleet.listed(Asked())
        house.restart(TWO_TENANTS)
        after = await house.house.fleet.listed(Asked())
        assert [row.last for row in after.rows] == [row.last for row in before.rows]
        assert {row.last.kind.value for row in after.rows if row.last} == {
            "session.opened",
            "session.paused",
        }
        assert [row.session for row in after.rows] == [row.session for row in before.rows]

    served(main, TWO_TENANTS)


def test_one_that_nobody_loaded_is_listed_and_goes_when_it_is_over():
    async def main(house: House) -> None:
        session_id, _ = await house.opened()
        house.restart()
        assert house.sessions.loaded(session_id) is None
        assert await found(house) == [session_id]
        assert house.sessions.loaded(session_id) is None
        await house.call("POST", f"/v1/sessions/{session_id}/kill")
        assert await found(house) == []
        assert await found(house, states=(SessionState.KILLED,)) == [session_id]

    served(main)


def test_one_past_its_wall_clock_is_expired_whatever_is_written_down():
    async def main(house: House) -> None:
        session_id, _ = await house.opened()
        house.clock.at_ns += 700_000_000_000
        assert await found(house) == []
        assert await found(house, states=(SessionState.EXPIRED,)) == [session_id]

    served(main)


@given(st.text(min_size=1), st.text(min_size=1).filter(lambda t: "\n" not in t))
def test_a_word_in_a_field_is_found_by_it_and_by_the_word_alone(word, name):
    names = f"agent:{name}\nuser:ann".casefold()
    if word.casefold() in name.casefold() and ":" not in word:
        assert _in(names, word.casefold())
        assert _in(names, f"agent:{word}".casefold())
