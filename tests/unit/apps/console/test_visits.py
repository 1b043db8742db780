"""Signing in and out, forms, and what refuses to be a page of somebody's: over the real API."""

import re

import pytest

from holdfast.apps.console.visits import own_place
from tests.visiting import COOKIE, URL, Browser, visited


@pytest.fixture
def browsing(tmp_path):
    return lambda main: visited(tmp_path, main)


def test_a_link_signs_one_browser_in_once(browsing):
    async def main(browser: Browser) -> None:
        code = browser.code()
        asked = await browser.http.get(f"/console/sign-in?code={code}")
        assert code in asked.text
        first = await browser.http.post("/console/sign-in", data={"code": code, "next": ""})
        assert first.status_code == 303
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await browser.http.get("/console/fleet")).status_code == 200
        browser.http.cookies.clear()
        again = await browser.http.post("/console/sign-in", data={"code": code, "next": ""})
        assert again.status_code == 401
        assert "holdfast console link" in again.text

    browsing(main)


def test_a_whole_link_that_was_pasted_signs_in_too(browsing):
    async def main(browser: Browser) -> None:
        link = f"  {URL}/console/sign-in?code={browser.code()} \n"
        assert (await browser.sign_in(code=link)).status_code == 303

    browsing(main)


def test_links_that_are_none_are_slowed(browsing):
    async def main(browser: Browser) -> None:
        for _ in range(10):
            assert (await browser.sign_in(code="hfl_wrong")).status_code == 401
        assert (await browser.sign_in()).status_code == 429
        browser.house.clock.at_ns += 61_000_000_000
        assert (await browser.sign_in()).status_code == 303

    browsing(main)


def test_no_page_but_those_for_signing_in_is_shown_to_a_stranger(browsing):
    async def main(browser: Browser) -> None:
        for path in ("fleet", "fleet/changes", "sign-ins"):
            found = await browser.http.get(f"/console/{path}")
            assert found.status_code == 303, path
            assert found.headers["location"].startswith("/console/sign-in?next=")
        for path in ("fleet/act", "fleet/confirm", "sign-out", "sign-ins/end"):
            found = await browser.http.post(f"/console/{path}", data={"csrf": "x"})
            assert found.headers["location"] == "/console/sign-in"
        part = await browser.http.get("/console/fleet", headers={"hx-request": "true"})
        assert part.headers["hx-redirect"] == "/console/sign-in"

    browsing(main)


def test_a_link_of_another_site_comes_again_from_this_one(browsing):
    async def main(browser: Browser) -> None:
        elsewhere = {"sec-fetch-site": "cross-site"}
        found = await browser.http.get('/console/fleet?words="><b>', headers=elsewhere)
        assert found.status_code == 200
        assert 'content="0;url=/console/fleet?words=%22%3E%3Cb%3E"' in found.text

    browsing(main)


@pytest.mark.parametrize("csrf", ["", "0" * 64, "\N{SNOWMAN}"])
def test_a_form_of_another_sign_in_does_nothing(browsing, csrf):
    async def main(browser: Browser) -> None:
        session_id, _ = await browser.house.opened()
        await browser.sign_in()
        given = {"act": "kill", "session": session_id, "reason": "x", "csrf": csrf}
        found = await browser.post("fleet/act", **given)
        assert found.status_code == 403
        assert browser.house.live(session_id).session.state == "active"

    browsing(main)


def test_who_signs_out_is_out_at_once_and_can_end_other_browsers(browsing):
    async def main(browser: Browser) -> None:
        await browser.sign_in()
        other = browser.sign_ins.open(browser.code(), browser.house.clock.now_ns())
        page = await browser.http.get("/console/sign-ins")
        assert other.sign_in.sign_in_id in page.text
        assert "this browser" in page.text
        await browser.post("sign-ins/end", sign_in=other.sign_in.sign_in_id)
        page = await browser.http.get("/console/sign-ins")
        assert other.sign_in.sign_in_id not in page.text
        token = browser.http.cookies[COOKIE]
        await browser.post("sign-out")
        browser.http.cookies.set(COOKIE, token)
        assert (await browser.http.get("/console/fleet")).status_code == 303

    browsing(main)


def test_what_an_operator_does_here_is_journalled_with_their_name(browsing):
    async def acts(browser: Browser) -> None:
        session_id, _ = await browser.house.opened()
        await browser.sign_in("kim")
        found = await browser.post(
            "fleet/act", act="kill", session=session_id, reason="it <b>loops</b>"
        )
        assert "1 of 1 killed" in found.text
        records = await browser.house.get("/v1/records", session=session_id)
        acted = [r for r in records["records"] if r["kind"] == "admin.acted"][-1]
        assert acted["body"]["by"] == "kim"
        assert acted["body"]["reason"] == "console: it <b>loops</b>"

    browsing(acts)


def test_many_are_killed_only_when_their_number_was_typed(browsing):
    async def main(browser: Browser) -> None:
        names = [(await browser.house.opened())[0] for _ in range(3)]
        await browser.sign_in()
        asked = await browser.post("fleet/confirm", act="kill", all="1")
        assert "Kill 3 sessions?" in asked.text
        assert "kill 3" in asked.text
        wrong = await browser.post("fleet/act", act="kill", all="1", reason="x", typed="kill")
        assert wrong.status_code == 422
        assert all(browser.house.live(name).session.state == "active" for name in names)
        done = await browser.post("fleet/act", act="kill", all="1", reason="x", typed="Kill 3")
        assert "3 of 3 killed" in done.text
        assert all(browser.house.live(name).session.state == "killed" for name in names)

    browsing(main)


def test_one_that_cannot_be_paused_is_named_and_the_others_are(browsing):
    async def main(browser: Browser) -> None:
        one, other = [(await browser.house.opened())[0] for _ in range(2)]
        await browser.sign_in()
        await browser.post("fleet/act", act="kill", session=one, reason="x")
        given = {"act": "pause", "session": [one, other], "reason": "x", "typed": "pause 2"}
        done = await browser.post("fleet/act", **given)
        assert "1 of 2 paused" in done.text
        assert "cannot be told to pause" in done.text

    browsing(main)


def test_an_act_without_a_session_a_verb_or_a_reason_is_said_and_not_done(browsing):
    async def main(browser: Browser) -> None:
        session_id, _ = await browser.house.opened()
        await browser.sign_in()
        assert (await browser.post("fleet/confirm", act="kill")).status_code == 400
        found = await browser.post("fleet/confirm", act="purge", session=session_id)
        assert found.status_code == 400
        found = await browser.post("fleet/act", act="kill", session=session_id, reason="  ")
        assert found.status_code == 422
        gone = await browser.post("fleet/confirm", act="kill", session="ses_none")
        assert gone.status_code == 404

    browsing(main)


@pytest.mark.parametrize(
    "place",
    [
        *("https://evil.example/console/", "//evil.example/console/x", "/console/../v1/x", "x"),
        *("/console/\\evil", "/v1/sessions", "", "javascript:alert(1)", "/console/a\r\nb"),
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(place):
    assert own_place(place) == "/console/fleet"


def test_who_wanted_a_page_gets_it_after_signing_in(browsing):
    async def main(browser: Browser) -> None:
        found = await browser.http.get("/console/fleet?words=ann&states=over")
        asked = await browser.http.get(found.headers["location"])
        place = re.search(r'name="next" value="([^"]+)"', asked.text)
        assert place is not None
        wanted = place[1].replace("&amp;", "&")
        back = await browser.sign_in(next=wanted)
        assert back.headers["location"] == "/console/fleet?words=ann&states=over"

    browsing(main)
