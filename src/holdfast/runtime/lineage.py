"""Which earlier sessions a session goes on from, read from the store.

Not here: what of them counts for it (`runtime/sessions`), how they are found (`runtime/earlier`).
"""

from holdfast.model.sessions import Session
from holdfast.ports.store import Store


async def line_of(store: Store, session: Session) -> list[Session]:
    """A session and every one that it continues by name, oldest first."""
    line, seen = [session], {session.session_id}
    while line[-1].parent and line[-1].parent not in seen:
        seen.add(line[-1].parent)
        before = await store.session(line[-1].parent)
        if before is None:
            break
        line.append(before)
    return line[::-1]


async def found_by(store: Store, session: Session) -> list[str]:
    """Ids of the sessions whose calls stood in its transcript, and of those before them."""
    todo, seen = list(session.found), {session.session_id}
    found: list[str] = []
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        earlier = await store.session(name)
        if earlier is not None:
            found.append(name)
            todo += [*earlier.found, *filter(None, [earlier.parent])]
    return found
