"""Who is signed in, and the links that sign a browser in: digests, in a file of the owner's.

A sign-in stands for an operator, or for a key, and holds as long as what it rests on does: whoever
is removed, or gets another token or identity, is signed out everywhere, and so is everybody who
signed in at an issuer that is no longer the one of the settings. Not here: who may make a link
(`sign_ins`), cookies (`apps/console`).
"""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from holdfast.apps.control.private_file import read_private, write_private
from holdfast.errors import NotFound, RateLimited, Unauthenticated
from holdfast.model.keys import KEY_HOLDER
from holdfast.model.tokens import LINK_PREFIX, SIGN_IN_PREFIX, TERMINAL_PREFIX
from holdfast.model.views.sign_ins import SignedIn, SignIn

FILE = "sign-ins.json"
LINK_S = 900
"""A link that nobody followed is dead after so long."""
LIFE_S = 12 * 3600
IDLE_S = 2 * 3600
_NS = 1_000_000_000
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LENGTH = 52
_KEPT_MOST = 1_000
WRONG_MOST = 10
"""Links that were none in a minute, by everybody together."""
_MINUTE_S = 60


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    operator: str
    credential: str
    expires_at_ns: int


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    digest: str
    operator: str
    credential: str
    sign_in_id: str
    since_ns: int
    expires_at_ns: int
    issuer: str = ""
    idle_s: int = IDLE_S


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    links: tuple[_Link, ...] = ()
    sign_ins: tuple[_Kept, ...] = ()


class Counted:
    """How often something was tried within the last minute, by everybody together."""

    def __init__(self, most: int) -> None:
        self._at: deque[int] = deque(maxlen=most)

    def check(self, at_ns: int, text: str) -> None:
        """Errors: RateLimited."""
        if len(self._at) == self._at.maxlen and at_ns - self._at[0] < _MINUTE_S * _NS:
            raise RateLimited(text, retry_after_s=_MINUTE_S)

    def count(self, at_ns: int) -> None:
        """It was tried."""
        self._at.append(at_ns)


class SignIns:
    """Everybody who is signed in. `credential_of` says what changes when somebody's right does."""

    def __init__(
        self,
        state: Path,
        credential_of: Callable[[str], str],
        choose: Callable[[str], str] = secrets.choice,
        issuer: str = "",
    ) -> None:
        """Read the file of a state folder. Errors: ConfigInvalid when it does not hold."""
        self._path = state / FILE
        self._credential_of = credential_of
        self._choose = choose
        self._issuer = issuer
        kept = read_private(self._path, _File)
        self.first = kept is None
        """Nobody was ever shown a link here."""
        self._links = {one.digest: one for one in (kept or _File()).links}
        self._kept = {one.digest: one for one in (kept or _File()).sign_ins}
        self._seen: dict[str, int] = {}
        self._wrong = Counted(WRONG_MOST)

    def link(self, operator: str, at_ns: int) -> tuple[str, int]:
        """A code that signs one browser in, and when it is dead. Errors: ConfigInvalid."""
        code = self._token(LINK_PREFIX)
        link = _Link(_digest(code), operator, self._credential_of(operator), at_ns + LINK_S * _NS)
        self._write({**self._links, link.digest: link}, self._kept, at_ns)
        return code, link.expires_at_ns

    def open(self, code: str, at_ns: int) -> SignedIn:
        """Sign a browser in by a code, which is used up. Errors: Unauthenticated, RateLimited."""
        self._wrong.check(at_ns, "too many links that are none; try again in a minute")
        found = self._links.get(_digest(code))
        if found is None or at_ns >= found.expires_at_ns or not self._holds(found):
            self._wrong.count(at_ns)
            raise Unauthenticated(
                "this link was used or is too old; `holdfast console link` makes a new one"
            )
        links = {digest: one for digest, one in self._links.items() if one is not found}
        return self._begun(links, SIGN_IN_PREFIX, found.operator, at_ns)

    def begin(
        self, operator: str, at_ns: int, *, issuer: str = "", terminal: bool = False
    ) -> SignedIn:
        """Sign somebody in who is known, at this `issuer` where it says so.

        A `terminal` signs its requests, and sends its token to nobody. Errors: ConfigInvalid.
        """
        prefix = TERMINAL_PREFIX if terminal else SIGN_IN_PREFIX
        return self._begun(self._links, prefix, operator, at_ns, issuer)

    def _begun(
        self, links: dict[str, _Link], prefix: str, operator: str, at_ns: int, issuer: str = ""
    ) -> SignedIn:
        token = self._token(prefix)
        kept = _Kept(
            digest=_digest(token),
            operator=operator,
            credential=self._credential_of(operator),
            sign_in_id="sig_" + self._token("")[:16],
            since_ns=at_ns,
            expires_at_ns=at_ns + LIFE_S * _NS,
            issuer=issuer,
            idle_s=LIFE_S if operator.startswith(KEY_HOLDER) else IDLE_S,
        )
        self._write(links, {**self._kept, kept.digest: kept}, at_ns)
        return SignedIn(sign_in=self._shown(kept), token=token)

    def digests(self) -> Iterator[str]:
        """Of all that may hold."""
        return iter(self._kept)

    def of_digest(self, digest: str, at_ns: int) -> SignIn | None:
        """Whose browser it is, None for nobody's; to be asked counts as being used."""
        kept = self._kept.get(digest)
        if kept is None or not self._alive(kept, at_ns):
            return None
        self._seen[kept.sign_in_id] = at_ns
        return self._shown(kept)

    def all(self, at_ns: int) -> list[SignIn]:
        """Latest first."""
        found = [self._shown(one) for one in self._kept.values() if self._alive(one, at_ns)]
        return sorted(found, key=lambda one: one.since_ns, reverse=True)

    def end(self, sign_in_id: str, at_ns: int) -> None:
        """It opens nothing from here on. Errors: NotFound."""
        left = {d: one for d, one in self._kept.items() if one.sign_in_id != sign_in_id}
        if len(left) == len(self._kept):
            raise NotFound("there is no such sign-in")
        self._write(self._links, left, at_ns)

    def _alive(self, kept: _Kept, at_ns: int) -> bool:
        seen_ns = self._seen.setdefault(kept.sign_in_id, max(kept.since_ns, at_ns))
        here = kept.issuer in {"", self._issuer}
        until_ns = min(kept.expires_at_ns, seen_ns + kept.idle_s * _NS)
        return here and at_ns < until_ns and self._holds(kept)

    def _holds(self, one: _Link | _Kept) -> bool:
        now = self._credential_of(one.operator)
        return bool(now) and hmac.compare_digest(now, one.credential)

    def _shown(self, kept: _Kept) -> SignIn:
        return SignIn(
            operator=kept.operator,
            sign_in_id=kept.sign_in_id,
            since_ns=kept.since_ns,
            seen_ns=self._seen.get(kept.sign_in_id, kept.since_ns),
            expires_at_ns=kept.expires_at_ns,
        )

    def _token(self, prefix: str) -> str:
        return prefix + "".join(self._choose(_ALPHABET) for _ in range(_LENGTH))

    def _write(self, links: dict[str, _Link], kept: dict[str, _Kept], at_ns: int) -> None:
        """The file first; memory follows what is on disk. What is over is left out."""
        due = [one for one in links.values() if at_ns < one.expires_at_ns and self._holds(one)]
        alive = [one for one in kept.values() if self._alive(one, at_ns)]
        wanted = _File(tuple(due[-_KEPT_MOST:]), tuple(alive[-_KEPT_MOST:]))
        write_private(self._path, wanted)
        self.first = False
        self._links = {one.digest: one for one in wanted.links}
        self._kept = {one.digest: one for one in wanted.sign_ins}
        names = {one.sign_in_id for one in wanted.sign_ins}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
