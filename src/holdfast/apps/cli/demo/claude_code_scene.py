"""Scene 12: Claude Code itself, with nothing installed into it but a settings file.

The real CLI runs in print mode. A hook of the operator's withholds what one command printed; then
it asks the same thing time after time, once while something happens and once while only the clock
goes on. What the model read is taken from what reached the provider.
"""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

from holdfast.apps.cli.demo.script import CLOCK, LAST_PACKED, LOOKS, Words
from holdfast.apps.cli.demo.stage import PLAY_TIMEOUT_S, Play, Stage, ended
from holdfast.apps.cli.demo.verdicts import Told
from holdfast.client import Session
from holdfast.integrations.claude_agent_sdk.surroundings import bundled_cli
from holdfast.integrations.claude_code import environment, own_folder, write_settings
from holdfast.model.bodies import HookRan, ToolCallDecided
from holdfast.model.events import Kind, Record
from holdfast.model.sessions import SessionProfile

# The first look brings news, five more none, and the next is a stall (`loop`).
ALIKE_CALLS = 6
_SECRET = "ann@example.com"  # noqa: S105 -- an address, for the hook to find
_PACK_S = 0.01
_GOODS = ("kettle", "toaster", "teapot", "glasses", "lamp", "clock", "vase", "bowl")


async def claude_code(stage: Stage) -> Told:
    """Scene 12."""
    told = Told(
        tried="jo's Claude Code prints an address, watches parcels being packed, watches the clock"
    )
    cli = _cli()
    if cli is None:
        told.lines.append("there is no Claude Code here: neither the SDK's nor one on the PATH")
        told.check("nothing to show without Claude Code; the other doors were tried", held=True)
        return told
    folder = stage.folder / "table"
    folder.mkdir()
    (folder / "packed.txt").write_text("the table is empty\n", "utf-8")
    (folder / "addresses.txt").write_text(f"ORD-1042 {_SECRET}\n", "utf-8")
    session = await stage.client.sessions.open(
        agent="packer", user="jo", profile=SessionProfile.INTERACTIVE, folder=folder
    )
    async with session:
        fault = await _watched(cli, stage, session, folder)
        play = await stage.seen(session, [], fault, 0.0)
    told.cost_nusd = play.view.cost_nusd
    _check(told, stage, play)
    return told


def _check(told: Told, stage: Stage, play: Play) -> None:
    told.check("the CLI ended well, on a metered bill", not play.fault and told.cost_nusd > 0)
    if play.fault:
        told.lines.append(play.fault[:300])
    asked = [r for r in stage.model.message_requests if r.scenario == Words.TABLE]
    said = json.dumps([request.json for request in asked])
    heard = [HookRan.of(r) for r in play.of(Kind.HOOK_RAN)]
    withheld = [one.reason for one in heard if one.hook == "desk_hooks:no_addresses" and one.reason]
    told.lines += [f"post_tool desk_hooks:no_addresses: {reason}" for reason in withheld]
    told.check(
        "the address was printed, the hook withheld it, and no request to the model holds it",
        len(withheld) == 1 and _SECRET not in said and "personal_data" in said,
    )
    worked = _verdicts(play, LAST_PACKED)
    told.check(
        f"the same question {LOOKS} times while parcels were packed: work, each one ran",
        worked == ["allow"] * LOOKS,
    )
    looked = _verdicts(play, CLOCK)
    told.check(
        f"the same question {LOOKS} times while only the clock went on: a loop,"
        f" {ALIKE_CALLS} ran and the rest was refused",
        looked == ["allow"] * ALIKE_CALLS + ["loop_detected"] * (LOOKS - ALIKE_CALLS),
    )
    told.lines += [_line(record) for record in _of(play, CLOCK)[ALIKE_CALLS : ALIKE_CALLS + 1]]


def _of(play: Play, command: str) -> list[Record]:
    decided = play.of(Kind.TOOL_CALL_DECIDED)
    return [r for r in decided if (ToolCallDecided.of(r).arguments or {}).get("command") == command]


def _verdicts(play: Play, command: str) -> list[str]:
    """For each time that a command was asked for: allow, or the code of what refused it."""
    found = []
    for record in _of(play, command):
        why = ToolCallDecided.of(record).why_of(record.verdict)
        found.append(record.verdict if record.verdict == "allow" else (why and why.code) or "deny")
    return found


def _line(record: Record) -> str:
    why = ToolCallDecided.of(record).why_of(record.verdict)
    return f"`{CLOCK}` {record.verdict}: {why.text if why else ''}"


def _cli() -> Path | None:
    """The CLI that the Agent SDK brings along, or the one on the PATH."""
    bundled = bundled_cli()
    if bundled.is_file():
        return bundled
    found = shutil.which("claude")
    return Path(found) if found else None


async def _pack(file: Path, over: asyncio.Event) -> None:
    """Parcels are packed until it is over: one more line each time."""
    packed = 0
    while not over.is_set():
        packed += 1
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"parcel {packed}: {_GOODS[packed % len(_GOODS)]}\n")
        await asyncio.sleep(_PACK_S)


async def _watched(cli: Path, stage: Stage, session: Session, folder: Path) -> str:
    """What the CLI reported as wrong while parcels were packed, empty when it ended well."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pack(folder / "packed.txt", over))
        try:
            return await _run(cli, stage, session, folder)
        finally:
            over.set()


async def _run(cli: Path, stage: Stage, session: Session, folder: Path) -> str:
    """The same, of the CLI alone."""
    settings = own_folder(stage.folder / "claude-code")
    command = [str(cli), *write_settings(session, settings)[1:], "-p", Words.TABLE]
    process = await asyncio.create_subprocess_exec(
        *(*command, "--output-format", "json"),
        cwd=folder,
        env={**os.environ, **environment(session)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), PLAY_TIMEOUT_S)
    except TimeoutError:
        return f"it did not end within {PLAY_TIMEOUT_S:g} s"
    finally:
        await ended(process)
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        return (said or out).decode("utf-8", "replace") or f"it ended with {process.returncode}"
    return str(found.get("result")) if found.get("is_error") or process.returncode else ""
