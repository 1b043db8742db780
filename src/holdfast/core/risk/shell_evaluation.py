"""Every place where bash evaluates what a word holds, and every construct it may be made of.

Arithmetic, subscripts and ``[[ -eq ]]`` evaluate the *value* of a name again, and a value like
``a[$(id)]`` then runs a program; ``${x@P}``, ``${!x}`` and name references do the same. So what
may stand there is listed: numbers, operators, and names whose every value in this text is a
number. A node, an operator or a piece of live text that nothing here accounts for is a finding.
"""

import re
from collections.abc import Callable, Iterator

from tree_sitter import Node

from holdfast.core.risk.shell_calls import Findings
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import source_of

_KNOWN = words(
    """
    program word number string string_content raw_string ansi_c_string regex comment variable_name
    special_variable_name heredoc_start heredoc_body heredoc_content heredoc_end file_descriptor
    test_operator extglob_pattern redirected_statement for_statement c_style_for_statement
    variable_assignment variable_assignments unary_expression binary_expression ternary_expression
    postfix_expression parenthesized_expression while_statement do_group if_statement elif_clause
    else_clause case_statement case_item function_definition compound_statement subshell pipeline
    list negated_command test_command declaration_command unset_command command command_name
    subscript file_redirect heredoc_redirect herestring_redirect arithmetic_expansion
    brace_expression concatenation translated_string array simple_expansion expansion
    command_substitution process_substitution ERROR
    """
)
_TEXT = words("word regex extglob_pattern string_content test_operator number command_name")
# A substitution that the grammar left inside plain text.
_LIVE = re.compile(r"(?<!\\)(?:\\\\)*(?:`|\$[({\[])|^[<>]\(")
_LIVE_HERE = re.compile(r"(?<!\\)(?:\\\\)*\$[({\[]")
_EXPANSION = re.compile(
    r"\$\{(?P<bang>!)?(?P<length>#)?(?P<name>[A-Za-z_]\w*|\d+|[@*#?$!-])"
    r"(?P<index>\[[^\]]*\])?(?P<rest>.*)\}",
    re.DOTALL,
)
_OPERATORS = re.compile(r":?[-=?+]|##?|%%?|/[/#%]?|\^\^?|,,?|~~?", re.DOTALL)
_TRANSFORMS = words("@Q @U @u @L @K @k @a @A @E")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*(?:\[(?:\d{1,9}|[@*])\])?")
_ELEMENT = re.compile(r"(?:^\(|\s)\[([^\]]*(?:\([^)]*\)[^\]]*)?)\]\+?=")
_OFFSET = re.compile(r":[\s\d:+-]*")
_ARITHMETIC_TEXT = re.compile(r"[\w\s+\-*/%()<>=!&|^~?:,#]*")
_INTEGER = re.compile(r"[+-]?\d{1,20}|0[xX][0-9a-fA-F]{1,16}")
_COMPARES = words("-eq -ne -lt -le -gt -ge")
_COUNTED = words("# ? $ ! RANDOM SECONDS LINENO")
_POSITIONAL = re.compile(r"\d+|[@*_-]")
_FILLED = re.compile(r"\b(?:read|mapfile|readarray|getopts|printf\s+-v|wait\s+-p)\b([^;|&\n<>]*)")
_IMPORTS = re.compile(r"(?:^|[\s;&|({])(?:\.|source|eval)\s")
_DATE = re.compile(r"\+[%sNYmdHMSjuwV]+")
_PRINTS_NUMBERS = words("wc nproc seq")
_PASSES = 4


class Evaluation:
    """One look at a tree: where values are evaluated again, and what may be known of them."""

    def __init__(self, found: Findings, step: Callable[[], None]) -> None:
        self._found = found
        self._step = step

    def account(self, root: Node, source: str) -> None:
        """Add a finding for every place that evaluates what is not known to be a number."""
        self._distrust(root, source)
        for node in self._nodes(root):
            kind = node.type
            if node.is_named and kind not in _KNOWN:
                self._unaccounted(node)
            elif kind in _TEXT and not node.named_child_count:
                if _LIVE.search(source_of(node)):
                    self._unaccounted(node)
            elif kind == "expansion":
                self._expansion(node)
            elif kind == "array":
                self._array(node)
            elif kind == "heredoc_redirect":
                self._heredoc(node)
            elif kind == "declaration_command":
                self._declaration(node)
            elif kind == "test_command":
                self._test(node)
            else:
                self._arithmetic_place(node, kind)

    def _nodes(self, root: Node) -> Iterator[Node]:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            self._step()
            yield node
            waiting.extend(node.children)

    def _unaccounted(self, node: Node) -> None:
        self._found.only_reads = False
        self._found.add("shell.unaccounted", source_of(node), opaque=True)

    def _evaluated(self, node: Node) -> None:
        self._found.only_reads = False
        self._found.add("shell.evaluated", source_of(node), opaque=True)

    # --- which names hold numbers --------------------------------------------------------------

    def _distrust(self, root: Node, source: str) -> None:
        """Remember the names, of those set in this text, that may hold more than a number."""
        values: dict[str, list[Node | None]] = {}
        untrusted = self._found.untrusted
        for node in self._nodes(root):
            if node.type == "variable_assignment":
                name = node.child_by_field_name("name")
                if name is not None:
                    key = source_of(name).partition("[")[0]
                    values.setdefault(key, []).append(node.child_by_field_name("value"))
            elif node.type == "for_statement":
                variable = node.child_by_field_name("variable")
                if variable is not None:
                    given = node.children_by_field_name("value")
                    key = source_of(variable)
                    values.setdefault(key, []).extend(given)
                    if not given:
                        untrusted.add(key)
        for match in _FILLED.finditer(source):
            untrusted.update(_NAME.findall(match.group(1)))
        if "mapfile" in source or "readarray" in source:
            untrusted.add("MAPFILE")
        if _IMPORTS.search(source):
            untrusted.update(values)
        for _ in range(_PASSES):
            wrong = {
                name
                for name, nodes in values.items()
                if name not in untrusted and not all(map(self._is_number, nodes))
            }
            if not wrong:
                return
            untrusted |= wrong
        untrusted.update(values)

    def _trusted(self, name: str) -> bool:
        if name in _COUNTED:
            return True
        return not _POSITIONAL.fullmatch(name) and name not in self._found.untrusted

    def _is_number(self, node: Node | None) -> bool:
        """Whether a value is a number, or a name that holds one, whatever else happens."""
        if node is None:
            return True
        kind, text = node.type, source_of(node)
        if kind == "simple_expansion":
            return self._trusted(text[1:])
        if kind == "expansion":
            match = _EXPANSION.fullmatch(text)
            return match is not None and (
                match["length"] is not None
                or (not match["rest"] and not match["bang"] and self._trusted(match["name"]))
            )
        if kind == "command_substitution":
            return self._prints_number(node)
        if kind == "arithmetic_expansion":
            return True
        if kind == "brace_expression":
            return re.fullmatch(r"\{\d+\.\.\d+\}", text) is not None
        if kind in ("string", "array", "concatenation"):
            inner = node.named_children
            return all(map(self._is_number, inner)) and bool(inner or kind == "array")
        return kind in _TEXT | {"raw_string", "binary_expression"} and bool(
            _INTEGER.fullmatch(text.strip("'")) or kind == "binary_expression"
        )

    def _prints_number(self, node: Node) -> bool:
        if node.named_child_count != 1:
            return False
        last = node.named_children[0]
        if last.type == "pipeline":
            last = last.named_children[-1]
        if last.type == "redirected_statement":
            last = last.child_by_field_name("body") or last
        if last.type != "command":
            return False
        parts = [source_of(child) for child in last.named_children]
        name, args = parts[0], parts[1:]
        return (
            name in _PRINTS_NUMBERS
            or (name == "date" and len(args) == 1 and bool(_DATE.fullmatch(args[0].strip("'\""))))
            or (name == "grep" and args[:1] == ["-c"])
            or (name == "git" and args[:2] == ["rev-list", "--count"])
            or (name == "stat" and args[:2] in (["-c", "%s"], ["-c", "%Y"]))
            or (name in ("echo", "printf") and len(args) == 1 and args[0].isdigit())
            or (name == "id" and args == ["-u"])
        )

    # --- the places ----------------------------------------------------------------------------

    def _arithmetic_place(self, node: Node, kind: str) -> None:
        if kind == "arithmetic_expansion":
            self._arithmetic(node.named_children)
        elif kind == "compound_statement" and node.children[0].type == "((":
            self._found.only_reads = False
            self._arithmetic(node.named_children)
        elif kind == "c_style_for_statement":
            self._found.only_reads = False
            body = node.child_by_field_name("body")
            self._arithmetic([child for child in node.named_children if child != body])
        elif kind == "subscript":
            index = node.child_by_field_name("index")
            if index is not None and source_of(index) not in ("@", "*"):
                self._arithmetic([index])

    def _arithmetic(self, nodes: list[Node]) -> None:
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            self._step()
            kind = node.type
            if kind in ("variable_name", "word"):
                if not self._arithmetic_text(source_of(node)):
                    self._evaluated(node)
            elif kind in ("simple_expansion", "expansion", "command_substitution"):
                if not self._is_number(node):
                    self._evaluated(node)
            elif kind in ("raw_string", "ansi_c_string", "string_content"):
                if not self._arithmetic_text(source_of(node).strip("$'")):
                    self._evaluated(node)
            else:
                waiting.extend(node.named_children)

    def _arithmetic_text(self, text: str) -> bool:
        return arithmetic_is_plain(text, self._found)

    def _test(self, node: Node) -> None:
        """``[[ a -eq b ]]`` evaluates both sides, ``-v`` the subscript of a name."""
        double = node.children[0].type == "[["
        for inner in self._nodes(node):
            if inner.type not in ("binary_expression", "unary_expression"):
                continue
            operator = inner.child_by_field_name("operator")
            sign = source_of(operator) if operator is not None else ""
            sides = [child for child in inner.named_children if child != operator]
            if double and sign in _COMPARES:
                self._arithmetic(sides)
            elif sign in ("-v", "-R") and not all(
                _PLAIN_NAME.fullmatch(source_of(side)) for side in sides
            ):
                self._evaluated(inner)

    def _expansion(self, node: Node) -> None:
        match = _EXPANSION.fullmatch(source_of(node))
        if match is None:
            self._unaccounted(node)
            return
        rest, listing = match["rest"], match["index"] in ("[@]", "[*]")
        if match["bang"]:
            self._indirect(node, match, listing=listing)
        elif rest.startswith("@"):
            if rest not in _TRANSFORMS:
                self._evaluated(node)
        elif rest.startswith(":") and rest[1:2] not in tuple("-=?+"):
            if not _OFFSET.fullmatch(rest) and not self._offset(rest):
                self._evaluated(node)
        elif rest and not _OPERATORS.match(rest):
            self._unaccounted(node)
        elif rest[:1] in (":", "=") and rest.lstrip(":")[:1] == "=":
            self._found.only_reads = False
        if match["index"] and not listing and not self._offset(match["index"][1:-1]):
            self._evaluated(node)

    def _array(self, node: Node) -> None:
        """``a=([expression]=x)``: what stands in the brackets is evaluated."""
        for index in _ELEMENT.findall(source_of(node)):
            if not self._offset(index.strip("'\"")):
                self._evaluated(node)

    def _offset(self, text: str) -> bool:
        bare = re.sub(r"\$\{?([A-Za-z_]\w*)\}?", r"\1", text)
        return arithmetic_is_plain(bare, self._found)

    def _indirect(self, node: Node, match: re.Match[str], *, listing: bool) -> None:
        """``${!x}`` is fine where every value of x is a plain name; ``${!x*}`` only lists names."""
        if listing or match["rest"] in ("*", "@"):
            return
        values = self._found.variables.get(match["name"], [])
        if match["rest"] or not values or not all(map(_NAME.fullmatch, values)):
            self._evaluated(node)

    def _heredoc(self, node: Node) -> None:
        start = next((c for c in node.named_children if c.type == "heredoc_start"), None)
        if start is not None and any(mark in source_of(start) for mark in "'\"\\"):
            return
        for child in node.named_children:
            if child.type != "heredoc_body":
                continue
            leaves = child.named_children or [child]
            for leaf in leaves:
                text = leaf.type in ("heredoc_content", "heredoc_body")
                if text and not leaf.named_child_count and _LIVE_HERE.search(source_of(leaf)):
                    self._unaccounted(leaf)

    def _declaration(self, node: Node) -> None:
        """``declare -i`` evaluates later values, ``declare -n`` makes one name mean another."""
        keyword = source_of(node.children[0])
        flags = "".join(
            source_of(c)[1:] for c in node.named_children if source_of(c)[:1] in ("-", "+")
        )
        named = [
            c for c in node.named_children if c.type in ("variable_assignment", "variable_name")
        ]
        if "n" in flags and keyword in ("declare", "typeset", "local"):
            for one in named:
                value = one.child_by_field_name("value")
                if value is None or not _NAME.fullmatch(source_of(value)):
                    self._evaluated(node)
        elif "i" in flags:
            for one in named:
                name = source_of(one.child_by_field_name("name") or one)
                if name in self._found.untrusted:
                    self._evaluated(node)


def arithmetic_is_plain(text: str, found: Findings) -> bool:
    """Whether arithmetic written as text names only numbers; ``a[…]`` and ``$`` are not plain."""
    if not _ARITHMETIC_TEXT.fullmatch(text):
        return False
    return not any(
        name in found.untrusted for name in _NAME.findall(re.sub(r"0[xX]\w+", "0", text))
    )


def is_plain_name(name: str) -> bool:
    """Whether a name that a builtin fills or tests has no subscript that would be evaluated."""
    return _PLAIN_NAME.fullmatch(name) is not None
