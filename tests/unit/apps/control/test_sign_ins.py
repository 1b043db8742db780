"""`/v1/sign-ins` and the file behind it: links, browsers, and when each is over."""

import dataclasses
import json
from pathlib import Path

import pytest

from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.apps.control.private_file import read_private
from holdfast.apps.control.sign_in_file import FILE, IDLE_S, LIFE_S, LINK_S, SignIns
from holdfast.errors import ConfigInvalid, NotFound, RateLimited, Unauthenticated
from tests.control_house import ADMIN, House, served

S = 1_000_000_000


class Credentials(dict[str, str]):
    """Digests of the tokens of operators."""

    def of(self, name: str) -> str:
        return self.get(name, "")


@pytest.fixture
def known() -> Credentials:
    return Credentials(admin="one", kim="two")


@pytest.fixture
def sign_ins(tmp_path, known) -> SignIns:
    return SignIns(tmp_path, known.of)


def digest_of(token: str) -> str:
    import hashlib

    return hashlib.sha256(token.encode()).hexdigest()


def test_a_link_is_used_up_and_its_token_is_the_operators(sign_ins):
    code, until_ns = sign_ins.link("kim", 0)
    assert until_ns == LINK_S * S
    opened = sign_ins.open(code, 1)
    assert opened.sign_in.operator == "kim"
    found = sign_ins.of_digest(digest_of(opened.token), 2)
    assert found is not None
    assert found.sign_in_id == opened.sign_in.sign_in_id
    with pytest.raises(Unauthenticated):
        sign_ins.open(code, 3)


def test_a_link_is_dead_when_its_time_is_over(sign_ins):
    code, until_ns = sign_ins.link("kim", 0)
    with pytest.raises(Unauthenticated):
        sign_ins.open(code, until_ns)


def test_a_sign_in_ends_by_age_and_by_idleness(sign_ins):
    token = sign_ins.open(sign_ins.link("kim", 0)[0], 0).token
    at_ns, digest = 0, digest_of(token)
    while at_ns < LIFE_S * S:
        assert sign_ins.of_digest(digest, at_ns) is not None
        at_ns += (IDLE_S - 1) * S
    assert sign_ins.of_digest(digest, at_ns) is None
    idle = sign_ins.open(sign_ins.link("kim", 0)[0], 0).token
    assert sign_ins.of_digest(digest_of(idle), IDLE_S * S) is None


@pytest.mark.parametrize("change", ["", "another"])
def test_whoever_is_removed_or_gets_another_token_is_signed_out_everywhere(sign_ins, known, change):
    token = sign_ins.open(sign_ins.link("kim", 0)[0], 0).token
    code, _ = sign_ins.link("kim", 0)
    known["kim"] = change
    assert sign_ins.of_digest(digest_of(token), 1) is None
    with pytest.raises(Unauthenticated):
        sign_ins.open(code, 1)
    assert sign_ins.all(1) == []


def test_sign_ins_outlive_the_process_and_the_file_holds_no_token(tmp_path, known):
    first = SignIns(tmp_path, known.of)
    assert first.first
    code, _ = first.link("kim", 0)
    opened = first.open(code, 1)
    again = SignIns(tmp_path, known.of)
    assert not again.first
    assert again.of_digest(digest_of(opened.token), 2) is not None
    text = (tmp_path / FILE).read_text()
    assert code not in text
    assert opened.token not in text
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_ten_wrong_links_in_a_minute_are_enough_for_everybody(sign_ins):
    good, _ = sign_ins.link("kim", 0)
    for at_ns in range(10):
        with pytest.raises(Unauthenticated):
            sign_ins.open("hfl_wrong", at_ns)
    with pytest.raises(RateLimited):
        sign_ins.open(good, 10)
    assert sign_ins.open(good, 60 * S).sign_in.operator == "kim"


def test_an_ended_one_opens_nothing_and_cannot_end_twice(sign_ins):
    opened = sign_ins.open(sign_ins.link("kim", 0)[0], 0)
    sign_ins.end(opened.sign_in.sign_in_id, 1)
    assert sign_ins.of_digest(digest_of(opened.token), 2) is None
    with pytest.raises(NotFound):
        sign_ins.end(opened.sign_in.sign_in_id, 3)


def test_a_damaged_file_is_a_fault_that_names_it(tmp_path, known):
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ConfigInvalid, match=FILE):
        SignIns(tmp_path, known.of)
    (tmp_path / FILE).write_text(json.dumps({"links": [{"x": 1}]}))
    with pytest.raises(ConfigInvalid, match="damaged"):
        read_private(tmp_path / FILE, type(sign_ins_file()))


def sign_ins_file():
    from holdfast.apps.control import sign_in_file

    return sign_in_file._File()


def with_sign_ins(house: House, folder: Path) -> SignIns:
    operators = Operators(folder)
    operators.add(Operator("kim", "", 1))
    kept = SignIns(folder, lambda name: "one" if name == "admin" else operators.credential_of(name))
    house.deps = dataclasses.replace(house.deps, operators=operators, sign_ins=kept)
    return kept


def test_a_link_from_the_api_signs_in_and_the_browser_acts_as_the_operator(tmp_path):
    async def main(house: House) -> None:
        kept = with_sign_ins(house, tmp_path)
        made = await house.call("POST", "/v1/sign-ins/links")
        code = made.json()["url"].partition("?code=")[2]
        opened = (await house.call("POST", "/v1/sign-ins/open", token=code)).json()
        token = opened["token"]
        me = (await house.call("GET", "/v1/sign-ins/current", token=token)).json()
        assert me["operator"] == "admin"
        assert me["sign_in_id"] == opened["sign_in"]["sign_in_id"]
        named = (await house.call("GET", "/v1/sign-ins/current", token=ADMIN)).json()
        assert (named["operator"], named["sign_in_id"]) == ("admin", "")
        session_id, _ = await house.opened()
        killed = await house.call("POST", f"/v1/sessions/{session_id}/kill", token=token)
        assert killed.status_code == 200
        ended = await house.call("POST", f"/v1/sign-ins/{me['sign_in_id']}/end", token=token)
        assert ended.json() == {"sign_ins": []}
        after = await house.call("GET", "/v1/sign-ins/current", token=token)
        assert after.status_code == 401
        assert kept.all(house.clock.now_ns()) == []

    served(main)


def test_a_browser_makes_no_links_and_sees_and_ends_its_operators_own_alone(tmp_path):
    async def main(house: House) -> None:
        kept = with_sign_ins(house, tmp_path)
        now_ns = house.clock.now_ns()
        mine = kept.open(kept.link("kim", now_ns)[0], now_ns)
        admins = kept.open(kept.link("admin", now_ns)[0], now_ns)
        refused = await house.call("POST", "/v1/sign-ins/links", token=mine.token)
        assert refused.status_code == 403
        listed = (await house.call("GET", "/v1/sign-ins", token=mine.token)).json()["sign_ins"]
        assert [one["operator"] for one in listed] == ["kim"]
        path = f"/v1/sign-ins/{admins.sign_in.sign_in_id}/end"
        assert (await house.call("POST", path, token=mine.token)).status_code == 404
        everybody = (await house.call("GET", "/v1/sign-ins")).json()["sign_ins"]
        assert len(everybody) == 2

    served(main)


@pytest.mark.parametrize("token", ["", "hfl_none", ADMIN])
def test_nobody_signs_in_by_what_is_no_link(tmp_path, token):
    async def main(house: House) -> None:
        with_sign_ins(house, tmp_path)
        found = await house.call("POST", "/v1/sign-ins/open", token=token)
        assert found.status_code == 401

    served(main)


def test_a_browsers_token_is_no_sessions(tmp_path):
    async def main(house: House) -> None:
        kept = with_sign_ins(house, tmp_path)
        now_ns = house.clock.now_ns()
        token = kept.open(kept.link("admin", now_ns)[0], now_ns).token
        found = await house.call("GET", "/v1/guard/session", token=token)
        assert found.status_code in {401, 403, 404}

    served(main)
