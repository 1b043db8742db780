"""The server's own life: what it leaves behind, what it refuses to start with, who may read its files."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.core.risk.places import STATE_FILES
from holdfast.testing.project import SETTINGS, NotStarted, RunningProject
from tests.served import Reader, alive, ask, body, ends_as_if_max_tokens, until, usd


@pytest.fixture
def project(tmp_path: Path) -> Iterator[RunningProject]:
    """A project whose server the test starts itself."""
    made = RunningProject(tmp_path)
    yield made
    made.close()


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is not expected to stay."""
    return subprocess.run(
        [sys.executable, "-m", "holdfast.apps.server", "--project", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_told_to_stop_ends_its_streams_leaves_nothing_and_starts_again(project, how):
    project.start()
    session = project.open()
    token, policy = project.admin_token, project.policy_pid
    assert alive(policy)
    turn = {"words": 5000, "pacing": {"event_interval_ms": 20}}
    reader = Reader(project, session, body(turn, stream=True) | {"max_tokens": 9000})
    until(lambda: len(reader.seen) > 500)
    assert project.stop(how) == 0
    ends_as_if_max_tokens(reader.whole())
    assert not alive(policy)
    left = {path.name for path in project.state.iterdir()}
    assert not left & {"server.json", "policyd.sock"}, left
    assert not [name for name in left if name.endswith(("-wal", "-shm"))], left
    project.start()
    assert project.admin_token == token
    account = usd(project, session)
    assert account["held"] == 0
    assert 0 < account["settled"] < 9000 * 20_000
    assert ask(project, session, body({"text": "ok"})).status == 200


def test_a_killed_server_takes_its_policy_process_along_and_starts_again(project):
    project.start()
    session = project.open()
    first = project.policy_pid
    os.kill(first, signal.SIGKILL)
    until(lambda: project.policy_pid != first, 60)
    policy = project.policy_pid
    assert alive(policy)
    project.stop(signal.SIGKILL)
    until(lambda: not alive(policy))
    project.start()
    assert project.policy_pid != policy
    assert ask(project, session, body({"text": "ok"})).status == 200


def test_a_second_server_of_the_project_is_refused_and_the_first_goes_on(project):
    project.start()
    before = (project.state / "server.json").read_bytes()
    second = command(project.folder, "--port", "0")
    assert second.returncode == 9
    assert re.search(rf"holdfast: .*process {project.pid}", second.stderr), second.stderr
    assert "Traceback" not in second.stderr
    assert (project.state / "server.json").read_bytes() == before
    health = project.call("GET", "/healthz", token="").json
    assert (health["status"], health["policy"]) == ("ok", "ok")
    session = project.open()
    [call] = ask(project, session, body({"tool": "lookup", "input": {"order": "7"}})).json[
        "content"
    ]
    assert project.decide(session, call["id"], "lookup", {"order": "7"}).json["verdict"] == "allow"


def test_a_taken_port_is_named(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotStarted) as caught:
            project.start("--port", str(port))
    assert caught.value.code == 9
    assert f"cannot listen on 127.0.0.1:{port}" in caught.value.said
    assert "Traceback" not in caught.value.said
    assert not (project.state / "server.json").exists()


MODEL_LINE = SETTINGS[: SETTINGS.index("model:")].count("\n") + 1


@pytest.mark.parametrize(
    ("settings", "line", "says"),
    [
        (SETTINGS + "surprise: 1\n", SETTINGS.count("\n") + 1, "surprise"),
        (SETTINGS.replace("model: claude-opus-5-5", "model: 5"), MODEL_LINE, "model"),
        ("version: 1\n\tagents: {}\n", 2, ""),
    ],
    ids=["unknown-key", "wrong-type", "no-yaml"],
)
def test_a_fault_in_the_settings_is_named_by_file_and_line(project, settings, line, says):
    project.write_settings(settings)
    with pytest.raises(NotStarted) as caught:
        project.start()
    assert caught.value.code == 2
    assert f"holdfast.yaml:{line}" in caught.value.said
    assert says in caught.value.said
    assert "Traceback" not in caught.value.said


def test_a_project_without_settings_is_refused(tmp_path):
    ended = command(tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("holdfast: ")
    assert "holdfast.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_everything_the_server_writes_is_its_owners_alone(project):
    project.start()
    session = project.open()
    ask(project, session, body({"text": "ok"}))
    assert stat.S_IMODE(project.state.stat().st_mode) == 0o700
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in project.state.rglob("*")
    }
    assert {"holdfast.db", "admin.token", "signing.key", "server.json", "policyd.sock"} <= set(
        modes
    )
    assert {name for name, mode in modes.items() if mode} == set()


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com"])
def test_off_loopback_it_wants_tls_or_to_be_told(project, host):
    project.write_settings(SETTINGS + f'server: {{host: "{host}"}}\n')
    with pytest.raises(NotStarted) as caught:
        project.start()
    assert caught.value.code == 2
    assert "reachable from other machines" in caught.value.said
    assert f"holdfast.yaml:{SETTINGS.count(chr(10)) + 1}" in caught.value.said


def test_off_loopback_in_the_clear_works_when_told_so(project):
    project.write_settings(SETTINGS + 'server: {host: "0.0.0.0", allow_remote_plaintext: true}\n')
    project.start()
    project.url = project.url.replace("0.0.0.0", "127.0.0.1")
    assert project.call("GET", "/healthz", token="").json["status"] == "ok"


def self_made(folder: Path) -> None:
    """`cert.pem` and `key.pem` for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names: list[Any] = [x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def test_tls_with_a_self_made_certificate_works_and_plain_text_does_not(project):
    self_made(project.folder)
    tls = "server: {tls: {cert: cert.pem, key: key.pem}}\n"
    project.write_settings(SETTINGS + tls)
    project.start()
    assert project.url.startswith("https://")
    trust = ssl.create_default_context(cafile=str(project.folder / "cert.pem"))
    url = project.url.replace("127.0.0.1", "localhost")
    opening = urllib.request.Request(
        f"{url}/v1/sessions",
        data=json.dumps({"agent": "desk", "user": "ann"}).encode(),
        headers={
            "authorization": f"Bearer {project.admin_token}",
            "content-type": "application/json",
        },
    )
    with urllib.request.urlopen(opening, context=trust) as answer:
        token = json.load(answer)["token"]
    asking = urllib.request.Request(
        f"{url}/v1/messages",
        data=json.dumps(body({"text": "ok"}, stream=True)).encode(),
        headers={"x-api-key": token, "anthropic-version": "2023-06-01"},
    )
    with urllib.request.urlopen(asking, context=trust) as answer:
        assert b"message_stop" in answer.read()
    project.url = project.url.replace("https", "http")
    with pytest.raises((OSError, http.client.HTTPException)):
        project.call("GET", "/healthz", token="")


def test_tls_files_that_do_not_hold_are_named(project):
    self_made(project.folder)
    (project.folder / "key.pem").write_text("not a pem file")
    project.write_settings(SETTINGS + "server: {tls: {cert: cert.pem, key: key.pem}}\n")
    with pytest.raises(NotStarted) as caught:
        project.start()
    assert caught.value.code == 2
    assert "tls" in caught.value.said
    assert "Traceback" not in caught.value.said


def test_a_damaged_file_of_its_own_is_named(project):
    project.state.mkdir(mode=0o700)
    (project.state / "admin.token").write_bytes(b"damaged")
    (project.state / "admin.token").chmod(0o600)
    with pytest.raises(NotStarted) as caught:
        project.start()
    assert caught.value.code == 2
    assert "`admin.token`" in caught.value.said
    assert "Traceback" not in caught.value.said
    assert not (project.state / "server.json").exists()


def test_all_that_a_running_server_leaves_in_its_folder_is_known_to_searches(tmp_path):
    with RunningProject(tmp_path) as running:
        running.open()
        state = tmp_path / ".holdfast"
        found = {path.name for path in state.iterdir() if path.is_file() or path.is_socket()}
    assert "holdfast.db-log-a" in found
    assert found - set(STATE_FILES) <= {".gitignore", ".ignore"}
