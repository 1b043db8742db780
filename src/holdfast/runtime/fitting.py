"""A request fitted to one upstream: its betas judged, what that upstream does not take left out.

Errors are those of the client's request.
"""

from collections.abc import Mapping

from holdfast.core.messages import ModelRequest
from holdfast.core.wire.admitted import Admitted
from holdfast.core.wire.betas import Betas, read_betas
from holdfast.core.wire.headers import BETA, with_betas
from holdfast.core.wire.reading import NotInTable
from holdfast.core.wire.takes import Fitted, fitted
from holdfast.errors import InvalidRequest
from holdfast.runtime.providers import Provider


def judged_betas(
    headers: Mapping[str, str], request: ModelRequest | None, admitted: Admitted
) -> Betas:
    """The betas that a request names, in its header or its body. Errors: InvalidRequest."""
    named = ",".join(value for name, value in headers.items() if name.lower() == BETA)
    in_body = request.fields.get("anthropic_beta") if request is not None else None
    try:
        return read_betas(named, in_body, admitted)
    except NotInTable as fault:
        raise InvalidRequest(str(fault)) from None


def fit(request: ModelRequest, betas: Betas, provider: Provider) -> Fitted:
    """What of a request goes to this provider. Errors: InvalidRequest."""
    try:
        return fitted(request.fields, request.asks, betas, provider.takes)
    except NotInTable as fault:
        raise InvalidRequest(str(fault)) from None


def listing(headers: Mapping[str, str], admitted: Admitted) -> Mapping[str, str]:
    """Headers of a read of `/v1/models`. Errors: InvalidRequest."""
    return with_betas(headers, ",".join(judged_betas(headers, None, admitted).sent))
