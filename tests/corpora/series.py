"""Series of calls as agents make them: honest repetition, and loops that only look busy.

A series is a number of steps; each is what is asked for, and what comes back. Written before the
limits were looked at, one a kind.
"""

from collections.abc import Callable
from typing import Any

Step = tuple[str, Any]
Series = Callable[[int], Step]

_WORDS = ("anvil", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "joist")
_STATES = ("queued", "picked", "packed", "weighed", "labelled", "loaded", "sent", "landed")


def _word(n: int) -> str:
    return f"{_WORDS[n % 10]}-{_WORDS[n // 10 % 10]}"


def _when(n: int) -> str:
    return f"2026-11-30T15:{n // 60 % 60:02}:{n % 60:02}Z"


def _blocks(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _edit_and_run(n: int) -> Step:
    if n % 2:
        return "run the tests", f"FAILED test_{_word(n)}: assert False (took {n * 7 % 90} ms)"
    return f"edit {_word(n)}.py", "ok"


def _five_orders(n: int) -> Step:
    verb = "refund" if n % 2 else "look"
    return f"{verb} order {n // 2}", {"order": n // 2, "state": "done" if n % 2 else "open"}


def _send_and_wait(n: int) -> Step:
    if n % 2:
        return "inbox", {"unread": n // 2 + 1, "latest": f"mail about {_word(n)}"}
    return f"send reply {n}", "sent"


HONEST: dict[str, Series] = {
    "five orders, looked up and refunded": _five_orders,
    "an edit, then the tests": _edit_and_run,
    "replies sent, the inbox in between": _send_and_wait,
    "a queue that gets shorter": lambda n: ("queue", {"waiting": 90 - n}),
    "a parcel that goes on its way": lambda n: ("parcel 7", {"state": _STATES[min(n, 7)], "n": n}),
    "a list that gets longer": lambda n: ("list", [_word(k) for k in range(n + 1)]),
    "a log that grows by a line": lambda n: ("log", "\n".join(_word(k) for k in range(n + 1))),
    "the same question, page after page": lambda n: (f"page {n}", {"items": [_word(n)]}),
    "many searches that find nothing": lambda n: (f"search {_word(n)}", []),
    "many files that are alike": lambda n: (f"read {_word(n)}.txt", "# empty"),
    "many writes that say ok": lambda n: (f"write {_word(n)}.txt", "ok"),
    "tests that fail for fewer reasons": lambda n: ("test", f"{40 - n} failed, {n} passed"),
    "a balance that falls": lambda n: ("balance", {"balance_cents": 90_000 - 125 * n}),
    "stock that is sold": lambda n: ("stock", f"{200 - n} pieces left"),
    "a compiler's errors, one after the other": lambda n: ("make", f"error on line {12 + n}: {_word(n)}"),
    "a version that is raised": lambda n: ("version", f"1.{n}.0"),
    "votes that come in": lambda n: ("votes", {"yes": n, "no": n // 2}),
    "a thermometer": lambda n: ("temperature", f"it is {18 + n / 2} degrees"),
    "a chat that goes on": lambda n: ("chat", {"at": _when(n), "said": f"and {_word(n)}"}),
    "commits, read one by one": lambda n: (f"commit {n}", f"by ann: {_word(n)}"),
    "a server in the blocks of its maker": lambda n: ("jobs", _blocks(f'{{"open": {70 - n}}}')),
    "a command that prints lines": lambda n: ("ps", {"stdout": f"{_word(n)}\n{_when(n)}\n", "stderr": ""}),
    "hosts that are asked in turn": lambda n: (f"ping host{n}", "is up"),
    "two reports that change": lambda n: (f"report {'ab'[n % 2]}", {"rows": n, "of": _word(n)}),
}  # fmt: skip


def _written_back(n: int) -> Step:
    """A file is changed and changed back, and read each time."""
    if n % 2:
        return "read a.txt", ("one", "two")[n // 2 % 2]
    return f"write {('one', 'two')[n // 2 % 2]} to a.txt", "ok"


def _cycle(period: int) -> Series:
    return lambda n: (f"ask {_WORDS[n % period]}", f"no answer from {_WORDS[n % period]}")


LOOPS: dict[str, Series] = {
    "a clock": lambda n: ("clock", {"at": _when(n)}),
    "a clock in words": lambda n: ("date", f"Mon Nov 30 15:{n % 60:02}:07 UTC 2026"),
    "a counter": lambda n: ("status", {"counter": n, "state": "waiting"}),
    "a file that is written back": _written_back,
    "the very same": lambda n: ("look", {"order": 7, "state": "open"}),
    "the same failure": lambda n: ("connect", "connection refused"),
    "a failure that counts its attempts": lambda n: ("connect", f"attempt {n}: connection refused"),
    "ids of requests": lambda n: ("ask", {"request_id": f"req_{n:04x}", "rows": []}),
    "ids in a text": lambda n: ("job", f"job {n:08x}-93f1-4f5b-9a57-2f4d1e9b8c{n % 100:02} waits"),
    "how long it took": lambda n: ("query", f"0 rows (took {n * 13 % 97} ms)"),
    "how long it took, as a field": lambda n: ("query", {"rows": [], "duration_ms": n * 13 % 97}),
    "a bar of progress": lambda n: ("load", f"[{'#' * (n % 30 + 4)}....] {n % 30}/30"),
    "a share": lambda n: ("load", f"downloading {n % 100} %"),
    "an ETA": lambda n: ("load", {"eta": f"00:{n % 60:02}", "state": "loading"}),
    "a heartbeat": lambda n: ("alive", {"heartbeat": n, "status": "alive"}),
    "an uptime": lambda n: ("uptime", f"up {n} minutes, load ok"),
    "an etag": lambda n: ("feed", {"etag": f"w{n}", "entries": []}),
    "polls that are numbered": lambda n: ("poll", f"poll #{n} pending"),
    "a moment since 1970": lambda n: ("now", {"now": 1_796_051_061 + n, "state": "idle"}),
    "a clock in the blocks of a server": lambda n: ("clock", _blocks(f'{{"at": "{_when(n)}"}}')),
    "a clock at the end of what was printed": lambda n: ("cat", {"stdout": f"idle\n15:{n % 60:02}:01\n"}),
    "two calls in turn": _cycle(2),
    "three calls in turn": _cycle(3),
    "four calls in turn": _cycle(4),
}  # fmt: skip
