"""Python given on the command line, read as a tree by allow-list.

A few lines that compute, import the project and print are worth what running one of its scripts
is worth. What starts a process, opens a connection, loads or builds code, reaches into the
environment, or takes a detour that a reader of names could not follow is not plain.
"""

import ast
import re

from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_hosts import names_host
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

_MOST_BYTES = 8_192
_MOST_NESTED = 60
_MODULES = words(
    """
    json re sys math cmath collections itertools functools operator string textwrap datetime
    calendar decimal fractions statistics random hashlib hmac base64 binascii struct csv typing
    types dataclasses enum abc copy pprint pathlib os os.path glob fnmatch ast tokenize inspect
    time traceback warnings unittest doctest io difflib html html.parser xml.etree
    xml.etree.ElementTree urllib.parse configparser tomllib argparse contextlib heapq bisect array
    uuid secrets locale unicodedata platform sysconfig importlib.metadata zlib gzip email.utils
    numbers graphlib dis keyword token stat filecmp __future__ collections.abc
    """
)
# Of the standard library, what is not listed above; of others, what reaches hosts or processes.
_NEVER = words(
    """
    subprocess socket ssl urllib http ftplib smtplib poplib imaplib telnetlib xmlrpc socketserver
    timeit asyncio multiprocessing threading concurrent ctypes importlib imp runpy code codeop
    pty tty
    pickle cPickle shelve marshal dill cloudpickle joblib shutil tempfile signal resource mmap
    webbrowser antigravity builtins gc site sqlite3 dbm zipimport zipapp venv ensurepip pip
    setuptools distutils pdb bdb trace cProfile profile select selectors sched pwd grp spwd crypt
    fcntl termios syslog logging curses readline rlcompleter turtle tkinter idlelib getpass netrc
    requests httpx aiohttp urllib3 httplib2 pycurl websocket websockets boto3 botocore paramiko
    fabric invoke sh plumbum pexpect psutil docker kubernetes smbclient pymysql psycopg psycopg2
    asyncpg redis pymongo kafka pika celery anthropic openai google azure slack_sdk twilio stripe
    github gitlab jwt keyring cryptography scapy selenium playwright mechanize scrapy zmq grpc
    """
)
_NAMES = words(
    """
    eval exec compile __import__ globals locals vars breakpoint input memoryview __builtins__
    __loader__ __spec__ delattr help attrgetter methodcaller FunctionType CodeType
    """
)
_DUNDERS = words(
    "__version__ __file__ __name__ __doc__ __len__ __init__ __main__ __all__ __annotations__"
)
_OS = words("path listdir getcwd walk sep linesep scandir stat cpu_count getpid name fspath")
_SYS = words(
    "version version_info path argv exit stdin stdout stderr platform executable maxsize byteorder "
    "getsizeof getrecursionlimit prefix implementation flags stdlib_module_names"
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
        _only_named(nodes)
        for node in nodes:
            _look(node, call, found)
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


def _only_named(nodes: list[ast.AST]) -> None:
    """``os`` and ``sys`` stand only in front of a dot, ``getattr`` only where it is called."""
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    dotted = [
        n.value.id for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    ]
    called = [n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    for name, seen in (("os", dotted), ("sys", dotted), ("getattr", called), ("open", called)):
        if names.count(name) != seen.count(name):
            raise _Dangerous


def _writes(node: ast.Call) -> bool:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in _WRITES or (name in ("open", "dump", "to_csv", "save") and len(node.args) > 1)


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
            if alias.asname and alias.name.partition(".")[0] in ("os", "sys", "importlib"):
                raise _Dangerous
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
    """Listed modules and the project's own: any that is not known to reach further."""
    if name not in _MODULES and (name.partition(".")[0] in _NEVER or name in _NEVER):
        raise _Dangerous


def _imported(module: str, name: str) -> None:
    if name == "*" and module in _MODULES:
        raise _Dangerous
    if module == "os" and name not in _OS:
        raise _Dangerous
    if module == "sys" and name not in _SYS:
        raise _Dangerous
    if name in _NEVER or name in _METHODS | _REMOVES or name in _NAMES:
        raise _Dangerous


def _attribute(node: ast.Attribute) -> None:
    name = node.attr
    base = node.value.id if isinstance(node.value, ast.Name) else ""
    if name.startswith("_") and name not in _DUNDERS:
        raise _Dangerous
    if base == "os" and name not in _OS:
        raise _Dangerous
    if base == "sys" and name not in _SYS:
        raise _Dangerous
    if name in _METHODS or (name in _REMOVES and name != "replace") or name in _NEVER:
        raise _Dangerous
    if name in ("environ", "modules", "os", "sys", "builtins", "f_globals", "gi_frame", "tb_frame"):
        raise _Dangerous


def _constant(value: object, call: Call, found: Findings) -> None:
    if not isinstance(value, str) or len(value) > 4_096:
        return
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
    first = node.args[0] if node.args else None
    modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
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


def _path(node: ast.Call, call: Call, found: Findings, *, writes: bool) -> None:
    if writes:
        found.add("shell.file_write", call.where)
    elif node.args and isinstance(node.args[0], ast.Constant):
        text = str(node.args[0].value)
        if found.outside(text):
            raise _Dangerous
        found.read(text, call.where)
