"""What a few lines of Python in a command may read, as far as their tree says.

Such lines, written by a model that heard no stranger's text, are worth a script of the project:
what they print is the project's own where all that they could read is. Read by allow-list: modules
that reach no host and start no process, and packages of the project, which then have to be own.
"""

import ast
import re
from collections.abc import Iterator

from holdfast.core.risk.shell_rules import INTERPRETERS, words

_MOST_BYTES = 8_192
_PYTHON = re.compile(r"python[\d.]*|pypy3?")
# A document without expansions, and code between quotes with none in it.
_DOCUMENT = re.compile(
    r"<<-?[ \t]*(['\"])(\w+)\1[^\n]*\n(?P<code>.*?)^\2[ \t]*$", re.DOTALL | re.MULTILINE
)
_GIVEN = re.compile(r"[ \t]-c[ \t]+(?:'(?P<single>[^']*)'|\"(?P<double>[^\"$`\\]*)\")")
_CODE_LEFT = re.compile(r"[ \t]-\w*c\b|<<")
_PATH = re.compile(r"\bPYTHONPATH=([\w./-]+)")
_MODULES = words(
    """
    pathlib json re math cmath collections itertools functools operator string textwrap datetime
    calendar decimal fractions statistics random hashlib csv typing types dataclasses enum copy
    pprint glob fnmatch ast time timeit traceback unittest io difflib sqlite3 configparser tomllib
    argparse heapq bisect array uuid contextlib tokenize html struct zlib __future__
    """
)
_NEVER = words(
    """
    exec eval compile globals locals vars getattr setattr breakpoint input attrgetter methodcaller
    os sys subprocess socket importlib builtins environ system popen home expanduser absolute
    urllib http ssl ftplib smtplib imaplib poplib xmlrpc asyncio multiprocessing ctypes shutil
    tempfile requests httpx aiohttp urllib3 websockets boto3 paramiko selenium playwright
    """
)


def project_packages(command: str, programs: tuple[str, ...]) -> list[str] | None:
    """Folders of the project that the code imports; None where it may read anything."""
    given = [name for name in programs if name in INTERPRETERS]
    if not given or not all(map(_PYTHON.fullmatch, given)) or len(command) > _MOST_BYTES:
        return None
    codes = [found["code"] for found in _DOCUMENT.finditer(command)]
    codes += [found["single"] or found["double"] or "" for found in _GIVEN.finditer(command)]
    if not codes or _CODE_LEFT.search(_GIVEN.sub(" ", _DOCUMENT.sub("\n", command))):
        return None
    imported: set[str] = set()
    for code in codes:
        try:
            nodes = list(ast.walk(ast.parse(code)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        if not nodes or any(map(_reaches, nodes)):
            return None
        imported.update(_imports(nodes))
    base = _PATH.search(command)
    where = base.group(1).rstrip("/") + "/" if base else ""
    return [f"{where}{name}" for name in sorted(imported - _MODULES)]


def _imports(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from . import x` has no package to come from.
            yield (node.module or "..").partition(".")[0] or ".."


def _reaches(node: ast.AST) -> bool:
    """Whether a node gets at what imports do not say, or at what lies elsewhere."""
    names: list[str] = []
    if isinstance(node, ast.Name):
        names = [node.id]
    elif isinstance(node, ast.Attribute):
        names = [node.attr]
    elif isinstance(node, ast.alias):
        names = node.name.split(".")
    if any(name in _NEVER or name.startswith("__") for name in names):
        return True
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        return text.startswith(("/", "~")) or "://" in text or ".." in text.split("/")
    return False
