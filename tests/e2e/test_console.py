"""The console in a real browser: signing in, finding sessions, holding them, without a script too."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from holdfast.testing.project import Opened, RunningProject
from tests.browsing import Person, chromium
from tests.served import Reader, ask, body

pytestmark = pytest.mark.part("chromium")
NAME = "<'&\">"
SETTINGS = """\
version: 1
policies: policies
upstreams:
  anthropic: {base_url: "$MODEL_URL", api_key_env: SCRIPTED_UPSTREAM_KEY}
defaults:
  limits: {session: {usd: 0.50}}
tenants:
  acme: {projects: {support: {}}, users: {"*": {roles: [support]}}}
tasks:
  refunds: {description: Refund an order.}
  triage: {description: Sort what came in.}
agents:
  desk: {model: claude-opus-5-5, tools: [Bash, Read, lookup]}
  triage: {model: claude-opus-5-5, tools: [Bash, Read, lookup]}
tools:
  lookup:
    description: >-
      What: looks up one order of the shop. When: somebody asks about that order.
      Side effects: none.
    effect: read
    risk: LOW
    risk_reason: it reads one row
    input_schema:
      type: object
      properties: {order: {type: string}}
      required: [order]
      additionalProperties: false
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("console"), settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def cookies(browser, project) -> Any:
    """A browser's cookies after signing in as the admin, for all who need no sign-in of their own."""
    first = Person(browser, project).sign_in()
    kept = first.context.storage_state()
    assert first.leave() == []
    return kept


@pytest.fixture
def person(browser, project, cookies) -> Iterator[Person]:
    """Somebody who is signed in as the admin; no page may make their browser complain."""
    made = Person(browser, project, storage_state=cookies)
    yield made
    assert made.leave() == []


def opened(project: RunningProject, user: str, agent: str = "desk", task: str = "") -> Opened:
    asked = {"agent": agent, "user": user} | ({"task": task} if task else {})
    made = project.call("POST", "/v1/sessions", asked)
    assert made.status == 200, made.body
    return Opened(made.json["session"]["session_id"], made.json["token"], made.json["plan"])


def state_of(project: RunningProject, session: Opened) -> str:
    found = project.call("GET", f"/v1/sessions/{session.session_id}")
    return str(found.json["state"])


def test_a_stranger_is_asked_to_sign_in_and_comes_to_what_they_wanted(browser, project):
    person = Person(browser, project)
    person.go("fleet?words=refunds")
    expect(person.page.get_by_text("holdfast console link")).to_be_visible()
    link = project.call("POST", "/v1/sign-ins/links").json["url"]
    person.page.get_by_label("paste the link").fill(link)
    person.page.get_by_role("button", name="Sign in").click()
    expect(person.page).to_have_url(re.compile(r"/console/fleet\?words=refunds$"))
    assert person.leave() == []


def test_who_signed_out_sees_nothing_by_going_back_and_needs_another_link(browser, project):
    person = Person(browser, project).sign_in()
    page = person.page
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(person.link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("holdfast console link")
    assert person.leave() == []


def test_a_browser_ended_by_another_is_out_with_its_next_step(browser, project, person):
    other = Person(browser, project).sign_in()
    page = person.go("sign-ins")
    # Latest first: under the column's names.
    page.get_by_role("row").nth(1).get_by_role("button", name="Sign out").click()
    other.go("fleet")
    expect(other.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert other.leave() == []


def test_a_change_is_seen_without_a_reload_and_what_was_chosen_stays(project, person):
    one, two = opened(project, NAME), opened(project, "ann", task="refunds/4711")
    person.go("fleet")
    person.choose(one.session_id)
    expect(person.page.locator("#chosen")).to_have_text("1 chosen")
    project.call("POST", f"/v1/sessions/{two.session_id}/pause", {"reason": "x"})
    expect(person.row(two.session_id)).to_contain_text("paused", timeout=2_000)
    expect(person.row(one.session_id).get_by_role("checkbox")).to_be_checked()
    three = opened(project, "late")
    expect(person.row(three.session_id)).to_be_visible(timeout=2_000)
    expect(person.row(one.session_id)).to_contain_text(NAME)
    expect(person.page.locator("#chosen")).to_have_text("1 chosen")


def test_money_and_what_streams_are_seen_while_an_answer_comes(project, person):
    session = opened(project, "mia")
    person.go("fleet?words=mia")
    turn = {"words": 400, "pacing": {"event_interval_ms": 20}}
    reader = Reader(project, session, body(turn, stream=True))
    expect(person.row(session.session_id)).to_contain_text("streaming", timeout=8_000)
    reader.whole()
    expect(person.row(session.session_id)).to_contain_text("model answered", timeout=3_000)
    expect(person.row(session.session_id)).not_to_contain_text("$0.00 ")


def test_somebody_finds_what_they_look_for_as_they_type_and_goes_back(project, person):
    wanted, other = opened(project, "needle", task="triage/7"), opened(project, "hay")
    page = person.go("fleet")
    page.keyboard.press("/")
    page.keyboard.type("user:needle")
    expect(person.row(other.session_id)).to_have_count(0)
    expect(person.row(wanted.session_id)).to_be_visible()
    expect(page).to_have_url(re.compile(r"words=user%3Aneedle"))
    page.get_by_role("searchbox").fill("nobody-of-this-name")
    expect(page.get_by_text("No session matches")).to_be_visible()
    page.goto("/console/fleet")
    page.get_by_role("link", name="User").click()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("User")


def test_one_is_killed_with_a_reason_by_keys_alone(project, person):
    session = opened(project, "by-key")
    page = person.go("fleet?words=by-key")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("Shift+K")
    expect(page.get_by_role("heading", name="Kill this session?")).to_be_visible()
    page.keyboard.type("it loops <b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 of 1 killed")).to_be_visible()
    expect(page.get_by_text("“it loops <b>”")).to_be_visible()
    assert state_of(project, session) == "killed"


def test_many_are_paused_only_after_their_number_was_typed(project, person):
    sessions = [opened(project, "crowd") for _ in range(3)]
    page = person.go("fleet?words=crowd")
    page.get_by_label("All 3 that match").check()
    person.press("Pause")
    person.say_why("closing time", "pause 2")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("alert")).to_contain_text("pause 3")
    assert {state_of(project, one) for one in sessions} == {"active"}
    person.say_why("closing time", "pause 3")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="3 of 3 paused")).to_be_visible()
    assert {state_of(project, one) for one in sessions} == {"paused"}


def test_without_a_script_one_signs_in_reads_finds_pauses_and_kills(browser, project):
    first, second = opened(project, "plain"), opened(project, "plain")
    person = Person(browser, project, java_script_enabled=False).sign_in()
    page = person.page
    page.get_by_role("searchbox").fill("plain")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#sessions tbody tr")).to_have_count(2)
    person.choose(first.session_id)
    person.press("Pause")
    person.say_why("lunch")
    page.get_by_role("button", name="Pause").click()
    assert (state_of(project, first), state_of(project, second)) == ("paused", "active")
    person.go("fleet?words=plain")
    person.choose(first.session_id, second.session_id)
    person.press("Kill")
    person.say_why("over", "kill 2")
    page.get_by_role("button", name="Kill").click()
    assert (state_of(project, first), state_of(project, second)) == ("killed", "killed")
    person.leave()


def test_an_operator_is_who_acts_and_may_no_more_than_with_their_token(browser, project):
    token = project.call("POST", "/v1/operators", {"name": "kim"}).json["token"]
    session = opened(project, "kim")
    project.call("POST", f"/v1/sessions/{session.session_id}/pause", {"reason": "x"})
    person = Person(browser, project).sign_in(token)
    page = person.go("fleet?words=user:kim")
    expect(page.get_by_role("link", name="kim", exact=True)).to_be_visible()
    person.choose(session.session_id)
    person.press("Resume")
    person.say_why("I want to go on")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert state_of(project, session) == "paused"
    assert person.leave() == []


def test_who_spends_what_is_seen_beside_its_cap(project, person):
    session = opened(project, "spender")
    ask(project, session, body({"text": "word " * 900}))
    page = person.go("budgets")
    expect(page.get_by_role("heading", name="Budgets")).to_be_visible()
    page.get_by_label("Whose").select_option(label="Sessions")
    row = page.locator("tr", has_text=session.session_id).first
    expect(row).to_contain_text("money")
    expect(row).to_contain_text("$0.50")
    expect(row.get_by_role("img")).to_have_accessible_name(re.compile(r"\d+ % of its cap"))
    row.get_by_role("link").click()
    expect(page.locator("h1")).to_contain_text("desk")


def test_the_journal_is_asked_as_one_would_ask_a_person(project, person):
    session = opened(project, NAME, task="refunds/asked")
    page = person.go("audit")
    page.get_by_label("User").fill(NAME)
    page.get_by_label("When").fill("today")
    page.get_by_role("button", name="Ask").click()
    line = page.locator("li", has_text="refunds/asked")
    expect(line).to_contain_text("was opened")
    line.get_by_role("link").click()
    expect(page.get_by_text(session.session_id).first).to_be_visible()
    person.go("audit?user=ann&at=when+pigs+fly")
    expect(page.get_by_role("alert")).to_contain_text("when pigs fly")


def test_a_key_is_seen_with_what_it_spent_and_taken_back(project, person):
    asked = {"name": "ci", "agent": "desk", "budget": ["usd=1.00"], "users": [NAME]}
    made = project.call("POST", "/v1/keys", asked)
    assert made.status == 200, made.body
    page = person.go("keys")
    expect(page.get_by_role("row", name="ci")).to_contain_text(NAME)
    page.get_by_role("link", name="ci").click()
    page.get_by_label("Why").fill("it leaked")
    page.get_by_role("button", name="Revoke this key").click()
    expect(page.locator("h1")).to_contain_text("revoked")
    assert project.call("GET", "/v1/keys/ci").json["state"] == "revoked"


def test_the_server_tells_how_it_is(project, person):
    page = person.go("health")
    expect(page.locator("h1")).to_contain_text("ok")
    expect(page.get_by_text("anthropic").first).to_be_visible()
    expect(page.get_by_text("the server started").first).to_be_visible()


def test_a_page_of_another_site_can_neither_frame_nor_drive_the_console(browser, project, person):
    session = opened(project, "far")
    form = (
        f"<form method=post action='{project.url}/console/fleet/act'>"
        f"<input name=act value=kill><input name=session value={session.session_id}>"
        "<input name=reason value=x></form>"
        f"<iframe src='{project.url}/console/fleet'></iframe>"
    )
    stranger = person.context.new_page()
    stranger.route(
        "http://evil.example/", lambda route: route.fulfill(body=form, content_type="text/html")
    )
    stranger.goto("http://evil.example/")
    stranger.evaluate("document.forms[0].submit()")
    expect(stranger.locator("body")).to_contain_text("another site")
    assert state_of(project, session) == "active"


@pytest.mark.parametrize("place", ["fleet?words=readable", "sign-ins", "budgets", "keys", "health"])
def test_a_page_is_readable_for_everybody_in_light_and_dark_and_on_a_phone(project, person, place):
    opened(project, "readable")
    page = person.go(place)
    for scheme, width in (("light", 1280), ("dark", 390)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 844})
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


SHOWN = (
    ("ann", "desk", 4, 1500),
    ("Zoë Müller", "triage", 3, 3500),
    (NAME, "desk", 2, 100),
    ("bob.lee", "desk", 10, 3900),
    ("marta@acme.example", "triage", 3, 1200),
    ("kofi", "desk", 8, 3000),
    ("ann", "triage", 0, 0),
    ("Ólafur", "desk", 5, 2200),
)
"""Users, agents, and answers of so many words."""


def test_the_fleet_has_its_picture(project, person, tmp_path):
    sessions = [
        opened(project, user, agent, f"refunds/70{number}")
        for number, (user, agent, _, _) in enumerate(SHOWN)
    ]
    for session, (_, _, answers, words) in zip(sessions, SHOWN, strict=True):
        for _ in range(answers):
            ask(project, session, body({"text": "word " * words}))
    project.call("POST", f"/v1/sessions/{sessions[-1].session_id}/pause", {"reason": "a look"})
    page = person.go("fleet?words=task:refunds/70&sort=used")
    expect(page.locator("#sessions tbody tr")).to_have_count(len(SHOWN))
    page.set_viewport_size({"width": 1280, "height": 520})
    person.picture("fleet", tmp_path)
