"""What of a log is there after a crash at any of its bytes, and after damage to any of them."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.sqlite import log
from holdfast.backends.sqlite.log import Frame, Log, frames, frames_after, paths_beside
from holdfast.errors import StoreUnavailable

PAYLOADS = [b"first", b"", b"\0" * 40, b"the last one"]


def salts():
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def numbers_of(found: list[Frame]) -> list[int]:
    return [frame.number for frame in found]


def written(folder: Path, payloads, after: int = 0, filled: int = 0, draw=None) -> bytes:
    """The one file that is written, as those bytes leave it."""
    (folder / "holdfast.db").touch()
    mine = Log(paths_beside(folder / "holdfast.db"), after, draw or salts())
    for payload in payloads:
        mine.append(payload, filled)
    mine.close(empty=False)
    return b"".join(path.read_bytes() for path in paths_beside(folder / "holdfast.db"))


@pytest.fixture
def content(tmp_path) -> bytes:
    return written(tmp_path, PAYLOADS)


def ends(content: bytes) -> list[int]:
    """Where each frame ends, the beginning of the first one before them."""
    sizes = [log._HEAD.size + len(payload) for payload in PAYLOADS]
    found = list(itertools.accumulate(sizes, initial=log.SALT_BYTES))
    assert found[-1] == len(content)
    return found


def test_a_log_is_read_as_it_was_written(content):
    assert frames(content, 0, "log") == [Frame(n, p) for n, p in enumerate(PAYLOADS, 1)]


def test_cut_at_any_byte_it_holds_the_frames_that_are_whole(content):
    for cut in range(len(content) + 1):
        whole = sum(end <= cut for end in ends(content)[1:])
        assert numbers_of(frames(content[:cut], 0, "log")) == list(range(1, whole + 1))


def test_a_frame_that_was_cut_with_zeros_behind_it_is_none(content):
    for cut in range(len(content)):
        torn = content[:cut].ljust(len(content), b"\0")
        found = numbers_of(frames(torn, 0, "log"))
        # A byte that is zero anyway is not missed.
        whole = sum(torn[:end] == content[:end] for end in ends(content)[1:])
        assert found == list(range(1, whole + 1))


@pytest.mark.parametrize("bit", [1, 128])
def test_damage_to_any_byte_of_what_others_follow_is_refused_and_elsewhere_loses_the_last(
    content, bit
):
    last = ends(content)[-2]
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= bit
        if log.SALT_BYTES <= at < last:
            with pytest.raises(StoreUnavailable, match="the log x of the database is damaged"):
                frames(bytes(damaged), 0, "x")
        else:
            wanted = [1, 2, 3, 4] if at < log.SALT_BYTES else [1, 2, 3]
            assert numbers_of(frames(bytes(damaged), 0, "x")) == wanted


def test_damage_to_what_the_tables_have_is_no_matter(content):
    for at in range(ends(content)[1]):
        damaged = bytearray(content)
        damaged[at] ^= 1
        assert set(numbers_of(frames(bytes(damaged), 4, "x"))) <= {1, 2, 3, 4}


def test_what_an_earlier_turn_left_in_a_file_is_no_frame(tmp_path):
    draw = salts()
    (old, new) = (tmp_path / "old", tmp_path / "new")
    old.mkdir()
    new.mkdir()
    before = written(old, [b"old" * 30] * 4, draw=draw)
    after = written(new, [b"new", b"and" * 5], after=4, filled=4, draw=draw)
    for cut in range(len(after) + 1):
        # Pages reach the disk in any order.
        for torn in (after[:cut] + before[cut:], before[:cut] + after[cut:] + before[len(after) :]):
            found = [frame for frame in frames(torn, 4, "x") if frame.number > 4]
            assert [frame.payload for frame in found] in ([], [b"new"], [b"new", b"and" * 5])
    assert len(frames(after + before[len(after) :], 4, "x")) == 2


def test_a_payload_that_pretends_to_be_frames_is_not_taken_for_them(tmp_path):
    for folder in ("forged", "one", "two"):
        (tmp_path / folder).mkdir()
    # The numbers are right, and where the last real frame ends is guessed right, too.
    forged = written(tmp_path / "forged", [b"forged"] * 2, after=4)[log.SALT_BYTES :]
    before = written(tmp_path / "one", [b"x" * n + forged for n in range(3)], draw=os.urandom)
    after = written(tmp_path / "two", [b"real"], after=3, filled=3, draw=os.urandom)
    for cut in range(len(before)):
        found = frames(after + before[cut:], 3, "x")
        assert [frame.payload for frame in found if frame.number > 3] == [b"real"]


STEPS = st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3)), max_size=30)


@given(STEPS, st.data())
def test_whenever_it_stops_the_log_has_what_the_tables_have_not(tmp_path_factory, steps, data):
    """Steps: a payload, and how many frames the tables lag behind once it is written."""
    folder = tmp_path_factory.mktemp("log")
    paths = paths_beside(folder / "holdfast.db")
    with pytest.MonkeyPatch.context() as small:
        small.setattr(log, "_TURN_BYTES", 150)
        mine = Log(paths, 0, os.urandom)
        filled, sent = 0, []
        for payload, lag in steps:
            sent.append(Frame(mine.append(payload, filled), payload))
            assert frames_after(paths, filled) == sent[filled:]
            filled = max(filled, len(sent) - lag)
            assert frames_after(paths, filled) == sent[filled:]
        before = [path.read_bytes() for path in paths]
        mine.append(b"not acknowledged", filled)
        after = [path.read_bytes() for path in paths]
        mine.close(empty=False)
    for path, old, new in zip(paths, before, after, strict=True):
        if old == new:
            continue
        changed = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
        cut = data.draw(st.integers(len(old) if changed is None else changed, len(new) - 1))
        path.write_bytes(new[:cut] + old[cut:])
    found = frames_after(paths, filled)
    assert found[: len(sent) - filled] == sent[filled:]
    assert [frame.payload for frame in found[len(sent) - filled :]] in ([], [b"not acknowledged"])


def test_a_file_is_written_over_only_once_the_tables_have_what_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_TURN_BYTES", 100)
    paths = paths_beside(tmp_path / "holdfast.db")
    mine = Log(paths, 0, salts())
    for _ in range(20):
        mine.append(b"x" * 50, 0)
    assert numbers_of(frames_after(paths, 0)) == list(range(1, 21))
    sizes = sum(path.stat().st_size for path in paths)
    for _ in range(20):
        mine.append(b"x" * 50, mine.number)
    assert sum(path.stat().st_size for path in paths) == sizes
    mine.close(empty=True)
    assert not any(path.exists() for path in paths)


def test_each_turn_draws_its_own_salt(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_TURN_BYTES", 100)
    paths, draw = paths_beside(tmp_path / "holdfast.db"), salts()
    mine = Log(paths, 0, draw)
    for _ in range(9):
        mine.append(b"x" * 100, mine.number)
    mine.close(empty=False)
    found = {int.from_bytes(path.read_bytes()[: log.SALT_BYTES], "big") for path in paths}
    assert found == {8, 9}
    assert int.from_bytes(draw(4), "big") == 10


def test_a_gap_between_the_tables_and_the_log_is_damage(tmp_path):
    written(tmp_path, PAYLOADS, after=3)
    paths = paths_beside(tmp_path / "holdfast.db")
    assert numbers_of(frames_after(paths, 3)) == [4, 5, 6, 7]
    assert numbers_of(frames_after(paths, 9)) == []
    with pytest.raises(StoreUnavailable, match="damaged"):
        frames_after(paths, 2)


def test_each_frame_is_flushed_before_it_counts(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fdatasync", lambda file: flushed.append(os.fstat(file).st_size))
    mine = Log(paths_beside(tmp_path / "holdfast.db"), 0, salts())
    for n in (1, 2):
        mine.append(b"x" * n, 0)
        assert len(flushed) == n
        assert flushed[-1] == max(path.stat().st_size for path in mine._paths)

    def refused(file):
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fdatasync", refused)
    with pytest.raises(OSError, match="gone"):
        mine.append(b"x", 0)
    assert mine.number == 2
    mine.close(empty=False)


def test_only_its_owner_reads_it(tmp_path):
    written(tmp_path, [b"x"])
    for path in paths_beside(tmp_path / "holdfast.db"):
        assert path.stat().st_mode & 0o077 == 0
