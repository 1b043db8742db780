"""Policy files into rules: read, cut into statements, parsed one by one, ids unique.

Cedar's parser names no line, so each statement is parsed alone and carries the line it began on.
Not here: whether a rule makes sense for the declared tools (`schema`, `lint`).
"""

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cedarpy
import msgspec

from holdfast.model.views.policies import PolicyFinding

BASELINE = Path(__file__).with_name("baseline.cedar")
MAX_FILE_BYTES = 16 * 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")
_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;', re.DOTALL)
_BLANK = re.compile(r"(?:\s+|//[^\n]*(?:\n|$))*")


class Source(msgspec.Struct, frozen=True):
    """One policy file as it is now."""

    name: str
    content: bytes


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One policy. `est` is Cedar's JSON form of it; `ask` is None where approval cannot lift it.

    `unbounded` says why its tools may act on anything, None where they may not.
    """

    id: str
    permits: bool
    ask: str | None
    unbounded: str | None
    reason: str
    file: str
    line: int
    text: str
    est: dict[str, Any]


def read_sources(
    folder: Path, *, baseline: bool
) -> tuple[tuple[Source, ...], tuple[PolicyFinding, ...]]:
    """The shipped baseline, unless refused, then `folder/*.cedar` by name."""
    findings: list[PolicyFinding] = []
    sources: list[Source] = []
    if not folder.is_dir():
        return (), (
            PolicyFinding(str(folder), 0, "", "unreadable", "the policies folder is missing"),
        )
    paths = sorted(folder.glob("*.cedar"), key=lambda path: path.name)
    for path in ([BASELINE] if baseline else []) + paths:
        name = f"<{path.name}>" if path is BASELINE else path.name
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                findings.append(PolicyFinding(name, 0, "", "unreadable", "the file is too large"))
                continue
            sources.append(Source(name, path.read_bytes()))
        except OSError as fault:
            text = f"the file cannot be read: {fault.strerror or type(fault).__name__}"
            findings.append(PolicyFinding(name, 0, "", "unreadable", text))
    return tuple(sources), tuple(findings)


def parse(sources: Iterable[Source]) -> tuple[tuple[Rule, ...], tuple[PolicyFinding, ...]]:
    """Every rule that parses, in file order, and every fault found on the way."""
    rules: dict[str, Rule] = {}
    findings: list[PolicyFinding] = []
    for source in sources:
        try:
            text = source.content.decode()
        except UnicodeDecodeError:
            findings.append(PolicyFinding(source.name, 0, "", "parse", "the file is not UTF-8"))
            continue
        for line, statement in _statements(text):
            rule = _rule(source.name, line, statement)
            if isinstance(rule, Rule) and rule.id in rules:
                first = rules[rule.id]
                where = f"{first.file}:{first.line}"
                rule = PolicyFinding(
                    source.name, line, rule.id, "duplicate_id", f"the id is taken by {where}"
                )
            if isinstance(rule, PolicyFinding):
                findings.append(rule)
            else:
                rules[rule.id] = rule
    return tuple(rules.values()), tuple(findings)


def _statements(text: str) -> Iterable[tuple[int, str]]:
    """Each statement up to its semicolon, with the line its first word stands on."""
    ends = [token.end() for token in _TOKEN.finditer(text) if token.group() == ";"]
    line, counted = 1, 0
    for start, end in itertools.pairwise((0, *ends, len(text))):
        blank = _BLANK.match(text, start, end)
        begin = blank.end() if blank else start
        line, counted = line + text.count("\n", counted, begin), begin
        if begin < end:
            yield line, text[begin:end]


def _rule(file: str, line: int, statement: str) -> Rule | PolicyFinding:
    try:
        parsed = msgspec.json.decode(cedarpy.policies_to_json_str(statement))
    except (ValueError, RecursionError) as fault:
        return PolicyFinding(file, line, "", "parse", _one_line(str(fault)))
    policies = list(parsed["staticPolicies"].values())
    if parsed["templates"] or len(policies) != 1:
        return PolicyFinding(
            file, line, "", "parse", "a statement has to be one policy without slots"
        )
    return _annotated(file, line, statement, policies[0])


def _annotated(file: str, line: int, statement: str, est: dict[str, Any]) -> Rule | PolicyFinding:
    notes = {name: value or "" for name, value in est.get("annotations", {}).items()}
    rule_id = notes.get("id", "")
    if not rule_id:
        return PolicyFinding(file, line, "", "missing_id", 'every policy needs an @id("...")')
    if not _ID.fullmatch(rule_id):
        text = "an id is 1 to 200 letters, digits or . _ : / -, and begins with a letter or digit"
        return PolicyFinding(file, line, "", "bad_id", text)
    permits = est["effect"] == "permit"
    if permits and "ask" in notes:
        text = "@ask belongs on a forbid: it names what a person may lift"
        return PolicyFinding(file, line, rule_id, "ask_on_permit", text)
    if "unbounded" in notes and not (permits and notes["unbounded"].strip()):
        text = "@unbounded belongs on a permit, with the reason why its tools may act on anything"
        return PolicyFinding(file, line, rule_id, "unbounded_why", text)
    return Rule(
        id=rule_id,
        permits=permits,
        ask=notes.get("ask"),
        unbounded=notes.get("unbounded"),
        reason=notes.get("reason", ""),
        file=file,
        line=line,
        text=statement,
        est=est,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
