"""A query to a search provider: what makes it one, and what of it may carry something out.

A query within the bound is a read: a few words, no address that could be gone to, nothing that
reads as a key or as encoded. What then still may carry something is its *residue*: after untrusted
text, each word that nobody typed and that was not sent before counts whole, any other two bytes,
since to choose among 65,536 words says no more. A session may send so much of it (`Residue`); then
queries leave like any other text. Not here: the gate for what leaves (`gate`).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from holdfast.core.flow.addresses import Part, parts
from holdfast.core.flow.encoded import fault_of_form
from holdfast.core.flow.hosts import host_of, is_number
from holdfast.core.flow.sites import is_well_known, names_site, numbers_of_hosts
from holdfast.core.flow.values import chosen
from holdfast.core.flow.vouched import Vouched
from holdfast.core.flow.words import words
from holdfast.core.sparse import Sparse
from holdfast.model.decisions import Reason, Verdict
from holdfast.model.tools import ArgumentRole, Contract

_MOST_BYTES = 200
_MOST_WORDS = 32
_MOST_SITES = 10
_MOST_VALUES = 40
_MOST_PARTS = 40
_KEPT_WORDS = 20_000
_KNOWN_WORD = 2
_SHOWN = 80
_SITE = re.compile(
    r"(?<!\w)-?(?:site|domain|host|related|cache|info|link|source|url):\s*\"?([^\s\"]*)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9-]{1,63}){1,4}", re.ASCII)
_LONGEST_LABEL = 30
_HERE = ("::", "::1")
_QUERY_ALONE: Mapping[str, Any] = {"properties": {"query": {}}}
_PLAIN_LABELS = 3


class Query(msgspec.Struct, frozen=True):
    """The arguments of one call, read as a query: why they are none, else what they carry.

    ``residue`` is in bytes, 0 where nothing untrusted was read; ``text`` is all that is sent.
    """

    text: str
    residue: int = 0
    fault: str = ""


class Residue(Sparse):
    """What queries of one session have carried out since it read untrusted text, in bytes."""

    _sent: set[str]

    EMPTY: ClassVar = {"_sent": set}
    __slots__ = ("_sent", "spent")

    def __init__(self) -> None:
        self.spent = 0

    def hold(self, residue: int) -> None:
        """Count a query that may go out."""
        self.spent += residue

    def sent(self, text: str) -> None:
        """A query went out; what is said again later is known to the provider."""
        for word in words(text):
            if len(self._sent) < _KEPT_WORDS:
                self._sent.add(word.group())

    def refund(self, residue: int) -> None:
        """A query that was counted did not go out after all."""
        self.spent -= residue

    def knows(self, word: str) -> bool:
        """Whether a word went out before, letter for letter."""
        return word in self._sent


def is_search(contract: Contract | None) -> bool:
    """Whether a contract declares an argument as the query of a search provider."""
    return contract is not None and ArgumentRole.QUERY in contract.roles.values()


def read_query(
    contract: Contract, arguments: Mapping[str, Any], vouched: Vouched, sent: Residue
) -> Query:
    """Read a call of a search tool; all its arguments count, whatever they are called."""
    asked = {name for name, role in contract.roles.items() if role is ArgumentRole.QUERY}
    return query_of(arguments, vouched, sent, asked=asked, schema=contract.input_schema)


def query_of(
    arguments: Mapping[str, Any],
    vouched: Vouched,
    sent: Residue,
    *,
    asked: Collection[str] = ("query",),
    schema: Mapping[str, Any] = _QUERY_ALONE,
) -> Query:
    """The same of arguments alone: those named in `asked` are queries, one at least has to be."""
    if not any(isinstance(arguments.get(name), str) and arguments[name] for name in asked):
        return Query("", fault="says nothing as a text")
    texts, sites = list[str](), list[str]()
    for name, value in arguments.items():
        for one in chosen(schema, {name: value}):
            spelled = one if isinstance(one, str) else str(one)
            alone = name not in asked and _is_name(spelled)
            (sites if alone else texts).append(spelled)
            if len(texts) + len(sites) > _MOST_VALUES:
                return Query("", fault=f"holds more than {_MOST_VALUES} values")
    text = " ".join([*texts, *sites])
    fault = _fault_of_size(texts, sites) or _fault_of_sites(sites, vouched)
    for one in () if fault else texts:
        fault = fault or fault_of_form(one) or _fault_of_addresses(one, vouched)
    residue = residue_of(text, vouched, sent) if vouched.tainted and not fault else 0
    return Query(text, residue, fault)


def residue_of(text: str, vouched: Vouched, sent: Residue) -> int:
    """An upper bound, in bytes, of what a text says beyond what was typed or sent before."""
    total = 1
    for word in words(text):
        spelled = word.group()
        total += _KNOWN_WORD if _known(spelled, vouched, sent) else len(spelled.encode()) + 1
    rest = re.sub(r"[\w\s]+", "", text)
    return total + len(rest.encode("utf-8", "surrogatepass"))


def over(query: Query, room: int) -> str:
    """Why a query has no room; `room` is what the session may still send, in bytes."""
    if query.residue < room or not query.residue:
        return ""
    return (
        f"carries {query.residue} bytes that nobody typed, and queries of this session may carry"
        f" {max(room, 0)} more"
    )


def gate_sites(
    sites: Iterable[str], vouched: Vouched, known: Iterable[str], room: int
) -> list[Reason]:
    """Reasons to refuse a search that the provider runs by itself, after taint.

    `sites` are the domains that it is held to, `known` those that it was before; the words are
    the provider's to choose, so they are counted once they are seen.
    """
    if not vouched.tainted:
        return []
    source = f"untrusted text from `{vouched.tainted_by}` is in the context"
    if room <= 0:
        text = f"{source}, and queries of this session have carried as much as they may"
        return [_no("flow.query_spent", text)]
    held = set(known)
    for site in sites:
        if site not in held and _fault_of_sites([site], vouched):
            shown = repr(site[:_SHOWN])
            return [_no("flow.unvouched", f"{source}, and {shown} stands in no trusted text")]
    return []


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text.lower()) is not None


def _fault_of_size(texts: list[str], sites: list[str]) -> str:
    try:
        size = sum(len(text.encode()) for text in texts)
    except UnicodeEncodeError:
        return "is no text"
    if size > _MOST_BYTES:
        return f"is longer than {_MOST_BYTES} bytes"
    if sum(len(text.split()) for text in texts) > _MOST_WORDS:
        return f"has more than {_MOST_WORDS} words"
    return f"names more than {_MOST_SITES} sites" if len(sites) > _MOST_SITES else ""


def _fault_of_sites(sites: Iterable[str], vouched: Vouched) -> str:
    for site in sites:
        name, _, behind = site.lower().partition("/")
        host = host_of(name)
        if behind or not host or not _may_name(host, vouched):
            return f"names a site that stands in no trusted text: {site[:_SHOWN]!r}"
    return ""


def _may_name(host: str, vouched: Vouched) -> bool:
    """Whether a query may name a host: nobody there could listen, or somebody trusted said it."""
    if not names_site(host):
        return vouched.knows_domain(host) or not vouched.tainted
    if is_well_known(host) or vouched.knows_domain(host):
        return True
    return not vouched.tainted and _is_plain(host)


def _is_plain(host: str) -> bool:
    """Short names of few parts: nothing that could stand for more than a site."""
    labels = host.split(".")
    short = len(labels) <= _PLAIN_LABELS and all(len(one) <= _LONGEST_LABEL for one in labels)
    return short and not fault_of_form(" ".join(labels))


def _fault_of_addresses(text: str, vouched: Vouched) -> str:
    for named in _SITE.findall(text):
        if fault := _fault_of_sites([named.split("/")[0]], vouched):
            return fault
    if any(not vouched.typed(number) for number in numbers_of_hosts(text)):
        return "holds the number of a host that nobody typed"
    for count, part in enumerate(parts(text)):
        if count >= _MOST_PARTS:
            return "holds many addresses"
        if _leads_somewhere(part, text, vouched):
            return f"holds an address that nobody typed: {part.key.partition(':')[2][:_SHOWN]!r}"
    return ""


def _leads_somewhere(part: Part, text: str, vouched: Vouched) -> bool:
    """Whether an address could be gone to, and neither a person nor the table stands for it.

    Names, files and versions are words of a question; numbers are looked at by their form.
    """
    kind, _, _ = part.key.partition(":")
    if kind not in ("mail", "host", "link") or vouched.typed_address(part.key):
        return False
    host = part.host.removeprefix("host:")
    if is_number(host):
        # Fewer than four parts are a version, and four were looked for.
        return "://" in text or (":" in host and host not in _HERE)
    if kind == "mail" or "://" in text:
        return True
    return names_site(host) and not _may_name(host, vouched)


def _known(word: str, vouched: Vouched, sent: Residue) -> bool:
    if sent.knows(word):
        return True
    low = word.lower()
    return word in (low, low.capitalize(), low.upper()) and vouched.typed_word(low)


def _no(code: str, text: str) -> Reason:
    return Reason(stage="flow", verdict=Verdict.DENY, code=code, text=text)
