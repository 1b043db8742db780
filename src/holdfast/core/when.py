"""What a person means by "last tuesday 14:42": the stretch of time that was asked about.

Pure: the present and the time zone are passed in. A question is about a minute, or a whole day
where no time of day was said. What cannot be meant (a time that is still to come, or that the
clocks skipped) is refused with a sentence; a time that the clocks showed twice covers both.
Not here: languages other than English, ranges.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import msgspec

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_CHARACTERS = 100
_YEARS = (1971, 2260)
_MINUTE = timedelta(minutes=1)
_HINT = (
    "say a time such as `last tuesday 14:42`, `yesterday 09:00`, `2026-11-17 14:42`, `14:42` or "
    "`10 minutes ago`"
)
_FILLERS = frozenset({"at", "on", "the"})
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = {"tues": 1, "wednes": 2, "thur": 3, "thurs": 3, "satur": 5}
_UNITS_S = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60}
_UNITS_S |= {"h": 3600, "hr": 3600, "hour": 3600}
_UNITS_DAYS = {"d": 1, "day": 1, "w": 7, "wk": 7, "week": 7}
_AGO = re.compile(r"(a|an|one|[0-9]{1,9}) ?([a-z]+?)s? ago")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[t ]([0-9]{2}:[0-9]{2})(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r" ?(z|utc|[+-][0-9]{2}:?[0-9]{2})"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_AND_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})t([0-9:.]+)")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2})(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?(am|pm)?")
_NAMED_TIMES = {"noon": time(12), "midnight": time(0)}
_AHEAD = frozenset({"tomorrow", "next"})


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked about: UTC nanoseconds from `from_ns` up to, not including, `until_ns`.

    `text` says it back in full: `tuesday 2026-11-17 14:42 (Europe/Berlin)`.
    """

    from_ns: int
    until_ns: int
    text: str


class Unclear(msgspec.Struct, frozen=True):
    """Why no moment is meant; `reason` is one lower-case sentence that says what to say."""

    reason: str


class _Day(msgspec.Struct, frozen=True):
    """A day, and by how many days to step back while it is still to come (0: it stays)."""

    on: date
    step_days: int = 0
    absolute: bool = False


def read_when(text: str, now_ns: int, tz: tzinfo) -> Moment | Unclear:
    """The moment that `text` means to someone in `tz` at `now_ns`.

    Never later than now, unless a date was named. A weekday means its last one; `last` with
    today's weekday means the one a week ago.
    """
    said = text[: _MAX_CHARACTERS + 1].casefold().replace(",", " ")
    words = [word for word in said.split() if word not in _FILLERS]
    if not words or len(text) > _MAX_CHARACTERS:
        return Unclear(_HINT)
    if _AHEAD.intersection(words):
        return Unclear(f"the journal knows nothing of what is still to come; {_HINT}")
    now = (_EPOCH + timedelta(microseconds=now_ns // 1000)).astimezone(tz)
    line = " ".join(words)
    if line == "now":
        return _around(now_ns, tz)
    if iso := _ISO.fullmatch(line):
        return _zoned(iso, tz)
    ago = _AGO.fullmatch(line)
    if ago and ago[2] in _UNITS_S:
        at_ns = now_ns - _count(ago[1]) * _UNITS_S[ago[2]] * _NS
        return _around(at_ns, tz) if at_ns >= 0 else Unclear("that is before 1970")
    return _on_a_day(words, now, tz)


def _on_a_day(words: list[str], now: datetime, tz: tzinfo) -> Moment | Unclear:
    clock, rest = _take_clock(words)
    if isinstance(clock, Unclear):
        return clock
    day = _day(rest, now.date(), timed=clock is not None)
    if isinstance(day, Unclear):
        return day
    on, found = day.on, Unclear(_HINT)
    for _ in range(3):
        if not _YEARS[0] <= on.year <= _YEARS[1]:
            return Unclear(f"the years run from {_YEARS[0]} to {_YEARS[1]}")
        meant = _whole_day(on, tz) if clock is None else _minute_of(on, clock, tz)
        if isinstance(meant, Moment) and (day.absolute or meant.from_ns <= _ns(now)):
            return meant
        found = meant if isinstance(meant, Unclear) else Unclear(f"{meant.text} is still to come")
        if not day.step_days:
            break
        on -= timedelta(days=day.step_days)
    return found


def _take_clock(words: list[str]) -> tuple[time | Unclear | None, list[str]]:
    """The time of day among the words, and the other words."""
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        half = following if following in ("am", "pm") else ""
        if word in _NAMED_TIMES:
            return _NAMED_TIMES[word], words[:index] + words[index + 1 :]
        if parts := _DATE_AND_TIME.fullmatch(word):
            clock, _ = _take_clock([parts[2]])
            return clock, [*words[:index], parts[1], *words[index + 1 :]]
        match = _CLOCK.fullmatch(word + half)
        if match and (match[2] or match[3]):
            rest = words[:index] + words[index + (2 if half else 1) :]
            return _clock(int(match[1]), int(match[2] or 0), match[3] or ""), rest
    return None, words


def _clock(hour: int, minute: int, half: str) -> time | Unclear:
    if half:
        if not 1 <= hour <= 12:
            return Unclear("with am and pm the hours run from 1 to 12")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59:
        return Unclear("the hours run from 00:00 to 23:59")
    return time(hour, minute)


def _day(words: list[str], today: date, *, timed: bool) -> _Day | Unclear:
    match words:
        case []:
            return _Day(today, step_days=1) if timed else Unclear(_HINT)
        case ["today"]:
            return _Day(today)
        case ["yesterday"]:
            return _Day(today - timedelta(days=1))
        case [word] if _DATE.fullmatch(word):
            try:
                return _Day(date.fromisoformat(word), absolute=True)
            except ValueError:
                return Unclear(f"there is no day {word}")
        case ["last", word] if (weekday := _weekday(word)) is not None:
            back = (today.weekday() - weekday) % 7 or 7
            return _Day(today - timedelta(days=back))
        case [word] if (weekday := _weekday(word)) is not None:
            return _Day(today - timedelta(days=(today.weekday() - weekday) % 7), step_days=7)
        case _:
            return _days_ago(" ".join(words), today)


def _days_ago(line: str, today: date) -> _Day | Unclear:
    ago = _AGO.fullmatch(line)
    if not ago or ago[2] not in _UNITS_DAYS:
        return Unclear(_HINT)
    try:
        return _Day(today - timedelta(days=_count(ago[1]) * _UNITS_DAYS[ago[2]]))
    except OverflowError:
        return Unclear("that is before 1970")


def _weekday(word: str) -> int | None:
    """0 for monday; whole names, three letters, and the usual other short forms."""
    if word in _SHORT:
        return _SHORT[word]
    return next((i for i, n in enumerate(_WEEKDAYS) if word in (n, n[:3])), None)


def _count(word: str) -> int:
    return int(word) if word.isdigit() else 1


def _zoned(iso: re.Match[str], tz: tzinfo) -> Moment | Unclear:
    zone = "+00:00" if iso[3] in ("z", "utc") else iso[3]
    try:
        at = datetime.fromisoformat(f"{iso[1]}T{iso[2]}{zone}")
    except ValueError:
        return Unclear(f"there is no moment {iso[0]}")
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        return Unclear(f"the years run from {_YEARS[0]} to {_YEARS[1]}")
    return _around(_ns(at), tz)


def _around(at_ns: int, tz: tzinfo) -> Moment:
    """The minute that an instant lies in."""
    from_ns = at_ns - at_ns % _MINUTE_NS
    local = (_EPOCH + timedelta(microseconds=from_ns // 1000)).astimezone(tz)
    return Moment(
        from_ns=from_ns,
        until_ns=from_ns + _MINUTE_NS,
        text=f"{_named(local.date())} {local:%H:%M} ({tz})",
    )


def _minute_of(on: date, clock: time, tz: tzinfo) -> Moment | Unclear:
    text = f"{_named(on)} {clock:%H:%M} ({tz})"
    first = datetime.combine(on, clock, tz)
    if _skipped(first):
        return Unclear(f"{text} never was: the clocks skipped it")
    from_ns, last_ns = _ns(first), _ns(first.replace(fold=1))
    if last_ns > from_ns:
        text += ", both times"
    return Moment(from_ns=from_ns, until_ns=last_ns + _MINUTE_NS, text=text)


def _whole_day(on: date, tz: tzinfo) -> Moment | Unclear:
    text = f"{_named(on)} ({tz})"
    from_ns, until_ns = _midnight_ns(on, tz), _midnight_ns(on + timedelta(days=1), tz)
    if from_ns >= until_ns:
        return Unclear(f"{text} never was: the calendar skipped it")
    return Moment(from_ns=from_ns, until_ns=until_ns, text=text)


def _midnight_ns(on: date, tz: tzinfo) -> int:
    """The first instant of a day: where the clocks skipped midnight, the instant they did."""
    midnight = datetime.combine(on, time(0), tz)
    if not _skipped(midnight):
        return _ns(midnight)
    early = midnight.replace(fold=1).astimezone(UTC)
    late = midnight.astimezone(UTC)
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(tz).date() >= on:
            late = middle
        else:
            early = middle
    return _ns(late.replace(microsecond=0))


def _skipped(local: datetime) -> bool:
    """Whether a clock on the wall never showed this, because it was put forward past it."""
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) != local.replace(tzinfo=None)


def _named(on: date) -> str:
    return f"{_WEEKDAYS[on.weekday()]} {on.isoformat()}"


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
