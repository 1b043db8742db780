"""Walks a syntax tree and hands every command in it to the judge.

Knows the shapes of shell: pipelines and what feeds them, redirections, here-documents,
assignments, functions, substitutions. Anything it has no rule for is searched all the same.
"""

import re
from collections.abc import Callable

from tree_sitter import Node

from holdfast.core.risk import shell_parse as parsing
from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_calls import NO_FEED, Call, Feed, Findings
from holdfast.core.risk.shell_environment import sets
from holdfast.core.risk.shell_evaluation import Evaluation
from holdfast.core.risk.shell_judge import judge
from holdfast.core.risk.shell_words import (
    STATEMENTS,
    UNKNOWN,
    WordReader,
    adjoining,
    loose_fields,
    source_of,
)
from holdfast.core.risk.shell_wrappers import RESERVED

_POISON = re.compile(
    r"\b(?:read|mapfile|readarray|printf|getopts|eval|source|declare|local|typeset|let)\b|\(\("
)
_BACKTICKS = re.compile(r"(?<!\\)`([^`]*)`")
_SECRET_VARIABLE = re.compile(
    r"\$\{?!?[A-Za-z0-9_]*(?:" + "|".join(tables.SECRET_WORDS) + r")[A-Za-z0-9_]*", re.IGNORECASE
)
_WRITES = (">", ">>", ">|", "&>", "&>>", ">&", "<>")
_BACKTICK_ESCAPE = re.compile(r"\\([`$\\])")
_UNKNOWN_VARIABLE = "${__unknown}"
_PROCESS_FILE = "/dev/fd/63"
_MAX_SALVAGED = 400
_MAX_REDIRECTS = 64


class OutOfSteps(Exception):
    """More work than one classification may take; never leaves this package."""


class Walk:
    """One classification: tree after tree, all into the same findings."""

    def __init__(self, found: Findings) -> None:
        self._found = found
        self._ran: list[str] = []
        self._extra: dict[int, list[str]] = {}
        self._redirected_to: list[tuple[str, str]] = []
        self._depth = 0
        self._handlers: dict[str, Callable[[Node, Feed, int], object]] = {
            "command": self._command,
            "list": self._list,
            "subshell": self._subshell,
            "pipeline": self._pipeline,
            "redirected_statement": self._redirected,
            "function_definition": lambda node, _feed, depth: self._function(node, depth),
            "variable_assignment": lambda node, _feed, depth: self._assignment(node, depth),
            **dict.fromkeys(
                ("file_redirect", "herestring_redirect", "heredoc_redirect"),
                lambda node, _feed, depth: self._redirect(node, depth),
            ),
            **dict.fromkeys(
                ("declaration_command", "unset_command"),
                lambda node, _feed, depth: self._declaration(node, depth),
            ),
        }
        self._evaluation = Evaluation(found, self._step)
        self._reader = WordReader(found.variables, self._substituted, self._step)
        self._quiet = WordReader(found.variables, lambda _node: UNKNOWN, self._step)

    def code(self, code: str, *, where: str, depth: int = 0, feed: Feed = NO_FEED) -> None:
        """Classify shell text, outermost or found inside another command."""
        rules = self._found.rules
        source = code.replace(UNKNOWN, _UNKNOWN_VARIABLE)
        if depth > rules.max_depth or len(source) > rules.max_bytes or parsing.too_tangled(source):
            self._unparseable(source, where, depth)
            return
        root = parsing.parse(source.encode("utf-8", "replace"))
        if root is None or root.has_error:
            self._unparseable(source, where, depth)
        if root is not None:
            if "=" in source or "for " in source or "select " in source:
                self._collect_variables(root, source)
            self._evaluation.account(root, source)
            self._walk(root, feed, depth)

    def _unparseable(self, source: str, where: str, depth: int) -> None:
        self._found.add("shell.unparseable", where, opaque=True)
        if depth > self._found.rules.max_depth:
            return
        head = source[: self._found.rules.max_bytes]
        for words in parsing.words_of_broken_text(head)[:_MAX_SALVAGED]:
            fields = [field for word in words for field in loose_fields(word)]
            while fields and fields[0] in RESERVED:
                del fields[0]
            if fields:
                self._judge(Call(argv=tuple(fields), where=" ".join(words), depth=depth))

    def _judge(self, call: Call) -> None:
        self._step()
        judge(call, self._found, self._ran, self.code)

    def _step(self) -> None:
        self._found.steps += 1
        if self._found.steps > self._found.rules.max_steps:
            raise OutOfSteps

    # --- variables -------------------------------------------------------------------------

    def _collect_variables(self, root: Node, source: str) -> None:
        """Every value a variable may hold, wherever it is set: order and branches do not count."""
        poisoned = bool(_POISON.search(source))
        waiting = [root]
        while waiting:
            node = waiting.pop()
            self._step()
            if node.type == "variable_assignment":
                self._collect_assignment(node, poisoned=poisoned)
            elif node.type == "for_statement":
                self._collect_loop(node)
            waiting.extend(reversed(node.named_children))

    def _collect_assignment(self, node: Node, *, poisoned: bool) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is None:
            return
        key = source_of(name).partition("[")[0]
        operator = node.children[1].type if len(node.children) > 1 else "="
        exact = (
            name.type == "variable_name"
            and operator == "="
            and (value is None or value.type != "array")
        )
        text = "" if value is None else self._quiet.text(value)
        values = self._found.variables.setdefault(key, [])
        for option in [text if exact else UNKNOWN] + ([UNKNOWN] if poisoned else []):
            if option not in values:
                values.append(option)

    def _collect_loop(self, node: Node) -> None:
        variable = node.child_by_field_name("variable")
        if variable is None:
            return
        values = self._found.variables.setdefault(source_of(variable), [])
        options = [
            field
            for value in node.children_by_field_name("value")
            for field in self._quiet.fields(value)
        ]
        for option in options or [UNKNOWN]:
            if option not in values:
                values.append(option)

    # --- the tree --------------------------------------------------------------------------

    def _walk(self, node: Node, feed: Feed, depth: int) -> None:
        if not node.named_child_count and node.type != "declaration_command":
            return
        self._step()
        if depth > self._found.rules.max_depth:
            self._found.add("shell.unparseable", source_of(node), opaque=True)
            return
        self._depth = depth
        kind = node.type
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(node, feed, depth)
        else:
            quiet = kind in ("simple_expansion", "expansion")
            self._children(node, NO_FEED if quiet else feed, depth)

    def _subshell(self, node: Node, feed: Feed, depth: int) -> None:
        """A change of directory in it ends with it."""
        here = self._found.here
        self._children(node, feed, depth)
        self._found.here = here

    def _children(self, node: Node, feed: Feed, depth: int) -> None:
        for child in node.named_children:
            here = self._found.here
            self._walk(child, feed, depth + 1)
            if self._found.here != here:
                # It may have failed, and the next command runs all the same.
                self._found.here = None

    def _list(self, node: Node, feed: Feed, depth: int) -> None:
        """What follows ``cd x &&`` runs in x or not at all."""
        here = self._found.here
        sure = all(child.type == "&&" for child in node.children if not child.is_named)
        for child in node.named_children:
            self._walk(child, feed, depth + 1)
            if self._found.here != here and not sure:
                self._found.here = None

    def _substituted(self, node: Node) -> str:
        """Walk ``$(…)``, backticks or ``<(…)``; its text where that is plain to see."""
        depth = self._depth
        text = source_of(node)
        if text.startswith("`") and "\\" in text:
            # What is escaped inside backticks is live one level down.
            self.code(_BACKTICK_ESCAPE.sub(r"\1", text[1:-1]), where=text, depth=depth + 1)
        if node.type in STATEMENTS:
            self._walk(node, NO_FEED, depth + 1)
            self._depth = depth
            return UNKNOWN
        feed = Feed(present=True) if source_of(node).startswith(">(") else NO_FEED
        mark = len(self._ran)
        self._children(node, feed, depth + 1)
        self._depth = depth
        if node.type == "process_substitution":
            return _PROCESS_FILE
        commands = node.named_children
        if len(commands) == 1 and commands[0].type == "command":
            words = [f for part in commands[0].named_children for f in self._quiet.fields(part)]
            if self._ran[mark:] == words[:1] and words:
                return _static_output(words)
        return UNKNOWN

    def _pipeline(self, node: Node, feed: Feed, depth: int) -> None:
        here = self._found.here
        for stage in node.named_children:
            mark = len(self._ran)
            self._walk(stage, feed, depth + 1)
            feed = self._output(stage, feed, mark)
            self._found.here = here

    def _output(self, stage: Node, feed: Feed, mark: int) -> Feed:
        ran = frozenset(self._ran[mark:])
        text: str | None = None
        if stage.type == "command":
            words = [
                f
                for part in stage.named_children
                if not part.type.endswith(("redirect", "assignment"))
                for f in self._quiet.fields(part)
            ]
            if words[:1] == ["cat"] and set(words[1:]) <= {"-"}:
                text = feed.text
            elif words[:1] and words[0] in ("echo", "printf"):
                output = _static_output(words)
                text = None if output == UNKNOWN else output
        return Feed(text=text, programs=feed.programs | ran, present=True)

    def _redirected(self, node: Node, feed: Feed, depth: int) -> None:
        body = node.child_by_field_name("body")
        extra: list[str] = []
        downstream: list[Node] = []
        here = self._found.here
        if body is not None and body.type == "list":
            self._look_ahead(body)
        for child in node.named_children:
            if child.type.endswith("_redirect"):
                given, words = self._redirect(child, depth)
                feed = given or feed
                extra.extend(words)
                if child.type == "heredoc_redirect":
                    downstream += [
                        part
                        for part in child.named_children
                        if not part.type.startswith(("heredoc", "file_"))
                    ]
        self._found.here = here
        mark, bases = len(self._ran), self._found.bases
        if body is not None:
            last = _last_command(body)
            if last is not None and extra:
                self._extra[last.id] = extra
            self._walk(body, feed, depth + 1)
            if self._found.bases != bases:
                for path, where in self._redirected_to:
                    self._found.write(path, where)
        out = feed if body is None else self._output(body, feed, mark)
        if body is not None and source_of(body).strip() == "cat":
            out = Feed(text=feed.text, programs=out.programs, present=True)
        for part in downstream:
            self._walk(part, out if part.type == "pipeline" else NO_FEED, depth + 1)

    def _look_ahead(self, node: Node) -> None:
        """Where the last command of ``cd x && … > file`` runs: the redirection is its own."""
        sure = all(child.type == "&&" for child in node.children if not child.is_named)
        for child in node.named_children[:-1] if sure else ():
            if child.type == "list":
                self._look_ahead(child)
                self._look_at(child.named_children[-1])
            else:
                self._look_at(child)

    def _look_at(self, node: Node) -> None:
        words = [f for part in node.named_children for f in self._quiet.fields(part)]
        if node.type == "command" and words[:1] == ["cd"] and len(words) == 2:
            self._found.enter(words[1])

    def _redirect(self, node: Node, depth: int) -> tuple[Feed | None, list[str]]:
        """What a redirection puts on the input, and words of the command that stand after it."""
        self._depth = depth
        mark = len(self._ran)
        if node.type == "herestring_redirect":
            text = "".join(self._reader.text(child) for child in node.named_children)
            return Feed(text, frozenset(self._ran[mark:]), present=True), []
        if node.type == "heredoc_redirect":
            return self._heredoc(node, depth)
        operator = next((child.type for child in node.children if not child.is_named), "")
        targets = node.children_by_field_name("destination")
        fields = [field for group in adjoining(targets) for field in self._reader.fields(*group)]
        if not fields:
            return None, []
        where = source_of(node)
        if operator in _WRITES:
            if not (operator == ">&" and re.fullmatch(r"\d+-?|-", fields[0])):
                self._found.write(fields[0], where)
                # A later `cd` in the same list moves where a relative path lands.
                if len(self._redirected_to) < _MAX_REDIRECTS and not fields[0].startswith("/"):
                    self._redirected_to.append((fields[0], where))
        elif operator in {"<", ""}:
            if fields[0] != _PROCESS_FILE:
                self._found.read(fields[0], where)
            ran = frozenset(self._ran[mark:])
            return Feed(programs=ran, present=True), fields[1:]
        return None, fields[1:]

    def _heredoc(self, node: Node, depth: int) -> tuple[Feed | None, list[str]]:
        text = ""
        words: list[str] = []
        quoted = False
        for child in node.named_children:
            if child.type == "heredoc_start":
                quoted = any(mark in source_of(child) for mark in "'\"\\")
            elif child.type == "heredoc_body":
                body = source_of(child)
                text = body if quoted else self._reader.heredoc(child)
                if not quoted:
                    for match in _BACKTICKS.finditer(body):
                        self.code(match.group(1), where=match.group(), depth=depth + 1)
            elif child.type == "file_redirect":
                words += self._redirect(child, depth)[1]
        arguments = node.children_by_field_name("argument")
        words += [field for child in arguments for field in self._reader.fields(child)]
        return Feed(text, present=True), words

    def _function(self, node: Node, depth: int) -> None:
        self._found.only_reads = False
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            text, own = source_of(body), re.escape(source_of(name))
            calls = len(re.findall(rf"(?:^|[\s;|&{{(`]){own}(?=$|[\s;|&)}}`])", text))
            if calls and ("|" in text or "&" in text.replace("&&", "")):
                self._found.add("shell.fork_bomb", source_of(node))
        self._children(node, NO_FEED, depth)

    def _assignment(self, node: Node, depth: int, before: str = "") -> None:
        self._found.only_reads = False
        self._children(node, NO_FEED, depth)
        name = source_of(node).partition("=")[0].rstrip("+").partition("[")[0]
        value = node.child_by_field_name("value")
        text = "" if value is None else self._quiet.text(value)
        code = sets(name, text, source_of(node), self._found, before=before)
        if code:
            self.code(code, where=source_of(node), depth=depth + 1)

    def _declaration(self, node: Node, depth: int) -> None:
        """``declare``, ``export``, ``unset`` …: their words, read like those of any command."""
        self._found.only_reads = False
        where = source_of(node)
        self._depth = depth
        argv = where.split(None, 1)[:1]
        for group in adjoining(node.named_children):
            if group[0].type == "variable_assignment":
                self._assignment(group[0], depth)
                argv.append(source_of(group[0]).partition("=")[0])
            elif group[0].type in STATEMENTS:
                self._walk(group[0], NO_FEED, depth + 1)
                self._depth = depth
            else:
                argv.extend(self._reader.fields(*group))
        self._judge(Call(argv=tuple(argv), where=where, depth=depth))

    def _command(self, node: Node, feed: Feed, depth: int) -> None:
        self._depth = depth
        mark = len(self._ran)
        argv: list[str] = []
        name_fields = 0
        for group in adjoining(node.named_children):
            child = group[0]
            if child.type == "variable_assignment":
                name = node.child_by_field_name("name")
                self._assignment(child, depth, "" if name is None else source_of(name))
            elif child.type.endswith("_redirect"):
                given, words = self._redirect(child, depth)
                feed = given or feed
                argv.extend(words)
            elif child.type in STATEMENTS:
                self._walk(child, feed, depth + 1)
                self._depth = depth
            elif child.type != "comment":
                fields = self._reader.fields(*group)
                argv.extend(fields)
                if child.type == "command_name":
                    name_fields = len(fields) if "$" in source_of(child) else 0
        argv.extend(self._extra.pop(node.id, []))
        while argv and argv[0] in RESERVED and argv[0] != "time":
            del argv[0]
        if not argv:
            return
        where = source_of(node)
        if _SECRET_VARIABLE.search(where):
            self._found.add("shell.environment_read", where)
        sources = frozenset(self._ran[mark:])
        call = Call(tuple(argv), where, feed, sources, depth)
        self._judge(call)
        if name_fields > 1:
            self._found.add("shell.dynamic_program", where, opaque=True)
            for field in argv[1:name_fields]:
                self._judge(call.inner((field, *argv[name_fields:])))


def _last_command(node: Node) -> Node | None:
    """The command that words after a redirection belong to: the last of a list or pipeline."""
    while node.type in {"list", "pipeline", "negated_command", "redirected_statement"}:
        if not node.named_children:
            return None
        node = node.named_children[-1]
    return node if node.type == "command" else None


def _static_output(words: list[str]) -> str:
    """What a lone ``echo``, ``printf``, ``which`` or ``pwd`` would print, else ``UNKNOWN``."""
    name, rest = words[0], words[1:]
    if any(UNKNOWN in word for word in rest):
        return UNKNOWN
    if name == "pwd" and not rest:
        return "."
    if name == "which" and len(rest) == 1:
        return rest[0]
    if name == "command" and len(rest) == 2 and rest[0] == "-v":
        return rest[1]
    if name == "echo":
        while rest and re.fullmatch(r"-[neE]+", rest[0]):
            if "e" in rest[0]:
                return UNKNOWN
            rest = rest[1:]
        return " ".join(rest)
    if name == "printf" and rest and not rest[0].startswith("-"):
        if "%" not in rest[0] and "\\" not in rest[0]:
            return rest[0]
        if rest[0] in ("%s", "%s\\n"):
            return " ".join(rest[1:])
    return UNKNOWN
