"""Which process a worker is: known of this machine's own, and guessed of no other."""

import subprocess
import sys

from holdfast.runtime.workers import lives, this_process

ITSELF = (
    "from holdfast.runtime.workers import this_process; print(this_process(), flush=True); input()"
)


def test_a_process_knows_itself_and_lives():
    assert this_process() == this_process()
    assert lives(this_process()) is True


def test_another_process_lives_until_it_ends_and_its_corpse_does_not():
    with subprocess.Popen(
        [sys.executable, "-c", ITSELF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert name != this_process()
        assert lives(name) is True
        other.kill()
        # Not yet waited for: what is left of it is no worker any more.
        other.stdout.read()
        while lives(name):
            pass
        other.wait()
        assert lives(name) is False


def test_a_number_that_was_given_out_again_is_another_process():
    where, _, started = this_process().rpartition("/")
    assert lives(f"{where}/{int(started) - 1}") is False


def test_nothing_is_known_of_another_machine_another_container_or_of_nonsense():
    boot, pids, pid, started = this_process().split("/")
    for name in (
        f"another/{pids}/{pid}/{started}",
        f"{boot}/pid:[1]/{pid}/{started}",
        f"{boot}/{pids}/../{started}",
        f"{boot}/{pids}//{started}",
        "",
        "/",
        "w1",
    ):
        assert lives(name) is None
