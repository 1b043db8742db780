"""People sign in at a real identity provider: a browser, and a terminal."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from holdfast.testing.project import SETTINGS, RunningProject
from tests.browsing import Person, chromium
from tests.identity_provider import free_port, provider_at, sign_in_as

pytestmark = pytest.mark.part("chromium", "oidc-provider")
NAME = "<'&\">"
SECRET = "a secret / of tests & more"
SIGN_IN = "sign_in: {oidc: {issuer: 'http://127.0.0.1:%d', client_id: holdfast-secret, client_secret_env: OIDC_SECRET}}\n"


class House:
    """A project and its provider."""

    def __init__(self, project: RunningProject, issuer: str) -> None:
        self.project = project
        self.issuer = issuer

    def added(self, name: str, identity: str, **more) -> None:
        asked = {"name": name, "identity": identity} | more
        answer = self.project.call("POST", "/v1/operators", asked)
        assert answer.status == 200, answer.body
        assert answer.json["token"] == ""


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    port = free_port()
    settings = SETTINGS + SIGN_IN % port
    environment = {"OIDC_SECRET": SECRET}
    folder = tmp_path_factory.mktemp("sign-in")
    with RunningProject(folder, settings=settings, environment=environment) as project:
        redirect = f"{project.url}/console/sign-in/identity/done"
        with provider_at(port, redirect) as issuer:
            made = House(project, issuer)
            made.added("ann", "email:Ann@acme.example", role="approver", within=["acme"])
            made.added("odd", f"sub:{NAME}")
            made.added("unverified", "email:unverified@acme.example")
            yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def person(browser, house) -> Iterator[Person]:
    somebody = Person(browser, house.project)
    yield somebody
    assert somebody.leave() == []


def press(person: Person, house: House, place: str = "fleet") -> None:
    person.go(place)
    host = urlsplit(house.issuer).netloc
    person.page.get_by_role("button", name=f"Sign in with {host}").click()


def test_a_person_signs_in_with_the_identity_provider_and_out(person, house):
    press(person, house, "fleet?state=active")
    sign_in_as(person.page, "ann")
    expect(person.page.get_by_role("link", name="ann")).to_be_visible()
    expect(person.page).to_have_url(f"{house.project.url}/console/fleet?state=active")
    cookies = {one["name"]: one for one in person.context.cookies(house.project.url)}
    port = urlsplit(house.project.url).port
    assert cookies[f"holdfast_{port}"]["sameSite"] == "Strict"
    assert cookies[f"holdfast_{port}"]["httpOnly"] is True
    assert f"holdfast_{port}_identity" not in cookies
    person.page.get_by_role("button", name="Sign out").click()
    expect(person.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_person_whose_name_is_made_of_signs_signs_in(person, house):
    press(person, house)
    sign_in_as(person.page, NAME)
    expect(person.page.get_by_role("link", name="odd")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("eve", "`eve@acme.example` signed in at"),
        ("unverified", "does not say that this address is verified"),
    ],
)
def test_whom_nobody_added_is_told_so_by_name(person, house, name, said):
    press(person, house)
    sign_in_as(person.page, name)
    expect(person.page.get_by_role("alert")).to_contain_text(said)
    person.go("fleet")
    expect(person.page.get_by_role("heading", name="Sign in")).to_be_visible()
    records = house.project.call("GET", "/v1/audit/server?kind=auth.refused").json["records"]
    assert any(f"`{name}@acme.example`" in json.dumps(one) for one in records)


def test_a_person_who_was_removed_is_signed_out(person, house):
    house.added("gone", "email:gone@acme.example")
    press(person, house)
    sign_in_as(person.page, "gone")
    expect(person.page.get_by_role("link", name="gone")).to_be_visible()
    assert house.project.call("POST", "/v1/operators/gone/remove", {}).status == 200
    house.added("gone", "sub:another")
    person.go("fleet")
    expect(person.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_person_who_refuses_there_is_told_so_here(person, house):
    press(person, house)
    person.page.get_by_role("link", name="[ Cancel ]").click()
    expect(person.page.get_by_role("alert")).to_contain_text("access_denied")


def test_an_answer_that_this_browser_did_not_ask_for_signs_nobody_in(person, browser, house):
    """Whoever sends somebody their own answer would have them work as themselves."""
    attacker = Person(browser, house.project)
    press(attacker, house)
    own: Any = attacker.context.cookies()
    attacker.context.clear_cookies(name=f"holdfast_{urlsplit(house.project.url).port}_identity")
    sign_in_as(attacker.page, "ann")
    not_ours = "was not begun in this browser"
    expect(attacker.page.get_by_role("alert")).to_contain_text(not_ours)
    caught = attacker.page.url
    assert "code=" in caught
    evil = changed(caught, iss="https://evil.example")
    for place in (caught, changed(caught, state="x"), evil):
        person.page.goto(place)
        expect(person.page.get_by_role("alert")).to_contain_text(not_ours)
    attacker.context.add_cookies(own)
    attacker.page.goto(evil)
    expect(attacker.page.get_by_role("alert")).to_contain_text("another identity provider")
    # What was tried once is used up.
    attacker.context.add_cookies(own)
    attacker.page.goto(caught)
    expect(attacker.page.get_by_role("alert")).to_contain_text("was done already")
    attacker.context.close()


def changed(address: str, **values: str) -> str:
    parts = urlsplit(address)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()} | values
    return parts._replace(query=urlencode(query)).geturl()


@pytest.mark.parametrize(
    "place", ["https://evil.example/console/", "//evil.example/console/", "/other"]
)
def test_a_sign_in_ends_at_the_console_and_nowhere_else(person, house, place):
    person.page.goto(f"/console/sign-in?{urlencode({'next': place})}")
    host = urlsplit(house.issuer).netloc
    person.page.get_by_role("button", name=f"Sign in with {host}").click()
    sign_in_as(person.page, "ann")
    expect(person.page).to_have_url(f"{house.project.url}/console/fleet")


def test_a_person_who_came_by_another_name_goes_on_from_the_one_that_is_known(browser, house):
    somebody = Person(browser, house.project)
    other = house.project.url.replace("127.0.0.1", "localhost")
    somebody.page.goto(f"{other}/console/sign-in")
    somebody.page.get_by_role("button", name="Sign in with").click()
    expect(somebody.page).to_have_url(
        f"{house.project.url}/console/sign-in?next=%2Fconsole%2Ffleet"
    )
    assert somebody.leave() == []


def run(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast.apps.cli.main", *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"} | more,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def logged_in(person: Person, house: House, home: Path, name: str, *more: str):
    waiting = run(home, "login", "--url", house.project.url, *more)
    assert waiting.stderr is not None
    place = waiting.stderr.readline().removeprefix("open ").strip()
    person.page.goto(place)
    person.page.get_by_role("button", name="Continue").click()
    sign_in_as(person.page, name)
    expect(person.page.get_by_text("Sign-in Success")).to_be_visible()
    out, err = waiting.communicate(timeout=60)
    return waiting.returncode, out, err


def finished(house: House, home: Path, *arguments: str) -> tuple[int, str, str]:
    process = run(home, *arguments, HOLDFAST_URL=house.project.url)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_terminal_is_signed_in_as_an_operator_and_out(person, house, tmp_path):
    code, out, err = logged_in(person, house, tmp_path, "ann")
    assert (code, out) == (0, f"signed in at {house.project.url} as ann\n"), err
    kept = tmp_path / ".config" / "holdfast" / "sign-ins.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert finished(house, tmp_path, "sessions", "list", "--tenant", "acme")[0] == 0
    refused = finished(house, tmp_path, "operators", "add", "bob")
    assert refused[0] != 0
    assert "only the admin may" in refused[2]
    token = json.loads(kept.read_text())["servers"][house.project.url]["token"]
    assert finished(house, tmp_path, "logout", "--url", house.project.url)[0] == 0
    assert house.project.call("GET", "/v1/sessions", token=token).status == 401
    assert finished(house, tmp_path, "sessions", "list")[0] != 0


def test_a_developer_is_signed_in_as_the_holder_of_a_key_and_only_spends(person, house, tmp_path):
    asked = {
        "name": "dev", "agent": "desk", "budget": ["usd=5.00/day"], "tenant": "acme",
        "users": ["dev"], "identity": "email:dev@acme.example",
    }  # fmt: skip
    made = house.project.call("POST", "/v1/keys", asked)
    assert (made.status, made.json["token"]) == (200, ""), made.body
    code, out, err = logged_in(person, house, tmp_path, "dev")
    assert (code, out) == (0, f"signed in at {house.project.url} as key:dev\n"), err
    program = (
        "import asyncio, holdfast.client as c\n"
        "async def main():\n"
        "    async with c.connect() as client:\n"
        "        session = await client.sessions.open()\n"
        "        print(session.session_id)\n"
        "        await client.sessions.list()\n"
        "asyncio.run(main())\n"
    )
    environment = {"HOME": str(tmp_path), "HOLDFAST_URL": house.project.url}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert house.project.view(done.stdout.strip())["user"] == "dev", done.stderr
    assert "opens sessions, and does nothing else" in done.stderr
    # Commands of operators do not act as a key.
    assert "a token is needed" in finished(house, tmp_path, "sessions", "list")[2]
    house.project.call("POST", "/v1/keys/dev/revoke", {})
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "KeyEnded" in ended.stderr
    person.context.clear_cookies()
    assert logged_in(person, house, tmp_path, "dev")[0] != 0
