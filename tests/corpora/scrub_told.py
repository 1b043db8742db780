"""Whole answers of the scrubber: each text, as `scrub` spells texts, and below it what is left.

What parses as JSON is also cleaned by its fields. `python -m tests.corpora.scrub_told` writes the
answers anew: a change of a rule is read in the diff.
"""

import contextlib
import json
from pathlib import Path

from holdfast.core.scrub import RuleScrubber
from tests.corpora import scrub
from tests.corpora.told import spell

FILE = Path(__file__).with_name("scrub_told.txt")
KNOWN = ("correct horse battery", "hunter2-hunter2", "short")


def modules() -> list[str]:
    """The modules of the scrubber, by their dotted names."""
    names = ("forms", "names", "places", "scrubber", "spans", "trees", "values")
    return [f"holdfast.core.scrub.{name}" for name in names]


def told() -> dict[str, str]:
    """Each text, as it is spelt, with its answer."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {line.removeprefix("$ "): answer.removeprefix("    ") for line, answer in pairs}


def answer(line: str) -> str:
    """What is left of a text, on one line; a secret that is left whole is `«»`."""
    made, scrubber = scrub.spelt(line), RuleScrubber(KNOWN)
    shown = scrubber.text(made.text)
    with contextlib.suppress(ValueError):
        shown += f" ⇒ {json.dumps(scrubber.tree(json.loads(made.text)), ensure_ascii=False)}"
    for secret in made.secrets:
        shown = shown.replace(secret, "«»")
    return spell(shown)


if __name__ == "__main__":
    texts = [line[2:] for line in FILE.read_text(encoding="utf-8").splitlines() if line[:2] == "$ "]
    answers = [line for text in texts for line in (f"$ {text}", f"    {answer(text)}")]
    FILE.write_text("\n".join(answers) + "\n", encoding="utf-8")
