"""From one word of the tree to the argument strings bash would make of it.

Quotes and escapes are removed, braces expanded, known variables put in. What only running
would tell becomes ``UNKNOWN`` inside the string, never a guess. A word may become no, one or
several fields. The value of a command substitution is asked of the caller.
"""

import itertools
import re
from collections.abc import Callable, Sequence

from tree_sitter import Node

# NUL cannot occur in an argument, so it can stand for "anything".
UNKNOWN = "\0"
# Live (unquoted) syntax inside a value; input holding these characters is refused earlier.
_OPEN, _COMMA, _CLOSE, _SPLIT = "\x01", "\x02", "\x03", "\x04"
_LIVE = {"{": _OPEN, ",": _COMMA, "}": _CLOSE}
_PLAIN = {_OPEN: "{", _COMMA: ",", _CLOSE: "}"}
_LIVE_SYNTAX = frozenset((_OPEN, _COMMA, _CLOSE, _SPLIT))
_MAX_FIELDS = 64
_MAX_VALUE = 8_192
_MAX_ALTERNATIVES = 16

# Never part of a word in bash; where recovery puts one inside, it is walked like any other.
STATEMENTS = frozenset(
    ("command", "subshell", "compound_statement", "pipeline", "list", "redirected_statement")
)
Substitute = Callable[[Node], str]
Variables = dict[str, list[str]]

_ANSI = re.compile(
    r"\\(?:(?P<named>[abeEfnrtv\\'\"?])|x(?P<hex>[0-9A-Fa-f]{1,2})|u(?P<u>[0-9A-Fa-f]{1,4})"
    r"|U(?P<U>[0-9A-Fa-f]{1,8})|(?P<octal>[0-7]{1,3})|c(?P<control>.))",
    re.DOTALL,
)
_NAMED = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"', "?": "?"}
_DOUBLE_ESCAPE = re.compile(r'\\([$`"\\\n])')
_WORD_ESCAPE = re.compile(r"\\(.)|([{},])", re.DOTALL)
_IFS = re.compile(r"[ \t\n]+")
_RANGE = re.compile(r"^(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])(?:\.\.-?\d+)?$")


def source_of(node: Node) -> str:
    """The node as it was written."""
    return (node.text or b"").decode("utf-8", "replace")


def decode_ansi(text: str) -> str:
    """The inside of ``$'…'``; control characters other than tab and newline become U+FFFD."""

    def one(match: re.Match[str]) -> str:
        if named := match.group("named"):
            return _NAMED.get(named, "\ufffd")
        if match.group("control"):
            return "\ufffd"
        digits = match.group("hex") or match.group("u") or match.group("U")
        code = int(digits, 16) if digits else int(match.group("octal"), 8) & 0xFF
        if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (code < 0x20 and code not in (9, 10)):
            return "\ufffd"
        return chr(code)

    return _ANSI.sub(one, text)


def _bare(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        escaped, live = match.groups()
        if live:
            return _LIVE[live]
        return "" if escaped == "\n" else str(escaped)

    return _WORD_ESCAPE.sub(one, text)


def adjoining(nodes: Sequence[Node]) -> list[list[Node]]:
    """Nodes grouped into words: what touches belongs together."""
    groups: list[list[Node]] = []
    for node in nodes:
        if groups and groups[-1][-1].end_byte == node.start_byte:
            groups[-1].append(node)
        else:
            groups.append([node])
    return groups


class WordReader:
    """Turns word nodes into fields under one set of variables."""

    def __init__(
        self, variables: Variables, substitute: Substitute, step: Callable[[], None]
    ) -> None:
        self._variables = variables
        self._substitute = substitute
        self._step = step

    def fields(self, *nodes: Node) -> list[str]:
        """The arguments made by a word, or by nodes that stand in it without a gap."""
        pieces = [self._piece(node, quoted=False) for node in nodes]
        for at in range(1, len(nodes)):
            # The grammar ends a word after `-b$` in `$a-b$c/d` and loses the dollar.
            name = re.match(r"[A-Za-z_]\w*", source_of(nodes[at]))
            if name and source_of(nodes[at - 1]).endswith("$"):
                pieces[at - 1] = pieces[at - 1].removesuffix("$")
                value = self._variable(name.group(), quoted=False)
                pieces[at] = value + pieces[at][name.end() :]
        return split_fields("".join(pieces))

    def text(self, node: Node) -> str:
        """The word as one string, as in an assignment or a here-string."""
        return plain(self._piece(node, quoted=True))

    def _piece(self, node: Node, *, quoted: bool) -> str:
        self._step()
        kind = node.type
        if kind in ("word", "number", "extglob_pattern", "regex") and not node.named_child_count:
            return _bare(source_of(node))
        if kind == "raw_string":
            return source_of(node)[1:-1]
        if kind == "ansi_c_string":
            return decode_ansi(source_of(node)[2:-1])
        if kind == "string":
            return self._inside(node, 1, 1, quoted=True, double=True)
        if kind == "translated_string":
            return (
                self._inside(node, 2, 1, quoted=True, double=True)
                if not (node.named_child_count)
                else self._piece(node.named_children[0], quoted=True)
            )
        if kind == "simple_expansion":
            return self._variable(source_of(node)[1:], quoted=quoted)
        if kind == "expansion":
            return self._expansion(node, quoted=quoted)
        if kind in ("command_substitution", "process_substitution"):
            return _as_value(self._substitute(node), quoted=quoted)
        if kind in STATEMENTS or kind == "arithmetic_expansion":
            (self._substitute if kind in STATEMENTS else self._visit)(node)
            return UNKNOWN
        return self._inside(node, 0, 0, quoted=quoted, double=False)

    def _inside(self, node: Node, skip: int, drop: int, *, quoted: bool, double: bool) -> str:
        """Children that expand, and every byte between them as literal text."""
        raw = node.text or b""
        start = node.start_byte
        at = skip
        pieces: list[str] = []
        for child in node.named_children:
            if double and child.type in ("string_content", "heredoc_content"):
                continue
            begin = child.start_byte - start
            if begin > at:
                pieces.append(_literal(raw[at:begin], double=double))
            pieces.append(self._piece(child, quoted=quoted or double))
            at = child.end_byte - start
        end = len(raw) - drop
        if end > at:
            pieces.append(_literal(raw[at:end], double=double))
        joined = "".join(pieces)
        return joined if len(joined) <= _MAX_VALUE else UNKNOWN

    def heredoc(self, node: Node) -> str:
        """The text of an unquoted here-document."""
        return plain(self._inside(node, 0, 0, quoted=True, double=True))

    def _visit(self, node: Node) -> None:
        for child in node.named_children:
            if child.type in ("command_substitution", "process_substitution"):
                self._substitute(child)
            else:
                self._visit(child)

    def _variable(self, name: str, *, quoted: bool) -> str:
        if name in self._variables:
            values = self._variables[name]
            if len(values) == 1:
                return _as_value(values[0], quoted=quoted)
            if len(values) <= _MAX_ALTERNATIVES:
                return _OPEN + _COMMA.join(_as_value(v, quoted=quoted) for v in values) + _CLOSE
            return UNKNOWN
        if name == "HOME":
            return "~"
        if name == "PWD":
            return "."
        if name == "IFS" and not quoted:
            return _SPLIT
        return UNKNOWN

    def _expansion(self, node: Node, *, quoted: bool) -> str:
        inner = source_of(node)[2:-1]
        if inner.isidentifier():
            return self._variable(inner, quoted=quoted)
        self._visit(node)
        match = re.match(r"([A-Za-z_][A-Za-z0-9_]*|[@*#?0-9])(:?[-=+])", inner)
        if not match or not node.named_children:
            return UNKNOWN
        # ${x:-default}: either what x holds or the default.
        last = node.named_children[-1]
        default = "" if last.type == "variable_name" else plain(self._piece(last, quoted=True))
        held = plain(self._variable(match.group(1), quoted=True))
        if held == UNKNOWN and match.group(1) not in self._variables:
            options = [default] if default else [UNKNOWN]
            if default and match.group(2)[-1] in "-=":
                options.append(UNKNOWN)
        else:
            options = [held, default]
        if len(options) == 1:
            return _as_value(options[0], quoted=quoted)
        return _OPEN + _COMMA.join(_as_value(option, quoted=quoted) for option in options) + _CLOSE


def _literal(raw: bytes, *, double: bool) -> str:
    text = raw.decode("utf-8", "replace")
    if double:
        return _DOUBLE_ESCAPE.sub(lambda m: "" if m.group(1) == "\n" else m.group(1), text)
    return _bare(text)


def _as_value(value: str, *, quoted: bool) -> str:
    return value if quoted else _IFS.sub(_SPLIT, value)


def plain(value: str) -> str:
    """One string: live syntax goes back to the characters it was written with."""
    if _OPEN in value:
        options = _expand(value)
        if len(options) > 1:
            return UNKNOWN
        value = options[0] if options else UNKNOWN
    for live, written in _PLAIN.items():
        value = value.replace(live, written)
    return value.replace(_SPLIT, " ")


def split_fields(value: str) -> list[str]:
    """The fields a value becomes, at most ``_MAX_FIELDS``."""
    if _LIVE_SYNTAX.isdisjoint(value):
        return [value]
    fields: list[str] = []
    for option in _expand(value):
        parts = [part for part in option.split(_SPLIT) if part] if _SPLIT in option else [option]
        fields.extend(plain_characters(part) for part in parts)
    return fields[:_MAX_FIELDS] if len(fields) <= _MAX_FIELDS else [UNKNOWN]


def plain_characters(value: str) -> str:
    """Live braces that did not expand, as the characters they were."""
    for live, written in _PLAIN.items():
        value = value.replace(live, written)
    return value


def _expand(value: str) -> list[str]:
    """Brace expansion, at most ``_MAX_FIELDS`` results; more is one UNKNOWN."""
    if _OPEN not in value:
        return [value]
    if len(value) > _MAX_VALUE or value.count(_OPEN) > _MAX_FIELDS:
        return [UNKNOWN]
    done: list[str] = []
    waiting = [value]
    steps = 0
    while waiting:
        steps += 1
        if steps > 4 * _MAX_FIELDS or len(waiting) > 2 * _MAX_FIELDS:
            return [UNKNOWN]
        current = waiting.pop()
        found = _first_brace(current)
        if found is None:
            done.append(current)
            continue
        start, end, options = found
        waiting.extend(current[:start] + option + current[end:] for option in reversed(options))
    return done


def _first_brace(value: str) -> tuple[int, int, list[str]] | None:
    """The first brace expression that expands: where it stands, and its alternatives."""
    start = value.find(_OPEN)
    while start >= 0:
        depth, cuts = 0, [start]
        for at in range(start, len(value)):
            character = value[at]
            if character == _OPEN:
                depth += 1
            elif character == _COMMA and depth == 1:
                cuts.append(at)
            elif character == _CLOSE:
                depth -= 1
                if depth == 0:
                    cuts.append(at)
                    options = [value[a + 1 : b] for a, b in itertools.pairwise(cuts)]
                    if len(options) == 1:
                        options = _range(options[0])
                    if options:
                        return start, at + 1, options
                    break
        start = value.find(_OPEN, start + 1)
    return None


def _range(inner: str) -> list[str]:
    match = _RANGE.match(inner)
    if not match:
        return []
    first, last = match.groups()
    if first == last:
        return [first]
    if first.isalpha() and last.isalpha() and len(first) == len(last) == 1:
        low, high = sorted((ord(first), ord(last)))
        return (
            [chr(code) for code in range(low, high + 1)] if high - low < _MAX_FIELDS else [UNKNOWN]
        )
    if first.lstrip("-").isdigit() and last.lstrip("-").isdigit() and len(first + last) < 12:
        small, large = sorted((int(first), int(last)))
        if large - small < _MAX_FIELDS:
            return [str(number) for number in range(small, large + 1)]
    return [UNKNOWN]


def loose_fields(word: str) -> list[str]:
    """Fields of a word whose syntax is lost: braces are live, every variable but HOME unknown."""
    word = re.sub(r"\$\{?HOME\b\}?", "~", word)
    word = re.sub(r"\$\{?\w+\}?", UNKNOWN, word)
    return split_fields(re.sub(r"[{},]", lambda m: _LIVE[m.group()], word))
