"""Templates: what may stand in one, and which of them a request gets."""

import asyncio
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from starlette.requests import Request

import holdfast.apps.console
from holdfast.apps.console.pages import Page, drawn, environment, render, wants_fragment

TEMPLATES = Path(holdfast.apps.console.__file__).parent / "templates"
ALL = sorted(TEMPLATES.rglob("*.html"))


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_a_template_has_no_script_style_or_htmx_of_its_own(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|\|\s*safe", text)
    assert "<script" not in text or path.name == "frame.html"
    if path.name != "macros.html":
        assert not re.search(r"\s(hx|sse|data-hx)-[\w-]+=", text)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_values_that_come_back_with_a_form_are_exact(path):
    values = re.findall(r'\svalue="\{\{([^}]*)\}\}"', path.read_text(encoding="utf-8"))
    assert [value for value in values if not value.strip().endswith("|exact")] == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(TEMPLATES).as_posix())
def test_every_form_that_acts_carries_the_word_of_the_sign_in(path):
    text = path.read_text(encoding="utf-8")
    for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
        assert "csrf_field" in form or "/console/sign-in" in form


def test_every_template_compiles_and_escapes():
    made = environment()
    for path in ALL:
        made.get_template(path.relative_to(TEMPLATES).as_posix())
    assert made.autoescape is True


def test_a_name_that_nobody_set_is_a_fault_and_no_empty_place():
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nobody }}").render()


def test_a_part_is_for_a_script_alone_and_a_page_out_of_the_history_is_whole():
    assert not wants_fragment(request())
    assert wants_fragment(request(hx_request="true"))
    assert not wants_fragment(request(hx_request="true", hx_history_restore_request="true"))


def test_one_render_picks_page_or_part():
    page = Page("error", {"me": None, "noun": "", "text": "no <room>", "code": "conflict"})

    async def both() -> tuple[bytes, bytes]:
        whole = await render(request(), page)
        part = await render(request(hx_request="true"), page)
        assert whole.headers["vary"] == part.headers["vary"] == "hx-request"
        return bytes(whole.body), bytes(part.body)

    whole, part = asyncio.run(both())
    assert b"<html" in whole
    assert b"<html" not in part
    assert b"no &lt;room&gt;" in whole
    assert b"no &lt;room&gt;" in part


def test_a_text_is_drawn_beside_the_loop():
    values = {"me": None, "noun": "", "text": "x", "code": "y"}
    assert "<h1>" in asyncio.run(drawn("error", "page", values))
