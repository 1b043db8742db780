"""What a batch's answers are held against: `holdfast batch run --check checks:known_topics`.

A check returns the list of its objections, empty where it has none; anything else lets nothing
pass. Holdfast itself sees to it that each record is answered once.
"""

from collections.abc import Mapping, Sequence

TOPICS = ("delivery", "refund", "thanks", "question")


def known_topics(
    records: Sequence[Mapping[str, object]], result: Sequence[Mapping[str, object]]
) -> list[str]:
    """Each message has one of the desk's topics."""
    del records
    return [
        f"{one['id']}: `{one.get('topic')}` is no topic of ours"
        for one in result
        if one.get("topic") not in TOPICS
    ]
