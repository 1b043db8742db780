"""The control API against its own document: any request, right or wrong, gets what it says.

Requests are generated from `/openapi.json` and sent through the whole app, admin token in hand.
Every operation must answer with a documented status in the documented shape, and never with 5xx.
"""

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks as openapi

from holdfast.apps.control.app import ALL
from holdfast.apps.control.auth import IDENTITY_PATHS, LINK_PATH
from holdfast.apps.control.openapi import Token
from tests.control_house import ADMIN, TWO_TENANTS, House

load_all_checks()
TAGS = sorted({one.tag for one in ALL})
HEADERS = {"authorization": f"Bearer {ADMIN}"}


@pytest.fixture(scope="module")
def house():
    return House(TWO_TENANTS)


@pytest.fixture(scope="module")
def opened(house):
    return [asyncio.run(house.opened(tenant="acme", project="shop"))[0] for _ in range(3)]


@pytest.fixture
def document(house, request):
    # Schemathesis wants to read and write it; this pytest keeps it elsewhere.
    request.node._nodeid = request.node.nodeid
    return schemathesis.openapi.from_asgi("/openapi.json", house.app)


# One test for all operations: each of its own would have the same name, of which several processes
# run one. And its requests are made when it runs, not by each process as it collects.
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@schemathesis.pytest.from_fixture("document").include(tag=TAGS).parametrize()
def test_every_operation_answers_as_documented(case, opened):
    named = case.path_parameters.get("session_id", "")
    if len(named) % 2:  # every other one is there
        case.path_parameters["session_id"] = opened[len(named) % len(opened)]
    answer = case.call(headers=HEADERS)
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            openapi.status_code_conformance,
            openapi.content_type_conformance,
            openapi.response_schema_conformance,
        ],
    )


@pytest.mark.parametrize("token", ["", "hfa_wrong", "hfs_" + "a" * 52])
def test_no_operation_lets_a_wrong_token_in(house, token):
    tried = [(one.method, one.path) for one in ALL if one.token is not Token.NONE]
    assert len(tried) >= 13
    for verb, path in tried:
        answer = asyncio.run(house.call(verb, path, token=token))
        # Of links that are none a few are looked at in a minute.
        refused = (401, 429) if path == LINK_PATH else (401,)
        assert answer.status_code in refused, (verb, path)


def test_what_asks_for_no_token_is_health_and_signing_in_with_an_identity_provider():
    open_to_all = {one.path for one in ALL if one.token is Token.NONE}
    assert open_to_all == {"/healthz", *IDENTITY_PATHS}
