"""Spans and readings of ours as the OpenTelemetry SDK's, and the headers that an operator gives.

Not here: queues and threads (`sink`).
"""

from collections.abc import Sequence
from urllib.parse import unquote

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from holdfast.core.spans import Span
from holdfast.errors import ConfigInvalid
from holdfast.model.gauges import Reading

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """The span with its empty attributes left out."""
    parent = _context(span.trace_id, span.parent_id) if span.parent_id else None
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=parent,
        resource=resource,
        attributes={k: v for k, v in span.attributes.items() if v not in ("", [])},
        kind=SpanKind.CLIENT if span.outward else SpanKind.INTERNAL,
        status=Status(StatusCode.OK) if span.ok else Status(StatusCode.ERROR, span.error),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=scope,
    )


def metrics(
    readings: Sequence[Reading], resource: Resource, scope: InstrumentationScope
) -> MetricsData:
    """What gauges showed together."""
    made = [
        Metric(
            name=one.name,
            description=one.description,
            unit=one.unit,
            data=Gauge([NumberDataPoint({}, 0, one.at_ns, one.value)]),
        )
        for one in readings
    ]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, made, "")], "")])


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)


def parse_headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, values percent-encoded, as `OTEL_EXPORTER_OTLP_HEADERS` has them.

    Errors: ConfigInvalid, which does not repeat what was given.
    """
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = part.partition("=")
        name, value = name.strip().lower(), unquote(value.strip())
        sound = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not equals or not sound or not value.isprintable() or not value.isascii():
            raise ConfigInvalid(
                "the headers named by `telemetry.headers_env` are `name=value,name=value`"
            )
        found[name] = value
    return found
