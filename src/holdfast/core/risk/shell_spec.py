"""What each known program may be given: its options by allow-list, and a reader of them.

A table is text: a heading with names of programs, or of shared words (``&diff``), and below it the
words of the spec. ``git > log show`` heads verbs, ``git >`` what stands before a verb. ``-q`` is a
switch, ``-k=`` takes a value, ``--cov?`` may take one behind ``=`` or glued to it, ``-W*`` stands
for every option that begins so. A letter behind the mark says what the value is: nothing for text,
``t`` text that is looked at no further, ``r`` a file that is read, ``w`` one that is written, ``f``
a form that may name one (``html:out``), ``l`` code, settings or a folder that decides what is run,
``h`` a host, ``!`` what is run, any other a form of its own (`shell_accounts`); a ``.`` at the end,
that what follows is not the program's. ``--:name`` says that what stands behind ``--`` are options
of ``name``. Operands: ``@l``, ``@r``, ``@w``, ``@t`` as above; ``@0`` none; ``@>`` a program of the
project, and what follows is for it; ``@.`` the same, judged elsewhere; ``@*`` all is for a script
of the project.

Nothing that is not in the table is known. `shell_accounts` says what that is worth.
"""

from collections.abc import Iterator

import msgspec

_FAMILY = "*"
_SWITCHED = frozenset(("true", "false", "0", "1", "always", "never", "auto"))


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one program: by name their kind, with a ``?`` where the value is glued."""

    options: dict[str, str]
    families: tuple[tuple[str, str], ...] = ()
    operands: str = ""
    behind: str = ""
    marks: str = "-"


class Known(msgspec.Struct, frozen=True):
    """A program: its own options, and those of its verbs where it has such; ``*`` is any other."""

    own: Spec
    verbs: dict[str, Spec]


class Given(msgspec.Struct, frozen=True):
    """One option as it stands in a call. ``kind`` None: it is not in the spec.

    ``value`` None: none stands in the same word.
    """

    option: str
    kind: str | None
    value: str | None = None


class Taken(msgspec.Struct, frozen=True):
    """The arguments of a call, taken apart; ``behind`` is what follows ``--``."""

    given: tuple[Given, ...]
    operands: tuple[str, ...]
    behind: tuple[str, ...] = ()


def spec(*lines: str) -> Spec:
    """A spec from its lines."""
    options: dict[str, str] = {}
    families: list[tuple[str, str]] = []
    operands = behind = ""
    for token in " ".join(lines).split():
        if token.startswith("@"):
            operands = token[1:]
        elif token.startswith("--:"):
            behind = token[3:]
        else:
            name, kind = _token(token)
            if name.endswith(_FAMILY):
                families.append((name[:-1], kind))
            else:
                options[name] = kind
    families.sort(key=lambda family: -len(family[0]))
    plus = any(name.startswith("+") for name in (*options, *(start for start, _ in families)))
    return Spec(
        options=options,
        families=tuple(families),
        operands=operands,
        behind=behind,
        marks="-+" if plus else "-",
    )


def _token(token: str) -> tuple[str, str]:
    """The name and the kind: ``-k``, ``=`` of ``-k=``; ``-I*``, ``l`` of ``-I*l``."""
    if _FAMILY in token:
        start, _, kind = token.partition(_FAMILY)
        return start + _FAMILY, kind
    for at, character in enumerate(token):
        if character in "=?" and at > 1:
            return token[:at], token[at:]
    return token, ""


def table(text: str) -> dict[str, Known]:
    """The programs of a table, by name."""
    shared: dict[str, str] = {}
    found: dict[str, Known] = {}
    for heading, words in _entries(text):
        filled = " ".join(shared[word[1:]] if word[0] == "&" else word for word in words)
        if heading.startswith("&"):
            shared[heading[1:]] = filled
            continue
        names, marked, verbs = heading.partition(">")
        read = spec(filled)
        for name in names.split():
            if not marked or not verbs.split():
                found[name] = Known(read, {})
            else:
                found[name].verbs.update(dict.fromkeys(verbs.split(), read))
    return found


def _entries(text: str) -> Iterator[tuple[str, list[str]]]:
    """Headings, a longer one going on behind ``..``, with the words below them."""
    heading, words = "", list[str]()
    for line in text.splitlines():
        if line.startswith("  .. "):
            heading += " " + line[5:]
        elif line.startswith(" "):
            words += line.split()
        elif line:
            if heading:
                yield heading, words
            heading, words = line, []
    if heading:
        yield heading, words


def joined(first: Spec, second: Spec) -> Spec:
    """Both; the second one's word counts."""
    return Spec(
        options={**first.options, **second.options},
        families=(*second.families, *first.families),
        operands=second.operands or first.operands,
        behind=second.behind or first.behind,
        marks=max(first.marks, second.marks, key=len),
    )


def take(known: Spec, args: tuple[str, ...], *, first_operand_ends: bool = False) -> Taken:
    """The arguments by a spec. ``first_operand_ends``: what follows it is not looked at."""
    given: list[Given] = []
    operands: list[str] = []
    at = 0
    while at < len(args):
        arg = args[at]
        at += 1
        if arg == "--":
            if first_operand_ends:
                return Taken(tuple(given), args[at:])
            return Taken(tuple(given), tuple(operands), args[at:])
        if len(arg) < 2 or arg[0] not in known.marks:
            operands.append(arg)
            if first_operand_ends:
                return Taken(tuple(given), (*operands, *args[at:]))
            continue
        for one in _options(known, arg):
            value = one.value
            if value is None and one.kind is not None and one.kind.startswith("="):
                value = args[at] if at < len(args) else ""
                at += 1
            kind = one.kind.lstrip("=?") if one.kind is not None else None
            given.append(Given(one.option, kind and kind.rstrip("."), value))
            if kind and kind.endswith("."):
                return Taken(tuple(given), (*operands, *args[at:]))
    return Taken(tuple(given), tuple(operands))


def _options(known: Spec, arg: str) -> Iterator[Given]:
    """The options in one word: a long one, one of a family, or a cluster of letters."""
    head, equals, tail = arg.partition("=")
    if arg in known.options:
        yield Given(arg, known.options[arg])
        return
    if equals and head in known.options:
        kind = known.options[head]
        yield Given(head, kind if kind or tail in _SWITCHED else None, tail)
        return
    for start, kind in known.families:
        if arg.startswith(start):
            yield Given(start, kind, arg[len(start) :].removeprefix("=") or None)
            return
    if arg.startswith("--"):
        yield Given(head, None, tail if equals else None)
        return
    yield from _cluster(known, arg)


def _cluster(known: Spec, arg: str) -> Iterator[Given]:
    for at, letter in enumerate(arg[1:], start=1):
        kind = known.options.get(arg[0] + letter)
        if kind is None:
            yield Given(arg[0] + letter, None)
            return
        if kind:
            yield Given(arg[0] + letter, kind, arg[at + 1 :].removeprefix("=") or None)
            return
        yield Given(arg[0] + letter, kind)
