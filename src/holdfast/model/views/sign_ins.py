"""Sign-ins of browsers, as they are shown."""

import msgspec


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One browser of an operator's; it ends by itself at `expires_at_ns`, or when nobody uses it.

    `sign_in_id` is empty for whoever asks with a token of their own.
    """

    operator: str
    sign_in_id: str = ""
    since_ns: int = 0
    seen_ns: int = 0
    expires_at_ns: int = 0


class SignInList(msgspec.Struct, frozen=True):
    """Latest first."""

    sign_ins: tuple[SignIn, ...]


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that signs one browser in, once; it is shown only here."""

    url: str
    operator: str
    expires_at_ns: int


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A new sign-in; the token is shown only here."""

    sign_in: SignIn
    token: str
