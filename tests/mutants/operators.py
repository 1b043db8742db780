"""The mutants of a source file: each one small change that a test should notice.

What is not mutated, because a test that notices would hold words and not behaviour: docstrings,
annotations, text with a blank in it, f-strings, asserts, calls of loggers, `__repr__` and `__str__`,
decorators, keywords of class statements, `TYPE_CHECKING` blocks, `__all__`. Not here: which tests
run.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_RECKONED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.Pow: ast.Mult,
}
_SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNSAID = {"__repr__", "__str__"}
_LOGGERS = {"log", "logger", "_log", "_logger", "logging"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file: `source[start:end]` in UTF-8 bytes becomes `text`.

    `first` and `last` are the lines of the statement; `names` what the tests of a line outside
    functions are found by: the names that it defines.
    """

    path: str
    operator: str
    line: int
    first: int
    last: int
    start: int
    end: int
    text: str
    names: tuple[str, ...] = ()

    def applied(self, source: bytes) -> bytes:
        """The whole source with the change."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def changed(self, source: bytes) -> tuple[str, str]:
        """The lines before and after the change, each as one stripped line."""
        begin = source.rfind(b"\n", 0, self.start) + 1
        until = source.find(b"\n", self.end)
        until = len(source) if until < 0 else until
        before = source[begin:until]
        after = source[begin : self.start] + self.text.encode() + source[self.end : until]
        return _one_line(before), _one_line(after)


def _one_line(text: bytes) -> str:
    return " ".join(text.decode().split())


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Every mutant of one file, in the order of the file; `counts` says which are ones."""
    return _Walker(path, source).walk()


def counts(mutant: Mutant, source: bytes) -> bool:
    """Whether the change is valid Python and another program."""
    try:
        return ast.dump(ast.parse(mutant.applied(source))) != _plain(source)
    except SyntaxError:
        return False


@cache
def _plain(source: bytes) -> str:
    return ast.dump(ast.parse(source))


class _Walker:
    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._statement: ast.stmt | None = None
        self._names: tuple[str, ...] = ()
        self._found: list[Mutant] = []

    def walk(self) -> list[Mutant]:
        self._body(ast.parse(self._source).body, inside=False)
        return sorted(self._found, key=lambda m: (m.start, m.end, m.text))

    # ---- statements

    def _body(self, body: list[ast.stmt], *, inside: bool) -> None:
        for at, statement in enumerate(body):
            if at == 0 and _is_text(statement):
                continue
            self._of(statement, inside=inside)

    def _of(self, statement: ast.stmt, *, inside: bool) -> None:
        if isinstance(
            statement, ast.Import | ast.ImportFrom | ast.Assert | ast.Global | ast.Nonlocal
        ):
            return
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(statement, inside=inside)
            return
        if isinstance(statement, ast.ClassDef):
            self._body(statement.body, inside=False)
            return
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            return
        if isinstance(statement, ast.Expr) and _logs(statement.value):
            return
        if "__all__" in defined(statement):
            return
        self._statement = statement
        self._names = () if inside else defined(statement)
        self._whole(statement)
        self._fields(statement)
        for name in ("body", "orelse", "finalbody"):
            self._body(getattr(statement, name, None) or [], inside=inside)
        for handler in getattr(statement, "handlers", None) or []:
            self._body(handler.body, inside=inside)
        for case in getattr(statement, "cases", None) or []:
            self._body(case.body, inside=inside)

    def _function(self, made: ast.FunctionDef | ast.AsyncFunctionDef, *, inside: bool) -> None:
        if made.name in _UNSAID:
            return
        self._statement, self._names = made, () if inside else (made.name,)
        for default in [*made.args.defaults, *made.args.kw_defaults]:
            if default is not None:
                self._expression(default)
        self._body(made.body, inside=True)

    def _whole(self, statement: ast.stmt) -> None:
        """Changes of the statement itself."""
        if isinstance(statement, ast.Raise):
            self._put("drop raise", statement, "pass")
        elif isinstance(statement, ast.Break):
            self._put("break", statement, "continue")
        elif isinstance(statement, ast.Continue):
            self._put("continue", statement, "break")
        elif isinstance(statement, ast.Return):
            if statement.value is None:
                self._put("drop return", statement, "pass")
            elif not _is_constant(statement.value, None):
                self._put("return None", statement, "return None")
        elif _can_go(statement):
            self._put("drop statement", statement, "pass")
        if isinstance(statement, ast.If | ast.While) and not _is_constant(statement.test, True):
            self._put("negate", statement.test, f"not ({ast.unparse(statement.test)})")
        if isinstance(statement, ast.AugAssign) and type(statement.op) in _RECKONED:
            other = copy.copy(statement)
            other.op = _RECKONED[type(statement.op)]()
            self._put("arithmetic", statement, ast.unparse(other))

    def _fields(self, statement: ast.stmt) -> None:
        """The expressions that stand in the statement itself, not in its blocks."""
        for name, value in ast.iter_fields(statement):
            if name in {"body", "orelse", "finalbody", "handlers", "annotation", "type_params"}:
                continue
            if name == "cases":
                for case in value:
                    if case.guard is not None:
                        self._expression(case.guard)
                continue
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.expr):
                    self._expression(one)
                elif isinstance(one, ast.withitem):
                    self._expression(one.context_expr)

    # ---- expressions

    def _expression(self, node: ast.expr) -> None:
        if isinstance(node, ast.JoinedStr) or _logs(node):
            return
        for operator, text in _changes(node):
            self._put(operator, node, text)
        for child in _children(node):
            self._expression(child)

    def _put(self, operator: str, node: ast.stmt | ast.expr, text: str) -> None:
        statement = self._statement or node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        compound = hasattr(statement, "body") or hasattr(statement, "cases")
        self._found.append(
            Mutant(
                path=self._path,
                operator=operator,
                line=node.lineno,
                first=min(node.lineno, statement.lineno) if not compound else node.lineno,
                last=node.end_lineno,
                start=self._starts[node.lineno - 1] + node.col_offset,
                end=self._starts[node.end_lineno - 1] + node.end_col_offset,
                text=text,
                names=self._names,
            )
        )


def _changes(node: ast.expr) -> Iterator[tuple[str, str]]:
    """What may stand in the place of this expression, by operator."""
    if isinstance(node, ast.Constant):
        yield from _constants(node.value)
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield (
                    "comparison",
                    _with(node, ops=[*ops[:at], _COMPARED[type(op)](), *ops[at + 1 :]]),
                )
        case ast.BoolOp(op=op):
            swapped = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "and/or", f"({_with(node, op=swapped)})"
        case ast.UnaryOp(op=ast.Not()):
            yield "remove not", f"({ast.unparse(node.operand)})"
        case ast.BinOp() if type(node.op) in _RECKONED and not _texts(node):
            yield "arithmetic", f"({_with(node, op=_RECKONED[type(node.op)]())})"
        case ast.IfExp():
            yield "negate", f"({_with(node, test=ast.UnaryOp(ast.Not(), node.test))})"
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for at, loop in enumerate(node.generators):
                for which, test in enumerate(loop.ifs):
                    other = copy.copy(loop)
                    other.ifs = [
                        *loop.ifs[:which],
                        ast.UnaryOp(ast.Not(), test),
                        *loop.ifs[which + 1 :],
                    ]
                    loops = [*node.generators[:at], other, *node.generators[at + 1 :]]
                    yield "negate", _with(node, generators=loops)
        case ast.Call(func=ast.Name(id=name)) if name in _SWAPPED:
            yield "min/max any/all", _with(node, func=ast.Name(_SWAPPED[name]))
        case _:
            pass


def _constants(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "constant", repr(not value)
    elif isinstance(value, int):
        yield "constant", repr({0: 1, 1: 0}.get(value, value + 1))
    elif isinstance(value, float):
        yield "constant", repr(value + 1)
    elif isinstance(value, str) and value.split() == [value]:
        yield "constant", repr(f"{value}x")
    elif isinstance(value, bytes) and value.split() == [value]:
        yield "constant", repr(value + b"x")


def _with(node: ast.expr, **given: Any) -> str:
    other = copy.copy(node)
    for name, value in given.items():
        setattr(other, name, value)
    return ast.unparse(other)


def _children(node: ast.expr) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.comprehension):
            yield child.iter
            yield from child.ifs
        elif isinstance(child, ast.keyword):
            yield child.value
        elif isinstance(child, ast.arguments):
            yield from child.defaults


def _texts(node: ast.BinOp) -> bool:
    """Whether text is joined: the other operator would only raise."""
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        or (isinstance(side, ast.BinOp) and _texts(side))
        for side in (node.left, node.right)
    )


def _can_go(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete():
            return True
        case ast.Assign(targets=targets):
            return all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
        case ast.AnnAssign(target=ast.Attribute() | ast.Subscript(), value=ast.expr()):
            return True
        case _:
            return False


def defined(statement: ast.stmt) -> tuple[str, ...]:
    """The names that a statement binds; none for what is no assignment."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return tuple(target.id for target in targets if isinstance(target, ast.Name))


def _logs(node: ast.expr) -> bool:
    inner = node.value if isinstance(node, ast.Await) else node
    return (
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and ast.unparse(inner.func.value).rpartition(".")[2] in _LOGGERS
    )


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
