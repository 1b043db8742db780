"""The committed dependency list of each process is what the process really loads."""

import pytest

from tests.tidy.process_dependencies import LISTS, committed, entries, loaded_distributions

FILES = sorted(LISTS.glob("*.txt"))
AGAIN = "if that is meant: python -m tests.tidy.process_dependencies"


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_process_loads_what_its_list_says_and_nothing_else(path):
    module, names = committed(path)
    loaded = loaded_distributions(module)
    assert loaded == names, AGAIN


def test_every_process_has_a_list_and_every_list_a_process():
    assert {path.stem: committed(path)[0] for path in FILES} == entries(), AGAIN


def test_the_probe_sees_a_third_party_import():
    assert "msgspec" in loaded_distributions("msgspec")


def test_the_probe_sees_nothing_in_the_standard_library():
    assert loaded_distributions("json") == []
