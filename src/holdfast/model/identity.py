"""Who somebody is to an identity provider, and how they are named here for it.

Not here: what of a provider's word is believed (`core/identity`).
"""

import msgspec

from holdfast.model.users import user_fault

KINDS = ("email", "sub")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who signed in at an issuer.

    `email` is the address that the issuer says it verified, empty where it says none;
    `unverified` is one that it names without saying so: it is told to people, and names nobody.
    """

    issuer: str
    subject: str
    email: str = ""
    unverified: str = ""

    @property
    def identities(self) -> tuple[str, ...]:
        """Every name by which they may have been added."""
        found = [spelt(f"sub:{self.subject}")]
        return (*found, spelt(f"email:{self.email}")) if self.email else tuple(found)

    @property
    def called(self) -> str:
        """What people call them; for messages, and nothing is decided by it."""
        return self.email or self.unverified or f"sub:{self.subject}"


def identity_fault(identity: str) -> str:
    """Why a text is no identity that somebody can be added by; empty when it is one."""
    kind, found, value = identity.partition(":")
    if not found or kind not in KINDS:
        return "an identity is `email:ADDRESS` or `sub:SUBJECT`"
    if fault := user_fault(value):
        return fault.replace("a user's name", "an identity", 1)
    if kind == "email" and (value.count("@") != 1 or value[0] == "@" or value[-1] == "@"):
        return f"`{value}` is no address"
    return ""


def spelt(identity: str) -> str:
    """The one spelling of an identity: of an address in ASCII, its capitals say nothing.

    Others stay as they are: letters of two alphabets can have one small form.
    """
    plain = identity.startswith("email:") and identity.isascii()
    return identity.lower() if plain else identity
