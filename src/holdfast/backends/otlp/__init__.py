"""Spans and gauges over OTLP/HTTP to any OpenTelemetry collector. Needs the extra `otel`."""
