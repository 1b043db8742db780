"""AWS Signature Version 4 of one request, as AWS publishes it; nothing but arithmetic."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"


class AwsKey(msgspec.Struct, frozen=True):
    """A key pair; `session_token` belongs to temporary ones."""

    key_id: str
    secret: str
    session_token: str = ""


def signed(
    key: AwsKey,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    service: str,
    at_ns: int,
) -> dict[str, str]:
    """`headers` (lower case, `host` among them) with the date, the token and the signature.

    `target` is path and query as they will be sent.
    """
    moment = dt.datetime.fromtimestamp(at_ns // 1_000_000_000, dt.UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    fields = {**headers, "x-amz-date": stamp}
    if key.session_token:
        fields["x-amz-security-token"] = key.session_token
    names = sorted(fields)
    path, _, query = target.partition("?")
    request = "\n".join(
        (
            method,
            quote(path, safe="/~") or "/",
            _canonical_query(query),
            *(f"{name}:{' '.join(fields[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signing = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode()
    signature = hmac.digest(signing, text, "sha256").hex()
    fields["authorization"] = (
        f"{_ALGORITHM} Credential={key.key_id}/{scope},"
        f" SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return fields


def _canonical_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    spelled = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in spelled)
