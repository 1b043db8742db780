"""Where a call really goes: destinations in several arguments, and in those that say nothing of it.

A tool that puts a destination together uses the whole, so the whole is judged: as a contract's
`destinations` say it, and, where they are silent, as pieces on hosts that strangers share can only
be meant. What an argument without a role, or a payload, holds is found however it is written. Not
here: what is believed (`vouched`), one argument by itself (`gate`).
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.core.flow.addresses import Part, hidden, parts
from holdfast.core.flow.hosts import host_of, is_ending, is_suffix, lends_mailboxes, lends_paths
from holdfast.core.flow.vouched import Vouched, leaves
from holdfast.core.resources import template_variables
from holdfast.model.tools import Contract

MOST_WHOLES = 100
_MOST_ENDS = 16
_MOST_PARTS = 500
_LONGEST_PAYLOAD = 200_000
_LONGEST_PIECE = 253
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
# Stands for a piece where only the text around the pieces is looked at.
_NOBODY = "nobody-knows"
# What `addresses` leaves out of an address, or reads over.
_BESIDE = re.compile(r"[?#\\\s]|://[^/]*@|:\d{1,5}(?![\w:])")


class Whole(msgspec.Struct, frozen=True):
    """A destination as a tool puts it together, and the pieces that the call gave, by argument."""

    text: str
    pieces: tuple[tuple[str, object], ...]


def pieces_of(contract: Contract) -> frozenset[str]:
    """The arguments that are pieces of a declared destination."""
    return frozenset(
        name for one in contract.destinations for name in template_variables(one) or ()
    )


def wholes(template: str, contract: Contract, arguments: Mapping[str, Any]) -> list[Whole] | str:
    """Each destination that a template makes of the arguments; one sentence where it makes none.

    A list stands for each of its values. A piece that is left out is what the schema says.
    """
    choices: list[list[object]] = []
    names = tuple(dict.fromkeys(template_variables(template) or ()))
    properties = contract.input_schema.get("properties", {})
    for name in names:
        schema = properties.get(name)
        declared = schema if isinstance(schema, Mapping) else {}
        value = arguments.get(name, declared.get("default"))
        chosen: list[object] = [*value] if isinstance(value, list | tuple) else [value]
        if not chosen or not all(map(_is_piece, chosen)):
            return f"lacks a piece: `{name}` says nothing checkable"
        choices.append(chosen)
    made = list[Whole]()
    for row in itertools.islice(itertools.product(*choices), MOST_WHOLES + 1):
        given = dict(zip(names, map(str, row), strict=True))
        text = _VARIABLE.sub(lambda found, given=given: given[found[1]], template)  # type: ignore[misc]
        said = tuple((n, v) for n, v in zip(names, row, strict=True) if n in arguments)
        made.append(Whole(text, said))
    return made if len(made) <= MOST_WHOLES else f"names more than {MOST_WHOLES} destinations"


def _is_piece(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def is_known(
    whole: Whole, template: str, vouched: Vouched, *, typed: bool, pieces_known: bool
) -> bool:
    """Whether a destination is believed: by itself, or by whose it is and each of its pieces.

    Pieces alone say nothing of what they are together, except on a host that the operator named.
    `typed`: only what was typed counts.
    """
    found = list(itertools.islice(parts(whole.text), _MOST_PARTS + 1))
    if len(found) > _MOST_PARTS:
        return False
    judged = [part for part in found if part.host]
    judged = judged or [part for part in found if part.certain]
    if not judged:
        return pieces_known
    fixed = _fixed(template)
    exact = pieces_known or _BESIDE.search(whole.text) is None
    return all(
        (exact and vouched.knows_place(part, typed=typed))
        or (
            pieces_known
            and (_is_on(part, fixed) or vouched.knows_place(part, typed=typed, whole=False))
        )
        for part in judged
    )


def _fixed(template: str) -> frozenset[str]:
    """The hosts that stand in a template itself, below which a piece may name something."""
    found = {part.host for part in parts(_VARIABLE.sub(_NOBODY, template))}
    return frozenset(host.replace(f":{_NOBODY}.", ":.") for host in found) - {""}


def _is_on(part: Part, fixed: frozenset[str]) -> bool:
    hosts = (part.host, *(part.host[n:] for n, c in enumerate(part.host) if c == "."))
    return any(host in fixed or f"host:{host}" in fixed for host in hosts)


def pieced(values: list[str], vouched: Vouched, *, typed: bool) -> Iterator[str]:
    """What pieces that were not declared make together on hosts where strangers have names.

    Elsewhere whoever has the host has all of it, and the host is a piece that is judged.
    """
    bare = [value.lower().strip() for value in values if len(value) <= _LONGEST_PIECE]
    named = [value.lstrip("@") for value in bare]
    alone = [value for value in named if value and not re.search(r"[@\s]|://", value)]
    for end in itertools.islice(filter(_is_shared, dict.fromkeys(alone)), _MOST_ENDS):
        for one in dict.fromkeys(alone):
            if one == end or _is_shared(one):
                continue
            for text in _joined(one, end):
                if not any(vouched.knows_place(part, typed=typed) for part in parts(text)):
                    yield text


def _is_shared(value: str) -> bool:
    host = host_of(value.strip("@.").removeprefix("www."))
    if "." not in host:
        return is_ending(host)
    return is_suffix(host) or lends_mailboxes(host) or lends_paths(host)


def _joined(one: str, end: str) -> Iterator[str]:
    host = host_of(end.strip("@.").removeprefix("www."))
    if lends_mailboxes(host):
        yield f"{one}@{host}"
    if is_suffix(host):
        yield f"{one.strip('.')}.{host}"
    if lends_paths(host):
        yield f"https://{host}/{one.strip('/')}"


def strays(value: object, schema: object, vouched: Vouched) -> Iterator[str]:
    """Addresses that an argument without a role holds and nobody vouches for.

    A name of a host that could be another thing counts where the model wrote it before.
    """
    for one in _chosen(value, schema):
        yield from _unknown(parts(str(one)), vouched)


def covert(value: object, vouched: Vouched) -> Iterator[str]:
    """Addresses that a payload holds encoded and nobody vouches for."""
    left = _LONGEST_PAYLOAD
    for one in leaves(value):
        if isinstance(one, str):
            left -= len(one)
            yield from _unknown(hidden(one[: max(left + len(one), 0)]), vouched)
    if left < 0:
        yield f"what stands after {_LONGEST_PAYLOAD} characters"


def _chosen(value: object, schema: object) -> Iterator[object]:
    """The scalars of a value that the operator's schema does not spell itself, and keys."""
    declared = schema if isinstance(schema, Mapping) else {}
    spelled = [*declared.get("enum", ()), declared.get("const"), declared.get("default")]
    for one in leaves(value):
        if one is not None and not isinstance(one, bool) and one not in spelled:
            yield one


def _unknown(found: Iterator[Part], vouched: Vouched) -> Iterator[str]:
    for count, part in enumerate(found):
        if count >= _MOST_PARTS:
            yield "more addresses than are looked at"
            return
        if not part.host and part.certain and not part.key.startswith("name:"):
            continue  # A number, a token or a path is no destination by itself.
        if vouched.knows_place(part, typed=False):
            continue
        if (part.host and part.certain) or vouched.wrote(part):
            yield part.key.partition(":")[2]
