"""The check of a permit in the agent's process, by a clock that may be another than the server's."""

import asyncio
import base64
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.client import Ruling, Session
from holdfast.core.canonical import digest
from holdfast.core.permits import key_id, sign
from holdfast.errors import PermitInvalid
from holdfast.integrations.permits import PermitCheck
from holdfast.model.decisions import Verdict
from holdfast.model.permits import Permit
from holdfast.testing.clock import FakeClock

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HOUR_NS = 3_600 * 10**9
NOW_NS = 10 * HOUR_NS


class OfServer:
    """The session, as far as a check asks it."""

    session_id = "ses_1"

    def __init__(self) -> None:
        self.ahead = 0
        self.asked = 0

    async def public_keys(self) -> dict[str, str]:
        public = KEY.public_key()
        return {key_id(public): base64.b64encode(public.public_bytes_raw()).decode()}

    async def ahead_ns(self) -> int:
        self.asked += 1
        return self.ahead


def ruling(at_ns: int) -> Ruling:
    spelled = digest({})
    assert isinstance(spelled, str)
    permit = Permit(
        permit_id="p", session="ses_1", call_id="c", tool="t", digest=spelled, issued_at_ns=at_ns,
        expires_at_ns=at_ns + 60 * 10**9, decision_id="d",
    )  # fmt: skip
    token = sign(permit, KEY)
    return Ruling(verdict=Verdict.ALLOW, decision_id="d", arguments={}, permit=token)


def checked(server: OfServer, *at_ns: int) -> None:
    clock = FakeClock(NOW_NS)

    async def main() -> None:
        check = PermitCheck(cast("Session", cast("Any", server)), clock)
        for at in at_ns:
            await check.check(ruling(at), "c", "t")

    asyncio.run(main())


def test_a_permit_of_a_clock_that_was_moved_holds_by_that_clock():
    server = OfServer()
    server.ahead = HOUR_NS
    checked(server, NOW_NS + HOUR_NS, NOW_NS + HOUR_NS + 1)
    assert server.asked == 1


def test_a_permit_of_now_asks_nothing():
    server = OfServer()
    checked(server, NOW_NS)
    assert server.asked == 0


@pytest.mark.parametrize("at_ns", [NOW_NS + HOUR_NS, NOW_NS - 2 * HOUR_NS])
def test_a_permit_of_another_time_holds_nowhere_else(at_ns):
    with pytest.raises(PermitInvalid):
        checked(OfServer(), at_ns)
