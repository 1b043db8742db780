import asyncio
import dataclasses
import json
from pathlib import Path

import msgspec
import pytest

from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.apps.control.sign_in_file import LIFE_S, SignIns
from holdfast.apps.control.signing_in import DEVICES_MOST, PLACE, WRONG_MOST, SigningIn
from holdfast.core.identity import FLOW_S
from holdfast.errors import Conflict, Denied, Unauthenticated, Unavailable
from holdfast.model.identity import Person
from holdfast.ports.identity import DeviceCode, Waiting
from tests.control_house import NOON, TWO_TENANTS, House

ISSUER = "https://login.example"
S = 1_000_000_000
ANN = Person(issuer=ISSUER, subject="s1", email="ann@acme.example")


class Provider:
    """Says what a test tells it to; whoever it is asked about is Ann."""

    issuer = ISSUER

    def __init__(self) -> None:
        self.says: object = ANN
        self.asked: list[tuple[object, ...]] = []
        self.devices = 0
        self.gate: asyncio.Event | None = None

    async def _answer(self, *asked: object):
        self.asked.append(asked)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def address(self, flow, redirect, at_ns):
        self.asked.append(("address", flow, redirect))
        return f"{ISSUER}/auth?state={flow.state}"

    async def person(self, came, flow, redirect, at_ns):
        return await self._answer("person", came, flow)

    async def device(self, at_ns):
        self.devices += 1
        return DeviceCode(f"secret.{self.devices}", "ABCD", f"{ISSUER}/go", "", 5, 600)

    async def device_person(self, secret, at_ns):
        return await self._answer("device", secret)

    async def close(self) -> None:
        pass


class Sent:
    """What a test asks a house for."""

    def __init__(self, house: House, folder: Path, issuer: str = ISSUER) -> None:
        self.house, self.provider, self.folder = house, Provider(), folder
        operators = Operators(folder)
        keys = house.house.keys
        under_way = SigningIn(
            self.provider,
            "http://127.0.0.1:8787",
            b"k" * 32,
            lambda: house.house.entropy.new_token("hfi"),
        )
        sign_ins = SignIns(
            folder,
            lambda name: operators.credential_of(name) or keys.credential_of(name),
            issuer=issuer,
        )
        house.deps = dataclasses.replace(
            house.deps, operators=operators, signing_in=under_way, sign_ins=sign_ins
        )

    async def post(self, path: str, body=None, token: str = ""):
        answer = await self.house.call("POST", f"/v1/sign-ins/{path}", body, token=token)
        return answer.status_code, answer.json()

    async def add(self, name: str = "ann", identity: str = "email:ann@acme.example", **more):
        asked = {"name": name, "identity": identity} | more
        return await self.house.call("POST", "/v1/operators", asked)

    async def begun(self) -> dict[str, str]:
        _, told = await self.post("identity/begin")
        return {"held": told["held"], "state": told["url"].partition("state=")[2], "code": "c"}

    async def opened(self, **changed: str):
        return await self.post("identity/open", await self.begun() | changed)

    async def device(self, **more: str):
        _, told = await self.post("device/begin")
        return await self.post("device/open", {"held": told["held"]} | more)

    async def refusals(self) -> list[str]:
        found = await self.house.get("/v1/audit/server", kind="auth.refused")
        return [json.dumps(one) for one in found["records"]]


@pytest.fixture
def told(tmp_path):
    def run(main):
        async def within():
            await main(Sent(House(TWO_TENANTS), tmp_path))

        asyncio.run(within())

    return run


def test_somebody_who_was_added_is_signed_in_and_acts_as_the_operator(told):
    async def main(sent: Sent):
        added = await sent.add(role="viewer", within=["acme"])
        assert added.json() == {"name": "ann", "token": ""}
        status, opened = await sent.opened()
        assert (status, opened["sign_in"]["operator"]) == (200, "ann")
        assert opened["token"].startswith("hfc_")
        listed = await sent.house.call("GET", "/v1/sessions", token=opened["token"])
        assert listed.status_code == 200
        refused = await sent.house.call("POST", "/v1/gc", {}, token=opened["token"])
        assert refused.status_code == 403
        status, ended = await sent.post("leave", token=opened["token"])
        assert (status, ended["operator"]) == (200, "ann")
        assert (await sent.post("leave", token=opened["token"]))[0] == 401

    told(main)


def test_whoever_nobody_added_is_told_so_by_name_and_it_is_journalled(told):
    async def main(sent: Sent):
        await sent.add("bob", "email:bob@acme.example")
        status, refused = await sent.opened()
        assert status == 403
        assert "`ann@acme.example` signed in" in refused["detail"]
        assert "by `email:ann@acme.example`" in refused["detail"]
        sent.provider.says = Person(issuer=ISSUER, subject="s1", unverified="ann@acme.example")
        assert "verified" in (await sent.opened())[1]["detail"]
        assert "sub:s1" in (await sent.device())[1]["detail"]
        assert len(await sent.refusals()) == 3
        assert [one.name for one in sent.house.deps.operators.all()] == ["bob"]

    told(main)


@pytest.mark.parametrize(
    "identity", ["ann@acme.example", "email:ann", "sub:", "name:ann", "sub:a\u202eb"]
)
def test_nobody_is_added_by_what_names_nobody(told, identity):
    async def main(sent: Sent):
        assert (await sent.add(identity=identity)).status_code == 400

    told(main)


def test_an_identity_is_one_operators_alone_and_of_the_issuer_of_its_time(told):
    async def main(sent: Sent):
        assert (await sent.add()).status_code == 200
        assert (await sent.add("bob", "email:ANN@acme.example")).status_code == 409
        sent.provider.issuer = "https://other.example"
        sent.provider.says = Person(
            issuer="https://other.example", subject="s1", email="ann@acme.example"
        )
        assert (await sent.opened())[0] == 403

    told(main)


def test_without_a_provider_nobody_is_added_by_an_identity_or_signs_in(told):
    async def main(sent: Sent):
        sent.house.deps = dataclasses.replace(sent.house.deps, signing_in=None)
        assert (await sent.add()).status_code == 400
        assert (await sent.post("identity/begin"))[0] == 404
        assert (await sent.post("device/begin"))[0] == 404
        way = await sent.house.call("GET", "/v1/sign-ins/identity", token="")
        assert way.json() == {"issuer": "", "redirect": ""}

    told(main)


def test_what_a_browser_did_not_begin_is_not_opened(told):
    async def main(sent: Sent):
        await sent.add()
        mine, other = await sent.begun(), await sent.begun()
        for wrong in (
            mine | {"state": other["state"]}, mine | {"held": other["held"]}, mine | {"state": ""},
            mine | {"held": mine["held"] + "0"}, mine | {"held": ""}, mine | {"state": "\u00e9"},
        ):  # fmt: skip
            assert (await sent.post("identity/open", wrong))[0] == 401
        assert [one for one in sent.provider.asked if one[0] == "person"] == []
        assert (await sent.post("identity/open", mine))[0] == 200
        assert (await sent.post("identity/open", mine))[0] == 401
        late = await sent.begun()
        sent.house.clock.at_ns += FLOW_S * S
        assert (await sent.post("identity/open", late))[0] == 401

    told(main)


def test_wrong_ones_are_so_many_a_minute_for_everybody(told):
    async def main(sent: Sent):
        await sent.add()
        mine = await sent.begun()
        statuses = [
            (await sent.post("identity/open", mine | {"state": "x"}))[0]
            for _ in range(WRONG_MOST + 1)
        ]
        assert statuses == [401] * WRONG_MOST + [429]
        assert (await sent.post("identity/open", mine))[0] == 429
        sent.house.clock.at_ns += 60 * S
        assert (await sent.post("identity/open", mine))[0] == 200
        statuses = [(await sent.post("device/begin"))[0] for _ in range(DEVICES_MOST + 1)]
        assert statuses == [200] * DEVICES_MOST + [429]

    told(main)


def test_few_are_asked_about_at_once(told):
    async def main(sent: Sent):
        await sent.add()
        sent.provider.gate = asyncio.Event()
        waiting = [asyncio.create_task(sent.opened()) for _ in range(8)]
        await asyncio.sleep(0.2)
        assert len([one for one in sent.provider.asked if one[0] == "person"]) == 8
        assert (await sent.post("identity/begin"))[0] == 429
        sent.provider.gate.set()
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 8

    told(main)


def test_a_stranger_sends_little(told):
    async def main(sent: Sent):
        status, _ = await sent.post(
            "identity/open", {"held": "x" * 20_000, "state": "", "code": ""}
        )
        assert status == 413
        status, _ = await sent.post("identity/begin", {"a": "b" * 100})
        assert status == 413
        assert (await sent.post("identity/open", {"held": "x", "state": "", "code": "x" * 3000}))[
            0
        ] == 400

    told(main)


@pytest.mark.parametrize("error", [Unavailable("down"), Unauthenticated("no")])
def test_a_provider_that_fails_lets_nobody_in(told, error):
    async def main(sent: Sent):
        await sent.add()
        sent.provider.says = error
        assert (await sent.opened())[0] == error.http_status
        assert (await sent.device())[0] == error.http_status

    told(main)


def test_a_terminal_waits_and_the_provider_is_asked_no_more_often_than_it_said(told):
    async def main(sent: Sent):
        await sent.add()
        sent.provider.says = Waiting()
        _, begun = await sent.post("device/begin")
        assert (begun["user_code"], begun["interval_s"], begun["life_s"]) == ("ABCD", 5, 600)
        held = {"held": begun["held"]}
        for _ in range(3):
            status, found = await sent.post("device/open", held)
            assert (status, found) == (200, {"signed_in": None, "slower": False})
        assert sent.provider.asked == [("device", "secret.1")]
        sent.house.clock.at_ns += 5 * S
        sent.provider.says = Waiting(slower=True)
        assert (await sent.post("device/open", held))[1]["slower"] is True
        sent.provider.says = ANN
        sent.house.clock.at_ns += 6 * S
        assert (await sent.post("device/open", held))[1]["signed_in"] is None
        sent.house.clock.at_ns += 5 * S
        status, found = await sent.post("device/open", held)
        assert found["signed_in"]["sign_in"]["operator"] == "ann"
        assert found["signed_in"]["token"].startswith("hft_")
        assert (await sent.post("device/open", held))[0] == 401

    told(main)


def test_what_this_server_did_not_seal_is_asked_nobody_about(told):
    async def main(sent: Sent):
        _, begun = await sent.post("device/begin")
        held = begun["held"]
        for wrong in (
            "", "5.99999999999.other.x", held[:-1], "9" + held, held.replace("secret", "secres"),
        ):  # fmt: skip
            assert (await sent.post("device/open", {"held": wrong}))[0] == 401
        sent.house.clock.at_ns += 601 * S
        assert (await sent.post("device/open", {"held": held}))[0] == 401
        assert sent.provider.asked == []

    told(main)


KEY = {
    "agent": "desk",
    "budget": ["usd=5.00/day"],
    "tenant": "acme",
    "project": "shop",
    "users": ["ann"],
}


def test_whoever_holds_a_key_acts_as_the_key_and_does_nothing_else(told):
    async def main(sent: Sent):
        asked = KEY | {"name": "dev", "identity": "email:ann@acme.example"}
        made = await sent.house.call("POST", "/v1/keys", asked)
        assert (made.json()["token"], made.json()["key"]["identity"]) == (
            "",
            "email:ann@acme.example",
        )
        status, found = await sent.device()
        assert (status, found["signed_in"]["sign_in"]["operator"]) == (200, "key:dev")
        token = found["signed_in"]["token"]
        opened = await sent.house.call("POST", "/v1/sessions", {}, token=token)
        assert opened.status_code == 200, opened.text
        for method, path in (
            ("GET", "/v1/sessions"), ("GET", "/v1/sign-ins"), ("POST", "/v1/sign-ins/links"),
            ("POST", "/v1/keys/dev/rotate"), ("POST", "/v1/keys/dev/revoke"),
        ):  # fmt: skip
            assert (await sent.house.call(method, path, token=token)).status_code == 403, path
        assert (
            await sent.house.call("POST", "/v1/guard/decide", {}, token=token)
        ).status_code == 403
        sent.house.clock.at_ns += (LIFE_S - 60) * S
        assert (await sent.house.call("POST", "/v1/sessions", {}, token=token)).status_code == 200
        await sent.house.call("POST", "/v1/keys/dev/revoke")
        ended = await sent.house.call("POST", "/v1/sessions", {}, token=token)
        assert (ended.status_code, ended.json()["error"]["code"]) == (403, "key_ended")
        assert (await sent.device())[0] == 403

    told(main)


def test_a_browser_is_an_operators_and_no_keys(told):
    async def main(sent: Sent):
        asked = KEY | {"name": "dev", "identity": "email:ann@acme.example"}
        await sent.house.call("POST", "/v1/keys", asked)
        status, refused = await sent.opened()
        assert (status, "holdfast login" in refused["detail"]) == (403, True)

    told(main)


def test_of_several_keys_the_holder_names_one_and_an_operator_may_too(told):
    async def main(sent: Sent):
        for name in ("dev", "review"):
            asked = KEY | {"name": name, "identity": "email:ann@acme.example"}
            await sent.house.call("POST", "/v1/keys", asked)
        await sent.house.call("POST", "/v1/keys", KEY | {"name": "other"})
        status, refused = await sent.device()
        assert (status, "dev, review" in refused["detail"]) == (403, True)
        assert (await sent.device(key="other"))[0] == 403
        assert (await sent.device(key="review"))[1]["signed_in"]["sign_in"][
            "operator"
        ] == "key:review"
        await sent.add()
        assert (await sent.device())[1]["signed_in"]["sign_in"]["operator"] == "ann"
        assert (await sent.device(key="dev"))[1]["signed_in"]["sign_in"]["operator"] == "key:dev"

    told(main)


def test_a_changed_identity_a_removal_and_another_issuer_end_sign_ins(tmp_path):
    operators = Operators(tmp_path)
    ann = Operator("ann", "", 1, identity="email:ann@acme.example", issuer=ISSUER)
    assert operators.add(ann, token=False) == ""
    kept = SignIns(tmp_path, operators.credential_of, issuer=ISSUER)
    token = kept.begin("ann", NOON, issuer=ISSUER).token
    digest = next(kept.digests())
    assert token
    assert kept.of_digest(digest, NOON + 1) is not None
    elsewhere = SignIns(tmp_path, operators.credential_of, issuer="https://other.example")
    assert elsewhere.of_digest(digest, NOON + 1) is None
    nowhere = SignIns(tmp_path, operators.credential_of)
    assert nowhere.of_digest(digest, NOON + 1) is None
    operators.remove("ann")
    assert kept.of_digest(digest, NOON + 1) is None
    operators.add(msgspec.structs.replace(ann, identity="sub:s1"), token=False)
    assert kept.of_digest(digest, NOON + 1) is None


def test_whoever_has_no_token_is_nobodys_digest(tmp_path):
    operators = Operators(tmp_path)
    operators.add(Operator("ann", "", 1, identity="sub:s1", issuer=ISSUER), token=False)
    assert operators.name_of("") == ""
    assert list(operators.digests()) == []
    with pytest.raises(Conflict):
        operators.add(Operator("bob", "", 1, identity="sub:s1", issuer=ISSUER))


def test_the_address_that_browsers_come_back_to_is_the_servers_own(told):
    async def main(sent: Sent):
        way = await sent.house.call("GET", "/v1/sign-ins/identity", token="")
        assert way.json() == {"issuer": ISSUER, "redirect": f"http://127.0.0.1:8787{PLACE}"}
        await sent.begun()
        assert sent.provider.asked[0][2] == f"http://127.0.0.1:8787{PLACE}"

    told(main)


def test_whoever_refused_there_is_told_so(told):
    async def main(sent: Sent):
        sent.provider.says = Denied("whoever was asked to sign in refused")
        assert (await sent.device())[0] == 403

    told(main)
