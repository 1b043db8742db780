"""Telemetry from the configuration: absent unless asked for, and never half there."""

import sys
from pathlib import Path

import pytest

from holdfast.compose.config import parse_config
from holdfast.compose.telemetry import header_text, telemetry_sink
from holdfast.errors import ConfigInvalid

ENDPOINT = "http://127.0.0.1:4318/v1/traces"


def told(**keys):
    lines = "".join(f'  {key}: "{value}"\n' for key, value in keys.items())
    text = f"version: 1\ntelemetry:\n{lines}" if lines else "version: 1\n"
    return parse_config(text.encode(), Path("holdfast.yaml")).telemetry


def sink(settings, headers=""):
    return telemetry_sink(settings, headers, lambda line: None)


def test_nothing_looks_on_unless_a_receiver_is_named():
    assert told() is None
    assert sink(None) is None
    assert header_text(None, {}) == ""


def test_a_receiver_that_is_named_gets_spans_and_only_with_an_address_of_its_own_gauges():
    for more in ({}, {"metrics_endpoint": "http://127.0.0.1:4318/v1/metrics"}):
        made = sink(told(otlp_endpoint=ENDPOINT, **more))
        assert (made._gauges is not None) == bool(more)
        made.close()


def test_headers_come_from_the_environment_and_must_be_there():
    settings = told(otlp_endpoint=ENDPOINT, headers_env="SPANS_HEADERS")
    assert header_text(settings, {"SPANS_HEADERS": "x-key=1"}) == "x-key=1"
    for environment in ({}, {"SPANS_HEADERS": ""}):
        with pytest.raises(ConfigInvalid, match="`SPANS_HEADERS`"):
            header_text(settings, environment)


@pytest.mark.parametrize("missing", ["opentelemetry.sdk.trace", "opentelemetry.exporter"])
def test_without_the_extra_an_endpoint_is_refused_with_what_to_install(monkeypatch, missing):
    for name in list(sys.modules):
        if name.startswith(("holdfast.backends.otlp", f"{missing}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("holdfast.backends.otlp.encoding", raising=False)
    monkeypatch.delattr("holdfast.backends.otlp.sink", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigInvalid, match=r"pip install 'holdfast\[otel\]'"):
        sink(told(otlp_endpoint=ENDPOINT))


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("http://collector:4318/v1/traces", "in clear: use https"),
        ("https://user:pw@collector/v1/traces", "credentials"),
        ("grpc://127.0.0.1:4317", "https address"),
    ],
)
def test_an_endpoint_that_would_leak_or_cannot_work_is_refused(endpoint, says):
    with pytest.raises(ConfigInvalid, match=says):
        told(otlp_endpoint=endpoint)


def test_headers_without_a_receiver_are_refused():
    with pytest.raises(ConfigInvalid, match="otlp_endpoint"):
        told(headers_env="SPANS_HEADERS")
