"""Which values can be a secret: not references, placeholders, paths, types, code or prose."""

import re
from itertools import pairwise

_REFERENCE = re.compile(
    r"(?:[fbru@]{0,2}\$[A-Za-z_{(\[]|\$\{|\{\{|\{%|<[^>]{0,80}>?|%\(|%[A-Za-z_]{2,40}%|%s\b|%v\b"
    r"|\{[A-Za-z_.!:]{0,60}\}|![A-Za-z]|\[[A-Za-z _-]{2,40}\]|&[A-Za-z]"
    r"|env[:(.]|vault:|ref\+|ssm:|arn:|op://|file:|sops:|ENC\[|https?://|process\.env|os\.env"
    r"|\.{2,}|…|-{2,}(?!-)|={2,})"
)
# Words that stand where a secret would.
_STANDS_FOR = re.compile(
    r"(?i)(?:x{3,}|\*{2,}|•{2,}|_{3,}|0{6,}|(?:.{0,20}[-_])?your?[-_ ].{0,60}"
    r"|my[-_](?:password|secret|token|api).{0,20}"
    r"|(?:an?[-_ ])?(?:example|sample|dummy|fake|placeholder|redacted|hidden|masked|removed"
    r"|required|optional|none|null|nil|true|false|undefined|unset|empty|missing|default"
    r"|string|str|bytes|text|int|integer|number|bool|boolean|any|object|secretstr|varchar.{0,8}"
    r"|password|passwd|passphrase|pass|pwd|secret|token|key|api[-_]?key|value|inherit|prompt"
    r"|write|read|disabled|enabled|changes?|todo|tbd|n/a)[-_.!?]{0,3}"
    r"|[a-z]{1,12}[-_](?:\.{2,}|x{3,}|\*{2,}).{0,12})"
)
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\]{1,2}[A-Za-z0-9_.@ -]{0,80})+")
_PATH_WORD = re.compile(r"[A-Za-z._ -]{2,}[0-9]{0,4}[A-Za-z.]{0,8}|[0-9.]{1,14}|[0-9a-f]{7,12}")
_DOTTED = re.compile(r"[A-Za-z_$][A-Za-z_$]*(?:\??\.[A-Za-z_$][A-Za-z_$0-9]*)+[!?]?")
_TYPE = re.compile(
    r"(?=.{0,40}[a-z]{4})(?:[A-Z][a-z]+[0-9]{0,5}|[A-Z]{2,5}(?=[A-Z][a-z])){2,}(?:\[.*)?"
)
# A constant that holds the name of a secret.
_NAMES_ONE = re.compile(r"[A-Za-z]+(?:[_.-][A-Za-z]+)+")
_CALL = re.compile(r"[A-Za-z_$][\w$.:<>]{0,80}[(\[{]")
_NAME_OF_ENVIRONMENT = re.compile(r"[A-Z]{2,}(?:_[A-Z]+)+")
_SAYS_SECRET = re.compile(
    r"(?i)pass(?:word|wd|phrase|code)?|pwd|secret|token|key|credential|auth|api|plain"
)
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"(?i)(?:[a-z0-9]{2,8}[:-])?[0-9a-f]{7,}")
_WORDS = re.compile(r"[A-Za-z' ,.!?-]+")
_SLUG_PART = re.compile(r"[A-Za-z]+|[0-9]{1,10}|v[0-9]+|[A-Za-z]{3,}[0-9]{1,2}")
_SEEN = 128


def stands_for_one(value: str) -> bool:
    """Whether it only says where a secret comes from, or that there is one."""
    value = value[:_SEEN].strip()
    return (
        not value
        or _REFERENCE.match(value) is not None
        or _STANDS_FOR.fullmatch(value) is not None
        or _NAME_OF_ENVIRONMENT.fullmatch(value) is not None
        or (_NAMES_ONE.fullmatch(value) is not None and _SAYS_SECRET.search(value) is not None)
    )


def is_path(value: str) -> bool:
    """Whether it is a path of words, as nothing random is."""
    if value[:1] not in "/~.\\" and value[1:2] != ":":
        return False
    value = value[:_SEEN]
    return _PATH.fullmatch(value) is not None and all(
        _PATH_WORD.fullmatch(part) for part in re.split(r"[/\\]+", value)[1:] if part
    )


def is_code(value: str) -> bool:
    """Whether an unquoted value is an expression: an attribute, a call, a variable."""
    value = value[:_SEEN]
    return (
        _DOTTED.fullmatch(value) is not None
        or _CALL.match(value) is not None
        or _TYPE.fullmatch(value) is not None
        or (
            value.isidentifier()
            and value.islower()
            and "_" in value
            and value.count("_") < 6
            and not any(map(str.isdigit, value))
        )
        or (
            value.isidentifier()
            and not any(map(str.isdigit, value))
            and _SAYS_SECRET.search(value) is not None
        )
    )


def is_prose(value: str) -> bool:
    """Whether a quoted value is a label or a description of a secret."""
    return (
        " " in value
        and _WORDS.fullmatch(value[:_SEEN]) is not None
        and (_SAYS_SECRET.search(value) is not None or value.count(" ") >= 6)
    )


def is_random(value: str, least: int) -> bool:
    """Whether at least `least` characters mix letters and digits as no word, date or slug does."""
    value = value[:_SEEN]
    if len(value) < least or " " in value:
        return False
    digits = sum(map(str.isdigit, value))
    if not digits or digits == len(value) or not any(map(str.isalpha, value)):
        return False
    return not all(_SLUG_PART.fullmatch(part) for part in re.split(r"[-_./:]+", value) if part)


def is_long_mixed(value: str) -> bool:
    """Whether a long value of letters alone changes case as no word does."""
    changes = sum(a.islower() != b.islower() for a, b in pairwise(value[:40]))
    return len(value) >= 20 and " " not in value and changes >= 8


def is_digest(value: str) -> bool:
    """Whether it has the form of an id or a digest, which most such values are."""
    return _UUID.fullmatch(value) is not None or _HEX.fullmatch(value) is not None
