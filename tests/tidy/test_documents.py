"""The documents that must keep up with the code: the error reference and the specification."""

import inspect
import re

from holdfast import errors
from tests.tidy.repository import ROOT

ERRORS_PAGE = ROOT / "docs" / "reference" / "errors.md"
SPECIFICATION = ROOT / "SPECIFICATION.md"
INVARIANTS = [f"I{number}" for number in range(1, 13)]


def error_classes() -> dict[str, type[errors.HoldfastError]]:
    """Error code to the class that carries it, the abstract base left out."""
    return {
        cls.code: cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.HoldfastError) and cls is not errors.HoldfastError
    }


def documented_rows() -> dict[str, list[str]]:
    rows = re.findall(
        r"^\| `([a-z_]+)` \|(.*)\|$", ERRORS_PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {code: [cell.strip() for cell in rest.split("|")] for code, rest in rows}


def test_every_error_code_is_documented_and_no_other():
    assert set(documented_rows()) == set(error_classes())


def test_no_two_errors_share_a_code():
    classes = [
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.HoldfastError)
    ]
    assert len({cls.code for cls in classes}) == len(classes)


def test_the_error_page_says_the_status_and_whether_to_retry_as_the_code_does():
    for code, cls in error_classes().items():
        status, wire_type, retryable = documented_rows()[code][:3]
        assert status == str(cls.http_status), code
        assert wire_type == f"`{cls.wire_type}`", code
        assert retryable == ("yes" if cls.retryable else "no"), code


def specification_rows() -> dict[str, str]:
    """Invariant to the cell that names the tests which hold it."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (I\d+) \|.*\| ([^|]+) \|$", text, re.MULTILINE))


def test_the_specification_states_every_invariant():
    assert list(specification_rows()) == INVARIANTS


def test_every_invariant_names_an_existing_test_or_says_it_is_pending():
    for invariant, cell in specification_rows().items():
        if cell.strip().startswith("pending"):
            continue
        named = re.findall(r"`?(tests/[\w/.-]+\.py)", cell)
        assert named, f"{invariant} names no test and does not say pending"
        missing = [path for path in named if not (ROOT / path).is_file()]
        assert not missing, f"{invariant} rests on {missing}, which do not exist"
