"""Secrets by form: what a provider's keys look like, wherever they stand.

Rules are anchored, and no repetition can be read twice, so that no input makes them slow.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from holdfast.core.scrub.spans import Span

# Where a word begins: in plain text, and behind a line break that JSON spelt `\n`.
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrtbf]))"
# Where a long token begins: each run of its letters is then read once, whatever it holds.
_RUN = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf]))"

RULES: tuple[tuple[str, str], ...] = (
    (
        # A key of a private key block in base64, whole or its beginning.
        "private_key",
        (
            r"LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0Eg|BFQyBQ|BPUEVOU1NI|BFTkNSWVBU|BEU0Eg|BQR1Ag)"
            r"[A-Za-z0-9+/=]{20,}"
        ),
    ),
    ("age_key", r"AGE-SECRET-KEY-1[0-9A-Z]{50,70}"),
    ("holdfast_token", r"(?:hf[akosw]_[a-z2-7]{40,64}|hf[hm]_[a-z2-7]{20,40}_[a-z2-7]{52})"),
    ("anthropic_key", r"sk-ant-[A-Za-z0-9_-]{16,200}"),
    ("openai_key", _START + r"sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,200}"),
    ("aws_key", r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"),
    ("github_token", r"(?:gh[pousr]_[A-Za-z0-9_.-]{20,400}|github_pat_[A-Za-z0-9_]{20,200})"),
    ("gitlab_token", r"gl(?:pat|dt|rt|ptt|cbt|soat)-[A-Za-z0-9_-]{20,60}"),
    ("slack_token", r"(?:xox[abceoprs](?:\.xox[bp])?|xapp)-[A-Za-z0-9-]{10,400}"),
    ("slack_webhook", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,200}"),
    ("discord_webhook", r"discord(?:app)?\.com/api/webhooks/[0-9]{5,30}/[A-Za-z0-9_-]{20,200}"),
    ("teams_webhook", r"webhook\.office\.com/webhookb2/[A-Za-z0-9@/_-]{40,400}"),
    ("stripe_key", r"(?:[rs]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,200}"),
    (
        "google_key",
        r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,400}|GOCSPX-[A-Za-z0-9_-]{20,60}",
    ),
    ("npm_token", r"npm_[A-Za-z0-9]{36}"),
    ("pypi_token", r"pypi-[A-Za-z0-9_-]{50,400}"),
    ("sendgrid_key", r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"),
    ("twilio_key", _START + r"(?:SK|AC)[0-9a-f]{32}(?![0-9a-f])"),
    ("telegram_token", r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
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
    ("password_hash", r"\$(?:1|5|6|y|apr1|2[abxy])\$[A-Za-z0-9./$=,]{20,200}"),
    ("jwt", _RUN + r"eyJ[A-Za-z0-9_-]{8,4000}+\.eyJ[A-Za-z0-9_-]{4,8000}+\.[A-Za-z0-9_-]{8,2000}"),
)
# What must stand before a rule can match there at all: looking for these costs a
# fifteenth of trying every rule at every letter.
SIGNS: dict[str, tuple[str, ...]] = {
    "private_key": ("LS0tLS1CRUdJTi",),
    "age_key": ("AGE-SECRET-KEY-1",),
    "holdfast_token": ("hfa_", "hfk_", "hfo_", "hfs_", "hfw_", "hfm_", "hfh_"),
    "anthropic_key": ("sk-ant-",),
    "openai_key": ("sk-",),
    "aws_key": ("AKIA", "ASIA"),
    "github_token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "gitlab_token": ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-"),
    "slack_token": ("xox", "xapp-"),
    "slack_webhook": ("hooks.slack.com/",),
    "discord_webhook": (".com/api/webhooks/",),
    "teams_webhook": ("webhook.office.com/",),
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
    "password_hash": ("$1$", "$5$", "$6$", "$y$", "$apr1$", "$2a$", "$2b$", "$2x$", "$2y$"),
    "jwt": ("eyJ",),
}
# Two signs at most: more rules together are tried all at once, and no text can make us compile
# thousands of combinations.
_COMBINED = 2
_EACH = tuple((name, sign) for name, signs in SIGNS.items() for sign in signs)


def in_forms(text: str) -> Iterator[Span]:
    """Each part of a text that has the form of a provider's key."""
    names = _possible(text)
    if names:
        rules = _compiled(names if len(names) <= _COMBINED else frozenset(SIGNS))
        for match in rules.finditer(text):
            yield Span(match.start(), match.end(), match.lastgroup or "key")


def _possible(text: str) -> frozenset[str]:
    """Names of the rules that may match somewhere in a text."""
    return frozenset(name for name, sign in _EACH if sign in text)


@lru_cache(512)
def _compiled(names: frozenset[str]) -> re.Pattern[str]:
    """These rules in their order; rules that cannot match change nothing by being left out."""
    return re.compile("|".join(f"(?P<{n}>{r})" for n, r in RULES if n in names), re.ASCII)
