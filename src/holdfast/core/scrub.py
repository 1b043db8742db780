"""Secrets out of text: what looks like a credential becomes a typed placeholder.

The first line of defence is that a secret never comes here; this is the second. Rules are few
and anchored, each with a bounded repetition, so that no input makes them slow. Values known to be
secret (the provider's key, session tokens) are replaced wherever they stand.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

_MAX_DEPTH = 64

# Where a word begins: in plain text, and behind a line break that JSON spelt `\n`.
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrtbf]))"
# Where a long token begins: each run of its letters is then read once, whatever it holds.
_RUN = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf]))"
_NAMED = (
    r"(?:password|passwd|passphrase|pwd|secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key"
    r"|account[_-]?key|private[_-]?key|client[_-]?secret|signing[_-]?key|encryption[_-]?key"
    r"|shared[_-]?access[_-]?key|(?:access|auth|refresh|session|bearer|id|api|bot)[_-]?token)"
)

RULES: tuple[tuple[str, str], ...] = (
    (
        # Without a possessive group: Python 3.11.2, Debian's, matches those wrongly now and then.
        "private_key",
        (
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}+"
            r"(?:-(?!----)[^-]{0,20000}+){0,200}"
            r"(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
    ),
    ("age_key", r"AGE-SECRET-KEY-1[0-9A-Z]{50,70}"),
    ("holdfast_token", r"(?:hf[aosw]_[a-z2-7]{40,64}|hf[hm]_[a-z2-7]{20,40}_[a-z2-7]{52})"),
    ("anthropic_key", r"sk-ant-[A-Za-z0-9_-]{16,200}"),
    ("openai_key", _START + r"sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,200}"),
    ("aws_key", r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"),
    (
        "aws_secret",
        r"(?i)aws_?secret_?(?:access_?)?key[\"'\\ ]{0,4}[:=][\"'\\ ]{0,4}[A-Za-z0-9/+=]{40}",
    ),
    ("github_token", r"(?:gh[pousr]_[A-Za-z0-9_.-]{20,400}|github_pat_[A-Za-z0-9_]{20,200})"),
    ("gitlab_token", r"gl(?:pat|dt|rt|ptt|cbt|soat)-[A-Za-z0-9_-]{20,60}"),
    ("slack_token", r"xox[abeprs]-[A-Za-z0-9-]{10,200}"),
    ("slack_webhook", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,200}"),
    ("discord_webhook", r"discord(?:app)?\.com/api/webhooks/[0-9]{5,30}/[A-Za-z0-9_-]{20,200}"),
    ("stripe_key", r"(?:[rs]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,200}"),
    (
        "google_key",
        r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,400}|GOCSPX-[A-Za-z0-9_-]{20,60}",
    ),
    ("npm_token", r"npm_[A-Za-z0-9]{36}"),
    ("pypi_token", r"pypi-[A-Za-z0-9_-]{50,400}"),
    ("sendgrid_key", r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"),
    ("twilio_key", _START + r"(?:SK|AC)[0-9a-f]{32}(?![0-9a-f])"),
    ("telegram_token", _START + r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    (
        "vendor_token",
        (
            r"(?:hf_[A-Za-z0-9]{30,60}|hvs\.[A-Za-z0-9_-]{20,200}|do[opr]_v1_[a-f0-9]{64}"
            r"|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|dckr_pat_[A-Za-z0-9_-]{20,60}"
            r"|gl(?:sa|c)_[A-Za-z0-9+/=_-]{32,200}|lin_api_[A-Za-z0-9]{32,60}|NRAK-[A-Z0-9]{20,40}"
            r"|PMAK-[a-f0-9-]{40,80}|dapi[a-f0-9]{32}|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,100}"
            r"|r8_[A-Za-z0-9]{30,50}|pplx-[A-Za-z0-9]{40,60}|dp\.(?:pt|st|ct)\.[A-Za-z0-9._-]{30,80}"
            r"|sq0(?:atp|csp)-[A-Za-z0-9_-]{20,50}|sbp_[a-f0-9]{40}|ATATT3[A-Za-z0-9_=-]{50,300})"
        ),
    ),
    ("jwt", _RUN + r"eyJ[A-Za-z0-9_-]{8,4000}+\.eyJ[A-Za-z0-9_-]{4,8000}+\.[A-Za-z0-9_-]{8,2000}"),
    ("url_password", r"(?<=://)[^\s:/@\"']{0,100}:[^\s/@\"']{1,200}(?=@)"),
    ("authorization", r"(?i)(?:bearer|basic)\s{1,3}[A-Za-z0-9._~+/=-]{16,4000}"),
    (
        "password",
        r"(?i)(?<![A-Za-z])" + _NAMED + r"[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}[\"'\\]{0,3}"
        r"[^\s\"'\\,;}&]{6,200}",
    ),
)
# What must stand in an ASCII text before a rule can match there at all: looking for these costs a
# fifteenth of trying every rule at every letter. A rule of any case is looked for in lower case.
_SIGNS: dict[str, tuple[str, ...]] = {
    "private_key": ("PRIVATE KEY",),
    "age_key": ("AGE-SECRET-KEY-1",),
    "holdfast_token": ("hfa_", "hfo_", "hfs_", "hfw_", "hfm_", "hfh_"),
    "anthropic_key": ("sk-ant-",),
    "openai_key": ("sk-",),
    "aws_key": ("AKIA", "ASIA"),
    "aws_secret": ("aws",),
    "github_token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "gitlab_token": ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-"),
    "slack_token": ("xox",),
    "slack_webhook": ("hooks.slack.com/",),
    "discord_webhook": (".com/api/webhooks/",),
    "stripe_key": ("_live_", "_test_", "whsec_"),
    "google_key": ("AIza", "ya29.", "GOCSPX-"),
    "npm_token": ("npm_",),
    "pypi_token": ("pypi-",),
    "sendgrid_key": ("SG.",),
    "twilio_key": ("SK", "AC"),
    "telegram_token": (":AA",),
    "vendor_token": (
        *("hf_", "hvs.", "_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "dckr_pat_", "glsa_"),
        *("glc_", "lin_api_", "NRAK-", "PMAK-", "dapi", "gsk_", "xai-", "r8_", "pplx-", "dp."),
        *("sq0", "sbp_", "ATATT3"),
    ),
    "jwt": ("eyJ",),
    "url_password": ("://",),
    "authorization": ("bearer", "basic"),
    "password": ("passw", "passphrase", "pwd", "secret", "key", "token"),
}
# Two signs at most: more rules together are tried all at once, and no text can make us compile
# thousands of combinations.
_COMBINED = 2
_SHORTEST_MATCH = 6
_SECRET_FIELD = re.compile(
    r"(?i)^.{0,60}?(?:" + _NAMED + r"|authorization|set-cookie|cookie|credentials?)$|(?i:^token$)"
)
_SHORTEST_KNOWN = 8
_SHORT = 40


class RuleScrubber:
    """Replaces what the rules match and what is known, in text and in JSON values."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = sorted({k for k in known if len(k) >= _SHORTEST_KNOWN}, key=len, reverse=True)
        self._rules = _compiled(frozenset(_SIGNS))
        self._kept = lru_cache(4096)(self.text)
        self._latest = ("", "")

    def text(self, value: str) -> str:
        """The text without secrets."""
        for known in self._known:
            if known in value:
                value = value.replace(known, "<secret:known>")
        if len(value) < _SHORTEST_MATCH:
            return value
        if not value.isascii():
            # Letters of other scripts may count as equal in any case: the rules themselves know.
            return self._rules.sub(_placeholder, value)
        names = _possible(value)
        if not names:
            return value
        rules = _compiled(names) if len(names) <= _COMBINED else self._rules
        return rules.sub(_placeholder, value)

    def tree(self, value: Any) -> Any:
        """The same over every string of a JSON value; fields named like a secret go whole."""
        return _walk(value, self._short_or_long, 0)

    def _short_or_long(self, value: str) -> str:
        """Short strings come again and again (names of fields, ids): their answer is kept.

        Of long ones only the latest is: an outcome goes to the ledger and to the journal at once.
        """
        if len(value) <= _SHORT:
            return self._kept(value)
        before, clean = self._latest
        if value != before:
            clean = self.text(value)
            self._latest = (value, clean)
        return clean


def _plain(rule: str) -> str:
    """A rule that may stand inside an alternation: its flag becomes a group of its own."""
    return f"(?i:{rule.removeprefix('(?i)')})" if rule.startswith("(?i)") else rule


_EXACT = tuple((n, s) for n, r in RULES if not r.startswith("(?i)") for s in _SIGNS[n])
_ANY_CASE = tuple((n, s) for n, r in RULES if r.startswith("(?i)") for s in _SIGNS[n])


def _possible(value: str) -> frozenset[str]:
    """Names of the rules that may match somewhere in an ASCII text."""
    found = [name for name, sign in _EXACT if sign in value]
    lower = value.lower()
    found += [name for name, sign in _ANY_CASE if sign in lower]
    return frozenset(found)


@lru_cache(512)
def _compiled(names: frozenset[str]) -> re.Pattern[str]:
    """These rules in their order; rules that cannot match change nothing by being left out."""
    return re.compile("|".join(f"(?P<{n}>{_plain(r)})" for n, r in RULES if n in names))


def _placeholder(match: re.Match[str]) -> str:
    return f"<secret:{match.lastgroup}>"


def _named_like_a_secret(key: str) -> bool:
    return _kept_name(key) if len(key) <= _SHORT else _SECRET_FIELD.match(key) is not None


@lru_cache(4096)
def _kept_name(key: str) -> bool:
    """The names of fields are few; what matching one of them costs is paid once."""
    return _SECRET_FIELD.match(key) is not None


def _hides(value: object) -> bool:
    """Whether a value under a secret's name may be the secret: nothing and flags are not."""
    return value is not None and not isinstance(value, bool) and value not in ("", [], {})


def _walk(value: Any, clean: Callable[[str], str], depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if depth > _MAX_DEPTH:
        return "<too deep to scrub>"
    if isinstance(value, dict):
        return {
            clean(key) if isinstance(key, str) else key: (
                "<secret:field>"
                if isinstance(key, str) and _hides(inner) and _named_like_a_secret(key)
                else _walk(inner, clean, depth + 1)
            )
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walk(inner, clean, depth + 1) for inner in value]
    return value
