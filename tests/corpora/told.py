"""Whole answers of the shell judge: files of commands, each named for what decides them.

Each command stands behind `$`, and below it all that `classify` says: the level, each finding with
the words it is about (`=` is the whole command), and every list of the answer that is not empty.
The first line names the modules of the judge that the file is about. `python -m tests.corpora.told`
writes the answers anew: a change of the judge is read in the diff.
"""

import re
from pathlib import Path

from holdfast.core.risk.shell import classify
from holdfast.core.risk.shell_risk import ShellRisk
from tests.corpora.shell import FOLDER

FOLDERS = Path(__file__).parent / "shell_told"
_PLAIN = {"\n": "⏎", "\t": "⇥", "\0": "␀"}
_MARK = re.compile("⟨([0-9a-f]+)⟩")
_LISTS = ("programs", "writes", "reads", "hosts", "folders")


def modules() -> dict[str, list[str]]:
    """The files that are about each module of the judge, by the modules' dotted names."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDERS.glob("*.txt")):
        head = path.read_text(encoding="utf-8").partition("\n")[0]
        for module in head.removeprefix("# ").split():
            found.setdefault(f"holdfast.core.risk.{module}", []).append(path.stem)
    return dict(sorted(found.items()))


def told(name: str) -> dict[str, str]:
    """One file: each command, as it is spelt there, with its answer."""
    lines = (FOLDERS / f"{name}.txt").read_text(encoding="utf-8").splitlines()[1:]
    return {c.removeprefix("$ "): a.strip() for c, a in zip(lines[::2], lines[1::2], strict=True)}


def answer(spelt: str) -> str:
    """What is said of a command as a file spells it."""
    command = read(spelt)
    return shown(classify(command, folder=FOLDER), command)


def shown(risk: ShellRisk, command: str) -> str:
    """An answer on one line, as the files spell it."""
    marks = [risk.level.name]
    marks += ["opaque"] if risk.opaque else []
    marks += ["only reads"] if risk.read_only else []
    parts = [", ".join(marks)]
    for reason in risk.reasons:
        about = "" if reason.where == command else f" in `{spell(reason.where)}`"
        parts.append(reason.code.removeprefix("shell.") + about)
    lists = ((name, getattr(risk, name)) for name in _LISTS)
    parts += [f"{name} {' '.join(map(spell, values))}" for name, values in lists if values]
    if risk.packages:
        parts.append("packages " + " ".join(f"{name}@{version}" for name, version in risk.packages))
    if risk.named:
        parts.append("named " + " ".join(f"{role}:{spell(path)}" for path, role in risk.named))
    return "; ".join(parts).strip()


def spell(text: str) -> str:
    """Text on one line: breaks, tabs and what nobody can see by signs."""
    for plain, sign in _PLAIN.items():
        text = text.replace(plain, sign)
    return "".join(c if c.isprintable() else f"⟨{ord(c):x}⟩" for c in text)


def read(spelt: str) -> str:
    """The text that was spelt so."""
    for plain, sign in _PLAIN.items():
        spelt = spelt.replace(sign, plain)
    return _MARK.sub(lambda match: chr(int(match[1], 16)), spelt)


def write(name: str) -> None:
    """Write the answers of one file anew."""
    path = FOLDERS / f"{name}.txt"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("$ ")]
    pairs = [line for c in commands for line in (c, f"    {answer(c[2:])}")]
    path.write_text("\n".join([head, *pairs]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for file in sorted(FOLDERS.glob("*.txt")):
        write(file.stem)
