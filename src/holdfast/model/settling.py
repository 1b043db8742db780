"""Has msgspec look at every struct that is loaded, before a second thread needs it.

It fills in what it knows of a type when that is first decoded or converted. A thread that needs the
type while another one is at it follows a pointer that is not there yet, and the process dies
(msgspec 0.22, `tests/unit/model/test_settling.py`). So whoever serves with threads settles types
first, and again after modules were loaded on demand. Not here: the structs.
"""

from collections.abc import Iterator

import msgspec

_settled: set[type] = set()


def settle_types() -> int:
    """Look at what is new since the last time; how many that were. Call it from one thread."""
    found = [kind for kind in _every(msgspec.Struct) if kind not in _settled]
    for kind in found:
        _settled.add(kind)
        try:
            msgspec.json.Decoder(kind)
        except (TypeError, NameError):
            # Not every struct can be decoded, and nobody decodes one that cannot.
            continue
    return len(found)


def _every(kind: type) -> Iterator[type]:
    below: type
    for below in kind.__subclasses__():
        yield below
        yield from _every(below)
