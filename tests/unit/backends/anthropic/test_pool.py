"""Whom connections are made to, whom they trust, and for how long they are kept."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.backends.anthropic import pool
from holdfast.errors import UpstreamUnavailable
from tests.unit.backends.anthropic.lines import read, serving, whole

pytestmark = pytest.mark.usefixtures("loops")


async def hello(line):
    while True:
        await line.request()
        line.say(whole())


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for this machine's own address that this process trusts, and a server's side."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "cert.pem").write_bytes(pem)
    (tmp_path / "key.pem").write_bytes(secret)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.named = []
    server.sni_callback = lambda _, name, context: context.named.append(name)
    pool._trust.cache_clear()
    yield server, lambda: monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    pool._trust.cache_clear()


def test_over_tls_the_name_is_told_and_verified_and_the_connection_kept(certificate):
    context, trust = certificate
    trust()

    async def main():
        async with serving(hello, tls=context) as (upstream, lines):
            named = pool.Pool(f"https://localhost:{upstream.port}", 5)
            upstream._pool = named
            assert [await read(upstream) for _ in range(3)] == [(200, b"hello")] * 3
            assert len(lines) == 1
            assert lines[0].requests[0][0].count(f"host: localhost:{upstream.port}\r\n") == 1

    asyncio.run(main())
    assert context.named == ["localhost"]


@pytest.mark.parametrize("how", ["a stranger's", "of another name", "none"])
def test_a_certificate_that_does_not_hold_ends_the_call_before_anything_is_sent(certificate, how):
    context, trust = certificate
    if how != "a stranger's":
        trust()

    async def main():
        tls = None if how == "none" else context
        there = "127.0.0.2" if how == "of another name" else "127.0.0.1"
        async with serving(hello, tls=tls, there=there) as (upstream, lines):
            upstream._pool = pool.Pool(f"https://{there}:{upstream.port}", 1)
            with pytest.raises(UpstreamUnavailable) as refused:
                await read(upstream)
            assert refused.value.fields == {"sent": False}
            assert not any(line.requests for line in lines)

    asyncio.run(main())


def test_a_connection_that_nobody_uses_is_closed_after_a_while(monkeypatch):
    async def main():
        async with serving(hello) as (upstream, lines):
            kept = upstream._pool
            await asyncio.gather(read(upstream), read(upstream))
            oldest, _ = kept._idle
            kept._idle[oldest] -= pool.KEPT_S
            kept._sweep()
            await until(lambda: len(kept._all) == 1)
            assert oldest not in kept._idle
            assert await read(upstream) == (200, b"hello")
            assert len(lines) == 2
            monkeypatch.setattr(pool, "KEPT_S", 0.01)
            kept._sweep()
            await until(lambda: not kept._all)
            assert await read(upstream) == (200, b"hello")
            assert len(lines) == 3

    asyncio.run(main())


def test_a_resolver_that_hangs_is_asked_once_however_many_wait(monkeypatch):
    asked: list[str] = []
    answered = asyncio.Event()

    async def hanging(name, port):
        asked.append(name)
        await answered.wait()
        return [(socket.AF_INET, (name, port))]

    async def main():
        monkeypatch.setattr(pool, "_looked_up", hanging)
        async with serving(hello) as (upstream, _):
            hasty = [asyncio.create_task(read(upstream, timeout_s=0.05)) for _ in range(5)]
            for task in hasty:
                with pytest.raises(UpstreamUnavailable):
                    await task
            patient = [asyncio.create_task(read(upstream)) for _ in range(5)]
            await asyncio.sleep(0)
            answered.set()
            assert {await task for task in patient} == {(200, b"hello")}
            assert len(asked) == 1

    asyncio.run(main())


def test_a_name_that_could_not_be_looked_up_is_looked_up_anew(monkeypatch):
    asked: list[str] = []

    async def failing_once(name, port):
        asked.append(name)
        if len(asked) == 1:
            raise OSError("no such name")
        return [(socket.AF_INET, (name, port))]

    async def main():
        monkeypatch.setattr(pool, "_looked_up", failing_once)
        async with serving(hello) as (upstream, _):
            with pytest.raises(UpstreamUnavailable) as refused:
                await read(upstream)
            assert refused.value.fields == {"sent": False}
            assert await read(upstream) == (200, b"hello")
            assert len(asked) == 2

    asyncio.run(main())


async def until(come):
    """Wait until it is so; errors: TimeoutError."""
    async with asyncio.timeout(20):
        while not come():  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "x", "https:///v1", "http://h:99999"])
def test_what_is_no_address_is_refused_when_it_is_configured(url):
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        pool.Pool(url, 1)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example", "api.example"),
        ("https://api.example:443/base", "api.example"),
        ("http://api.example:443", "api.example:443"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://b\u00fccher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_request_names_the_host_as_the_address_does(url, host):
    assert pool.Pool(url, 1).host == host


def test_a_name_is_looked_up_once_for_many_connections(monkeypatch):
    asked = []

    async def main():
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def getaddrinfo(name, port, **options):
            asked.append(name)
            return await real("127.0.0.1", port, **options)

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        async with serving(hello) as (upstream, _):
            upstream._pool = pool.Pool(f"http://model.example:{upstream.port}", 5)
            for _ in range(3):
                await upstream._pool.connection(fresh=True)
            upstream._pool.close()

    asyncio.run(main())
    assert asked.count("model.example") == 1


def test_a_name_that_does_not_resolve_cannot_be_reached():
    async def main():
        async with serving(hello) as (upstream, _):
            upstream._pool = pool.Pool("http://no-such-name.invalid", 5)
            with pytest.raises(UpstreamUnavailable, match="cannot be reached") as refused:
                await read(upstream)
            assert refused.value.fields == {"sent": False}

    asyncio.run(main())


def test_families_take_turns(monkeypatch):
    six, four = 10, 2
    found = [(six, 1, 6, "", ("a",)), (six, 1, 6, "", ("b",)), (four, 1, 6, "", ("c",))]

    async def main():
        async def getaddrinfo(*_, **__):
            return found

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return await pool._looked_up("x", 1)

    assert asyncio.run(main()) == [(six, ("a",)), (four, ("c",)), (six, ("b",))]


def test_a_provider_that_does_not_take_connections_is_given_up_in_time(monkeypatch):
    async def never(_):
        await asyncio.sleep(60)

    monkeypatch.setattr(pool, "first_to_answer", never)

    async def main():
        async with serving(hello) as (upstream, _):
            upstream._pool = pool.Pool("http://127.0.0.1:1", 0.05)
            with pytest.raises(UpstreamUnavailable, match="in time") as late:
                await read(upstream)
            assert late.value.fields == {"sent": False}

    asyncio.run(main())
