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


class IdentityWay(msgspec.Struct, frozen=True):
    """The identity provider that people sign in with; both empty where there is none.

    `redirect` is where browsers come back to.
    """

    issuer: str = ""
    redirect: str = ""


class IdentityBegun(msgspec.Struct, frozen=True, kw_only=True):
    """Where a browser goes to sign in; `held` is what it keeps and comes back with."""

    url: str
    held: str


class DeviceBegun(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in on another device: a person types `user_code` at `url`, or opens `whole_url`.

    Asked for every `interval_s` seconds with `held`, for `life_s` seconds.
    """

    url: str
    user_code: str
    whole_url: str
    interval_s: int
    life_s: int
    held: str


class DeviceOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The new sign-in; none while nobody signed in. `slower`: it was asked for too often."""

    signed_in: SignedIn | None = None
    slower: bool = False
