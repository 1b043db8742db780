"""Slack's door: what Slack itself signed comes in, once; whoever it is, is held as at `/v1`."""

import dataclasses
import json
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette

from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.apps.control.slack.door import SlackDoor
from holdfast.model.approvals import ApprovalState
from holdfast.model.operators import Role
from tests.control_house import ONE_TENANT, House, S, served

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TEXT = (
    ONE_TENANT
    + """
slack:
  signing_secret_env: SLACK_SIGNING_SECRET
  people: {T1/U1: eve, T1/U2: gone}
"""
)
FORM = "application/x-www-form-urlencoded"
COMMANDS, INTERACTIONS = "/v1/slack/commands", "/v1/slack/interactions"
URL = "https://hooks.slack.com/actions/T1/1/x"


class Eve(Operators):
    """One operator, in one role."""

    def __init__(self, role: Role = Role.OPERATOR, *within: str):
        super().__init__(Path("no-state-folder"))
        self.role, self.within = role, within

    def all(self):
        return [Operator("eve", "d", 1, self.role, self.within)]


class Slack:
    """What Slack sends to a house, and what it is sent."""

    def __init__(self, house: House):
        self.house = house
        self.told: list[tuple[str, dict]] = []
        self.faults: list[BaseException] = []
        door = SlackDoor(house.deps, SECRET, self._reply, self.faults.append)
        self.app = Starlette(routes=door.routes())

    async def _reply(self, url, message):
        self.told.append((url, message))

    @property
    def now_s(self):
        return self.house.clock.at_ns // S

    def signed(self, body, at_s=None, secret=SECRET):
        stamp = str(self.now_s if at_s is None else at_s)
        signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
        return {
            "content-type": FORM,
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": signature,
        }

    async def post(self, path, body, headers=None):
        headers = self.signed(body) if headers is None else headers
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.post(path, content=body, headers=headers)

    async def typed(self, command, text="", user="U1", team="T1"):
        fields = {"team_id": team, "user_id": user, "command": command, "text": text}
        answer = await self.post(COMMANDS, urlencode(fields).encode())
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def pressed(self, action, value, user="U1", team="T1"):
        body = press(action, value, user, team)
        answer = await self.post(INTERACTIONS, body)
        assert (answer.status_code, answer.content) == (200, b"")
        url, message = self.told[-1]
        assert url == URL
        return message


def press(action, value, user="U1", team="T1"):
    payload = {
        "type": "block_actions",
        "api_app_id": "A1",
        "team": {"id": team, "domain": "acme"},
        "user": {"id": user, "name": "eve", "team_id": team},
        "response_url": URL,
        "actions": [{"type": "button", "action_id": action, "block_id": "b", "value": value}],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def with_slack(main, operators=None, text=TEXT):
    async def run(house: House):
        house.deps = dataclasses.replace(house.deps, operators=operators or Eve())
        slack = Slack(house)
        house.clock.at_ns += 400 * S
        session, _ = await house.opened(user="bob")
        await house.asked(session)
        await main(house, slack, session)

    served(run, text)


async def state(house):
    return (await house.approvals.get("apr_1")).state


def buttons(message):
    return {
        one["action_id"]: one["value"]
        for block in message["blocks"]
        if block["type"] == "actions"
        for one in block["elements"]
    }


@pytest.mark.parametrize(
    ("action", "then"),
    [("holdfast.approve", ApprovalState.APPROVED), ("holdfast.deny", ApprovalState.DENIED)],
)
def test_a_question_is_shown_and_answered(action, then):
    async def main(house, slack, session):
        shown = buttons(await slack.typed("/approvals"))
        message = await slack.pressed(action, shown[action])
        assert message["replace_original"]
        assert (await house.approvals.get("apr_1")).answered_by == "eve"
        assert await state(house) is then

    with_slack(main)


def _nothing(body, slack):
    return body, {"content-type": FORM}


def _forged(body, slack):
    return body, slack.signed(body, secret="another secret of sixteen")


def _other_body(body, slack):
    return body + b"&a=b", slack.signed(body)


def _old(body, slack):
    return body, slack.signed(body, slack.now_s - 301)


def _future(body, slack):
    return body, slack.signed(body, slack.now_s + 302)


def _other_time(body, slack):
    return body, slack.signed(body) | {"x-slack-request-timestamp": str(slack.now_s - 1)}


def _other_signature(body, slack):
    return body, slack.signed(body) | {"x-slack-signature": "v0=" + "0" * 63}


def _upper(body, slack):
    headers = slack.signed(body)
    return body, headers | {"x-slack-signature": headers["x-slack-signature"].upper()}


@pytest.mark.parametrize(
    "spoil",
    [_nothing, _forged, _other_body, _old, _future, _other_time, _other_signature, _upper],
)
@pytest.mark.parametrize("path", [COMMANDS, INTERACTIONS])
def test_what_slack_did_not_sign_for_now_does_not_come_in(spoil, path):
    async def main(house, slack, session):
        body, headers = spoil(press("holdfast.approve", "apr_1 sha256:d"), slack)
        assert (await slack.post(path, body, headers)).status_code == 401
        assert not slack.told
        assert await state(house) is ApprovalState.PENDING

    with_slack(main)


@pytest.mark.parametrize("off_s", [-299, 0, 299])
def test_within_five_minutes_it_comes_in_once(off_s):
    async def main(house, slack, session):
        body = press("holdfast.approve", "apr_1 sha256:d")
        headers = slack.signed(body, slack.now_s + off_s)
        assert (await slack.post(INTERACTIONS, body, headers)).status_code == 200
        for later_s in (0, 299 + off_s, 2):
            house.clock.at_ns += later_s * S
            assert (await slack.post(INTERACTIONS, body, headers)).status_code == 401
        assert len(slack.told) == 1

    with_slack(main)


def test_what_a_server_of_before_may_have_taken_does_not_come_in():
    async def main(house, slack, session):
        body = press("holdfast.approve", "apr_1 sha256:d")
        headers = slack.signed(body)
        again = Slack(house)
        assert (await again.post(INTERACTIONS, body, headers)).status_code == 401

    with_slack(main)


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"{}", {"content-type": "application/json"}, 400),
        (b"payload=%7B%7D", {}, 400),
        (b"payload=" + b"[" * 50_000, {}, 400),
        (b"payload=%7B%7D&payload=%7B%7D", {}, 400),
        (b"payload=%FF", {}, 400),
        (b"", {}, 400),
        (b"a=" + b"b" * 10 * 1024 * 1024, {}, 413),
    ],
)
@pytest.mark.parametrize("path", [COMMANDS, INTERACTIONS])
def test_what_is_signed_and_makes_no_sense_is_refused(body, more, status, path):
    async def main(house, slack, session):
        answer = await slack.post(path, body, slack.signed(body) | more)
        assert answer.status_code == status, answer.text
        assert not slack.told
        assert not slack.faults

    with_slack(main)


@pytest.mark.parametrize(
    ("user", "team"), [("U9", "T1"), ("U1", "T2"), ("eve", "T1"), ("U2", "T1")]
)
@pytest.mark.parametrize("action", ["holdfast.approve", "holdfast.deny", "holdfast.kill"])
def test_a_stranger_is_told_so_alone(user, team, action):
    async def main(house, slack, session):
        value = session if action.endswith("kill") else "apr_1 sha256:d"
        message = await slack.pressed(action, value, user, team)
        assert message["response_type"] == "ephemeral"
        assert not message["replace_original"]
        assert await state(house) is ApprovalState.PENDING
        told = json.dumps(await slack.typed("/approvals", user=user, team=team))
        assert "apr_1" not in told

    with_slack(main)


@pytest.mark.parametrize(
    ("operators", "text"),
    [
        (Eve(Role.VIEWER), TEXT),
        (Eve(Role.OPERATOR, "elsewhere"), TEXT),
        (None, TEXT + "tenants: {default: {users: {'*': {}}, approvers: [ann]}}\n"),
        (None, TEXT + "operators: {eve: {users: [bob]}}\n"),
    ],
)
def test_what_binds_an_operator_binds_them_here(operators, text):
    async def main(house, slack, session):
        message = await slack.pressed("holdfast.approve", "apr_1 sha256:d")
        assert not message["replace_original"]
        assert await state(house) is ApprovalState.PENDING

    with_slack(main, operators, text)


@pytest.mark.parametrize("value", ["apr_1 sha256:e", "apr_1", "", "apr_2 sha256:d", "apr_1 "])
def test_an_answer_is_for_what_was_shown(value):
    async def main(house, slack, session):
        message = await slack.pressed("holdfast.approve", value)
        assert not message["replace_original"]
        assert await state(house) is ApprovalState.PENDING
        assert not slack.faults

    with_slack(main)


def test_sessions_are_listed_and_one_is_killed_which_asks_once_more():
    async def main(house, slack, session):
        message = await slack.typed("/agents")
        assert buttons(message)["holdfast.kill"] == session
        kill = next(b for b in message["blocks"] if b["type"] == "actions")["elements"][0]
        assert kill["confirm"]["style"] == "danger"
        told = await slack.pressed("holdfast.kill", session)
        assert told["replace_original"]
        assert (await house.get(f"/v1/sessions/{session}"))["state"] == "killed"

    with_slack(main)


@pytest.mark.parametrize("operators", [Eve(Role.VIEWER), Eve(Role.OPERATOR, "elsewhere")])
def test_whoever_may_not_kill_does_not(operators):
    async def main(house, slack, session):
        told = await slack.pressed("holdfast.kill", session)
        assert not told["replace_original"]
        assert (await house.get(f"/v1/sessions/{session}"))["state"] == "active"

    with_slack(main, operators)
