"""The 500 messages of scene 10, and what the scripted model answers to each chunk of them.

Not here: the other scenes' scenarios (`script`), the scene itself (`batch_scene`).
"""

import json

from holdfast.testing.scripted_model import Scenario, say
from holdfast.testing.scripted_model.script import Match

RECORDS = 500
CHUNK = 20
CHUNKS = RECORDS // CHUNK
BAD_CHUNK = 13
BAD_RECORD = "MSG-0247"
BAD_TOPIC = "kitchen"
_SAID = (
    ("Where is my parcel? It was to come on Monday.", "delivery"),
    ("I sent the teapot back and want my money.", "refund"),
    ("The glasses are lovely, thank you!", "thanks"),
    ("Does the kettle switch itself off?", "question"),
    ("The courier left it with a neighbour I do not know.", "delivery"),
)


def messages() -> list[dict[str, str]]:
    """All messages, with their ids."""
    said = [_SAID[n % len(_SAID)][0] for n in range(RECORDS)]
    return [{"id": f"MSG-{n:04}", "text": text} for n, text in enumerate(said, 1)]


def part(chunk: int) -> str:
    """The words by which a chunk's prompt is known, counted from 1."""
    return f"part {chunk} of {CHUNKS}"


def answers(*, all_right: bool) -> tuple[Scenario, ...]:
    """A scenario for each chunk; unless `all_right`, one record gets a topic that there is not."""
    return tuple(
        Scenario(name=part(chunk), turns=(say(_answer(chunk, all_right)),), match=_match(chunk))
        for chunk in range(1, CHUNKS + 1)
    )


def _match(chunk: int) -> Match:
    return Match(text=f"Records, {part(chunk)}.")


def _answer(chunk: int, all_right: bool) -> str:
    found = []
    for place in range((chunk - 1) * CHUNK, chunk * CHUNK):
        name, topic = f"MSG-{place + 1:04}", _SAID[place % len(_SAID)][1]
        wrong = name == BAD_RECORD and not all_right
        found.append({"id": name, "topic": BAD_TOPIC if wrong else topic})
    return json.dumps(found)
