"""Sessions that rest on Claude Code's own hooks, and who may ask the model for them.

The client names itself, so this keeps nobody out who means harm: it tells an honest user of an old
Claude Code before a tool runs. Not here: what a hook is answered (`apps/control/guard`).
"""

from collections.abc import Mapping

from holdfast.core.claude_cli import CLOSED_SINCE, embedded, runs_without_hooks
from holdfast.errors import ClientOutdated
from holdfast.model import bodies
from holdfast.model.decisions import Verdict
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession

_FROM = ".".join(str(part) for part in CLOSED_SINCE)


async def check_client(live: LiveSession, headers: Mapping[str, str], journal: Journal) -> None:
    """Refuse a Claude Code whose hooks do not hold, in a session that rests on them.

    Journalled once for a session, since a client asks again and again. Errors: ClientOutdated.
    """
    given = next((value for name, value in headers.items() if name.lower() == "user-agent"), "")
    if not runs_without_hooks(given) or not _rests_on_hooks(live, given):
        return
    refusal = ClientOutdated(
        f"update Claude Code to {_FROM} or newer: older ones go on without their hooks when the"
        " server is gone",
        needs=_FROM,
        client=given[:200],
    )
    if not live.told_outdated:
        live.told_outdated = True
        why = f"{refusal.code}: {refusal.message}"
        body = bodies.ModelCallRefused(why=why, client=given[:200], exact=True)
        record = journal.record(body, live.who, turn=live.turn, verdict=Verdict.DENY)
        await journal.commit([record])
    raise refusal


def _rests_on_hooks(live: LiveSession, user_agent: str) -> bool:
    """Its hooks have asked, or it was opened for a person and no program of the SDK's runs it.

    The first alone would miss a version so old that it does not know hooks of our type.
    """
    return live.hooked or (live.session.loop.each_prompt and not embedded(user_agent))
