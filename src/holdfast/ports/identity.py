"""What is needed of an identity provider: who somebody is, said by their own sign-in there.

Errors of each: Unavailable where it does not answer, or not in a way that can be used;
Unauthenticated where its word is not to be believed. Not here: who may do what (`apps/control`).
"""

from typing import NamedTuple, Protocol

from holdfast.core.identity import Flow
from holdfast.model.identity import Person


class Came(NamedTuple):
    """What a browser came back with; `issuer` is empty where the provider does not say it."""

    code: str
    issuer: str = ""


class DeviceCode(NamedTuple):
    """A sign-in on another device: what a person types, and where.

    `whole_url` has the code in it, empty where the provider makes no such address. `secret` is what
    is asked with.
    """

    secret: str
    user_code: str
    url: str
    whole_url: str
    interval_s: int
    life_s: int


class Waiting(NamedTuple):
    """Nobody signed in yet; `slower` where it was asked too often."""

    slower: bool = False


class IdentityProvider(Protocol):
    """One issuer, for which this server is one client."""

    @property
    def issuer(self) -> str:
        """Its name, to the byte."""
        ...

    async def address(self, flow: Flow, redirect: str, at_ns: int) -> str:
        """Where a browser goes to sign in."""
        ...

    async def person(self, came: Came, flow: Flow, redirect: str, at_ns: int) -> Person:
        """Who came back from there."""
        ...

    async def device(self, at_ns: int) -> DeviceCode:
        """Begin a sign-in on another device. Errors also: NotFound where it has none."""
        ...

    async def device_person(self, secret: str, at_ns: int) -> Person | Waiting:
        """Who signed in there. Errors also: Denied where they refused, or were too late."""
        ...

    async def close(self) -> None:
        """Let go of connections; idempotent."""
        ...
