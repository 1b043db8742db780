"""What the console carries of others, and how a browser gets it."""

import asyncio
import gzip
import hashlib
import tomllib
from pathlib import Path

from starlette.requests import Request

import holdfast.apps.console
from holdfast.apps.console.assets import address_of, assets, static

VENDOR = Path(holdfast.apps.console.__file__).parent / "static" / "vendor"
MOST_SCRIPT_BYTES = 40_000


def test_each_file_of_others_is_the_one_that_its_line_tells_of():
    told = tomllib.loads((VENDOR / "vendored.toml").read_text(encoding="utf-8"))
    files = {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".woff2", ".css"}}
    assert files == set(told)
    for name, line in told.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == line["sha256"], name
        assert line["version"]
        assert line["package"]
        assert line["licence"]
        assert (VENDOR / line["licence_file"]).is_file()


def test_all_scripts_together_are_small():
    scripts = [one for name, one in assets().items() if name.endswith(".js")]
    assert len(scripts) == 4
    assert sum(len(one.packed) for one in scripts) <= MOST_SCRIPT_BYTES


def test_style_names_its_type_by_its_address():
    style = assets()["console.css"].content.decode()
    assert f'url("{address_of("inter-latin-wght-normal.woff2")}")' in style
    assert "http" not in style.replace("http://www.w3.org", "")


def fetched(name: str, digest: str, **headers: str):
    raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    named = {"name": name, "digest": digest}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw, "path_params": named}
    return asyncio.run(static(Request(scope)))


def test_a_file_is_kept_for_good_by_its_digest_and_packed_for_whoever_takes_that():
    known = assets()["htmx.min.js"]
    found = fetched("htmx.min.js", known.digest, accept_encoding="gzip, br")
    assert gzip.decompress(bytes(found.body)) == known.content
    assert "immutable" in found.headers["cache-control"]
    plain = fetched("htmx.min.js", known.digest)
    assert plain.body == known.content
    assert "content-encoding" not in plain.headers


def test_a_digest_of_another_version_is_not_kept_and_another_file_is_not_there():
    assert "cache-control" not in fetched("htmx.min.js", "0").headers
    assert fetched("vendored.toml", "0").status_code == 404
    assert fetched("../app.py", "0").status_code == 404
