"""Users as identity providers name them: no two of them share an account, a policy entity or a row."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.cedar.entities import session
from holdfast.compose.config.load import parse_config
from holdfast.compose.config.resolve import resolve
from holdfast.errors import InvalidRequest
from holdfast.model.budgets import Scope
from holdfast.model.decisions import PolicyRequest
from holdfast.model.principals import Principal
from holdfast.model.users import user_fault
from holdfast.runtime.budgets import owners
from tests.control_house import House, served

TENANTS = st.text(string.ascii_letters + string.digits + "._@-", min_size=1, max_size=8)
USERS = st.text(
    st.sampled_from("ab/|@:=,+. é本-_*%\\\"'<>{}#\u200b\u0301\n"), min_size=1, max_size=10
).filter(lambda name: not user_fault(name))
NAMES = [
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "ann+ops@corp.example",
    "a/b@c",
    "CN=Ann Lee,OU=Ops,O=Example",
    "spiffe://corp.example/ns/prod/sa/desk",
    "S-1-5-21-397955417-626881126-188441444-500",
    "CORP\\ann",
    "田中太郎",
    "josé",
    "00u1a2b3c4D5E6F7g8h9",
    "arn:aws:iam::123456789012:user/ann",
]
BAD = ["", "*", " ann", "ann ", "a  b", "a\nb", "a\u200bb", "jose\u0301", "a\u202eb", "x" * 129]


def principal(tenant, user):
    return Principal(tenant=tenant, project="p", user=user, agent="a", session="s", task="s")


def entity(tenant, user):
    asked = PolicyRequest(
        tenant=tenant, project="p", user=user, agent="a", session="s", roles=(), trust="autonomous",
        action="t", resource="", input={}, task_id="", task={}, tenant_attributes={},
        resource_tags={}, risk="LOW", effect="read", tainted=False, at_ns=1,
    )  # fmt: skip
    return [one["id"] for one in session(asked)["parents"] if one["type"] == "User"]


@given(st.tuples(TENANTS, USERS), st.tuples(TENANTS, USERS))
def test_two_users_never_share_an_account_or_an_entity(one, other):
    same = one == other
    mine, theirs = owners(principal(*one)), owners(principal(*other))
    assert (mine[Scope.USER] == theirs[Scope.USER]) is same
    assert (entity(*one) == entity(*other)) is same


@given(TENANTS, USERS)
def test_an_account_is_read_back_as_the_tenant_and_the_user_that_it_was_made_of(tenant, user):
    assert owners(principal(tenant, user))[Scope.USER].split("/", 1) == [tenant, user]


CONFIG = parse_config(b"version: 1\nagents: {a: {model: m}}\n", Path("holdfast.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_names_of_identity_providers_are_taken_as_they_are(name):
    assert resolve(CONFIG, agent="a", user=name).user == name


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_could_pass_for_another_is_refused(name):
    with pytest.raises(InvalidRequest):
        resolve(CONFIG, agent="a", user=name)


@pytest.mark.parametrize("name", NAMES)
def test_their_sessions_budgets_and_journal_are_found_by_name(name):
    async def main(house: House):
        session_id, _ = await house.opened(user=name)
        shown = await house.get("/v1/budgets", scope="user", owner=f"default/{name}")
        assert {one["owner"] for one in shown["accounts"]} == {f"default/{name}"}
        change = {
            "scope": "user", "owner": f"default/{name}", "dimension": "usd", "window": "day",
            "limit": 7, "reason": "r",
        }  # fmt: skip
        assert (await house.call("PUT", "/v1/budgets", change)).status_code == 200
        listed = await house.get("/v1/sessions", user=name)
        assert [one["session_id"] for one in listed["sessions"]] == [session_id]
        records = await house.get("/v1/records", user=name)
        assert {one["user"] for one in records["records"]} == {name}

    served(main)


def test_roles_are_given_to_a_user_by_that_name():
    text = b'version: 1\nagents: {a: {model: m}}\ntenants: {t: {users: {"auth0|ann/x": {roles: [r]}}}}\n'
    config = parse_config(text, Path("holdfast.yaml"))
    assert resolve(config, agent="a", user="auth0|ann/x").roles == ("r",)
