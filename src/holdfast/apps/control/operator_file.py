"""The file of operators: names with the digests of their tokens, for its owner alone.

One server owns it, as it owns the state folder. A token is shown once, by whoever calls `add`, and
never kept. Not here: who may add one (`operators`), what each may let go on
(`approvers`).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from holdfast.apps.control.private_file import read_private, write_private
from holdfast.errors import Conflict, NotFound
from holdfast.model.identity import Person
from holdfast.model.operators import Role

ADMIN = "admin"
FILE = "operators.json"
_PREFIX = "hfo_"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LENGTH = 52


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One operator; `digest` is SHA-256 of the token, in hex.

    A file of before says neither role nor place. `within` are tenants, or `tenant/project`, where
    they act; empty: everywhere. `identity` is who they are to `issuer`, empty for whoever has a
    token alone; `digest` is empty for whoever signs in alone.
    """

    name: str
    digest: str
    added_at_ns: int
    role: Role = Role.OPERATOR
    within: tuple[str, ...] = ()
    identity: str = ""
    issuer: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operators: tuple[Operator, ...] = ()


class Operators:
    """Every operator but the admin, who has no entry and cannot be removed."""

    def __init__(self, state: Path, choose: Callable[[str], str] = secrets.choice) -> None:
        """Read the file of a state folder. Errors: ConfigInvalid when it does not hold."""
        self._path = state / FILE
        self._choose = choose
        kept = read_private(self._path, _File) or _File()
        self._by_name = {one.name: one for one in kept.operators}

    def all(self) -> list[Operator]:
        """By name."""
        return sorted(self._by_name.values(), key=lambda one: one.name)

    def name_of(self, digest: str) -> str:
        """Whose token has the digest, empty for nobody's; every entry is compared."""
        found = ""
        for one in self._by_name.values():
            if one.digest and hmac.compare_digest(digest, one.digest):
                found = one.name
        return found

    def digests(self) -> Iterator[str]:
        """Of all tokens."""
        return (one.digest for one in self._by_name.values() if one.digest)

    def of_person(self, person: Person) -> str:
        """Who was added by an identity of this person's, empty for nobody."""
        found = (one for one in self._by_name.values() if one.issuer == person.issuer)
        return next((one.name for one in found if one.identity in person.identities), "")

    def credential_of(self, name: str) -> str:
        """What changes when a token or an identity does; empty for nobody."""
        found = self._by_name.get(name)
        if found is None or not found.identity:
            return found.digest if found is not None else ""
        return _digest(f"{found.digest}\0{found.issuer}\0{found.identity}")

    def add(self, draft: Operator, *, token: bool = True) -> str:
        """A new operator, from a draft without a digest; their token, empty where they get none.

        Durable on return. Errors: Conflict for a name or an identity that is taken.
        """
        if draft.name == ADMIN or draft.name in self._by_name:
            raise Conflict(f"there is an operator `{draft.name}` already")
        named = (draft.issuer, draft.identity)
        for one in self._by_name.values() if draft.identity else ():
            if (one.issuer, one.identity) == named:
                raise Conflict(f"`{draft.identity}` is the operator `{one.name}` already")
        made = _PREFIX + "".join(self._choose(_ALPHABET) for _ in range(_LENGTH)) if token else ""
        added = msgspec.structs.replace(draft, digest=_digest(made) if made else "")
        self._write({**self._by_name, draft.name: added})
        return made

    def remove(self, name: str) -> None:
        """Their token opens nothing from here on. Errors: NotFound."""
        if name not in self._by_name:
            raise NotFound(f"there is no operator `{name[:64]}`")
        self._write({n: one for n, one in self._by_name.items() if n != name})

    def _write(self, wanted: dict[str, Operator]) -> None:
        """The file first; memory follows what is on disk."""
        write_private(self._path, _File(tuple(wanted.values())))
        self._by_name = wanted


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
