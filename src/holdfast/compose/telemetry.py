"""Where telemetry goes, from the configuration: nowhere unless a receiver is named."""

from collections.abc import Callable, Mapping

import holdfast
from holdfast.compose.config.model import Telemetry
from holdfast.errors import ConfigInvalid
from holdfast.ports.sink import Sink


def header_text(settings: Telemetry | None, environment: Mapping[str, str]) -> str:
    """The receiver's headers, which hold its key; empty when it wants none.

    Errors: ConfigInvalid when the variable that the settings name is not set.
    """
    if settings is None or not settings.headers_env:
        return ""
    text = environment.get(settings.headers_env, "")
    if not text:
        raise ConfigInvalid(
            f"the variable `{settings.headers_env}` of `telemetry.headers_env` is not set"
        )
    return text


def telemetry_sink(
    settings: Telemetry | None, headers: str, say: Callable[[str], None]
) -> Sink | None:
    """Where spans and readings go; `headers` as in `header_text`. None where no receiver is named.

    Errors: ConfigInvalid when the extra is missing or the headers cannot be read.
    """
    if settings is None:
        return None
    try:
        from holdfast.backends.otlp import encoding, sink  # noqa: PLC0415 -- behind an extra
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigInvalid(
            "`telemetry.otlp_endpoint` needs the extra `otel`: pip install 'holdfast[otel]'"
        ) from error
    given, metrics = encoding.parse_headers(headers), settings.metrics_endpoint
    return sink.OtlpSink(
        sink.spans_over_http(settings.otlp_endpoint, given),
        say,
        gauges=sink.metrics_over_http(metrics, given) if metrics else None,
        version=holdfast.__version__,
    )
