"""Browsers that are signed in, and the links that sign one in: digests, in a file of the owner's.

A sign-in stands for an operator, and holds as long as the token of that operator does: whoever is
removed, or gets another token, is signed out everywhere. Not here: who may make a link
(`sign_ins`), cookies (`apps/console`).
"""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from holdfast.apps.control.private_file import read_private, write_private
from holdfast.errors import NotFound, RateLimited, Unauthenticated
from holdfast.model.tokens import LINK_PREFIX, SIGN_IN_PREFIX
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
# Of links that were none, by everybody together.
_WRONG_MOST = 10
_WRONG_IN_S = 60


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    operator: str
    credential: str
    expires_at_ns: int


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    operator: str
    credential: str
    sign_in_id: str
    since_ns: int
    expires_at_ns: int


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    links: tuple[_Link, ...] = ()
    sign_ins: tuple[_Kept, ...] = ()


class SignIns:
    """Every browser that is signed in. `credential_of` says the digest of an operator's token."""

    def __init__(
        self,
        state: Path,
        credential_of: Callable[[str], str],
        choose: Callable[[str], str] = secrets.choice,
    ) -> None:
        """Read the file of a state folder. Errors: ConfigInvalid when it does not hold."""
        self._path = state / FILE
        self._credential_of = credential_of
        self._choose = choose
        kept = read_private(self._path, _File)
        self.first = kept is None
        """Nobody was ever shown a link here."""
        self._links = {one.digest: one for one in (kept or _File()).links}
        self._kept = {one.digest: one for one in (kept or _File()).sign_ins}
        self._seen: dict[str, int] = {}
        self._wrong: deque[int] = deque(maxlen=_WRONG_MOST)

    def link(self, operator: str, at_ns: int) -> tuple[str, int]:
        """A code that signs one browser in, and when it is dead. Errors: ConfigInvalid."""
        code = self._token(LINK_PREFIX)
        link = _Link(_digest(code), operator, self._credential_of(operator), at_ns + LINK_S * _NS)
        self._write({**self._links, link.digest: link}, self._kept, at_ns)
        return code, link.expires_at_ns

    def open(self, code: str, at_ns: int) -> SignedIn:
        """Sign a browser in by a code, which is used up. Errors: Unauthenticated, RateLimited."""
        if len(self._wrong) == _WRONG_MOST and at_ns - self._wrong[0] < _WRONG_IN_S * _NS:
            raise RateLimited(
                "too many links that are none; try again in a minute", retry_after_s=_WRONG_IN_S
            )
        found = self._links.get(_digest(code))
        if found is None or at_ns >= found.expires_at_ns or not self._holds(found):
            self._wrong.append(at_ns)
            raise Unauthenticated(
                "this link was used or is too old; `holdfast console link` makes a new one"
            )
        token, sign_in_id = self._token(SIGN_IN_PREFIX), "sig_" + self._token("")[:16]
        kept = _Kept(
            digest=_digest(token),
            operator=found.operator,
            credential=found.credential,
            sign_in_id=sign_in_id,
            since_ns=at_ns,
            expires_at_ns=at_ns + LIFE_S * _NS,
        )
        links = {digest: one for digest, one in self._links.items() if one is not found}
        self._write(links, {**self._kept, kept.digest: kept}, at_ns)
        return SignedIn(sign_in=self._shown(kept), token=token)

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
        return at_ns < min(kept.expires_at_ns, seen_ns + IDLE_S * _NS) and self._holds(kept)

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
