"""JavaScript given on the command line, read word by word by allow-list.

Plain code computes, reads the project's own files and prints. A name built at run time, a
template, a property that is looked up by a name, and everything that reaches a process, a host
or the environment is not plain.
"""

import re

from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_hosts import names_host
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

_MOST = 8_192
_TOKEN = re.compile(
    r"\s+|//[^\n]*|(?P<string>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`[^`$\\]*`)"
    r"|(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_$][\w$]*)|(?P<mark>=>|[-+*/%=<>!&|^~?:;,.(){}\[\]])",
    re.DOTALL,
)
_MODULES = words("path util assert url querystring fs os node:path node:util node:assert node:fs")
_NEVER = words(
    """
    eval Function constructor prototype __proto__ globalThis global import fetch XMLHttpRequest
    WebSocket EventSource Worker SharedArrayBuffer Reflect Proxy Deno Bun with module env binding
    dlopen mainModule execPath kill chdir stdin getBuiltinModule fromCharCode fromCodePoint atob
    Buffer exec spawn fork execSync spawnSync execFile execFileSync child_process vm http https net
    dgram dns tls cluster worker_threads createRequire networkInterfaces userInfo
    defineProperty getOwnPropertyDescriptor setPrototypeOf getPrototypeOf caller callee
    AsyncFunction
    """
)
_CHANGES = re.compile(
    r"(?:write|append|unlink|rm|rename|symlink|link|chmod|chown|cp|copyFile|mkdir|open|truncate"
    r"|utimes|create\w*Stream|watch)\w*"
)
_PROCESS = words(
    "version versions argv cwd platform arch exit exitCode uptime memoryUsage hrtime release pid"
)


def judge_javascript(code: str, call: Call, found: Findings) -> bool:
    """Add what plain code reads; False where it is not plain."""
    tokens = _tokens(code)
    if tokens is None:
        return False
    for at, (kind, text) in enumerate(tokens):
        before = tokens[at - 1] if at else ("", "")
        after = [token for _, token in tokens[at + 1 : at + 4]]
        if kind == "name" and not _name(text, before, after, found):
            return False
        if _is_computed(text, before) and not (after[1:2] == ["]"] and after[0].isdigit()):
            return False
        if text == "/" and (_is_regex(before) or after[:1] == ["*"]):
            # What stands in a regular expression or a comment would be read as words.
            return False
        if kind == "string":
            inner = text[1:-1]
            if "\\" in inner or inner in _NEVER or any(map(names_host, inner.split())):
                return False
            found.touch(inner, call.where)
            if found.outside(inner):
                return False
    found.add("shell.inline_code", call.where)
    return True


def _is_computed(text: str, before: tuple[str, str]) -> bool:
    """Whether a bracket looks a property up, instead of opening a list."""
    return text == "[" and (before[0] in ("name", "string") or before[1] in (")", "]"))


def _is_regex(before: tuple[str, str]) -> bool:
    return not (before[0] in ("name", "number") or before[1] in (")", "]"))


def _tokens(code: str) -> list[tuple[str, str]] | None:
    """Kinds and texts, or None where a character is not accounted for."""
    if UNKNOWN in code or len(code) > _MOST:
        return None
    found, at = [], 0
    while at < len(code):
        match = _TOKEN.match(code, at)
        if match is None:
            return None
        at = match.end()
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
    return found


def _name(text: str, before: tuple[str, str], after: list[str], found: Findings) -> bool:
    if text in _NEVER or (before[1] == "." and _CHANGES.fullmatch(text)):
        return False
    if text == "process":
        return after[:1] == ["."] and after[1] in _PROCESS
    if text == "require":
        if before[1] == "." or after[:1] != ["("] or len(after) < 3 or after[2] != ")":
            return False
        target = after[1][1:-1] if after[1][:1] in "'\"`" else ""
        own = target.startswith(("./", "../")) and not found.outside(target)
        return own or target in _MODULES
    return True
