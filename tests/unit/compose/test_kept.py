"""What stands behind a decision is kept by digest, whole, and never changed."""

import hashlib
import json

import pytest

from holdfast.compose.config.load import load_config
from holdfast.compose.kept import FOLDER, keep
from holdfast.errors import ConfigInvalid

TEXT = "version: 1\nagents: {a: {file: a.yaml}}\n"


def config(folder, text=TEXT, agent="model: claude-sonnet-5-5\n"):
    (folder / "holdfast.yaml").write_text(text)
    (folder / "a.yaml").write_text(agent)
    return load_config(folder / "holdfast.yaml")


def named(folder, digest):
    content = (folder / ".holdfast" / FOLDER / digest.removeprefix("sha256:")).read_bytes()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    return content


def test_every_document_that_the_list_names_is_there_under_its_digest(tmp_path):
    listed = json.loads(named(tmp_path, keep(config(tmp_path), str)))
    assert listed["program"]
    assert listed["risk"].startswith("sha256:")
    assert any(
        price["model"] == "claude-sonnet-5-5"
        for price in json.loads(named(tmp_path, listed["prices"]))
    )
    assert json.loads(named(tmp_path, listed["contracts"]))["version"] == 1
    assert named(tmp_path, listed["settings"]["holdfast.yaml"]) == TEXT.encode()
    assert named(tmp_path, listed["settings"]["a.yaml"]).startswith(b"model")


def test_the_same_project_is_kept_once_and_each_change_beside_it(tmp_path):
    first = keep(config(tmp_path), str)
    before = {p.name: p.read_bytes() for p in (tmp_path / ".holdfast" / FOLDER).iterdir()}
    assert keep(config(tmp_path), str) == first
    price = ", ".join(
        f'{k}: "1"' for k in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    )
    override = f"prices: {{overrides: {{m: {{{price}, context_tokens: 9}}}}}}\n"
    found = {
        first,
        keep(config(tmp_path, TEXT + override), str),
        keep(config(tmp_path, TEXT + "defaults: {limits: {session: {usd: 1}}}\n"), str),
        keep(config(tmp_path, agent="model: claude-sonnet-5-5\ntrust: supervised\n"), str),
    }
    after = {p.name: p.read_bytes() for p in (tmp_path / ".holdfast" / FOLDER).iterdir()}
    assert len(found) == 4
    assert before.items() <= after.items()


def test_secrets_in_the_settings_are_not_kept(tmp_path):
    secret = "sk-ant-api03-verysecretvalue"
    kept = keep(
        config(tmp_path, f"# {secret}\n{TEXT}"), lambda text: text.replace(secret, "<gone>")
    )
    assert kept
    for path in (tmp_path / ".holdfast" / FOLDER).iterdir():
        assert secret.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_document_that_was_damaged_is_written_again(tmp_path):
    digest = keep(config(tmp_path), str)
    path = tmp_path / ".holdfast" / FOLDER / digest.removeprefix("sha256:")
    path.write_bytes(b"half")
    assert keep(config(tmp_path), str) == digest
    named(tmp_path, digest)


def test_what_cannot_be_kept_is_a_refusal(tmp_path):
    found = config(tmp_path)
    (tmp_path / ".holdfast").write_text("")
    with pytest.raises(ConfigInvalid, match="cannot be written"):
        keep(found, str)
