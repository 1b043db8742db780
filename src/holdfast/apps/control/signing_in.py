"""Sign-ins at the identity provider that are under way, by browser and on another device.

What a stranger began is kept by the stranger: each answer is checked against what they hold and a
secret of this process. Kept are counts, and what was used up by people who are known. Not here:
whom the provider's word makes them (`sign_ins`), what of it is believed (`core/identity`).
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from holdfast.apps.control.sign_in_file import Counted
from holdfast.core.identity import flow_of, held_for, is_over, sealed, unsealed
from holdfast.errors import Denied, RateLimited, Unauthenticated
from holdfast.model.identity import Person
from holdfast.ports.identity import Came, DeviceCode, IdentityProvider, Waiting

PLACE = "/console/sign-in/identity/done"
"""Where the provider sends a browser back to, at the server's own address."""
_NS = 1_000_000_000
WRONG_MOST = 30
DEVICES_MOST = 30
"""In a minute, by everybody together."""
_AT_ONCE_MOST = 8
_POLLED_MOST = 1_000
_SLOWER_S = 5
_TOO_MANY = "too many sign-ins that are none; try again in a minute"
_OVER = (
    "this sign-in took too long, was done already, or was not begun in this browser; begin again"
)


class _Polled(NamedTuple):
    """When a device's sign-in may be asked for again, and at what distance."""

    at_ns: int
    every_s: int


class SigningIn:
    """What is under way at one provider; `url` is this server's own address for browsers."""

    def __init__(
        self, provider: IdentityProvider, url: str, key: bytes, new_seed: Callable[[], str]
    ) -> None:
        self.issuer = provider.issuer
        self._provider = provider
        self._redirect = f"{url}{PLACE}"
        self._key = key
        self._new_seed = new_seed
        self._wrong, self._devices = Counted(WRONG_MOST), Counted(DEVICES_MOST)
        self._at_work = 0
        self._used: dict[str, None] = {}
        self._polled: dict[str, _Polled] = {}

    @property
    def redirect(self) -> str:
        """Where a browser comes back to."""
        return self._redirect

    async def begin(self, at_ns: int) -> tuple[str, str]:
        """Where a browser goes, and what it holds meanwhile. Errors: Unavailable, RateLimited."""
        held = held_for(self._new_seed(), at_ns)
        with self._working():
            address = await self._provider.address(flow_of(self._key, held), self._redirect, at_ns)
        return address, held

    async def person(self, held: str, state: str, came: Came, at_ns: int) -> Person:
        """Who came back. Errors: Unauthenticated, RateLimited, Unavailable."""
        self._wrong.check(at_ns, _TOO_MANY)
        flow, used = flow_of(self._key, held), _digest(held)
        same = hmac.compare_digest(flow.state.encode(), state.encode("utf-8", "replace"))
        if not same or is_over(held, at_ns) or used in self._used:
            raise self.wrong(at_ns, Unauthenticated(_OVER))
        self._use_up(used)
        with self._working():
            try:
                return await self._provider.person(came, flow, self._redirect, at_ns)
            except Unauthenticated as error:
                raise self.wrong(at_ns, error) from None

    async def device(self, at_ns: int) -> tuple[DeviceCode, str]:
        """A sign-in on another device, and what is asked with. Errors: as `begin`, NotFound."""
        self._devices.check(at_ns, "too many sign-ins were begun; try again in a minute")
        self._devices.count(at_ns)
        with self._working():
            code = await self._provider.device(at_ns)
        until_s = at_ns // _NS + code.life_s
        return code, sealed(self._key, f"{code.interval_s}.{until_s}.{code.secret}")

    async def device_person(self, held: str, at_ns: int) -> Person | Waiting:
        """Who signed in there. Errors: Unauthenticated, Denied, RateLimited, Unavailable."""
        self._wrong.check(at_ns, _TOO_MANY)
        interval, _, rest = unsealed(self._key, held).partition(".")
        until, _, secret = rest.partition(".")
        name = _digest(held)
        if not secret or at_ns >= int(until) * _NS or name in self._used:
            raise self.wrong(at_ns, Unauthenticated(_OVER))
        before = self._polled.get(name) or _Polled(0, int(interval))
        if at_ns < before.at_ns:
            return Waiting()
        self._poll(name, before, at_ns)
        with self._working():
            try:
                found = await self._provider.device_person(secret, at_ns)
            except Unauthenticated as error:
                raise self.wrong(at_ns, error) from None
        if isinstance(found, Person):
            self._use_up(name)
        elif found.slower:
            self._poll(name, before._replace(every_s=before.every_s + _SLOWER_S), at_ns)
        return found

    def wrong(self, at_ns: int, error: Unauthenticated | Denied) -> Unauthenticated | Denied:
        """Count a sign-in that was none; what to raise."""
        self._wrong.count(at_ns)
        return error

    def _poll(self, name: str, before: _Polled, at_ns: int) -> None:
        self._polled.pop(name, None)
        self._polled[name] = _Polled(at_ns + before.every_s * _NS, before.every_s)
        while len(self._polled) > _POLLED_MOST:
            del self._polled[next(iter(self._polled))]

    def _use_up(self, name: str) -> None:
        self._used[name] = None
        while len(self._used) > _POLLED_MOST:
            del self._used[next(iter(self._used))]

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Few ask the provider at once. Errors: RateLimited."""
        if self._at_work >= _AT_ONCE_MOST:
            raise RateLimited("too many sign in at once; try again", retry_after_s=1)
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1


def _digest(held: str) -> str:
    return hashlib.sha256(held.encode("utf-8", "surrogatepass")).hexdigest()
