# Upstream: entrypoints.settings
# Downstream: entrypoints.sections, pydantic
# Role: Sections of the configuration about watching a worker: its page, and traces of its steps
"""Sections health and tracing."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from ginkgo_data.entrypoints.sections import Seconds, Section


def _no_port(value: object) -> object:
    return 0 if value is None else value


class HealthSettings(Section):
    """The page of `worker start`: /healthz, /readyz and /metrics on one port."""

    port: Annotated[int, BeforeValidator(_no_port)] = Field(default=8080, ge=0, le=65_535)
    """Port of the page; 0 or null: none. Workers of one host, outside containers, need one each."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on. The page asks nobody for a password, so it is this host's alone; ``0.0.0.0`` in a
    container, whose network is its own, lets Prometheus and probes in."""
    wedged_after: Seconds = 50.0
    """Seconds without a move of the loop, or without the return of a vendor's call, after which the worker is
    unhealthy."""


class TracingSettings(Section):
    """Spans of rounds, commands, vendor calls and inserts, sent as OpenTelemetry's OTLP over HTTP."""

    otlp_endpoint: str | None = None
    """Where spans are sent, such as ``http://collector:4318/v1/traces``; none when left out. Needs
    ginkgo-data[otel]."""

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no address; allowed: http://host:port/path, https://host:port/path")
        return value
