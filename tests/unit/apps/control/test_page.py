"""The page for people says all that the document says, and runs nothing."""

import re
from html.parser import HTMLParser

from holdfast.apps.control import openapi
from holdfast.apps.control.app import ALL, DOORS
from holdfast.apps.control.page import page_of
from tests.control_house import House, served

DOCUMENT = openapi.document([*ALL, *DOORS], title="<Holdfast>", version="1", url="http://test")
PAGE = page_of(DOCUMENT)


def test_every_operation_and_every_shape_has_its_place_and_every_link_leads_somewhere():
    places = re.findall(r"id='?([\w-]+)", PAGE)
    assert len(places) == len(set(places))
    wanted = {one.name for one in (*ALL, *DOORS)}
    wanted |= {f"shape-{name}" for name in DOCUMENT["components"]["schemas"]}
    assert wanted <= set(places)
    assert set(re.findall(r"href='#([\w-]+)'", PAGE)) <= set(places)


def test_nothing_in_it_runs_or_is_loaded_and_what_is_written_is_escaped():
    tags = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on") or name == "src"]

    Reader().feed(PAGE)
    assert not tags & {"script", "img", "link", "iframe", "holdfast"}
    assert "&lt;Holdfast&gt;" in PAGE


def test_it_is_served_to_anybody_with_a_policy_that_allows_nothing():
    async def main(house: House):
        answer = await house.call("GET", "/docs", token="")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "/v1/guard/decide" in answer.text
        assert (await house.call("GET", "/openapi.json", token="")).json()["openapi"] == "3.1.0"

    served(main)


def test_a_refusal_is_a_problem_with_the_error_beside_it():
    async def main(house: House):
        answer = await house.call("GET", "/v1/sessions/ses_none")
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert (told["type"], told["status"]) == ("urn:holdfast:error:not_found", 404)
        assert told["title"] == "not found"
        assert told["detail"] == told["error"]["message"] == "no session `ses_none`"

    served(main)
