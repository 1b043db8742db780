"""Sentences about the server itself: its clock, its upstreams, files and retention."""

from collections.abc import Callable, Mapping

from holdfast.core.narrate.words import by, named, plain, said
from holdfast.model import bodies
from holdfast.model.events import Kind, Record


def _started(record: Record) -> str:
    lost = bodies.ServerStarted.of(record).orphaned_holds
    if not lost:
        return "the server started"
    return f"the server started, and counted what {plain(lost, 20)} cut-off calls held as used"


def _clock(record: Record) -> str:
    off_ns = bodies.ClockJumped.of(record).off_by_ns
    if not off_ns:
        return "the wall clock was moved"
    which = "back" if off_ns < 0 else "forward"
    return f"the wall clock was moved {which} by {abs(off_ns) / 1e9:.1f} s"


def _left_alone(record: Record) -> str:
    body = bodies.UpstreamOpened.of(record)
    left = f"failed too often{_for_user(body)} and is left alone"
    return f"{_key(body)} {left}{said(body.trouble)}"


def _answers_again(record: Record) -> str:
    body = bodies.UpstreamClosed.of(record)
    return f"{_key(body)} answers again{_for_user(body)}"


def _key(body: bodies.UpstreamChanged) -> str:
    return f"the upstream {named(body.upstream)} ({plain(body.key or 'its key', 20)})"


def _for_user(body: bodies.UpstreamChanged) -> str:
    return f" for the user {named(body.for_user)}" if body.for_user else ""


def _retention(record: Record) -> str:
    body = bodies.RetentionApplied.of(record)
    counts = (
        (body.sessions, "sessions"),
        (body.calls, "calls"),
        (body.runs, "runs"),
        (body.effects, "effects"),
        (body.conversations, "conversations"),
    )
    what = ", ".join(f"{plain(n, 20)} {name}" for n, name in counts if n) or "nothing"
    return f"retention deleted {what}{by(body.by)}{said(body.fault)}"


def _trusted(record: Record) -> str:
    body = bodies.FilesTrusted.of(record)
    at = f"{named(body.ref)} ({plain(body.commit, 12)})"
    return f"files of {named(body.root)} at {at} count as the operator's own{by(body.by)}"


def _forgotten(record: Record) -> str:
    body = bodies.FilesForgotten.of(record)
    at, root = plain(body.commit, 12), named(body.root)
    return f"files of {root} at {at} no longer count as the operator's own{by(body.by)}"


def _left_behind(record: Record) -> str:
    body = bodies.FilesWritten.of(record)
    names, who = sorted(body.files), named(body.user)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{named(names[0] if names else '')}{more} counts as {who}'s own, as a session left it"


def _unsettled(record: Record) -> str:
    body = bodies.FilesUnsettled.of(record)
    where = named(body.folder or "any folder")
    what = f"for {named(body.user)}" if body.heard is False else "what others wrote"
    session = named(body.session)
    return f"session {session} may have left something running that writes {what} in {where}"


SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.SERVER_STARTED: _started,
    Kind.CLOCK_JUMPED: _clock,
    Kind.UPSTREAM_OPENED: _left_alone,
    Kind.RETENTION_APPLIED: _retention,
    Kind.FILES_TRUSTED: _trusted,
    Kind.FILES_FORGOTTEN: _forgotten,
    Kind.FILES_WRITTEN: _left_behind,
    Kind.FILES_UNSETTLED: _unsettled,
    Kind.UPSTREAM_CLOSED: _answers_again,
}
