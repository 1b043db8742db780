"""Every command, program and file on the pages is true: it is run as a reader would run it."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.testing.scripted_model import Script
from holdfast.testing.scripted_model.script import load_script
from tests.docs.examples import (
    DATABASE_URL,
    EXECUTABLE,
    Walk,
    blocks_of,
    loosely,
    pattern_of,
    steps_of,
)
from tests.postgres import PostgresServer
from tests.tidy.repository import ROOT, shown

SCRIPT = Path(__file__).with_name("script.yaml")
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-governed-agent.md"
WALKED = [TUTORIAL, *sorted((ROOT / "docs" / "howto").glob("*.md"))]
PAGES = [README, *WALKED]
LINKED = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def walk_through(page: Path, folder: Path, script: Script, postgres: PostgresServer) -> None:
    """Do all that a page says, as a reader would."""
    needs_one = DATABASE_URL in page.read_text(encoding="utf-8")
    database_url = postgres.new_database() if needs_one else ""
    with Walk(folder, script, database_url) as walk:
        try:
            for block in blocks_of(page):
                if block.language in EXECUTABLE:
                    walk.take(block)
            walk.finish()
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{walk.heard()}") from None


@pytest.fixture(scope="module")
def walks(tmp_path_factory, postgres) -> Iterator[dict[Path, Future[None]]]:
    """Two pages at a time: most of a walk is waiting for processes to start."""
    script = load_script(SCRIPT)
    with ThreadPoolExecutor(max_workers=2) as walkers:
        yield {
            page: walkers.submit(
                walk_through, page, tmp_path_factory.mktemp("walk"), script, postgres
            )
            for page in WALKED
        }
        walkers.shutdown(cancel_futures=True)


@pytest.mark.part("bash")
@pytest.mark.parametrize("page", WALKED, ids=[page.stem for page in WALKED])
def test_everything_on_the_page_happens_as_it_says(page, walks):
    walks[page].result()


@pytest.mark.parametrize("page", PAGES, ids=[shown(page) for page in PAGES])
def test_every_block_says_whether_it_is_run(page):
    for block in blocks_of(page):
        if block.language in EXECUTABLE:
            assert re.match(r"file=\S+$|run\b|shown: \S", block.mode), block


def test_the_readme_shows_the_program_that_the_tutorial_runs():
    program = [block.text for block in blocks_of(README) if block.language == "python"]
    assert program == [block.text for block in blocks_of(TUTORIAL) if block.mode == "file=agent.py"]


def test_every_make_target_on_a_page_exists():
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    for page in PAGES:
        named = re.findall(
            r"(?:^\$ |`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert set(named) <= set(targets), shown(page)


@pytest.mark.parametrize("page", LINKED, ids=[shown(page) for page in LINKED])
def test_every_link_to_a_file_finds_it(page):
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    # What stands between backticks is code: a pattern there may look like a link.
    text = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", text):
        assert (page.parent / target).exists(), target


def test_what_a_page_shows_must_be_said():
    said = "a  b\nsomething\n3 of 3 cases\n"
    assert pattern_of("a b\n…\n… of 3 cases\n").fullmatch(said.replace("  ", " "))
    assert not pattern_of("a b\n3 of 3 cases\n").fullmatch("a b\nsomething\n3 of 3 cases\n")
    assert not pattern_of("a b\n").fullmatch("a c\n")
    assert loosely("a b\n3 of 3 cases\n").fullmatch("a b\nsomething\n3 of 3 cases\n")
    assert not loosely("3 of 3 cases\na b\n").fullmatch("a b\nsomething\n3 of 3 cases\n")


def test_a_console_block_is_split_at_its_prompts():
    first, second = steps_of("$ ls\na\nb\n$ echo $?\n0\n")
    assert (first.command, first.said) == ("ls", "a\nb\n")
    assert (second.command, second.said) == ("echo $?", "0\n")
