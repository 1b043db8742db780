"""Programs whose first operand is a program of its own: sed, awk, jq and yq.

Each is read by its grammar (`shell_sed`, `shell_awk`, `shell_jq`); what a reader does not account
for is code of another language.
"""

from holdfast.core.risk.shell_accounts import account
from holdfast.core.risk.shell_awk import read_program
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_jq import only_computes
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_sed import read_script
from holdfast.core.risk.shell_spec import Taken, take
from holdfast.core.risk.shell_specs import PROGRAMS
from holdfast.core.risk.shell_words import UNKNOWN

Args = tuple[str, ...]
_NAMED_FILES = words("--slurpfile --rawfile")
_PAIRS = words("--arg --argjson --slurpfile --rawfile")


def judge_sed(call: Call, found: Findings) -> None:
    """Its scripts, the files it reads, and those it edits in place."""
    taken = account("sed", call.args, call, found)
    scripts, files = sed_scripts(call.args)
    if _values(taken, "-f", "--file"):
        found.add("shell.runs_script", call.where)
    script = read_script("\n".join(scripts))
    if script is None or script.runs:
        found.add("shell.interpreter_code", call.where, opaque=True)
    if script is not None:
        if script.dynamic:
            found.add("shell.dynamic_path", call.where, opaque=True)
        for path in script.reads:
            found.read(path, call.where)
        for path in script.writes:
            found.write(path, call.where)
    suffixes = _values(taken, "-i", "--in-place")
    for path in files:
        found.read(path, call.where)
        if suffixes:
            found.write(path, call.where)
    for suffix in suffixes:
        if "/" in suffix or "*" in suffix:
            # The copy lies elsewhere.
            found.write(suffix, call.where)


def sed_scripts(args: Args) -> tuple[list[str], list[str]]:
    """The scripts given on the command line, and the files."""
    taken = take(PROGRAMS["sed"].own, args)
    scripts = _values(taken, "-e", "--expression")
    files = [*taken.operands, *taken.behind]
    if not scripts and not _values(taken, "-f", "--file"):
        return files[:1], files[1:]
    return scripts, files


def judge_awk(call: Call, found: Findings) -> None:
    """Its programs, and the files it reads."""
    taken = account("awk", call.args, call, found)
    programs, files = awk_programs(call.args)
    loaded = _values(taken, "-f", "--file", "-i", "--include")
    if loaded:
        found.add("shell.runs_script", call.where)
    for text in programs:
        program = read_program(text)
        if program is None or UNKNOWN in program.writes:
            found.add("shell.interpreter_code", call.where, opaque=True)
        if "ENVIRON" in text:
            found.add("shell.environment_read", call.where)
        for path in program.writes if program is not None else ():
            found.write(path, call.where)
        for path in program.reads if program is not None else ():
            found.read(path, call.where)
    for path in files:
        found.read(path, call.where)
        if "inplace" in loaded:
            found.write(path, call.where)


def awk_programs(args: Args) -> tuple[list[str], list[str]]:
    """The programs given on the command line, and what follows: files and assignments."""
    taken = take(PROGRAMS["awk"].own, args, first_operand_ends=True)
    programs = _values(taken, "-e", "--source")
    rest = list(taken.operands)
    if not programs and not _values(taken, "-f", "--file"):
        return rest[:1], rest[1:]
    return programs, rest


def judge_jq(call: Call, found: Findings) -> None:
    """Its filter, and the files it reads."""
    taken = account(call.name, _without_pairs(call, found), call, found)
    filters, files = jq_filters(call.args)
    if _values(taken, "-f", "--from-file"):
        found.add("shell.runs_script", call.where)
    in_place = call.name == "yq" and _values(taken, "-i", "--inplace")
    for text in filters:
        if not only_computes(text):
            found.add("shell.interpreter_code", call.where, opaque=True)
        if "env" in text.lower() and not only_computes(text):
            found.add("shell.environment_read", call.where)
    for path in files:
        found.read(path, call.where)
        if in_place:
            found.write(path, call.where)


def jq_filters(args: Args) -> tuple[list[str], list[str]]:
    """The filter, and the files."""
    taken = take(PROGRAMS["jq"].own, tuple(_plain_of(args)))
    files = [*taken.operands, *taken.behind]
    if files[:1] in (["e"], ["eval"], ["ea"], ["eval-all"]):
        files = files[1:]
    if _values(taken, "-f", "--from-file"):
        return [], files
    return files[:1], files[1:]


def _without_pairs(call: Call, found: Findings) -> Args:
    for at, arg in enumerate(call.args):
        if arg in _NAMED_FILES:
            for path in call.args[at + 2 : at + 3]:
                found.read(path, call.where)
    return tuple(_plain_of(call.args))


def _plain_of(args: Args) -> list[str]:
    """Without ``--arg name value`` and its like."""
    found: list[str] = []
    at = 0
    while at < len(args):
        if args[at] in _PAIRS:
            at += 3
        else:
            found.append(args[at])
            at += 1
    return found


def _values(taken: Taken | None, *names: str) -> list[str]:
    if taken is None:
        return []
    return [one.value or "" for one in taken.given if one.option in names]
