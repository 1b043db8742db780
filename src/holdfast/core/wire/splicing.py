"""Single values of a JSON text taken out or put in; every other value keeps its bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.core.wire.reading import Step

_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What becomes of the value at `steps` from the top: `value`, or nothing at all (None)."""

    steps: tuple[Step, ...]
    value: str | int | None = None


def spliced(body: bytes, changes: Iterable[Change]) -> bytes:
    """The body with the changes made; the same bytes without any.

    Each object on the way is taken apart once, however many changes lie below it. All positions are
    those of the body as it is given, also where items are taken out of a list.
    """
    tree: dict[Step, Any] = {}
    for change in changes:
        node = tree
        for step in change.steps[:-1]:
            node = node.setdefault(step, {})
        node[change.steps[-1]] = change.value
    return bytes(_changed(msgspec.Raw(body), tree)) if tree else body


def _changed(raw: msgspec.Raw, tree: Mapping[Step, Any]) -> msgspec.Raw:
    """As deep as the table is, which is less than the reader's own bound."""
    if isinstance(next(iter(tree)), int):
        items = _RAW_LIST.decode(raw)
        gone = {int(at) for at, below in tree.items() if below is None}
        for at, below in tree.items():
            if below is not None:
                items[int(at)] = _changed(items[int(at)], below)
        items = [item for at, item in enumerate(items) if at not in gone]
        return msgspec.Raw(b"[" + b",".join(bytes(item) for item in items) + b"]")
    fields = _RAW_OBJECT.decode(raw)
    for step, below in tree.items():
        name = str(step)
        if below is None:
            fields.pop(name, None)
        elif isinstance(below, dict):
            fields[name] = _changed(fields[name], below)
        else:
            fields[name] = msgspec.Raw(msgspec.json.encode(below))
    pairs = (msgspec.json.encode(key) + b":" + bytes(value) for key, value in fields.items())
    return msgspec.Raw(b"{" + b",".join(pairs) + b"}")
