"""A raw result in every form that a client could give it, and what a hook left of it in each.

Scenes and forms were written before the rule; the last two scenes were kept apart until it stood.
"""

import base64
import html
import json
import zlib
from urllib.parse import quote

import pytest

from holdfast.core.rewritings import is_raw, rewriting_marks

LOG = [f"2026-11-{n % 28 + 1:02} worker {n} took order A-{n * 7919 % 99991} in {n % 90} ms"
       for n in range(6_000)]  # fmt: skip
KEY = "ghp_Zk3mQ9xV2bN7rT5yW1uJ8sLc4fHd6gAe0pXo"
CUSTOMER = {
    "id": 4411,
    "name": "Magdalena Orlowski",
    "iban": "DE89370400440532013000",
    "notes": ["prefers mail", "lives at 12 Harbour Lane, flat 3", "balance was 1204.50"],
    "open": True,
}
SCENES = {
    "shell": (
        {"stdout": "user ann\nexport TOKEN=s3cr3t-77-blue\nready in 4 s", "stderr": ""},
        {"stdout": "user ann\nexport TOKEN=***\nready in 4 s", "stderr": ""},
        "export TOKEN=s3cr3t-77-blue",
    ),
    "customer": (
        CUSTOMER,
        {**CUSTOMER, "name": "(hidden)", "iban": "DE**", "notes": ["prefers mail"]},
        "Magdalena Orlowski, DE89370400440532013000",
    ),
    "page": (
        "Our prices\nThe wholesale discount for partners is nineteen per cent this year\nCall us",
        "Our prices\nCall us",
        "The wholesale discount for partners is nineteen per cent this year",
    ),
    "log": ("\n".join(LOG), "6000 lines, left out", LOG[4_321]),
    "answer": (
        [{"type": "text", "text": "the board meets in room 4711 to sell the northern branch"}],
        "nothing that you may know",
        "the board meets in room 4711 to sell the northern branch",
    ),
    "key": (f"key file:\n{KEY}\nend", "key file:\n[removed]\nend", KEY),
    "chat": (
        [{"type": "text", "text": "Müller schrieb: das Passwort lautet Regenbogen-Äpfel-42\nGruß"}],
        [{"type": "text", "text": "Müller schrieb: (gelöscht)\nGruß"}],
        "das Passwort lautet Regenbogen-Äpfel-42",
    ),
}
APART = ("key", "chat")


def said(value):
    """How a client that changes nothing puts a result into words."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(block["text"] for block in value)
    return value["stdout"] if "stdout" in value else json.dumps(value)


def blocks(*texts):
    return [{"type": "text", "text": text} for text in texts]


def numbered(text):
    return "\n".join(f"{n:6}\u2192{line}" for n, line in enumerate(text.splitlines(), 1))


def turned(value):
    """The keys of an object the other way round, and each a line."""
    if isinstance(value, dict):
        return json.dumps(dict(reversed(value.items())), indent=4)
    return said(value)


ANYHOW = {
    "as it is": lambda value, _: said(value),
    "as a block": lambda value, _: blocks(said(value)),
    "numbered": lambda value, _: numbered(said(value)),
    "as JSON": lambda value, _: json.dumps(value, indent=2, ensure_ascii=False),
    "keys turned": lambda value, _: turned(value),
    "JSON within JSON": lambda value, _: json.dumps({"result": json.dumps(value)}),
    "escaped": lambda value, _: json.dumps(said(value), ensure_ascii=True),
    "entities": lambda value, _: html.escape(said(value)),
    "percent signs": lambda value, _: quote(said(value)),
    "capitals": lambda value, _: said(value).upper(),
    "one line": lambda value, _: " ".join(said(value).split()),
    "with a notice": lambda value, _: blocks(NOTICE, said(value)),
    "with a reminder": lambda value, _: (
        f"{said(value)}\n<system-reminder>{NOTICE}</system-reminder>"
    ),
    "quoted": lambda value, _: "\n".join(f"> {line}" for line in said(value).splitlines()),
}
NOTICE = "Note: a hook changed this output on 2026-11-30; type text, 4 lines, see the manual."
RAW_ONLY = {
    "the line alone": lambda _, line: line,
    "the line within a sentence": lambda _, line: f"It says {line} somewhere.",
    "the line cut at its end": lambda _, line: line[: len(line) * 2 // 3],
    "the line cut at its beginning": lambda _, line: line[len(line) // 3 :],
    "base64": lambda value, _: base64.b64encode(said(value).encode()).decode(),
    "base64 of the line": lambda _, line: base64.b64encode(line.encode()).decode(),
    "hex": lambda value, _: said(value).encode().hex(),
    "hex of the line": lambda _, line: line.encode().hex(),
    "compressed": lambda value, _: base64.b64encode(zlib.compress(said(value).encode())).decode(),
    "full width": lambda _, line: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in line
    ),
    "letters numbered": lambda _, line: "".join(f"\\u{ord(c):04x}" for c in line),
    "entities by number": lambda _, line: "".join(f"&#{ord(c)};" for c in line),
    "beside what was left": lambda value, line: blocks(NOTICE, line),
}
LEFT_ONLY = {
    "cleared": lambda _: "[Old tool result content cleared]",
    "nothing": lambda _: [],
    "shortened": lambda value: f"{said(value)[:12]}\n... [2 lines truncated] ...",
    "saved": lambda value: (
        f"Output saved to /root/.claude/projects/x/tool-results/toolu_01.txt\n{said(value)[:40]}"
    ),
    "a notice alone": lambda _: NOTICE,
    "a notice and JSON": lambda value: blocks(NOTICE, json.dumps(value)),
    "blocks in JSON": lambda value: blocks(
        json.dumps([{"type": "text", "text": said(value)}, *blocks(NOTICE)])
    ),
}


MARKS = {name: rewriting_marks(raw, left) for name, (raw, left, _) in SCENES.items()}


def raw_cases(apart):
    for name, (raw, _, line) in SCENES.items():
        for form, shown in {**ANYHOW, **RAW_ONLY}.items():
            if (name in APART) is apart:
                yield pytest.param(name, shown(raw, line), id=f"{name}: {form}")


def left_cases(apart):
    for name, (_, left, line) in SCENES.items():
        for form, shown in ANYHOW.items():
            if (name in APART) is apart:
                yield pytest.param(name, shown(left, line), id=f"{name}: {form}")
        for form, left_as in LEFT_ONLY.items():
            if (name in APART) is apart:
                yield pytest.param(name, left_as(left), id=f"{name}: {form}")


@pytest.mark.parametrize(("name", "shown"), [*raw_cases(False), *raw_cases(True)])
def test_what_a_hook_took_out_is_known_in_every_form(name, shown):
    assert is_raw(MARKS[name], shown)


@pytest.mark.parametrize(("name", "shown"), [*left_cases(False), *left_cases(True)])
def test_what_a_hook_left_passes_in_every_form(name, shown):
    assert not is_raw(MARKS[name], shown)
