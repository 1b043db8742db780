"""Python given on the command line, read as a tree by allow-list.

A few lines that compute, import the project and print are worth what running one of its scripts
is worth. What starts a process, opens a connection, loads or builds code, reaches into the
environment, or takes a detour that a reader of names could not follow is not plain.
"""

import ast
import re

from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_hosts import names_host
from holdfast.core.risk.shell_python_names import CLASHES, LIBRARY, MEMBERS, MODULES, NEVER
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

_MOST_BYTES = 8_192
_MOST_NESTED = 60
_DEEPEST = 16
_NAMES = words(
    """
    eval exec compile __import__ globals locals vars breakpoint input memoryview __builtins__
    __loader__ __spec__ delattr help attrgetter methodcaller FunctionType CodeType
    """
)
_DUNDERS = words(
    "__version__ __file__ __name__ __doc__ __len__ __init__ __main__ __all__ __annotations__"
)
_REMOVES = words(
    "unlink rmdir rmtree rename replace chmod symlink_to hardlink_to link_to removedirs"
)
_METHODS = words(
    """
    system popen spawn fork kill execv execve load_module exec_module import_module urlopen connect
    read_pickle home expanduser expandvars attrgetter methodcaller FunctionType CodeType
    """
)
_FRAMES = words(
    """
    environ modules os sys builtins f_globals f_builtins f_locals f_back f_code gi_frame gi_code
    cr_frame cr_code ag_frame tb_frame tb_next co_code frame
    """
)
# To these a module of the library may be given whole.
_SHOWS = words("print dir repr str type hasattr getattr len id getsource getmembers getfile getdoc")
_HIDDEN = re.compile(r"__\w+__")
_INSERTS = words("insert append extend")
_WRITES = words("write_text write_bytes touch mkdir")
_MODE = re.compile(r"[rwaxbtU+]{1,4}")


class _Dangerous(Exception):
    """Code that is not plain; never leaves this module."""


def judge_python(code: str, call: Call, found: Findings) -> bool:
    """Add what plain code reads and writes; False where it is not plain."""
    if UNKNOWN in code or len(code) > _MOST_BYTES or _nested(code):
        return False
    try:
        nodes = list(ast.walk(ast.parse(code)))
        bound = _bound(nodes)
        _only_named(nodes, bound)
        for node in nodes:
            _look(node, call, found)
            if isinstance(node, ast.Attribute):
                _of_library(node, bound)
            elif isinstance(node, ast.Call) and len(node.args) > 1:
                # `getattr(json, "codecs")` is `json.codecs`.
                name = getattr(node.args[1], "value", "")
                _of_library(ast.Attribute(node.args[0], str(name)), bound, looked_up=True)
        if any(isinstance(node, ast.Call) and _writes(node) for node in nodes):
            _written(nodes, call, found)
    except (SyntaxError, ValueError, RecursionError, MemoryError, _Dangerous):
        return False
    found.add("shell.inline_code", call.where)
    return True


def _nested(code: str) -> bool:
    depth = most = 0
    for character in code:
        if character in "([{":
            depth += 1
            most = max(most, depth)
        elif character in ")]}":
            depth -= 1
    return most > _MOST_NESTED or code.count("-") + code.count("~") + code.count("not ") > 400


def _bound(nodes: list[ast.AST]) -> dict[str, str]:
    """Names that stand for modules of the library, with the module's own name."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                if top in LIBRARY:
                    found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                if f"{node.module}.{alias.name}" in MODULES:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _only_named(nodes: list[ast.AST], bound: dict[str, str]) -> None:
    """A module stands only in front of a dot or where it is shown, some functions where called."""
    names = [node for node in nodes if isinstance(node, ast.Name)]
    dotted = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    called = {id(node.func) for node in calls}
    shown = {
        id(arg)
        for node in calls
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in _SHOWS
        for arg in node.args
    }
    for name in names:
        if name.id in ("os", "sys") or bound.get(name.id) in ("os", "sys"):
            fine = id(name) in dotted
        elif name.id in ("getattr", "open"):
            fine = id(name) in called
        else:
            fine = name.id not in bound or id(name) in dotted or id(name) in shown
        if not fine:
            raise _Dangerous


def _of_library(node: ast.Attribute, bound: dict[str, str], *, looked_up: bool = False) -> None:
    """What is taken from a module of the library has to be known of it."""
    if looked_up and not isinstance(node.value, ast.Name):
        return
    parts: list[str] = [node.attr]
    value: ast.AST = node.value
    while isinstance(value, ast.Attribute) and len(parts) < _DEEPEST:
        parts.append(value.attr)
        value = value.value
    if isinstance(value, ast.Name) and value.id in bound:
        parts.append(bound[value.id])
        *module, member = reversed(parts)
        _member(".".join(module), member)


def _member(module: str, name: str) -> None:
    if module not in MODULES and module.partition(".")[0] in LIBRARY:
        # Further down than a module: what stands there is a class or a value.
        return
    if f"{module}.{name}" in MODULES or f"{module}.{name}" in CLASHES:
        return
    known = MEMBERS.get(module)
    if name not in known if known is not None else name in LIBRARY:
        raise _Dangerous


def _writes(node: ast.Call) -> bool:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name == "open":
        modes = [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
        return len(node.args) > 1 or any(_MODE.fullmatch(m) and set(m) & set("wax+") for m in modes)
    return name in _WRITES or (name in ("dump", "to_csv", "save") and len(node.args) > 1)


def _written(nodes: list[ast.AST], call: Call, found: Findings) -> None:
    """Code that writes may write to any path that stands in it."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for word in node.value.split()[:64]:
                if found.outside(word) or any(map(found.run_later, found.views(word))):
                    raise _Dangerous
    found.add("shell.file_write", call.where)


def _look(node: ast.AST, call: Call, found: Findings) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            _module(alias.name)
    elif isinstance(node, ast.ImportFrom):
        _module(node.module or "")
        for alias in node.names:
            _imported(node.module or "", alias.name)
    elif isinstance(node, ast.Name):
        if node.id in _NAMES:
            raise _Dangerous
    elif isinstance(node, ast.Attribute):
        _attribute(node)
    elif isinstance(node, ast.Constant):
        _constant(node.value, call, found)
    elif isinstance(node, ast.Call):
        _called(node, call, found)


def _module(name: str) -> None:
    """Listed modules of the library, and of others any that is not known to reach further."""
    top = name.partition(".")[0]
    if name not in MODULES and (top in LIBRARY or top in NEVER):
        raise _Dangerous


def _imported(module: str, name: str) -> None:
    if name == "*" and module.partition(".")[0] in LIBRARY:
        raise _Dangerous
    if module.partition(".")[0] in LIBRARY:
        _member(module, name)
    if name.startswith("_") and name not in _DUNDERS and module != "__future__":
        raise _Dangerous
    if f"{module}.{name}" not in MODULES and (
        name in NEVER or name in _METHODS | _REMOVES or name in _NAMES or name in _FRAMES
    ):
        raise _Dangerous


def _attribute(node: ast.Attribute) -> None:
    name = node.attr
    if name.startswith("_") and name not in _DUNDERS:
        raise _Dangerous
    if name in _METHODS or (name in _REMOVES and name != "replace") or name in NEVER:
        raise _Dangerous
    if name in _FRAMES:
        raise _Dangerous


def _constant(value: object, call: Call, found: Findings) -> None:
    if not isinstance(value, str):
        return
    if any(name not in _DUNDERS for name in _HIDDEN.findall(value)):
        # What formats a value may look names up in it.
        raise _Dangerous
    for word in value.split()[:64]:
        if "://" in word and names_host(word.strip("\"'(),;")):
            raise _Dangerous
        found.touch(word, call.where)


def _called(node: ast.Call, call: Call, found: Findings) -> None:
    func = node.func
    name = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    if name in ("getattr", "setattr", "hasattr"):
        second = node.args[1] if len(node.args) > 1 else None
        if not (isinstance(second, ast.Constant) and str(second.value).isidentifier()):
            raise _Dangerous
        if isinstance(node.args[0], ast.Name) and node.args[0].id in _FRAMES:
            raise _Dangerous
        if name != "hasattr":
            _attribute(ast.Attribute(node.args[0], str(second.value)))
    elif name == "open":
        _opened(node, call, found)
    elif name in _INSERTS and isinstance(func, ast.Attribute):
        _searched(func, node, found)
    elif name in _WRITES or name == "Path":
        _path(node, call, found, writes=name in _WRITES)
    elif not isinstance(func, ast.Name | ast.Attribute | ast.Call | ast.Lambda):
        raise _Dangerous


def _searched(func: ast.Attribute, node: ast.Call, found: Findings) -> None:
    """``sys.path.insert(0, "src")``: where modules come from."""
    if isinstance(func.value, ast.Attribute) and func.value.attr == "path":
        for given in node.args:
            text = given.value if isinstance(given, ast.Constant) else UNKNOWN
            if isinstance(text, str) and (UNKNOWN in text or found.foreign(text)):
                raise _Dangerous


def _opened(node: ast.Call, call: Call, found: Findings) -> None:
    """``open(path, mode)``, and ``path.open(mode)``, where the path is looked at by itself."""
    method = isinstance(node.func, ast.Attribute) and _is_mode(node.args[:1])
    first = node.args[0] if node.args and not method else None
    modes = [
        *node.args[0 if method else 1 :][:1],
        *(k.value for k in node.keywords if k.arg == "mode"),
    ]
    mode = "r"
    for given in modes:
        if not (isinstance(given, ast.Constant) and _MODE.fullmatch(str(given.value))):
            raise _Dangerous
        mode = str(given.value)
    writes = bool(set(mode) & set("wax+"))
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        (found.write if writes else found.read)(first.value, call.where)
    elif writes:
        found.write(UNKNOWN, call.where)
    else:
        found.add("shell.dynamic_path", call.where, opaque=True)


def _is_mode(args: list[ast.expr]) -> bool:
    return not args or (
        isinstance(args[0], ast.Constant) and _MODE.fullmatch(str(args[0].value)) is not None
    )


def _path(node: ast.Call, call: Call, found: Findings, *, writes: bool) -> None:
    if writes:
        found.add("shell.file_write", call.where)
    elif node.args and isinstance(node.args[0], ast.Constant):
        text = str(node.args[0].value)
        if found.outside(text):
            raise _Dangerous
        found.read(text, call.where)
