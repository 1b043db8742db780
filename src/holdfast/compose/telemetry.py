"""The journal's taps from the configuration: none unless a receiver of spans is named."""

from collections.abc import Callable, Mapping
from typing import Protocol

import holdfast
from holdfast.compose.config.model import Telemetry
from holdfast.errors import ConfigInvalid
from holdfast.ports.clock import Clock
from holdfast.ports.taps import Tap


class ClosableTap(Tap, Protocol):
    """A tap that has something to let go of; blocks while it does."""

    def close(self) -> None:
        """Hand on what waits, within a few seconds; idempotent."""
        ...


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


def journal_taps(
    settings: Telemetry | None, headers: str, clock: Clock, say: Callable[[str], None]
) -> tuple[ClosableTap, ...]:
    """What looks on at the journal; `headers` as in `header_text`.

    Errors: ConfigInvalid when the extra is missing or the headers cannot be read.
    """
    if settings is None:
        return ()
    try:
        from holdfast.backends.otlp import encoding, tap  # noqa: PLC0415 -- behind an extra
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigInvalid(
            "`telemetry.otlp_endpoint` needs the extra `otel`: pip install 'holdfast[otel]'"
        ) from error
    exporter = tap.over_http(settings.otlp_endpoint, encoding.parse_headers(headers))
    return (tap.OtlpTap(exporter, clock, say, version=holdfast.__version__),)
