"""How values are written on a page: text from outside, money, times, shares.

Every text that a template puts out goes through `marked`, since the templates' own settings say so
(`pages`): signs that hide, turn around or overwrite what stands beside them are written out as
`⟨U+202E⟩`. Not here: which value stands where (templates).
"""

import unicodedata
from datetime import UTC, datetime

from markupsafe import Markup, escape

from holdfast.client import SessionView
from holdfast.model.money import exact_usd, format_usd

_NS = 1_000_000_000
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u00ad")
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_TAGS = range(0xE0100, 0xE01F0)
# More marks on one letter than any language has reach into the rows above and below.
_MARKS_MAX = 3
_TINY_NUSD = 100_000
_CENT_NUSD = 10_000_000
_BRIEF = 120


def marked(text: str) -> str:
    """The text with every sign written out that could not be seen, or would move others."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for at, char in enumerate(text):
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if char in "\n\t" or _joins(text, at):
            shown.append(char)
        elif kind in _HIDDEN or char in _BLANK or ord(char) in _TAGS or marks > _MARKS_MAX:
            shown.append(f"⟨U+{ord(char):04X}⟩")
        elif kind == "Zs":
            shown.append(" ")
        else:
            shown.append(char)
    return "".join(shown)


def _joins(text: str, at: int) -> bool:
    """Whether the sign is a part of an emoji: it stands behind one, or between two."""
    char = text[at]
    if char not in {_AS_EMOJI, _JOINER} or not at:
        return False
    before = unicodedata.category(text[at - 1])
    if char == _AS_EMOJI:
        return before in {"So", "Sm", "Po", "Nd"}
    after = unicodedata.category(text[at + 1]) if text[at + 1 : at + 2] else ""
    return after == "So" and (text[at - 1] == _AS_EMOJI or before in {"So", "Sk"})


def finalized(value: object) -> object:
    """What a template puts out, before it is escaped; what is markup already is ours."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return marked(value)
    return "" if value is None else value


def exact(value: object) -> Markup:
    """A value that comes back with a form: as it is, whatever signs it holds."""
    return escape(str(value))


def usd(nusd: int) -> str:
    """`$1,234.50`; under a dollar to a hundredth of a cent."""
    if 0 < nusd < _TINY_NUSD:
        return "<$0.0001"
    if 0 < nusd < _NS and nusd % _CENT_NUSD:
        return format_usd(nusd, 4)
    whole, _, part = format_usd(nusd, 2).removeprefix("$").partition(".")
    return f"${int(whole):,}.{part}" if whole.isdecimal() else format_usd(nusd, 2)


def to_the_nano(nusd: int) -> str:
    """`$0.012345678`, for whoever wants to know."""
    return exact_usd(nusd)


def age(ns: int) -> str:
    """A span in its two largest units: `12s`, `4m 05s`, `3h 20m`, `5d 02h`."""
    s = max(0, ns // _NS)
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m {s % 60:02}s"
    if s < 86_400:
        return f"{s // 3600}h {s // 60 % 60:02}m"
    return f"{s // 86_400}d {s // 3600 % 24:02}h"


def ago(at_ns: int, now_ns: int) -> str:
    """How long since, in its largest unit: `now`, `12s`, `4m`, `3h`, `5d`."""
    s = max(0, (now_ns - at_ns) // _NS)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if s >= size:
            return f"{s // size}{unit}"
    return f"{s}s" if s else "now"


def moment(at_ns: int) -> str:
    """`2026-03-01 14:42:07` in UTC."""
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%Y-%m-%d %H:%M:%S}" if at_ns else ""


def hour(at_ns: int) -> str:
    """`14:42:07` in UTC."""
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%H:%M:%S}"


def iso(at_ns: int) -> str:
    """For the `datetime` of a `time`."""
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%Y-%m-%dT%H:%M:%SZ}"


def short(session_id: str) -> str:
    """`d97e2169` of `ses_d97e2169…`: enough to tell sessions apart on one page."""
    return (session_id.partition("_")[2] or session_id)[:8]


def task(session: SessionView) -> str:
    """What it is for: without its own id, which stands where nobody named an instance."""
    return session.task.removesuffix(session.session_id).removesuffix("/")


def brief(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: 4 * _BRIEF].split())
    return f"{line[:_BRIEF]}…" if len(line) > _BRIEF else line


FILTERS = {
    "brief": brief,
    "task": task,
    "exact": exact,
    "usd": usd,
    "to_the_nano": to_the_nano,
    "age": age,
    "ago": ago,
    "moment": moment,
    "hour": hour,
    "iso": iso,
    "short": short,
}
