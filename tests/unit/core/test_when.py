"""What people mean by the times they say."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.when import Moment, Unclear, read_when

S = 1_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY = datetime(2026, 11, 17, 15, 30, 20, tzinfo=UTC)
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def ns(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def said(text: str, now: datetime = TUESDAY, tz=UTC) -> str:
    """Where the moment begins, in the speaker's zone."""
    found = read_when(text, ns(now), tz)
    assert isinstance(found, Moment), (text, found)
    return datetime.fromtimestamp(found.from_ns // S, tz).strftime("%Y-%m-%d %H:%M")


def refused(text: str, now: datetime = TUESDAY, tz=UTC) -> str:
    found = read_when(text, ns(now), tz)
    assert isinstance(found, Unclear), (text, found)
    return found.reason


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("last tuesday 14:42", "2026-11-10 14:42"),
        ("Last Tuesday at 14:42", "2026-11-10 14:42"),
        ("14:42 last tuesday", "2026-11-10 14:42"),
        ("last monday 14:42", "2026-11-16 14:42"),
        ("last wed, 09:00", "2026-11-11 09:00"),
        ("tuesday 14:42", "2026-11-17 14:42"),
        ("tuesday 15:42", "2026-11-10 15:42"),
        ("on tues at 2:42 pm", "2026-11-17 14:42"),
        ("yesterday 09:00", "2026-11-16 09:00"),
        ("today 14:42", "2026-11-17 14:42"),
        ("2026-11-17 14:42", "2026-11-17 14:42"),
        ("2026-11-17T14:42", "2026-11-17 14:42"),
        ("2026-11-17T14:42:31Z", "2026-11-17 14:42"),
        ("2026-11-17T14:42:31.5+01:00", "2026-11-17 13:42"),
        ("2026-11-17 14:42 utc", "2026-11-17 14:42"),
        ("2031-01-01 00:00", "2031-01-01 00:00"),
        ("14:42", "2026-11-17 14:42"),
        ("14:42:59", "2026-11-17 14:42"),
        ("15:42", "2026-11-16 15:42"),
        ("2pm", "2026-11-17 14:00"),
        ("12am", "2026-11-17 00:00"),
        ("yesterday noon", "2026-11-16 12:00"),
        ("yesterday midnight", "2026-11-16 00:00"),
        ("noon", "2026-11-17 12:00"),
        ("10 minutes ago", "2026-11-17 15:20"),
        ("2h ago", "2026-11-17 13:30"),
        ("an hour ago", "2026-11-17 14:30"),
        ("90s ago", "2026-11-17 15:28"),
        ("3 days ago", "2026-11-14 00:00"),
        ("2 weeks ago at 09:15", "2026-11-03 09:15"),
        ("now", "2026-11-17 15:30"),
        ("yesterday", "2026-11-16 00:00"),
        ("tuesday", "2026-11-17 00:00"),
        ("last tuesday", "2026-11-10 00:00"),
    ],
)
def test_a_time_means(text, means):
    assert said(text) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "say a time"),
        ("the", "say a time"),
        ("whenever", "say a time"),
        ("14", "say a time"),
        ("last 14:42", "say a time"),
        ("11/17/2026", "say a time"),
        ("today 16:00", "still to come"),
        ("tomorrow 09:00", "still to come"),
        ("next tuesday", "still to come"),
        ("25:00", "23:59"),
        ("14:77", "23:59"),
        ("13pm", "1 to 12"),
        ("2026-02-30 10:00", "no day"),
        ("2026-13-01T10:00Z", "no moment"),
        ("1900-01-01 10:00", "years"),
        ("9999-12-31 23:59", "years"),
        ("999999999 hours ago", "before 1970"),
        ("999999999 weeks ago", "before 1970"),
        ("yesterday " * 40, "say a time"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(text, says):
    assert says in refused(text)


def test_a_minute_is_sixty_seconds_and_a_day_is_a_day():
    minute = read_when("14:42", ns(TUESDAY), UTC)
    day = read_when("yesterday", ns(TUESDAY), UTC)
    assert isinstance(minute, Moment)
    assert isinstance(day, Moment)
    assert minute.until_ns - minute.from_ns == 60 * S
    assert day.until_ns - day.from_ns == 86_400 * S


def test_the_moment_is_said_back_in_full():
    found = read_when("last tuesday 14:42", ns(TUESDAY), BERLIN)
    assert isinstance(found, Moment)
    assert found.text == "tuesday 2026-11-10 14:42 (Europe/Berlin)"
    assert found.from_ns == ns(datetime(2026, 11, 10, 13, 42, tzinfo=UTC))


def test_the_day_is_the_speakers_and_not_greenwichs():
    late = datetime(2026, 11, 17, 23, 30, tzinfo=UTC)  # Wednesday already in Berlin
    assert said("yesterday 09:00", late, BERLIN) == "2026-11-17 09:00"
    assert said("last wednesday 09:00", late, BERLIN) == "2026-11-11 09:00"


SPRING = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)  # 02:00 -> 03:00 in Berlin on this day
AUTUMN = datetime(2026, 10, 25, 12, 0, tzinfo=UTC)  # 03:00 -> 02:00


def test_a_time_that_the_clocks_skipped_is_refused():
    assert "never was" in refused("today 02:30", SPRING, BERLIN)
    assert "never was" in refused("2026-03-29 02:30", SPRING, BERLIN)


def test_a_bare_time_that_the_clocks_skipped_means_the_last_one_that_was():
    assert said("02:30", SPRING, BERLIN) == "2026-03-28 02:30"
    assert said("sunday 02:30", SPRING, BERLIN) == "2026-03-22 02:30"


def test_a_time_that_the_clocks_showed_twice_covers_both():
    found = read_when("today 02:30", ns(AUTUMN), BERLIN)
    assert isinstance(found, Moment)
    assert found.from_ns == ns(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert found.until_ns == ns(datetime(2026, 10, 25, 1, 31, tzinfo=UTC))
    assert "both times" in found.text


@pytest.mark.parametrize(("now", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_a_day_with_a_change_of_clocks_has_23_or_25_hours(now, hours):
    found = read_when("today", ns(now), BERLIN)
    assert isinstance(found, Moment)
    assert found.until_ns - found.from_ns == hours * 3600 * S


def test_a_day_without_a_midnight_begins_when_the_clocks_were_put_forward():
    now = datetime(2018, 11, 4, 15, 0, tzinfo=UTC)  # Sao Paulo: 00:00 -> 01:00
    found = read_when("today", ns(now), ZoneInfo("America/Sao_Paulo"))
    assert isinstance(found, Moment)
    assert found.from_ns == ns(datetime(2018, 11, 4, 3, 0, tzinfo=UTC))
    assert found.until_ns - found.from_ns == 23 * 3600 * S


def test_a_day_that_the_calendar_skipped_is_refused():
    now = datetime(2011, 12, 31, 5, 0, tzinfo=UTC)  # Apia had no 30 December 2011
    assert "never was" in refused("yesterday", now, ZoneInfo("Pacific/Apia"))
    assert "never was" in refused("yesterday 14:42", now, ZoneInfo("Pacific/Apia"))


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
ZONES += ["America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns"]
zones = st.sampled_from(ZONES).map(ZoneInfo)
nows = st.integers(ns(datetime(1990, 1, 1, tzinfo=UTC)), ns(datetime(2037, 1, 1, tzinfo=UTC)))
clocks = st.times().map(lambda t: t.strftime("%H:%M"))
relative = st.one_of(
    st.sampled_from(["now", "today", "yesterday"]),
    st.builds("{} {}".format, st.sampled_from(["today", "yesterday", "", *WEEKDAYS]), clocks),
    st.builds("last {} {}".format, st.sampled_from(WEEKDAYS), clocks),
    st.builds("{} {} ago".format, st.integers(0, 2000), st.sampled_from(["m", "hours", "days"])),
)


@given(text=relative, now_ns=nows, tz=zones)
def test_what_is_relative_is_never_later_than_now(text, now_ns, tz):
    found = read_when(text, now_ns, tz)
    if isinstance(found, Moment):
        assert found.from_ns <= now_ns
        assert found.until_ns - found.from_ns >= 60 * S
    else:
        assert "never was" in found.reason or "still to come" in found.reason


@given(weekday=st.sampled_from(WEEKDAYS), last=st.booleans(), clock=clocks, now_ns=nows, tz=zones)
def test_a_weekday_is_that_weekday_and_at_most_a_few_weeks_ago(weekday, last, clock, now_ns, tz):
    found = read_when(f"{'last ' if last else ''}{weekday} {clock}", now_ns, tz)
    if isinstance(found, Unclear):
        assert "never was" in found.reason
        return
    local = datetime.fromtimestamp(found.from_ns // S, tz)
    today = datetime.fromtimestamp(now_ns // S, tz)
    assert WEEKDAYS[local.weekday()] == weekday
    assert local.strftime("%H:%M") == clock
    days = (today.date() - local.date()).days
    assert (1 <= days <= 7) if last else (0 <= days <= 14)


wall_times = st.builds(datetime.combine, st.dates(date(1990, 1, 1), date(2036, 1, 1)), st.times())


@given(at=wall_times, now_ns=nows, tz=zones)
def test_an_absolute_time_is_said_back_or_was_skipped(at, now_ns, tz):
    found = read_when(at.strftime("%Y-%m-%d %H:%M"), now_ns, tz)
    aware = at.replace(tzinfo=tz, second=0, microsecond=0)
    exists = aware.astimezone(UTC).astimezone(tz).replace(tzinfo=None) == aware.replace(tzinfo=None)
    assert isinstance(found, Moment) == exists
    if isinstance(found, Moment):
        local = datetime.fromtimestamp(found.from_ns // S, tz)
        assert local.replace(tzinfo=None) == aware.replace(tzinfo=None)


@given(text=st.text(max_size=120), now_ns=st.integers(0, 2**63 - 1), tz=zones)
def test_any_text_is_a_moment_or_a_sentence(text, now_ns, tz):
    assert isinstance(read_when(text, now_ns, tz), Moment | Unclear)
