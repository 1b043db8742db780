"""The arithmetic of the durable benchmarks: what is counted as lost, repeated, dropped, linear."""

from benchmarks.durable_calls import Pace, encoded_bytes
from benchmarks.durable_peers import Work
from benchmarks.durable_world import Tally, World, tally
from benchmarks.in_process import body_bytes
from benchmarks.journal_size import growth, split
from holdfast.model.events import Kind, Record


def test_effects_that_never_came_are_lost_and_those_that_came_again_are_repeated():
    effects = [(0, 0, True), (0, 1, True), (0, 1, True), (0, 1, True), (1, 0, True)]
    assert tally(effects, 2, 2) == Tally(wanted=4, happened=5, lost=1, repeated=2, dropped=0)


def test_a_repeat_that_the_world_dropped_is_not_an_effect():
    effects = [(0, 0, True), (0, 0, False)]
    assert tally(effects, 1, 1) == Tally(wanted=1, happened=1, lost=0, repeated=0, dropped=1)


def test_an_effect_that_was_only_dropped_is_lost():
    assert tally([(0, 0, False)], 1, 1).lost == 1


def test_a_world_that_knows_no_keys_forgives_nothing(tmp_path):
    world = World(tmp_path / "world.db")
    for _ in range(2):
        world.affect(0, 0, "same")
    assert world.tally(1, 1).repeated == 1
    assert world.count() == 2
    world.close()


def test_a_world_that_knows_keys_lets_each_take_once_even_for_another_process(tmp_path):
    first, second = (World(tmp_path / "world.db", keyed=True) for _ in range(2))
    first.affect(0, 0, "same")
    second.affect(0, 0, "same")
    assert second.tally(1, 1) == Tally(wanted=1, happened=1, lost=0, repeated=0, dropped=1)
    assert second.has("same")
    assert not second.has("other")
    first.close()
    second.close()


def test_an_empty_world_lasted_no_time(tmp_path):
    world = World(tmp_path / "world.db")
    assert (world.lasted_s(), world.count()) == (0.0, 0)
    world.close()


def test_workers_are_killed_at_a_third_and_at_two_thirds():
    assert Work(200, 20).kills_at() == [1333, 2666]


def test_a_pace_is_calls_over_wall_time_and_cpu_over_calls():
    pace = Pace(1000, 2.0, 0.5)
    assert (pace.per_s, pace.cpu_us) == (500, 500)


def _record(kind, turn, text):
    return Record(kind=kind, at_ns=1, turn=turn, body={"text": text})


def test_bytes_are_split_by_kind():
    records = [_record(Kind.RUN_ANSWERED, 1, "a"), _record(Kind.RUN_ANSWERED, 2, "b")]
    one = body_bytes({"text": "a"})
    assert split([*records, _record(Kind.RUN_NOTED, 2, "")]) == {
        "run.answered": 2 * one,
        "run.noted": one - 1,
    }


def test_growth_is_one_for_a_linear_run_and_more_for_one_that_repeats_itself():
    linear = [_record(Kind.RUN_ANSWERED, turn, "x" * 50) for turn in range(1, 11)]
    whole = [_record(Kind.RUN_ANSWERED, turn, "x" * 50 * turn) for turn in range(1, 11)]
    assert growth(linear, 10) == 1
    assert growth(whole, 10) > 2


def test_a_commit_counts_its_records_and_its_states():
    record = _record(Kind.RUN_NOTED, 1, "x")
    assert encoded_bytes(((record, record), ())) == 2 * encoded_bytes(((record,), ()))
