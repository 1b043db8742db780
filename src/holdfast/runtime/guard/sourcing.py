"""Whose text a call returns and whose code it runs, looked up where the session works.

Which files have to be own is said by `core/sources`; whether they are, by `runtime/own_texts`.
"""

import msgspec

from holdfast.core import sources, workplace
from holdfast.core.calls import PERMITTED
from holdfast.core.history_words import HEAD, STASH
from holdfast.core.place import Place, absolute
from holdfast.core.risk.registry import Risk
from holdfast.runtime.guard.case import Case
from holdfast.runtime.live import LiveSession
from holdfast.runtime.own_texts import OwnTexts

_MOST_COPIES = 20


class Sourcing:
    """Looks at the files behind a call; `files` knows whose they are."""

    def __init__(self, files: OwnTexts) -> None:
        self._files = files

    async def place(self, case: Case) -> Place:
        """Where the session works, and what of a command's files is own.

        What a trusted commit holds may go, since a copy stays; nor is there anything to lose where
        nothing stands. Whether what it runs is own matters where no sandbox holds it.
        """
        place, risk = case.live.place, case.risk
        if risk is None or risk.shell is None or risk.shell.read_only:
            return place
        paths = [absolute(path, place) for path in risk.shell.writes[:_MOST_COPIES]]
        kept = {path for path in paths if await self._files.files.own([path], {})}
        held = place.sandboxed and workplace.is_inside(case.arguments)
        code = None if held else sources.code_run(case.contract, case.arguments, risk, place)
        own = code is not None and await self._files.own(case.live, code)
        return msgspec.structs.replace(place, made=place.made | kept, own=own)

    async def look(self, case: Case) -> None:
        """Whether what the call returns is neutral, and what it may leave behind then."""
        live, risk = case.live, case.risk
        if risk is None or live.vouched.tainted or live.place.stale:
            return
        read = sources.files_read(case.contract, case.arguments, risk, live.place)
        if read is None or not await self._files.own(live, read):
            return
        # Of a call whose result nobody has seen it is not known whose text its task tells.
        case.neutral = case.call.tool not in sources.OF_TASKS or not _awaits_others(live)
        if case.neutral and not risk.read_only:
            await self._writes(case, risk)
            case.serves = sources.serves(case.contract, case.arguments, risk, live.place)

    async def _writes(self, case: Case, risk: Risk) -> None:
        live, place, given = case.live, case.live.place, (case.contract, case.arguments)
        named = [absolute(path, place) for path in workplace.written(*given, risk)]
        code = absolute(sources.CODE, place)
        if sources.commits(*given) and await self._files.own(live, [code]):
            # Of own files alone: the commit, or what was put aside, is own as well.
            named += [absolute(HEAD, place), absolute(STASH, place)]
        content = case.arguments.get("content") if case.call.tool == "Write" else None
        rewrites = sources.may_write(*given, risk)
        case.writing = await self._files.begun(live, named, rewrites, content)
        if case.writing is not None and sources.goes_on(*given, risk):
            case.grows = [path for path in case.writing.named if "/.git/" not in path]


def _awaits_others(live: LiveSession) -> bool:
    """Whether a call of this session that may bring a stranger's text has not come back yet."""
    return any(
        call.state in PERMITTED and not call.admitted and call.call_id not in live.neutral
        for call in live.calls.values()
    )
