"""The kernel's count of what was started: it moves with every start, or is not used."""

import subprocess
import threading
from pathlib import Path

from holdfast.backends.system.births import Births

PROC = Path("/proc")


def test_it_moves_with_each_process_and_each_thread():
    births = Births(PROC)
    seen = [births.last()]
    subprocess.run(["true"], check=True)
    seen.append(births.last())
    one = threading.Thread(target=seen.clear)
    one.start()
    one.join()
    seen.append(births.last())
    assert None not in seen
    births_before, *_ = seen
    subprocess.run(["true"], check=True)
    assert births.last() != births_before


def test_a_number_that_stands_still_when_something_starts_is_not_used(tmp_path):
    (tmp_path / "self").symlink_to(str(Path("/proc/self").readlink()))
    (tmp_path / "loadavg").write_text("0.00 0.00 0.00 0/0 7\n")
    assert Births(tmp_path).last() is None


def test_a_number_of_other_processes_than_these_is_not_used(tmp_path):
    (tmp_path / "self").symlink_to("1")
    (tmp_path / "loadavg").symlink_to("/proc/loadavg")
    assert Births(tmp_path).last() is None


def test_where_there_is_no_such_folder_nobody_tells(tmp_path):
    assert Births(tmp_path / "none").last() is None
