"""The console in a real browser over real work: a session's story, a question and its answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browsing import Person, chromium
from tests.promises.doors import DONE, Runs, Work, call
from tests.promises.house import House, fresh, until

pytestmark = pytest.mark.part("chromium")
NAME = "<'&\">"


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("console"), answers=False) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def cookies(browser, house) -> Any:
    """A browser's cookies after signing in as the admin."""
    first = Person(browser, house.project).sign_in()
    kept = first.context.storage_state()
    assert first.leave() == []
    return kept


@pytest.fixture
def person(browser, house, cookies) -> Iterator[Person]:
    """Somebody who is signed in; no page may make their browser complain."""
    made = Person(browser, house.project, storage_state=cookies)
    yield made
    assert made.leave() == []


def asking(house: House, order: str) -> Work:
    """A durable run that looks something up, and waits to close an account."""
    work = Runs(house).begin(
        call("look", order),
        call("close_account", order),
        DONE,
        user=NAME,
        words="Look it up, then close it.",
    )
    assert until(lambda: house.questions(work.session_id), 30), work.said
    return work


def test_a_question_is_seen_as_it_comes_and_the_call_runs_on_its_answer(house, person):
    page, order = person.go("approvals"), "4711"
    work = asking(house, order)
    [question] = house.questions(work.session_id)
    row = page.locator(f"tr[id='{question['approval_id']}']")
    expect(row).to_contain_text("close_account", timeout=3_000)
    expect(row).to_contain_text(NAME)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="May close_account run?")).to_be_visible()
    expect(page.locator("pre.whole")).to_have_text(order)
    expect(page.get_by_text(question["digest"])).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 760})
    person.picture("approval", house.folder)
    assert work.acts("close_account", order) == []
    page.get_by_label("Note").fill("looked at <b>")
    page.get_by_role("button", name="Approve this call, once").click()
    expect(page.locator("#stands")).to_contain_text("the call ran", timeout=10_000)
    work.wait()
    assert len(work.acts("close_account", order)) == 1
    expect(page.get_by_text("looked at <b>")).to_be_visible()


def test_a_session_is_read_as_one_story_that_grows_and_stays_unfolded(house, person):
    order = fresh("order")
    work = asking(house, order)
    page = person.go(f"sessions/{work.session_id}")
    closed = page.locator("details", has_text="close_account")
    closed.locator("summary").click()
    page.get_by_role("link", name="waits for a person").click()
    page.get_by_role("button", name="Approve this call, once").click()
    page.go_back()
    page.go_back()
    expect(page.locator(".step.wrote").last).to_contain_text("done", timeout=10_000)
    work.wait()
    closed.locator("summary").click()
    expect(closed).to_contain_text(order)
    expect(closed).to_contain_text("nobody can undo it")
    expect(page.get_by_text("admin approved `close_account`")).to_be_visible()
    expect(page.locator("svg.curve")).to_be_visible()


def test_an_unfolded_step_stays_so_when_something_happens(house, person):
    work = asking(house, fresh("order"))
    page = person.go(f"sessions/{work.session_id}")
    closed = page.locator("details", has_text="close_account")
    closed.locator("summary").click()
    house.project.call("POST", f"/v1/sessions/{work.session_id}/pause", {"reason": "a look"})
    expect(page.locator("h1")).to_contain_text("paused", timeout=3_000)
    expect(closed).to_have_attribute("open", "")
    page.get_by_role("button", name="Kill").click()
    person.say_why("enough")
    page.get_by_role("button", name="Kill").click()
    page.get_by_role("link", name="To the session").click()
    expect(page.locator("h1")).to_contain_text("killed")
    expect(page.locator(".note")).to_have_text("Killed: console: enough")


def test_without_a_script_on_a_phone_a_question_is_denied_and_the_call_never_runs(
    browser, house, cookies
):
    order = fresh("order")
    work = asking(house, order)
    phone = {"viewport": {"width": 390, "height": 844}, "java_script_enabled": False}
    person = Person(browser, house.project, storage_state=cookies, **phone)
    page = person.go("approvals")
    [question] = house.questions(work.session_id)
    page.locator(f"tr[id='{question['approval_id']}'] a.open").click()
    page.get_by_label("Note").fill("not today")
    page.get_by_role("button", name="Deny").click()
    expect(page.locator("#stands")).to_contain_text("denied by admin")
    work.wait()
    assert work.acts("close_account", order) == []
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    person.leave()


def test_an_answer_is_for_what_was_shown_and_for_nothing_else(house, person):
    order = fresh("order")
    work = asking(house, order)
    [question] = house.questions(work.session_id)
    page = person.go(f"approvals/{question['approval_id']}")
    page.evaluate("document.querySelector('[name=digest]').value = 'sha256:' + '0'.repeat(64)")
    page.get_by_role("button", name="Approve this call, once").click()
    expect(page.get_by_role("heading", name="That was not done")).to_be_visible()
    [after] = house.questions(work.session_id)
    assert after["state"] == "pending"
    assert work.acts("close_account", order) == []


def test_what_hides_in_arguments_is_seen_where_it_is_answered(house, person):
    order = f"{fresh('o')}\u202egnp.exe \u0440aypal {'a' * 30}"
    work = asking(house, order)
    [question] = house.questions(work.session_id)
    page = person.go(f"approvals/{question['approval_id']}")
    expect(page.locator("pre.whole")).to_contain_text("⟨U+202E⟩gnp.exe")
    expect(page.get_by_text("mixes alphabets: CYRILLIC SMALL LETTER ER")).to_be_visible()
    for place in (
        f"approvals/{question['approval_id']}",
        "approvals",
        f"sessions/{work.session_id}",
    ):
        person.go(place)
        for scheme, width in (("light", 1280), ("dark", 390)):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": 844})
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, place


def test_a_run_that_waits_is_found_and_ended_with_a_reason(house, person):
    work = asking(house, fresh("order"))
    page = person.go("runs?show=all")
    row = page.locator(f"tr[id='{work.run_id}']")
    expect(row).to_contain_text(NAME)
    row.locator("a.open").click()
    expect(page.get_by_text("Look it up, then close it.")).to_be_visible()
    page.get_by_label("Why?").fill("no longer wanted")
    page.get_by_role("button", name="End it for good").click()
    expect(page.locator("h1")).to_contain_text("cancelled")
    expect(page.locator(".note")).to_contain_text("no longer wanted")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
