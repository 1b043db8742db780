"""What a tool's result says of its own, without what its call brought in.

A result that repeats the arguments of its call ("no contact named 'eve@evil.com'") says nothing
about them: the model wrote them. Only the rest may vouch for a value later (`core/flow`).

A word is the call's when the call holds it in any spelling of case, whole, as a part, or put
together from pieces; a number when the call holds its value. Where the call brings in too much to
look through, nothing of the result is its own. Not here: which results are believed at all.
"""

import re
from collections.abc import Iterable, Mapping

_GAP = "\n"
_LONGEST = 4_000
_TOKEN = re.compile(r"[^\s\"'`<>(){}\[\]|;=]+")
_PIECE = re.compile(r"\w+")
_NUMBER = re.compile(r"[+-]?\d[\d,_]*(?:\.\d+)?(?:e[+-]?\d{1,3})?")


def unrepeated(text: str, arguments: object) -> str:
    """`text` with a gap for every word that the arguments of its call brought in.

    `arguments` is JSON; texts and numbers in it count, names of fields too.
    """
    leaves = list(_leaves(arguments))
    if sum(map(len, leaves)) > _LONGEST:
        return ""
    brought = "".join("".join(_PIECE.findall(leaf.casefold())) for leaf in leaves)
    numbers = {number for leaf in leaves for number in _numbers(leaf)}
    if not brought:
        return text
    known: dict[str, bool] = {}

    def kept(found: re.Match[str]) -> str:
        word = found[0].casefold()
        if word not in known:
            known[word] = _is_brought(word, brought, numbers)
        return _GAP if known[word] else found[0]

    return _TOKEN.sub(kept, text)


def _is_brought(word: str, brought: str, numbers: set[float]) -> bool:
    pieces = _PIECE.findall(word)
    if not pieces:
        return False
    if "".join(pieces) in brought or all(piece in brought for piece in pieces):
        return True
    found = set(_numbers(word))
    return bool(found) and found <= numbers


def _numbers(text: str) -> Iterable[float]:
    for found in _NUMBER.findall(text.casefold()):
        yield float(found.replace(",", "").replace("_", ""))


def _leaves(value: object) -> Iterable[str]:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping):
            todo += [part for pair in reversed(list(one.items())) for part in reversed(pair)]
        elif isinstance(one, list | tuple):
            todo += reversed(one)
        elif one is not None and not isinstance(one, bool):
            yield str(one)
