"""Secrets out of text: what looks like a credential becomes a typed placeholder.

The first line of defence is that a secret never comes here; this is the second. Rules are few
and anchored, each with a bounded repetition, so that no input makes them slow. Values known to be
secret (the provider's key, session tokens) are replaced wherever they stand.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

_MAX_DEPTH = 64

RULES: tuple[tuple[str, str], ...] = (
    (
        "private_key",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,20000}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
    ),  # noqa: E501 -- one rule, one line
    ("holdfast_token", r"\bhf[as]_[a-z2-7]{40,64}\b|\bhfm_[a-z2-7]{20,40}_[a-z2-7]{52}\b"),
    ("anthropic_key", r"\bsk-ant-[A-Za-z0-9_-]{16,200}"),
    ("openai_key", r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32,200}"),
    ("aws_key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (
        "aws_secret",
        r"(?i)\baws_?secret_?(?:access_?)?key[\"' ]{0,3}[:=][\"' ]{0,3}[A-Za-z0-9/+=]{40}",
    ),
    ("github_token", r"\b(?:gh[pousr]_[A-Za-z0-9_.-]{20,400}|github_pat_[A-Za-z0-9_]{20,200})"),
    ("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{20,60}"),
    ("slack_token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,200}"),
    ("stripe_key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,200}"),
    ("google_key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}\.[A-Za-z0-9_-]{8,2000}"),
    ("url_password", r"(?<=://)[^\s:/@\"']{0,100}:[^\s/@\"']{1,200}(?=@)"),
    ("bearer", r"(?i)\bbearer\s{1,3}[A-Za-z0-9._~+/=-]{16,4000}"),
    (
        "password",
        r"(?i)\b(?:password|passwd|pwd|secret|api_?key|access_?token|auth_?token)[\"']?\s{0,3}[:=]\s{0,3}[\"']?[^\s\"',;}&]{6,200}",
    ),  # noqa: E501 -- one rule, one line
)
_SECRET_FIELD = re.compile(
    r"(?i)^(?:.{0,40}[_-])?(?:password|passwd|secret|api_?key|access_?token|auth_?token|private_?key)$"
)
_SHORTEST_KNOWN = 8


class RuleScrubber:
    """Replaces what the rules match and what is known, in text and in JSON values."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = sorted({k for k in known if len(k) >= _SHORTEST_KNOWN}, key=len, reverse=True)
        groups = (f"(?P<{name}>{_plain(rule)})" for name, rule in RULES)
        self._rules = re.compile("|".join(groups))

    def text(self, value: str) -> str:
        """The text without secrets."""
        for known in self._known:
            if known in value:
                value = value.replace(known, "<secret:known>")
        return self._rules.sub(_placeholder, value)

    def tree(self, value: Any) -> Any:
        """The same over every string of a JSON value; fields named like a secret go whole."""
        return _walk(value, self.text, 0)


def _plain(rule: str) -> str:
    """A rule that may stand inside an alternation: its flag becomes a group of its own."""
    return f"(?i:{rule.removeprefix('(?i)')})" if rule.startswith("(?i)") else rule


def _placeholder(match: re.Match[str]) -> str:
    return f"<secret:{match.lastgroup}>"


def _walk(value: Any, clean: Callable[[str], str], depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if depth > _MAX_DEPTH:
        return "<too deep to scrub>"
    if isinstance(value, dict):
        return {
            clean(key) if isinstance(key, str) else key: (
                "<secret:field>"
                if isinstance(key, str) and isinstance(inner, str) and _SECRET_FIELD.match(key)
                else _walk(inner, clean, depth + 1)
            )
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walk(inner, clean, depth + 1) for inner in value]
    return value
