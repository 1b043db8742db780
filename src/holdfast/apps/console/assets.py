"""Style, scripts and type, read once: named by their digest, so that a browser keeps each for good.

What others wrote lies in `static/vendor`, unmodified, with a line each in `vendored.toml`.
"""

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_FOLDER = Path(__file__).parent / "static"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}
_PACKED = (".css", ".js", ".svg")
_DIGEST = 12
_PLACE = "/console/static"
_IN_STYLE = re.compile(r'url\("([^"/]+)"\)')
_FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}


class Asset(NamedTuple):
    """One file; `packed` is empty where it is not smaller."""

    content: bytes
    packed: bytes
    kind: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """Every file by its name."""
    found: dict[str, Asset] = {}
    # Type before style, which names it by its address.
    for path in sorted(_FOLDER.rglob("*"), key=lambda path: path.suffix == ".css"):
        if path.suffix in _KINDS:
            content = path.read_bytes()
            if path.suffix == ".css":
                content = _named(content.decode(), found).encode()
            packed = gzip.compress(content, 9, mtime=0) if path.suffix in _PACKED else b""
            digest = hashlib.sha256(content).hexdigest()[:_DIGEST]
            found[path.name] = Asset(content, packed, _KINDS[path.suffix], digest)
    return found


def _named(style: str, known: dict[str, Asset]) -> str:
    return _IN_STYLE.sub(lambda m: f'url("{_PLACE}/{known[m[1]].digest}/{m[1]}")', style)


def address_of(name: str) -> str:
    """Where a page finds a file. Errors: KeyError."""
    return f"{_PLACE}/{assets()[name].digest}/{name}"


async def static(request: Request) -> Response:
    """One file. A digest of another version is answered with this one's, and not kept."""
    found = assets().get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("there is no such file\n", 404)
    headers = dict(_FOR_GOOD) if request.path_params["digest"] == found.digest else {}
    content = found.content
    if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["content-encoding"] = found.packed, "gzip"
    return Response(content, headers=headers, media_type=found.kind)
