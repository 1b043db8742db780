"""What one session may believe, and whether untrusted text has come into its context.

Sources are kept apart: what the user and the operator typed, what first-party systems said, fields
of their records, lists of members. What the model itself wrote into a call's arguments came from
none of them, so a result that says it again adds nothing, then or later. All of this can be built
again from the journal, record by record.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.flow.trusted import TrustedText
from holdfast.core.flow.words import amount, bare, folded, numbers, plain, words
from holdfast.model.tools import ArgumentRole

# Digits and marks under this length prove nothing in prose: `13` stands in `June 13`.
_SHORTEST = 4
_BROUGHT_MOST = 50_000
_KEPT_VALUES = 20_000


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a result adds to what may be believed: text, fields of records by role, members."""

    text: str = ""
    records: Mapping[ArgumentRole, tuple[str, ...]] = {}
    members: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it adds nothing."""
        return not (self.text or self.records or self.members)


class Vouched:
    """What may be believed in one session. Not thread-safe; memory is bounded."""

    def __init__(self) -> None:
        self.tainted = False
        self.tainted_by = ""
        self._moment = 0
        self._typed = TrustedText()
        self._own = TrustedText()
        self._records: dict[tuple[ArgumentRole, str], int] = {}
        self._members: dict[str, int] = {}
        # Words and numbers that the model wrote into arguments, and when it first did.
        self._brought: dict[str | Decimal, int] = {}
        # From here on nobody knows what arguments brought in, so results vouch for nothing.
        self._blind_from: int | None = None

    def trust(self, text: str) -> None:
        """Take in what was typed: by the user, or by the operator about the task."""
        self._typed.add(text, self._next())

    def learn(self, given: Given) -> None:
        """Take in what a result of the operator's own systems gives."""
        moment = self._next()
        if given.text:
            self._own.add(given.text, moment)
        for role, values in given.records.items():
            for value in values[: max(_KEPT_VALUES - len(self._records), 0)]:
                self._records.setdefault((role, _exact(value)), moment)
        for value in given.members[: max(_KEPT_VALUES - len(self._members), 0)]:
            self._members.setdefault(_exact(value), moment)

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
            if (value := amount(leaf)) is not None:
                self._brought.setdefault(value, moment)
            for word in words(folded(str(leaf))):
                self._brought.setdefault(word.group(), moment)
            for found in numbers(leaf) if isinstance(leaf, str) else ():
                self._brought.setdefault(found, moment)
        if len(self._brought) > _BROUGHT_MOST and self._blind_from is None:
            self._blind_from = moment

    def copy(self) -> "Vouched":
        """What may be believed so far, for a session that starts from here."""
        made = Vouched()
        made.tainted, made.tainted_by = self.tainted, self.tainted_by
        made._moment, made._blind_from = self._moment, self._blind_from
        made._typed, made._own = self._typed.copy(), self._own.copy()
        made._records, made._members = dict(self._records), dict(self._members)
        made._brought = dict(self._brought)
        return made

    def typed(self, value: object) -> bool:
        """Whether a value stands in what was typed."""
        return self._first(self._typed, value) is not None

    def said(self, value: object) -> bool:
        """Whether a first-party result said a value before the model did."""
        return self._new(value, self._first(self._own, value))

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

    def knows_word(self, word: str) -> bool:
        """Whether a word, in lower case, was typed, or said before the model wrote it."""
        return self._typed.has_word(word) or self._new(word, self._own.first_word(word))

    def knows_link(self, link: str) -> bool:
        """Whether an address or link was typed, said or recorded, with or without its scheme."""
        return any(
            self.typed(text)
            or self.said(text)
            or any(self.recorded(text, role) for role in (ArgumentRole.WHO, ArgumentRole.URL))
            for text in {link, bare(link)}
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
        at, brought = self._own.first_number(value), self._brought.get(value)
        if at is not None and not self._is_blind(at) and (brought is None or at < brought):
            return True
        return self.recorded(format(value, "f"), ArgumentRole.MUCH)

    def _new(self, value: object, moment: int | None) -> bool:
        """Whether what was said at `moment` was not written by the model before."""
        if moment is None or self._is_blind(moment):
            return False
        untyped = [
            word.group()
            for word in words(folded(_spelled(value)))
            if not self._typed.has_word(word.group())
        ]
        return not untyped or any(self._brought.get(word, moment) >= moment for word in untyped)

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


def _spelled(value: object) -> str:
    number = amount(value) if not isinstance(value, str) else None
    return format(number, "f") if number is not None else str(value).strip()


def _exact(value: object) -> str:
    """One spelling of a field's whole value; numbers by value."""
    number = amount(value)
    if number is not None:
        return format(number.normalize(), "f")
    return folded(plain(str(value).strip()))
