# Upstream: none
# Downstream: none
# Role: OpenTelemetry: steps as spans, sent as OTLP over HTTP
"""Traces for OpenTelemetry (extra `otel`)."""
