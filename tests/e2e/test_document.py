"""The document of a running server: what it tells of is there, and behind the token that it names."""

import pytest

from holdfast.apps.control.app import ALL, DOORS
from holdfast.apps.control.auth import IDENTITY_PATHS
from holdfast.apps.control.openapi import Token
from holdfast.testing.project import RunningProject


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with RunningProject(tmp_path_factory.mktemp("p")) as running:
        yield running


def test_every_verb_that_the_document_tells_of_is_served_and_asks_for_its_token(project):
    told = project.call("GET", "/openapi.json", token="").json["paths"]
    assert {(one.path, one.method.lower()) for one in (*ALL, *DOORS)} == {
        (path, method) for path, methods in told.items() for method in methods
    }
    for one in (*ALL, *DOORS):
        path = one.path.format(**{part.name: "none" for part in one.in_path})
        bare = one.method == "GET" or one.token in (Token.LINK, Token.SIGN_IN)
        body: object = None if bare else {}
        reply = project.call(one.method, path, body, token="hfs_" + "a" * 52)
        if one.token is Token.HOOKS:
            assert (reply.status, b"unauthenticated" in reply.body) == (200, True)
        elif one.token is not Token.NONE:
            assert reply.status in (401, 403), (one.path, reply.status)
        else:
            # No identity provider is configured here.
            assert reply.status != 404 or one.path in IDENTITY_PATHS, one.path


def test_the_page_for_people_is_served_beside_it(project):
    page = project.call("GET", "/docs", token="")
    assert (page.status, b"/v1/guard/decide" in page.body) == (200, True)
