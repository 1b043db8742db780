"""Exit codes by error."""

import pytest

from holdfast import errors
from holdfast.apps.cli.exit_codes import ExitCode, code_of


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (errors.ConfigInvalid, 2),
        (errors.NotFound, 2),
        (errors.Unauthenticated, 2),
        (errors.Conflict, 2),
        (errors.Denied, 3),
        (errors.EvidenceMissing, 3),
        (errors.Exhausted, 4),
        (errors.LoopDetected, 7),
        (errors.DeadlineExceeded, 7),
        (errors.UpstreamUnavailable, 8),
        (errors.RateLimited, 8),
        (errors.PolicyUnavailable, 9),
        (errors.StoreUnavailable, 9),
        (errors.Unavailable, 9),
        (errors.OutcomeUnknown, 1),
        (errors.InternalError, 1),
    ],
)
def test_every_kind_of_error_has_its_exit_code(fault, code):
    assert code_of(fault("it failed")) == code


def test_no_error_of_holdfast_ends_a_verb_with_success():
    assert all(code_of(cls("it failed")) != ExitCode.DONE for cls in errors.all_errors())
