"""What commands left running may write on: nothing of it is taken for a user's own."""

import pytest

from holdfast.core.sessions import Command
from tests.unit.runtime.test_own_texts import FORMAT, MAKE, Desk, desk, played

__all__ = ["desk"]

BEHIND = "make watch > watch.txt 2>&1 &"


class Seen:
    """Processes of these sessions live."""

    def __init__(self, *sessions: str) -> None:
        self.sessions = set(sessions)

    async def seen(self, session_id: str) -> frozenset[tuple[int, int]]:
        return frozenset({(1, 1)} if session_id in self.sessions else ())


async def told(desk: Desk) -> list[bool]:
    return [record.body["heard"] for record in desk.house.written("files.unsettled")]


async def format_is_own(desk: Desk, **more: str) -> bool:
    live = await desk.open(**more)
    await desk.run(live, FORMAT, ("src/cart.py", "total = 1\n"))
    return await desk.is_own(live, "src/cart.py")


async def end(desk: Desk, live) -> None:
    await desk.house.sessions.change(live, Command.END, "done")


@pytest.mark.parametrize("command", ["make", BEHIND, "python -c 'print(1)'"])
@played
async def test_what_a_session_that_heard_a_stranger_left_running_makes_nothing_own(desk, command):
    heard = await desk.open()
    heard.vouched.taint("WebFetch")
    await desk.run(heard, command)
    assert await told(desk) == [True]
    assert not await format_is_own(desk)


@played
async def test_a_command_that_ends_by_itself_is_over_when_it_has_reported(desk):
    heard = await desk.open()
    heard.vouched.taint("WebFetch")
    await desk.run(heard, "grep -rn total src")
    assert await told(desk) == []
    assert await format_is_own(desk)


@pytest.mark.parametrize("restarts", [False, True])
@played
async def test_it_is_over_when_the_session_is_and_nothing_of_it_is_seen(desk, restarts):
    heard = await desk.open()
    heard.vouched.taint("WebFetch")
    await desk.run(heard, BEHIND)
    if restarts:
        await desk.restarted()
        heard = await desk.house.sessions.get(heard.session.session_id)
    await end(desk, heard)
    desk.house.processes.seen = Seen(heard.session.session_id).seen
    assert not await format_is_own(desk)
    desk.house.processes.seen = Seen().seen
    desk.write("src/cart.py", "total=1\n")
    assert await format_is_own(desk)


@played
async def test_a_server_that_starts_again_knows_who_left_something_though_nobody_asks_for_it(desk):
    heard = await desk.open()
    heard.vouched.taint("WebFetch")
    await desk.run(heard, BEHIND)
    await desk.restarted()
    assert desk.house.sessions.loaded(heard.session.session_id) is None
    assert not await format_is_own(desk)


@played
async def test_a_session_that_is_past_its_wall_clock_goes_on_with_nothing(desk):
    heard = await desk.open()
    heard.vouched.taint("WebFetch")
    await desk.run(heard, BEHIND)
    await desk.restarted()
    desk.house.clock.advance(7200)
    assert await format_is_own(desk)


@played
async def test_a_session_that_is_paused_goes_on_with_what_it_left(desk):
    heard = await desk.open()
    heard.vouched.taint("WebFetch")
    await desk.run(heard, BEHIND)
    await desk.house.sessions.change(heard, Command.PAUSE, "wait")
    assert not await format_is_own(desk)


@played
async def test_what_own_code_left_is_a_strangers_once_its_session_leaves_more_after_hearing_one(
    desk,
):
    live = await desk.open()
    await desk.run(live, BEHIND)
    live.vouched.taint("WebFetch")
    for _ in range(2):
        await desk.run(live, BEHIND)
    assert await told(desk) == [False, True]
    await desk.restarted()
    assert not await format_is_own(desk)


@played
async def test_what_an_earlier_record_does_not_say_was_own_is_a_strangers(desk):
    live = await desk.open()
    await desk.run(live, BEHIND)
    [record] = desk.house.written("files.unsettled")
    assert record.body.pop("heard") is False
    await desk.restarted()
    assert not await format_is_own(desk)


@played
async def test_a_session_goes_on_until_its_last_moment_and_not_in_it(desk):
    session, clock = (await desk.open()).session, desk.house.clock
    assert desk.house.files is not None
    left_s, rest = divmod(session.expires_at_ns - clock.now_ns(), 1_000_000_000)
    assert rest == 0
    found = []
    for seconds in (left_s - 1, 1):
        clock.advance(seconds)
        found.append(desk.house.files.running.goes_on(session))
    assert found == [True, False]


@played
async def test_it_matters_to_those_alone_who_work_in_the_same_folder(desk, tmp_path_factory):
    heard = await desk.open(folder=tmp_path_factory.mktemp("other"))
    heard.vouched.taint("WebFetch")
    await desk.run(heard, BEHIND)
    assert await told(desk) == [True]
    assert await format_is_own(desk)


@played
async def test_what_own_code_left_running_writes_what_is_own_to_its_user_alone(desk):
    ann = await desk.open()
    await desk.run(ann, BEHIND)
    assert await told(desk) == [False]
    await desk.run(ann, BEHIND)
    assert await told(desk) == [False], "it is told once"
    assert not await format_is_own(desk, user="bob")
    desk.write("src/cart.py", "total=1\n")
    assert await format_is_own(desk)


@played
async def test_what_another_user_writes_while_a_call_runs_is_not_taken_for_own(desk):
    ann, bob = await desk.open(), await desk.open(user="bob")
    made = await desk.begin(ann, "Bash", command=MAKE)
    wrote = await desk.begin(bob, "Bash", command="echo 'do as I say' > notes.md")
    assert wrote in bob.neutral
    desk.write("notes.md", "do as I say\n")
    await desk.house.finish(bob, wrote)
    await desk.house.finish(ann, made)
    assert not await desk.is_own(ann, "notes.md")
    again = await desk.begin(bob, "Bash", command="echo 'do as I say' > notes.md")
    await desk.house.finish(bob, again)
    assert not await desk.is_own(bob, "notes.md"), "own to none where it was not own before"


@played
async def test_a_file_whose_whole_text_a_call_told_stands_beside_what_others_write(desk):
    heard, live = await desk.open(), await desk.open()
    heard.stale = True
    path = str(desk.root / "notes.md")
    call_id = await desk.begin(live, "Write", file_path=path, content="mine\n")
    desk.write("notes.md", "mine\n")
    await desk.house.finish(live, call_id)
    assert await desk.is_own(live, "notes.md")
    call_id = await desk.begin(live, "Write", file_path=path, content="two\n")
    desk.write("notes.md", "do as I say\n")
    await desk.house.finish(live, call_id)
    assert not await desk.is_own(live, "notes.md")


@played
async def test_a_moved_file_is_own_where_it_was_and_another_that_came_is_not(desk):
    live = await desk.open()
    await desk.run(live, "sed -i s/total/sum/ src/cart.py", ("src/cart.py", "sum=1\n"))
    call_id = await desk.begin(live, "Bash", command="git mv src/cart.py src/sum.py")
    (desk.root / "src" / "cart.py").rename(desk.root / "src" / "sum.py")
    desk.write("src/found.py", "do as I say\n")
    await desk.house.finish(live, call_id)
    *_, record = desk.house.written("files.written")
    moved = [path for path in record.body["files"] if "/.git/" not in path]
    assert moved == [str(desk.root / "src" / "sum.py")]
    assert await desk.is_own(live, "src/sum.py")
    assert not await desk.is_own(live, "src/found.py")


@played
async def test_what_own_code_prints_behind_a_call_is_own_as_it_grows(desk):
    live = await desk.open()
    await desk.run(live, BEHIND, ("watch.txt", "begun\n"))
    desk.write("watch.txt", "begun\nbuilt\n")
    assert await desk.is_own(live, "watch.txt")
    assert await desk.reads_neutrally(live, "watch.txt")
    ruled = await desk.begin(live, "Bash", command="make test")
    assert ruled in live.neutral, "it lies in the folder that code reads"
    await desk.house.finish(live, ruled)
    other = await desk.open()
    assert not await desk.is_own(other, "watch.txt"), "nobody saw that session start it"


@pytest.mark.parametrize("how", ["a file", "a tainted session", "another user"])
@played
async def test_what_it_prints_is_not_own_once_others_had_a_hand_in_the_folder(desk, how):
    live = await desk.open()
    await desk.run(live, BEHIND, ("watch.txt", "begun\n"))
    if how == "a file":
        desk.write("found.md", "do as I say\n")
    else:
        other = await desk.open(user="bob" if how == "another user" else "ann")
        if how == "a tainted session":
            other.vouched.taint("WebFetch")
        await desk.run(other, "echo x >> src/cart.py")
        desk.write("src/cart.py", "total=1\n")
    desk.write("watch.txt", "begun\ndo as I say\n")
    assert not await desk.is_own(live, "watch.txt")


@played
async def test_a_file_that_was_there_before_does_not_grow_as_own(desk):
    desk.write("watch.txt", "do as I say\n")
    live = await desk.open()
    await desk.begin(live, "Bash", command=BEHIND)
    assert not await desk.is_own(live, "watch.txt")


@played
async def test_output_of_a_task_is_own_while_every_call_of_the_session_is(desk):
    live = await desk.open()
    begun = await desk.begin(live, "Bash", command="make watch", run_in_background=True)
    await desk.house.finish(live, begun)
    assert await desk.begin(live, "TaskOutput", task_id="b1") in live.neutral
    await desk.begin(live, "Bash", command="gh pr view 7", run_in_background=True)
    assert await desk.begin(live, "TaskOutput", task_id="b2") not in live.neutral
