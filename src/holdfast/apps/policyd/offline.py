"""`check` and `test` without a server, for continuous integration."""

import sys

import msgspec

from holdfast.apps.policyd.service import Files
from holdfast.backends.cedar.bundle import Loaded
from holdfast.backends.cedar.inputs import read_inputs
from holdfast.backends.cedar.tables import Outcome, run_tables
from holdfast.model.views.policies import PolicyFinding


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    ok: bool
    version: str
    findings: tuple[PolicyFinding, ...]
    cases: tuple[Outcome, ...] = ()


def run(verb: str, files: Files, *, as_json: bool) -> int:
    """Print what was found; 0 when nothing is wrong, else 1."""
    loaded = files.load()
    report = _tested(files, loaded) if verb == "test" else _checked(loaded)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write("\n".join(_lines(verb, report)) + "\n")
    return 0 if report.ok else 1


def _checked(loaded: Loaded) -> Report:
    return Report(ok=loaded.bundle is not None, version=loaded.version, findings=loaded.findings)


def _tested(files: Files, loaded: Loaded) -> Report:
    inputs, _, _ = read_inputs(files.contracts)
    if loaded.bundle is None or inputs is None:
        return _checked(loaded)
    cases, findings = run_tables(files.policies / "tests", loaded.bundle, inputs)
    if not cases and not findings:
        text = "no decision tables were found; nothing was tested"
        findings = (PolicyFinding("tests", 0, "", "no_tables", text),)
    failed = any(case.fault for case in cases)
    return Report(
        ok=not findings and not failed, version=loaded.version, findings=findings, cases=cases
    )


def _lines(verb: str, report: Report) -> list[str]:
    lines = [str(finding) for finding in report.findings]
    lines += [f"{c.file}: {c.name}: {c.fault}" for c in report.cases if c.fault]
    if verb == "test" and report.cases:
        passed = sum(not case.fault for case in report.cases)
        lines.append(f"{passed} of {len(report.cases)} cases as expected")
    if report.ok:
        lines.append(f"policies hold: {report.version}")
    return lines
