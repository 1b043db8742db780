"""The check of a permit in the process that is about to run the call.

A ruling that says allow is believed only with a permit, signed by the session's server, for
exactly this session, call, tool and arguments. Not here: single use (the server's to know).
"""

import base64
import binascii
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.backends.system.clock import SystemClock
from holdfast.client import Ruling, Session
from holdfast.core.canonical import Unrepresentable, digest
from holdfast.core.permits import key_id, verify
from holdfast.errors import InternalError, PermitInvalid
from holdfast.model.permits import Permit, PermitFault, PermitFaultCode
from holdfast.ports.clock import Clock

_OF_TIME = (PermitFaultCode.EXPIRED, PermitFaultCode.NOT_YET_VALID)


class PermitCheck:
    """Checks permits of one session; asks its server for the public keys once."""

    def __init__(self, session: Session, clock: Clock | None = None) -> None:
        self._session = session
        self._clock = clock or SystemClock()
        self._ahead_ns = 0
        self._keys: dict[str, Ed25519PublicKey] = {}

    async def check(self, ruling: Ruling, call_id: str, tool: str) -> Permit:
        """The permit behind an allow, for the arguments in the ruling.

        Errors: PermitInvalid when it does not hold, InternalError for keys that are none.
        """
        spelled = digest(ruling.arguments)
        if isinstance(spelled, Unrepresentable):
            raise PermitInvalid(f"the permitted arguments have no digest: {spelled.reason}")
        if not self._keys:
            self._keys = _public_keys(await self._session.public_keys())

        def verified() -> Permit | PermitFault:
            return verify(
                ruling.permit,
                self._keys,
                session=self._session.session_id,
                call_id=call_id,
                tool=tool,
                digest=spelled,
                now_ns=self._clock.now_ns() + self._ahead_ns,
            )

        permit = verified()
        if isinstance(permit, PermitFault) and permit.code in _OF_TIME:
            # In a project of tests the clock that dates permits is moved by hand.
            ahead_ns = await self._session.ahead_ns()
            if ahead_ns != self._ahead_ns:
                self._ahead_ns = ahead_ns
                permit = verified()
        if isinstance(permit, PermitFault):
            raise PermitInvalid(permit.text, fault=str(permit.code))
        return permit


def same_arguments(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two argument objects are one by canonical JSON; what has no digest equals nothing."""
    one, other = digest(left), digest(right)
    return isinstance(one, str) and one == other


def _public_keys(encoded: dict[str, str]) -> dict[str, Ed25519PublicKey]:
    keys: dict[str, Ed25519PublicKey] = {}
    for name, text in encoded.items():
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error):
            raise InternalError("the server's key is no ed25519 key") from None
        if key_id(key) != name:
            raise InternalError("the server's key does not bear its own id")
        keys[name] = key
    return keys
