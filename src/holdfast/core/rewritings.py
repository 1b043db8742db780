"""Results that a hook rewrote after the call: what of the raw one may not stand in a history.

Who puts a result into words is the client: Claude Code numbers lines and adds notes of its own, so
the text cannot be told ahead. What can be is what the hook took out, and what it added. Runs of
words of that (`core/shingles`) are kept with the call; a text that says one which was taken out, in
whatever form, or that says others and none of those that were only added, is the raw one, and so
is one that hides what it says. Clients may shorten a result, or clear it. Not here: what becomes
of such a history (`core/evidence`).
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from holdfast.core.shingles import (
    RUN,
    Words,
    alone,
    forms,
    head_of,
    is_opaque,
    names,
    pieces,
    runs_of,
    tokens,
)

# Of one result and kind; of more a fixed choice is kept, so that what is shown whole is found.
_KEPT_RUNS = 8_000
# Words of a client's own beside those that a hook left of a result too long to be kept.
_OWN_WORDS = 100
_DIGEST_BYTES = 9
_TOKEN = 12
_RUN_BYTES = 8
_SPREAD = 2**31 - 1
# A line that is shorter stands in many a text; it counts where nothing longer was taken out.
_TELLING = 4
_CACHED_CHARACTERS = 32_768
# Less than this is kept of any result (`large.CONTENT_CHARACTERS`): a longer one is no hook's.
MOST_CHARACTERS = 1_200_000
_LONGEST_END = 16
_STRONG_MIXED, _STRONG_WORD, _YEAR = 5, 20, 4
_OUT, _IN, _STAYED, _WHOLE, _LEFT, _PLAIN, _PIECES = "-", "+", "=", "!", "<", "o", "~"
_encode = msgspec.json.Encoder(order="sorted").encode


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """What `is_raw` needs of the content of a result: digests of its values, and all that it says.

    `text` is None where the content is texts alone and these came along anyway.
    """

    values: tuple[str, ...]
    text: str | None = None


def rewriting_marks(raw: Any, left: Any) -> tuple[str, ...]:
    """The marks of a result that was `raw` and that a hook left as `left`, both JSON values.

    Empty where they are the same.
    """
    if raw == left and type(raw) is type(left):
        return ()
    before, after = _Said(raw), _Said(left, whole=True)
    values = dict.fromkeys((_digest(raw), *before.values))
    found = [_WHOLE + "".join(one for one in values if one not in after.values)]
    out = before.taken_out(after)
    told = out or before.weak - after.runs
    if told:
        found.append(_OUT + _joined(told))
    else:
        found += [_IN + _joined(after.lines - before.lines)]
        found += [_STAYED + _joined(before.lines & after.lines)]
    if gone := before.pieces_out(after):
        found.append(_PIECES + _joined(gone))
    if len(before.lines - after.runs) > _KEPT_RUNS >= len(after.vocabulary):
        found.append(_LEFT + _joined(after.vocabulary))
    if not after.opaque:
        found.append(_PLAIN)
    return tuple(found)


def seen_in(content: Any, *, texts_known: bool = False) -> Seen:
    """What the content of a result is compared by.

    `texts_known`: where it is texts alone, these are known anyway and stay behind.
    """
    blocks = content if isinstance(content, list) else [content]
    alone = texts_known and all(map(_is_text, blocks))
    values = tuple(dict.fromkeys(map(_digest, (*_values(content), content))))
    return Seen(values, None if alone else _text(content))


def is_raw(marks: Iterable[str], content: Any) -> bool:
    """Whether the content of a result block is what a hook rewrote, and not what it left.

    `content` is that of the block, or what is `Seen` in it, with its text. One that is longer than
    `MOST_CHARACTERS` is taken for the raw one, unread.
    """
    known = tuple(marks)
    if not known:
        return False
    seen = content if isinstance(content, Seen) else seen_in(content)
    if not _known(known)[_WHOLE].isdisjoint(seen.values):
        return True
    text = seen.text or ""
    if len(text) > MOST_CHARACTERS:
        return True
    # A history comes again with every request.
    return (_says_it if len(text) <= _CACHED_CHARACTERS else _says)(known, text)


def _says(marks: tuple[str, ...], text: str) -> bool:
    known = _known(marks)
    if _PLAIN in known and is_opaque(text):
        return True
    met = _Met(text)
    if _PIECES in known and met.pieces_of(known[_PIECES]):
        return True
    if _LEFT in known and met.beside(known[_LEFT]) > _OWN_WORDS:
        return True
    if _OUT in known:
        return met.any_of(known[_OUT])
    added, stayed = known.get(_IN, frozenset()), known.get(_STAYED, frozenset())
    return bool(added) and not met.any_of(added) and met.any_of(stayed)


_says_it = lru_cache(maxsize=256)(_says)


class _Said:
    """What one result says: runs of words of each line of each of its texts.

    `lines` are those by which a line is known: its runs of three words, or the whole of it. `runs`
    are all up to three words, across lines, too, where it is the `whole` that counts. `weak` are
    lines so short that they stand in many a text.
    """

    def __init__(self, value: Any, *, whole: bool = False) -> None:
        self._words = Words()
        self._by_line = list[list[int]]()
        self._strong = set[str]()
        self._named = set[tuple[str, str]]()
        self.lines, self.runs, self.weak = set[int](), set[int](), set[int]()
        self.spoken, self.vocabulary = set[str](), set[int]()
        self.values = tuple(map(_digest, _values(value)))
        texts = list(_leaves(value))
        self.opaque = any(map(is_opaque, texts))
        for text in texts:
            for line in text.splitlines():
                self._line(line)
        if whole:
            for form in forms("\n".join(texts)):
                self._all(form)

    def taken_out(self, left: "_Said") -> set[int]:
        """Runs that tell of a line of this one, and of none that was left; as many as are kept.

        Where there are more, every so many runs of each line, so that a shorter stretch may pass.
        """
        gone = left.runs | self.weak
        changed = ([run for run in line if run not in gone] for line in self._by_line)
        lines = [line for line in changed if line]
        longest = max(map(len, lines), default=0)
        many, step = sum(map(len, lines)), 1
        while many > _KEPT_RUNS and step < longest:
            step += 1
            many = sum(-(-len(line) // step) for line in lines)
        found = {run for line in lines for run in line[::step]}
        strong = self._strong - left.spoken
        named = (pair for pair in self._named if left.spoken.isdisjoint(pair))
        others: tuple[set[int], ...] = (
            {run for pair in named for run in runs_of(self._words.of(pair), 2)},
            set(alone(self._words.of(strong))),
            set(alone(self._words.of(end for token in strong for end in _ends(token)))),
        )
        for more in others:
            if len(found) + len(more) <= _KEPT_RUNS:
                found |= more - gone
        rest = {run for line in lines for run in line} - found
        return found | set(_some(rest, max(_KEPT_RUNS - len(found), 0)))

    def pieces_out(self, left: "_Said") -> set[int]:
        """Stretches of long words that were not left."""
        long = (token for token in self._strong - left.spoken)
        found = set(alone(self._words.of(one for token in long for one in pieces(token))))
        shown = {one for token in left.spoken if _is_strong(token) for one in pieces(token, 1)}
        return found - set(alone(self._words.of(shown))) if found else found

    def _line(self, line: str) -> None:
        spelled = tokens(line)
        self.spoken.update(spelled)
        self._strong.update(filter(_is_strong, spelled))
        self._named.update(names(line))
        if len(spelled) >= RUN:
            runs = list(runs_of(self._words.of(spelled), RUN))
        elif spelled:
            runs = list(alone(self._words.of((_whole(spelled),))))
            if len("".join(spelled)) < _TELLING:
                self.weak.update(runs)
        else:
            return
        self.lines.update(runs)
        self._by_line.append(runs)

    def _all(self, form: str) -> None:
        spelled = tokens(form)
        numbers = self._words.of(spelled)
        self.spoken.update(spelled)
        self.vocabulary.update(alone(numbers))
        for size in range(1, RUN + 1):
            self.runs.update(runs_of(numbers, size))
        lines = list(filter(None, map(tokens, form.splitlines())))
        beside = [*map(_whole, lines), *(end for line in lines for end in _edges(line))]
        self.runs.update(alone(self._words.of(beside)))


class _Met:
    """What a shown text says, looked up run by run."""

    def __init__(self, text: str) -> None:
        self._words = Words()
        found = forms(text)
        self._spelled = [tokens(form) for form in found]
        self._numbers = [self._words.of(spelled) for spelled in self._spelled]
        lines = {line: None for form in found for line in form.splitlines()}
        lines |= dict.fromkeys(_decoded_leaves(text))
        whole = list(filter(None, map(tokens, lines)))
        beside = {*map(_whole, whole), *(end for line in whole for end in _edges(line))}
        self._beside = frozenset(alone(self._words.of(beside)))

    def any_of(self, runs: frozenset[int]) -> bool:
        """Whether one of the runs is said."""
        if not self._beside.isdisjoint(runs):
            return True
        heads = frozenset(map(head_of, runs))
        for numbers in self._numbers:
            for n, number in enumerate(numbers):
                if head_of(number) in heads:
                    near = numbers[n : n + RUN]
                    first = (next(runs_of(near[:size], size), 0) for size in range(1, RUN + 1))
                    if not runs.isdisjoint(first):
                        return True
        return False

    def pieces_of(self, runs: frozenset[int]) -> bool:
        """Whether a stretch of a long word is said."""
        words = {token for spelled in self._spelled for token in spelled}
        found = (one for token in words for one in pieces(token, 1))
        return bool(runs) and not runs.isdisjoint(alone(self._words.of(found)))

    def beside(self, vocabulary: frozenset[int]) -> int:
        """How many different words are none of these."""
        said = {one for numbers in self._numbers for one in alone(numbers)}
        return len(said - vocabulary)


def _whole(line: Iterable[str]) -> str:
    return f"\n{' '.join(line)}"


def _ends(token: str) -> Iterator[str]:
    """How a word may begin or end where a line was cut within it."""
    for size in range(_TELLING, min(len(token), _LONGEST_END)):
        yield f"^{token[:size]}"
        yield f"${token[-size:]}"


def _edges(line: list[str]) -> tuple[str, str]:
    return f"^{line[-1]}", f"${line[0]}"


def _is_strong(token: str) -> bool:
    """Whether a word by itself tells where it is from: a number, an id, a long word."""
    if token.isdigit():
        return len(token) >= _YEAR and not (len(token) == _YEAR and token[:2] in ("19", "20"))
    mixed = not token.isalpha() and len(token) >= _STRONG_MIXED
    return mixed or len(token) >= _STRONG_WORD or (not token.isascii() and len(token) > _RUN_BYTES)


def _is_text(block: Any) -> bool:
    if isinstance(block, Mapping):
        return block.get("type") == "text" and isinstance(block.get("text"), str)
    return isinstance(block, str) or block is None


def _values(content: Any) -> Iterator[Any]:
    """What is compared whole: each text, read where it is JSON, and what is no text as it is."""
    for block in content if isinstance(content, list) else [content]:
        text = block.get("text") if isinstance(block, Mapping) else block
        if not isinstance(text, str):
            yield block
            continue
        yield text
        read = _json(text)
        if read is not None:
            yield read


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _text(content: Any) -> str:
    return "\n".join(_leaves(content))


def _decoded_leaves(text: str) -> Iterator[str]:
    for line in (text, *text.splitlines()):
        if line[:1] in ("[", "{"):
            yield from _leaves(_json(line))


def _leaves(value: Any) -> Iterator[str]:
    """Every text and number in a JSON value, in order, but for what only says what a block is."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping):
            block = isinstance(one.get("type"), str) and len(one) > 1
            todo += reversed([v for k, v in one.items() if not (block and k == "type")])
        elif isinstance(one, list | tuple):
            todo += reversed(one)
        elif isinstance(one, str):
            yield one
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield str(one)


def _digest(value: Any) -> str:
    try:
        encoded = _encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        encoded = repr(type(value)).encode()
    return b64encode(hashlib.sha256(encoded).digest()[:_DIGEST_BYTES]).decode()


def _some(runs: set[int], most: int) -> list[int]:
    """Of the runs as many; the same of the same ones, and spread over all of them."""
    return sorted(runs, key=lambda run: (run % _SPREAD, run))[:most]


def _joined(runs: set[int]) -> str:
    kept = _some(runs, _KEPT_RUNS)
    return b64encode(b"".join(run.to_bytes(_RUN_BYTES) for run in kept)).decode()


@lru_cache(maxsize=256)
def _known(marks: tuple[str, ...]) -> dict[str, Any]:
    found = dict[str, Any]()
    for mark in marks:
        kind, rest = mark[:1], mark[1:]
        if kind == _WHOLE:
            found[kind] = {rest[n : n + _TOKEN] for n in range(0, len(rest), _TOKEN)}
        else:
            raw = b64decode(rest)
            ends = range(0, len(raw), _RUN_BYTES)
            found[kind] = frozenset(int.from_bytes(raw[n : n + _RUN_BYTES]) for n in ends)
    return found
