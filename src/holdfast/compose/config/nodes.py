"""YAML text to a tree of nodes that know their line: the only reader of YAML here.

The tree follows the YAML 1.2 core schema (`no` and `on` are text, `1:30` is text), because a
setting must not change its meaning by how it is spelled. Anchors, aliases and `<<` work; tags,
several documents, aliases that multiply and nesting without end are refused.
Not here: what the keys mean (`layout`).
"""

import enum
import re
from typing import Any, NoReturn

import msgspec
import yaml

from holdfast.compose.config.problems import Problem, quoted

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_NODES = 400_000
MAX_DEPTH = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE = re.compile(r"[-+]?[0-9][0-9_]{0,39}")
_REAL = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")


class NodeKind(enum.StrEnum):
    """What a node is, in the words of the messages."""

    MAP = "a mapping"
    LIST = "a list"
    TEXT = "text"
    WHOLE = "a whole number"
    REAL = "a number"
    FLAG = "true or false"
    NULL = "nothing"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the file. `size` and `height` count aliases as often as they are used."""

    kind: NodeKind
    line: int
    column: int
    text: str = ""
    items: tuple["Node", ...] = ()
    entries: tuple[tuple["Node", "Node"], ...] = ()
    size: int = 1
    height: int = 1

    def shown(self) -> str:
        """The value as a message quotes it."""
        if self.kind in (NodeKind.MAP, NodeKind.LIST, NodeKind.NULL):
            return str(self.kind)
        return quoted(self.text)


class _Open:
    """A mapping or list whose end has not been read yet."""

    def __init__(self, kind: NodeKind, mark: Any, anchor: str | None) -> None:
        self.kind = kind
        self.mark = mark
        self.anchor = anchor
        self.children: list[Node] = []
        self.size = 1
        self.height = 0


class _Unreadable(Exception):
    """Ends the reading of a file; carries the last problem."""

    def __init__(self, line: int, column: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.column = column
        self.text = text


def parse_yaml(content: bytes, file: str, problems: list[Problem]) -> Node | None:
    """The file's only document, or None when there is no tree to go on with.

    Every fault, also those that leave the tree readable (a key given twice), is added to
    `problems`.
    """
    try:
        return _tree(content, file, problems)
    except _Unreadable as fault:
        problems.append(Problem(file, fault.line, fault.column, "", fault.text))
        return None


def _tree(content: bytes, file: str, problems: list[Problem]) -> Node:
    text = _decoded(content)
    bad = _UNPRINTABLE.search(text)
    if bad:
        raise _Unreadable(*_position(text, bad.start()), "a control character may not stand here")
    builder = _Builder(file, problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as fault:
        raise _syntax_fault(fault) from None
    except (ValueError, OverflowError):
        raise _Unreadable(1, 1, "an escape in this file names no character") from None
    if builder.root is None:
        raise _Unreadable(1, 1, "the file is empty, expected `version: 1` and settings")
    return builder.root


def _decoded(content: bytes) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise _Unreadable(1, 1, f"the file is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        before = content[: fault.start].decode("utf-8", "replace").removeprefix("\ufeff")
        raise _Unreadable(*_position(before, len(before)), "the file is not UTF-8 text") from None


def _position(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _syntax_fault(fault: yaml.YAMLError) -> _Unreadable:
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    said = getattr(fault, "problem", None) or "the file cannot be read"
    context = getattr(fault, "context", None)
    text = f"not valid YAML: {said}" + (f" ({context})" if context else "")
    return _Unreadable(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, text)


class _Builder:
    """Turns parser events into nodes without recursion, so that depth cannot exhaust the stack."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.root: Node | None = None
        self._documents = 0
        self._nodes = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: Any) -> None:
        """One event of the parser, in order. Errors: as for `parse`."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._refuse(event.start_mark, "a second document (`---`) may not follow")
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.ScalarEvent():
                self._untagged(event)
                self._place(_scalar(event), event.anchor, event.start_mark)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._untagged(event)
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._stack.pop()
                self._place(self._closed(done), done.anchor, done.mark)
            case _:
                pass

    def _refuse(self, mark: Any, text: str) -> NoReturn:
        raise _Unreadable(mark.line + 1, mark.column + 1, text)

    def _untagged(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse(event.start_mark, f"the tag {quoted(event.tag)} may not be used")

    def _open(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
        is_map = isinstance(event, yaml.MappingStartEvent)
        kind = NodeKind.MAP if is_map else NodeKind.LIST
        self._stack.append(_Open(kind, event.start_mark, event.anchor))
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:
            name = quoted(event.anchor)
            self._refuse(event.start_mark, f"no finished anchor {name} stands before this alias")
        self._place(node, None, event.start_mark)

    def _place(self, node: Node, anchor: str | None, mark: Any) -> None:
        self._nodes += 1
        if anchor is not None:
            self._anchors[anchor] = node
        if len(self._stack) + node.height > MAX_DEPTH:
            self._refuse(mark, f"nested deeper than {MAX_DEPTH} levels")
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.children.append(node)
        parent.size += node.size
        parent.height = max(parent.height, node.height)
        if self._nodes > MAX_NODES or parent.size > MAX_NODES:
            self._refuse(mark, f"more than {MAX_NODES} values, counting each use of an alias")

    def _closed(self, done: _Open) -> Node:
        line, column = done.mark.line + 1, done.mark.column + 1
        height = done.height + 1
        if done.kind is NodeKind.LIST:
            items = tuple(done.children)
            return Node(
                kind=NodeKind.LIST, line=line, column=column, items=items, size=done.size,
                height=height,
            )  # fmt: skip
        entries = self._entries(done.children)
        return Node(
            kind=NodeKind.MAP, line=line, column=column, entries=entries, size=done.size,
            height=height,
        )  # fmt: skip

    def _entries(self, children: list[Node]) -> tuple[tuple[Node, Node], ...]:
        pairs = list(zip(children[::2], children[1::2], strict=True))
        found: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        for key, value in pairs:
            if key.kind in (NodeKind.MAP, NodeKind.LIST, NodeKind.NULL):
                self._problem(key, f"a key must be text, this one is {key.kind}")
            elif key.text == "<<":
                merged.extend(value.items if value.kind is NodeKind.LIST else (value,))
            elif key.text in found:
                first = found[key.text][0].line
                self._problem(key, f"the key {quoted(key.text)} stands already on line {first}")
            else:
                found[key.text] = (key, value)
        for source in merged:
            if source.kind is not NodeKind.MAP:
                self._problem(source, f"`<<` takes a mapping, this is {source.kind}")
            for key, value in source.entries:
                found.setdefault(key.text, (key, value))
        return tuple(found.values())

    def _problem(self, node: Node, text: str) -> None:
        self.problems.append(Problem(self.file, node.line, node.column, "", text))


def _scalar(event: Any) -> Node:
    mark = event.start_mark
    kind = _plain_kind(event.value) if event.implicit[0] else NodeKind.TEXT
    return Node(kind=kind, line=mark.line + 1, column=mark.column + 1, text=event.value)


def _plain_kind(text: str) -> NodeKind:
    if text in ("", "~", "null", "Null", "NULL"):
        return NodeKind.NULL
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return NodeKind.FLAG
    if _WHOLE.fullmatch(text):
        return NodeKind.WHOLE
    if _REAL.fullmatch(text):
        return NodeKind.REAL
    return NodeKind.TEXT
