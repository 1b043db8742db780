"""The scrub corpora: texts whose secret must go, texts that must stay, and the part kept apart.

A text belongs to the part kept apart when the SHA-256 of its line says so: rules are written and
tuned on the other two thirds, and the figure that counts is the one on this third. No line holds
a secret: `«kind:count»` is made when it is read, always the same for the same line, and is what
must not be left. `⏎` is a line break, `¦` five dashes.
"""

import hashlib
import json
import random
import re
import string
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.core.scrub import RuleScrubber

_HERE = Path(__file__).parent
_BREAK, _DASHES = "⏎", "¦"
_PIECE = re.compile(r"«([a-z0-9]+):(\d+)»")
# So much of a secret, in a row, may not be left; a shorter one may not be left whole.
_LEFT = 8

_BASE64 = string.ascii_letters + string.digits + "+/"
_LETTERS = {
    "an": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "up": string.ascii_uppercase + string.digits,
    "low": string.ascii_lowercase,
    "b64": _BASE64,
    "url": string.ascii_letters + string.digits + "-_",
    "b32": string.ascii_lowercase + "234567",
    "dig": string.digits,
    "pw": string.ascii_letters + string.digits + "!#%*+.",
}
_JOINED = {"pem": "\n", "pemn": "\\n", "pemi": "\n    ", "pems": " "}


class Text(NamedTuple):
    """One text; ``secrets``: what was made for it, of which nothing may be left where it hides."""

    text: str
    line: str
    place: str
    apart: bool
    secrets: tuple[str, ...]

    def left_in(self, clean: str) -> bool:
        """Whether a part of a secret that says something still stands in `clean`."""
        return any(
            secret[at : at + _LEFT] in clean
            for secret in self.secrets
            for at in range(max(1, len(secret) - _LEFT + 1))
        )


def secrets() -> list[Text]:
    """Every text that holds a secret."""
    return _texts("scrub_secrets.txt")


def harmless() -> list[Text]:
    """Every text that looks like one that does, and must stay as it is."""
    return _texts("scrub_harmless.txt")


def spelt(line: str) -> Text:
    """The text that a line spells."""
    return _text(line, "")


def leaks(scrubber: RuleScrubber, text: Text) -> bool:
    """Whether a secret is left: in the text, in the text as JSON, in a tree, or parsed."""
    shown = [
        scrubber.text(text.text),
        scrubber.text(json.dumps(text.text)),
        json.dumps(scrubber.tree({"output": text.text})),
    ]
    if (parsed := _parsed(text)) is not None:
        shown.append(json.dumps(scrubber.tree(parsed)))
    return any(text.left_in(clean) for clean in shown)


def changes(scrubber: RuleScrubber, text: Text) -> bool:
    """Whether a text does not stay as it is: alone, as JSON, or parsed."""
    spelled, parsed = json.dumps(text.text), _parsed(text)
    return (
        scrubber.text(text.text) != text.text
        or scrubber.text(spelled) != spelled
        or (parsed is not None and scrubber.tree(parsed) != parsed)
    )


def _parsed(text: Text) -> Any:
    try:
        parsed = json.loads(text.text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict | list) else None


def _texts(name: str) -> list[Text]:
    place, found = "", []
    for line in (_HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#: "):
            place = line[3:]
        elif line and not (line.startswith("# ") and _BREAK not in line):
            found.append(_text(line, place))
    return found


def _text(line: str, place: str) -> Text:
    digest = hashlib.sha256(line.encode()).digest()
    dice, made = random.Random(digest), list[str]()

    def make(match: re.Match[str]) -> str:
        pieces = _made(match[1], int(match[2]), dice)
        made.extend(pieces)
        return _JOINED.get(match[1], "").join(pieces)

    text = _PIECE.sub(make, line).replace(_BREAK, "\n").replace(_DASHES, "-" * 5)
    return Text(text, line, place, digest[0] % 3 == 0, tuple(made))


def _made(kind: str, count: int, dice: random.Random) -> list[str]:
    def some(letters: str, length: int) -> str:
        return "".join(dice.choices(letters, k=length))

    if kind in _JOINED:
        return [some(_BASE64, 64) for _ in range(count)]
    if kind == "uuid":
        return [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(count)]
    if kind == "b64q":  # base64 as a URL's query spells it
        return [some(_BASE64, count).replace("+", "%2B").replace("/", "%2F")]
    letters = _LETTERS[kind]
    # As real ones have: a digit and a letter, unless there are none.
    digit = some("".join(filter(str.isdigit, letters)) or letters, 1)
    letter = some("".join(filter(str.isalpha, letters)) or letters, 1)
    return [some(letters, count - 2) + digit + letter]
