"""Whether the arguments that decide a call are vouched for, after untrusted text was read.

By effect, what must be: of a read its URL; of a write who, how much and the title of a new thing;
of what leaves, where it goes, how much, what it asks for, and addresses in what it carries; of a
commit all that, and who and what of it as it was typed or stands in a record. What destroys always
asks. Where several arguments make one destination, that one is judged (`destinations`).
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from holdfast.core.flow.destinations import covert, is_known, pieced, pieces_of, strays, wholes
from holdfast.core.flow.values import chosen
from holdfast.core.flow.vouched import Vouched, leaves
from holdfast.core.flow.words import amount, bare, folded, links, words
from holdfast.core.place import Place
from holdfast.core.risk.registry import PATH_ARGUMENTS
from holdfast.core.workplace import below
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.tools import ArgumentRole, Contract, Effect

_WHO, _WHAT, _MUCH = ArgumentRole.WHO, ArgumentRole.WHAT, ArgumentRole.MUCH
_URL, _PAYLOAD, _TITLE = ArgumentRole.URL, ArgumentRole.PAYLOAD, ArgumentRole.TITLE
_QUERY = ArgumentRole.QUERY

_GUARDED = {
    Effect.READ: frozenset({_URL}),
    Effect.WRITE: frozenset({_WHO, _MUCH, _URL, _TITLE}),
    Effect.EGRESS: frozenset({_WHO, _MUCH, _URL, _TITLE, _PAYLOAD, _QUERY}),
    Effect.COMMIT: frozenset({_WHO, _WHAT, _MUCH, _URL, _TITLE, _PAYLOAD}),
}
# What says where something goes, the first that a contract has.
_DESTINATIONS = (frozenset({_WHO, _URL}), frozenset({_WHAT}))
_MOST_VALUES = 500
_SHOWN_CHARACTERS = 80
_FREE_WORD = 3
_NOWHERE = Place()


def gate(
    contract: Contract | None,
    arguments: Mapping[str, Any],
    vouched: Vouched,
    place: Place = _NOWHERE,
) -> list[Reason]:
    """Reasons to ask about a call after taint; empty when it may go on.

    A file below the folder of `place` is vouched for by its name there, where that was typed.

    An undeclared tool, and an effect whose arguments have no declared roles, asks always: nothing
    says what decides there.
    """
    if not vouched.tainted:
        return []
    source = f"untrusted text from `{vouched.tainted_by}` is in the context"
    if contract is None:
        return [_ask("flow.undeclared", f"{source} and this tool declares no contract")]
    if contract.effect is Effect.DESTROY:
        return [_ask("flow.destroy", f"{source} and the call destroys")]
    guarded = _guarded(contract)
    deciding = [role for role in guarded.values() if role is not _PAYLOAD]
    if not deciding and contract.effect in (Effect.COMMIT, Effect.EGRESS):
        return [_ask("flow.no_roles", f"{source} and no argument declares who, what or how much")]
    asked = _Asked(contract, arguments, vouched, place)
    pieces = pieces_of(contract)
    faults = [
        f"`{name}` ({role}) {fault}"
        for name, role in guarded.items()
        if name not in pieces
        for fault in asked.faults(name, role)
    ]
    if not pieces.isdisjoint(guarded):
        faults += [fault for one in contract.destinations for fault in asked.whole_faults(one)]
    if contract.effect in (Effect.EGRESS, Effect.COMMIT):
        faults += asked.pieced_faults(guarded.keys() - pieces)
        faults += asked.stray_faults()
    return [_ask("flow.unvouched", f"{source} and {fault}") for fault in faults]


def _guarded(contract: Contract) -> dict[str, ArgumentRole]:
    roles = _GUARDED[contract.effect]
    if contract.effect is Effect.EGRESS:
        declared = frozenset(contract.roles.values())
        roles |= next((some for some in _DESTINATIONS if some & declared), frozenset())
    return {name: role for name, role in contract.roles.items() if role in roles}


class _Asked:
    """One call, and what of it is not vouched for."""

    def __init__(
        self, contract: Contract, arguments: Mapping[str, Any], vouched: Vouched, place: Place
    ) -> None:
        self._place = place
        self._contract = contract
        self._arguments = arguments
        self._vouched = vouched
        self._payload_typed: bool | None = None

    def faults(self, name: str, role: ArgumentRole) -> Iterator[str]:
        """Why one guarded argument is not vouched for, in words; nothing when it is."""
        schema = self._contract.input_schema.get("properties", {}).get(name, {})
        value = self._arguments.get(name)
        if role is _PAYLOAD:
            yield from self._unknown_links(value)
            for found in dict.fromkeys(covert(value, self._vouched)):
                yield f"holds an address encoded that stands in no trusted text: {_shown(found)}"
            return
        if _is_nothing(value):
            if not _is_default(schema, value, given=name in self._arguments):
                said = "is left out" if name not in self._arguments else "says nothing checkable"
                yield f"{said}, and its schema has no such default"
            return
        checked = list(chosen(schema, value))
        if len(checked) > _MOST_VALUES:
            yield f"holds more than {_MOST_VALUES} values"
            return
        for one in checked:
            if isinstance(one, bool) or one is None:
                yield "says nothing checkable"
            elif not (self._is_vouched(one, role) or self._is_typed_file(name, one, role)):
                yield f"stands in no trusted text: {_shown(one)}"

    def whole_faults(self, template: str) -> Iterator[str]:
        """Why a destination that the arguments make together is not vouched for."""
        made = wholes(template, self._contract, self._arguments)
        if isinstance(made, str):
            yield f"the destination `{template}` {made}"
            return
        typed = self._contract.effect is Effect.COMMIT
        role = _URL if "://" in template else _WHO
        for whole in made:
            pieces = all(self._is_piece_vouched(name, value) for name, value in whole.pieces)
            if not self._is_vouched(whole.text, role) and not is_known(
                whole, template, self._vouched, typed=typed, pieces_known=pieces
            ):
                shown = _shown(whole.text)
                yield f"the destination `{template}` stands in no trusted text: {shown}"

    def _is_piece_vouched(self, name: str, value: object) -> bool:
        if self._is_vouched(value, self._contract.roles.get(name, _WHO)):
            return True
        typed = self._contract.effect is Effect.COMMIT
        return _words_known(value, self._vouched, typed=typed, free=0)

    def pieced_faults(self, names: Collection[str]) -> Iterator[str]:
        """Why pieces of a destination that nobody declared are not vouched for together."""
        roles = self._contract.roles
        said = [n for n in self._arguments if n in names and roles[n] in (_WHO, _URL, _WHAT)]
        values = [str(one) for n in said for one in leaves(self._arguments[n], keys=False)]
        typed = self._contract.effect is Effect.COMMIT
        if len(values) <= _MOST_VALUES:
            for text in dict.fromkeys(pieced(values, self._vouched, typed=typed)):
                shown = _shown(text)
                yield f"its arguments make a destination that stands in no trusted text: {shown}"

    def stray_faults(self) -> Iterator[str]:
        """Why what an argument without a role holds may not go out; a command is read elsewhere."""
        contract = self._contract
        properties = contract.input_schema.get("properties", {})
        for name, value in self._arguments.items():
            if name in contract.roles or name in pieces_of(contract) or contract.shell:
                continue
            for found in dict.fromkeys(strays(value, properties.get(name), self._vouched)):
                shown = _shown(found)
                yield f"`{name}`, which has no role, holds an address that nobody said: {shown}"

    def _is_vouched(self, value: object, role: ArgumentRole) -> bool:
        vouched = self._vouched
        if role is _TITLE:
            return _words_known(value, vouched)
        if role is _WHO and vouched.wrote_name(value):
            return vouched.typed(value)
        if vouched.recorded(value, role):
            return True
        if role is _URL and isinstance(value, str):
            return self._is_url_vouched(value)
        if role is _MUCH:
            return _is_much_vouched(value, vouched)
        if vouched.typed(value):
            return True
        if self._contract.effect is Effect.COMMIT:
            return False
        return vouched.said(value) or (vouched.member(value) and self._carries_typed())

    def _is_typed_file(self, name: str, value: object, role: ArgumentRole) -> bool:
        """Whether it is a file of the session's folder that was typed by its name there."""
        if role is not _WHAT or name not in PATH_ARGUMENTS or not isinstance(value, str):
            return False
        relative = below(value, self._place)
        return bool(relative) and self._vouched.typed_file(relative)

    def _is_url_vouched(self, url: str) -> bool:
        vouched = self._vouched
        spellings = {url, bare(url)}
        if any(vouched.typed(text) for text in spellings):
            return True
        return self._contract.effect is not Effect.COMMIT and vouched.said_link(url)

    def _carries_typed(self) -> bool:
        """Whether all that goes out with the call was typed, or there is nothing."""
        if self._payload_typed is None:
            carried = [
                one
                for name, role in self._contract.roles.items()
                if role is _PAYLOAD
                for one in leaves(self._arguments.get(name))
                if one not in (None, "")
            ]
            self._payload_typed = len(carried) <= _MOST_VALUES and all(
                self._vouched.typed(one) for one in carried
            )
        return self._payload_typed

    def _unknown_links(self, value: object) -> Iterator[str]:
        found: set[str] = set()
        for one in leaves(value):
            if isinstance(one, str) and len(found) <= _MOST_VALUES:
                found |= links(one, _MOST_VALUES)
        if len(found) > _MOST_VALUES:
            yield f"holds more than {_MOST_VALUES} addresses and links"
            return
        for link in sorted(found):
            if not self._vouched.knows_link(link):
                yield f"holds an address or link that stands in no trusted text: {_shown(link)}"


def _is_much_vouched(value: object, vouched: Vouched) -> bool:
    """Numbers by value; days, times and units part by part, as they stand in text."""
    number = amount(value)
    if number is not None:
        return vouched.knows_number(number)
    if vouched.typed(value) or vouched.said(value):
        return True
    parts = str(value).replace("T", " ").split()
    return len(parts) > 1 and all(vouched.typed(one) or vouched.said(one) for one in parts)


def _words_known(
    value: object, vouched: Vouched, *, typed: bool = False, free: int = _FREE_WORD
) -> bool:
    """Whether each word is known by itself; those of up to `free` letters are everybody's."""
    spelled = [word.group() for word in words(folded(str(value)))]
    return len(spelled) <= _MOST_VALUES and all(
        len(word) <= free or vouched.knows_word(word, typed=typed) for word in spelled
    )


def _is_nothing(value: object) -> bool:
    return value is None or isinstance(value, bool) or value in ("", [], {}, ())


def _is_default(schema: object, value: object, *, given: bool) -> bool:
    """Whether a value that says nothing is what the operator's schema says of its absence."""
    if not isinstance(schema, Mapping) or "default" not in schema:
        return False
    default = schema["default"]
    if not given:
        return True
    if isinstance(value, bool) or isinstance(default, bool):
        return value is default
    return not default and default != 0


def _shown(value: object) -> str:
    return repr(str(value)[:_SHOWN_CHARACTERS])


def _ask(code: str, text: str) -> Reason:
    return Reason(stage="flow", verdict=Verdict.ASK, code=code, text=text)
