"""Where paths lead on this machine: chains, loops, what does not exist, and bounds."""

import asyncio
import os
import threading

import pytest

from holdfast.backends.system import links as links_module
from holdfast.backends.system.links import SystemLinks


@pytest.fixture
def root(tmp_path):
    """A project with a place beside it."""
    (tmp_path / "project" / "src").mkdir(parents=True)
    (tmp_path / "project" / "src" / "a.py").write_text("1")
    (tmp_path / "keys").mkdir()
    return tmp_path


def look(root, *paths, folder="project", **more):
    return asyncio.run(SystemLinks().resolved(str(root / folder), paths, **more))


def test_what_is_where_it_says_is_not_told(root):
    assert look(root, "src/a.py", ".", "src/../src", "new/file", str(root / "keys")) == {}


def test_a_chain_of_links_is_followed_to_its_end(root):
    (root / "project" / "one").symlink_to("two")
    (root / "project" / "two").symlink_to(root / "keys")
    keys = (f"{root}/keys/id",)
    assert look(root, "one/id", "two/id") == {"one/id": keys, "two/id": keys}


def test_a_dangling_link_is_where_it_would_write(root):
    (root / "project" / "new").symlink_to("../keys/made-by-this")
    assert look(root, "new") == {"new": (f"{root}/keys/made-by-this",)}


def test_a_loop_comes_to_an_end_and_leads_nowhere_else(root):
    (root / "project" / "a").symlink_to("b")
    (root / "project" / "b").symlink_to("a")
    found = look(root, "a/x")
    assert all(
        place.startswith(f"{root}/project/") for places in found.values() for place in places
    )


def test_a_link_to_the_folder_above_counts_and_so_does_the_way_back_from_it(root):
    (root / "project" / "up").symlink_to("..")
    (root / "project" / "deep").symlink_to(root / "keys")
    found = look(root, "up/keys/id", "deep/../keys/id")
    assert found == {
        "up/keys/id": (f"{root}/keys/id",),
        "deep/../keys/id": (f"{root}/keys/id",),
    }


def test_a_folder_that_is_reached_by_a_link_is_its_own_place(root):
    (root / "short").symlink_to("project")
    assert look(root, "src/a.py", str(root / "short" / "src"), folder="short") == {}


def test_a_place_that_is_judged_by_name_is_called_by_it(root):
    (root / "state").symlink_to("keys")
    (root / "project" / "x").symlink_to(root / "keys")
    found = asyncio.run(
        SystemLinks((str(root / "state"),)).resolved(str(root / "project"), ["x/t"])
    )
    assert found == {"x/t": (f"{root}/state/t",)}


def test_a_pattern_stands_for_each_name_that_fits_where_a_shell_makes_names_of_it(root):
    (root / "project" / "notes").symlink_to(root / "keys")
    places = (f"{root}/keys/id",)
    assert look(root, "n*/id", globs=True) == {"n*/id": places}
    assert look(root, "[^m]o?es/id", globs=True) == {"[^m]o?es/id": places}
    assert look(root, "n*/id") == {}


def test_a_folder_of_another_machine_is_not_looked_at(root):
    (root / "project" / "notes").symlink_to(root / "keys")
    assert look(root, str(root / "project" / "notes"), folder="not-here") == {}


def test_more_paths_than_are_looked_up_are_not_told(root):
    assert look(root, *[f"f{n}" for n in range(512)]) == {}
    assert look(root, *[f"f{n}" for n in range(513)]) is None


def test_a_pattern_over_more_names_than_are_looked_up_is_not_told(root, monkeypatch):
    monkeypatch.setattr(links_module, "_MOST_ENTRIES", 10)
    for number in range(12):
        (root / "project" / f"f{number}").touch()
    assert look(root, "src/*", globs=True) == {}
    assert look(root, "*", globs=True) is None


def test_a_file_system_that_hangs_is_given_up_and_the_loop_goes_on(root, monkeypatch):
    released, real = threading.Event(), os.path.realpath

    def hangs(path):
        if str(path).endswith("slow"):
            released.wait(20)
        return real(path)

    monkeypatch.setattr(os.path, "realpath", hangs)

    async def scene():
        links = SystemLinks(timeout_s=0.1)
        try:
            assert await links.resolved(str(root / "project"), ["slow"]) is None
            assert await links.resolved(str(root / "project"), ["src"]) == {}
        finally:
            released.set()

    asyncio.run(scene())
