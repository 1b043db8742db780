"""A collector for tests: takes OTLP over HTTP on a free port and keeps the decoded spans."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """`with Receiver() as receiver:` listens at `receiver.url` until the block ends."""

    def __init__(self, status=200):
        self.status = status
        self.requests: list[tuple[str, ExportTraceServiceRequest]] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.headers.append({k.lower(): v for k, v in self.headers.items()})
                if self.path.endswith("/metrics"):
                    receiver.metrics.append(ExportMetricsServiceRequest.FromString(body))
                else:
                    found = ExportTraceServiceRequest.FromString(body)
                    receiver.requests.append((self.path, found))
                self.send_response(receiver.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self.metrics_url = f"http://127.0.0.1:{self._server.server_port}/v1/metrics"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def measured(self):
        """Every reading received: name, unit, value, in order."""
        return [
            (metric.name, metric.unit, point.as_double or point.as_int)
            for request in list(self.metrics)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.gauge.data_points
        ]

    @property
    def spans(self):
        """Every span received, decoded."""
        return [
            span
            for _, request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def attributes(span):
    """A span's attributes as plain values."""
    found = {}
    for item in span.attributes:
        kind = item.value.WhichOneof("value")
        value = getattr(item.value, kind)
        if kind == "array_value":
            value = [entry.string_value for entry in value.values]
        found[item.key] = value
    return found
