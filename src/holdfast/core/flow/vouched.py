"""What one session may believe, and whether untrusted text has come into its context.

Sources are kept apart: what the user and the operator typed, what first-party systems said, fields
of their records, lists of members. What the model itself wrote into a call's arguments came from
none of them, so a result that says it again adds nothing, then or later. All of this can be built
again from the journal, record by record.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from holdfast.core.flow.addresses import Part, domain, file_names, name_key, parts
from holdfast.core.flow.trusted import KEPT_OF_ONE, TrustedText
from holdfast.core.flow.words import amount, bare, folded, numbers, plain, words
from holdfast.core.sparse import Sparse
from holdfast.model.tools import ArgumentRole

# Digits and marks under this length prove nothing in prose: `13` stands in `June 13`.
_SHORTEST = 4
_BROUGHT_MOST = 50_000
_KEPT_VALUES = 20_000
_KEPT_KEYS = 50_000
# Of one value; what holds more is for a person.
_MOST_PARTS = 100
# Of one call; who writes more is not followed.
_MOST_BROUGHT_PARTS = 10_000
# Names of one value that the model wrote before; who names more is for a person.
_MOST_SEGMENTS = 100
_LONGEST_JOINED = 63
_ALONE = re.compile(r"[@#]?[\w.-]{3,64}")
# What stands beside a name as a note: in brackets, behind a comma, colon or dash.
_NOTES = re.compile(r"[()\[\]{}<>,;:|/\"\n]|\s[-\u2013\u2014]\s")
_LONGEST_NAME = 8
_KEPT_TEXT = 128


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a result adds to what may be believed: text, fields of records by role, members."""

    text: str = ""
    records: Mapping[ArgumentRole, tuple[str, ...]] = {}
    members: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it adds nothing."""
        return not (self.text or self.records or self.members)


class Vouched(Sparse):
    """What may be believed in one session. Not thread-safe; memory is bounded."""

    _typed: TrustedText
    _own: TrustedText
    _records: dict[tuple[ArgumentRole, str], int]
    _members: dict[str, int]
    _brought: dict[str | Decimal, int]
    """Words and numbers that the model wrote into arguments, and when it first did."""
    _typed_keys: set[str]
    """Addresses in one spelling that were typed; in `_said_keys` with when a first party first said
    one, in `_brought_keys` when the model wrote one."""
    _typed_files: set[str]
    _said_keys: dict[str, int]
    _brought_keys: dict[str, int]

    EMPTY: ClassVar = {
        **dict.fromkeys(("_typed", "_own"), TrustedText),
        **dict.fromkeys(("_records", "_members", "_brought", "_said_keys", "_brought_keys"), dict),
        **dict.fromkeys(("_typed_keys", "_typed_files"), set),
    }
    __slots__ = (*EMPTY, "_blind_from", "_moment", "tainted", "tainted_by")

    def __init__(self) -> None:
        self.tainted = False
        self.tainted_by = ""
        self._moment = 0
        # From here on nobody knows what arguments brought in, so results vouch for nothing.
        self._blind_from: int | None = None

    def trust(self, text: str) -> None:
        """Take in what was typed: by the user, or by the operator about the task."""
        self._typed.add(text, self._next())
        for part in parts(text[:KEPT_OF_ONE]):
            if len(self._typed_keys) < _KEPT_KEYS:
                self._typed_keys.update(part.says)
        for name in file_names(text[:KEPT_OF_ONE]):
            if len(self._typed_files) < _KEPT_KEYS:
                self._typed_files.add(name)

    def learn(self, given: Given) -> None:
        """Take in what a result of the operator's own systems gives."""
        moment = self._next()
        if given.text:
            self._own.add(given.text, moment)
            self._say(given.text, moment)
        for role, values in given.records.items():
            for value in values[: max(_KEPT_VALUES - len(self._records), 0)]:
                self._records.setdefault((role, _exact(value)), moment)
                self._say(value, moment)
                # A call may write the number `13.5` for the field `13.50`.
                self._say(_exact(value), moment)
        for value in given.members[: max(_KEPT_VALUES - len(self._members), 0)]:
            self._members.setdefault(_exact(value), moment)
            self._say(value, moment)

    def _say(self, text: str, moment: int) -> None:
        """Remember when a first party first said an address; what is not kept was never said."""
        for part in parts(text[:KEPT_OF_ONE]):
            if len(self._said_keys) < _KEPT_KEYS:
                for key in part.says:
                    self._said_keys.setdefault(key, moment)

    def taint(self, tool: str) -> None:
        """Untrusted text entered the context through `tool`."""
        if not self.tainted:
            self.tainted, self.tainted_by = True, tool

    def bring(self, arguments: Mapping[str, Any] | None) -> None:
        """A call may run with these arguments: what they say, its result does not prove.

        None where they are not known, and then no later result proves anything.
        """
        moment = self._next()
        if arguments is None:
            self._blind_from = moment if self._blind_from is None else self._blind_from
            return
        for leaf in leaves(arguments):
            short = isinstance(leaf, str) and len(leaf) <= _KEPT_TEXT
            for said in _kept_says(leaf) if short else _says(leaf):
                self._brought.setdefault(said, moment)
        followed = self._bring_addresses(arguments, moment)
        kept = max(len(self._brought), len(self._brought_keys))
        if (kept > _BROUGHT_MOST or not followed) and self._blind_from is None:
            self._blind_from = moment

    def _bring_addresses(self, arguments: Mapping[str, Any], moment: int) -> bool:
        """Remember addresses and names in arguments; False where there are too many."""
        brought = self._brought_keys
        found = itertools.chain.from_iterable(parts(_spelled(leaf)) for leaf in leaves(arguments))
        for part in itertools.islice(found, _MOST_BROUGHT_PARTS):
            for key in part.says:
                brought.setdefault(key, moment)
        texts = [leaf for leaf in leaves(arguments, keys=False) if isinstance(leaf, str)]
        for leaf in texts:
            if _ALONE.fullmatch(leaf):
                brought.setdefault(name_key(leaf), moment)
        for name in _names(texts):
            brought.setdefault(name, moment)
        return next(found, None) is None

    def copy(self) -> "Vouched":
        """What may be believed so far, for a session that starts from here."""
        made = Vouched()
        made.tainted, made.tainted_by = self.tainted, self.tainted_by
        made._moment, made._blind_from = self._moment, self._blind_from
        made._typed, made._own = self._typed.copy(), self._own.copy()
        made._records, made._members = dict(self._records), dict(self._members)
        made._brought = dict(self._brought)
        made._typed_keys = set(self._typed_keys)
        made._typed_files = set(self._typed_files)
        made._said_keys = dict(self._said_keys)
        made._brought_keys = dict(self._brought_keys)
        return made

    def typed(self, value: object) -> bool:
        """Whether a value stands in what was typed."""
        return self._first(self._typed, value) is not None

    def knows_place(self, part: Part, *, typed: bool, whole: bool = True) -> bool:
        """Whether an address, found in whatever form, was typed, or said before the model wrote it.

        `typed`: only what was typed counts. `whole` False: of what it belongs to.
        """
        key = part.key if whole else part.owner
        if key in self._typed_keys:
            return True
        said = None if typed else self._said_keys.get(key)
        if said is None or self._is_blind(said):
            return False
        if whole:
            return self._is_part_new(part, said)
        new = not part.core or not all(self._is_word_brought(word, said) for word in part.core)
        return new and not self._is_brought_first(key)

    def wrote(self, part: Part) -> bool:
        """Whether the model wrote an address into an earlier call, and nobody typed it."""
        keys = {part.key, part.host, *part.asks}
        return part.key not in self._typed_keys and any(
            key not in self._typed_keys and self._is_brought_first(key)
            for key in keys
            if not key.startswith("maybe:")
        )

    def wrote_name(self, value: object) -> bool:
        """Whether a value without an address names, beside notes, just what the model wrote before.

        `Mallory Smith (employee 771)` does where a call said `Mallory Smith`; `Bob Stone` does not
        where one said `bob`. A name that was typed is nobody else's.
        """
        spelled = _spelled(value)
        if next(iter(parts(spelled)), None) is not None:
            return False
        segments = [one.strip() for one in _NOTES.split(spelled) if one.strip()]
        brought = [one for one in dict.fromkeys(segments) if self._names_brought(one)]
        if len(segments) < 2 or not brought:
            return False
        return len(brought) > _MOST_SEGMENTS or any(map(self._is_name_brought, brought))

    def _names_brought(self, segment: str) -> bool:
        """Whether the model wrote this name at all, which is one look."""
        return any(name in self._brought_keys for name in _names([segment]))

    def _is_name_brought(self, segment: str) -> bool:
        """Whether the model wrote this name before anybody typed it or a first party said it."""
        if self._first(self._typed, segment) is not None:
            return False
        said = (
            self._first(self._own, segment),
            self._members.get(_exact(segment)),
            self._records.get((ArgumentRole.WHO, _exact(segment))),
        )
        for name in _names([segment]):
            brought = self._brought_keys.get(name)
            if brought is not None:
                return all(at is None or at > brought for at in said)
        return False

    def typed_word(self, word: str) -> bool:
        """Whether a word, in lower case, was typed."""
        return self._typed.has_word(word)

    def typed_address(self, key: str) -> bool:
        """Whether an address was typed, by its key (`addresses`)."""
        return key in self._typed_keys

    def typed_file(self, name: str) -> bool:
        """Whether a file was typed by this name, whole: relative, in normal form, by case."""
        return name in self._typed_files

    def said(self, value: object) -> bool:
        """Whether a first-party result said a value before the model did."""
        return self._new(value, self._first(self._own, value))

    def said_link(self, link: str) -> bool:
        """Whether a first-party result said a link before the model did, or said it bare."""
        return any(self._new(link, self._first(self._own, text)) for text in {link, bare(link)})

    def recorded(self, value: object, role: ArgumentRole) -> bool:
        """Whether it is the whole of a field that a contract declares to be of this role."""
        return self._new(value, self._records.get((role, _exact(value))))

    def member(self, value: object) -> bool:
        """Whether it is the whole of a name in a declared list of members."""
        return self._new(value, self._members.get(_exact(value)))

    def believes(self, value: object) -> bool:
        """Whether a value was typed or said, an amount compared as a number."""
        number = amount(value)
        if number is not None and self.knows_number(number):
            return True
        return self.typed(value) or self.said(value)

    def knows_word(self, word: str, *, typed: bool = False) -> bool:
        """Whether a word, in lower case, was typed, or said before the model wrote it.

        `typed`: only what was typed counts.
        """
        if self._typed.has_word(word) or typed:
            return self._typed.has_word(word)
        return self._new(word, self._own.first_word(word))

    def knows_link(self, link: str) -> bool:
        """Whether an address or link was typed, said or recorded, with or without its scheme."""
        roles = (ArgumentRole.WHO, ArgumentRole.URL)
        return self.said_link(link) or any(
            self.typed(text) or any(self.recorded(text, role) for role in roles)
            for text in {link, bare(link)}
        )

    def knows_domain(self, entry: str) -> bool:
        """Whether an entry of a list of domains was typed, or said before the model wrote it.

        It is compared as the address that it is, never as words: `org` stands in many a sentence.
        """
        place = domain(entry)
        if place is None:
            return False
        said = self._said_keys.get(place.key)
        return place.key in self._typed_keys or (
            said is not None and not self._is_blind(said) and self._is_part_new(place, said)
        )

    def _next(self) -> int:
        self._moment += 1
        return self._moment

    def _first(self, text: TrustedText, value: object) -> int | None:
        spelled = _spelled(value)
        if len(spelled) < _SHORTEST and not spelled.isalpha():
            return None
        return text.first(spelled)

    def knows_number(self, value: Decimal) -> bool:
        """Whether a number was typed, said before the model wrote it, or recorded as an amount."""
        if self._typed.first_number(value) is not None:
            return True
        said, brought = self._own.first_number(value), self._brought.get(value)
        # By value alone: a number has no parts, though `49.9` can be read as a host's.
        return any(
            at is not None and not self._is_blind(at) and (brought is None or at < brought)
            for at in (said, self._records.get((ArgumentRole.MUCH, _exact(value))))
        )

    def _new(self, value: object, moment: int | None) -> bool:
        """Whether what was said at `moment` was not written by the model before.

        A word beside an address says nothing about it, so each address counts by itself.
        """
        if moment is None or self._is_blind(moment):
            return False
        for count, part in enumerate(parts(_spelled(value))):
            if count >= _MOST_PARTS or not self._is_part_new(part, moment):
                return False
        untyped = [
            word.group()
            for word in words(folded(_spelled(value)))
            if not self._typed.has_word(word.group())
        ]
        return not untyped or any(self._brought.get(word, moment) >= moment for word in untyped)

    def _is_part_new(self, part: Part, moment: int) -> bool:
        """Whether an address, its host and what it is part of came from nobody but first parties.

        Typed words make none: `eve` and `evil.com` have to be typed, the host as a host.
        """
        typed = self._typed_keys
        if part.key in typed:
            return True
        hosted = not part.host or part.host in typed
        if hosted and all(map(self._typed.has_word, part.words)):
            return True
        if any(key not in typed and self._is_brought_first(key) for key in part.asks):
            return False
        since = self._said_keys.get(part.key, moment)
        untyped = [word for word in part.core if not hosted or not self._typed.has_word(word)]
        return not untyped or not all(self._is_word_brought(word, since) for word in untyped)

    def _is_brought_first(self, key: str) -> bool:
        brought, said = self._brought_keys.get(key), self._said_keys.get(key)
        return brought is not None and (said is None or brought < said)

    def _is_word_brought(self, word: str, moment: int) -> bool:
        """Whether the model wrote a word before, in one piece or in two that were joined."""
        brought = self._brought
        if brought.get(word, moment) < moment:
            return True
        return len(word) <= _LONGEST_JOINED and any(
            brought.get(word[:cut], moment) < moment and brought.get(word[cut:], moment) < moment
            for cut in range(1, len(word))
        )

    def _is_blind(self, moment: int) -> bool:
        return self._blind_from is not None and moment >= self._blind_from


def leaves(value: object, *, keys: bool = True) -> Iterable[object]:
    """Every scalar in a JSON value, keys of objects too, in order."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if keys:
                yield name
            yield from leaves(inner, keys=keys)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner, keys=keys)
    else:
        yield value


def _says(leaf: object) -> Iterable[str | Decimal]:
    """Words and numbers of one value of a call."""
    if (value := amount(leaf)) is not None:
        yield value
    for word in words(folded(str(leaf))):
        yield word.group()
    yield from numbers(leaf) if isinstance(leaf, str) else ()


@lru_cache(maxsize=4096)
def _kept_says(text: object) -> tuple[str | Decimal, ...]:
    """Of a short text: names of arguments and of files come again and again."""
    return tuple(_says(text))


def _names(texts: list[str]) -> Iterable[str]:
    """The keys of names in these texts: each by itself, and all of them one after another."""
    spelled = [[word.group() for word in words(folded(text))] for text in texts]
    joined = [word for name in spelled for word in name]
    for name in (*spelled, joined):
        text = " ".join(name)
        if 0 < len(name) <= _LONGEST_NAME and any(map(str.isalpha, name)):
            yield f"called:{text}"


def _spelled(value: object) -> str:
    number = amount(value) if not isinstance(value, str) else None
    return format(number, "f") if number is not None else str(value).strip()


def _exact(value: object) -> str:
    """One spelling of a field's whole value; numbers by value."""
    number = amount(value)
    if number is not None:
        return format(number.normalize(), "f")
    return folded(plain(str(value).strip()))
