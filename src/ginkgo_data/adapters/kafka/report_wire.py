# Upstream: adapters.kafka.notifications, entrypoints.{contracts, request_watch, show_quality}
# Downstream: adapters.kafka.{command_shapes, wire_json}, domain.model.{errors, quality}, pydantic
# Role: Quality reports as JSON objects and back, for the notification topic and the store
"""A report on the wire has the names of `DataQualityReport`, but for `STORED_ONLY`.

The specification's `records_expected, records_actual, records_failed, records_skipped, success_rate, anomalies,
duration_seconds` stand at the top like all others; `window` is a list of two days, `worst` one of [code, count].
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pydantic import TypeAdapter, ValidationError

from ginkgo_data.adapters.kafka.command_shapes import faults_in
from ginkgo_data.adapters.kafka.wire_json import Json, plain, shown
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import DataQualityReport

REPORT_KEY = "data_worker_quality_report"
"""`type` of a report and key of its Kafka record."""

STORED_ONLY = ("second_opinion",)
"""Fields of ours that the specification does not know; what they say is among a report's notes and anomalies, too."""

_RATES = ("success_rate", "missing_rate", "duration_seconds")


@cache
def _report() -> TypeAdapter[DataQualityReport]:
    """Made with the first report: a start does not wait for it."""
    return TypeAdapter(DataQualityReport)


def encode_report(report: DataQualityReport) -> Json:
    """Return `report` as strict JSON; `decode_report` gives it back without `STORED_ONLY`.

    A rate that is no finite number is null.
    """
    fields = plain(report)
    assert isinstance(fields, dict)
    return {"type": REPORT_KEY, **{name: value for name, value in fields.items() if name not in STORED_ONLY}}


def report_schema() -> Json:
    """Return the JSON Schema of what `encode_report` returns: its keys and no others, with their types."""
    schema = _report().json_schema(mode="serialization")
    del schema["$defs"]["Agreement"]
    properties = {name: value for name, value in schema["properties"].items() if name not in STORED_ONLY}
    for name in _RATES:
        properties[name] = {"anyOf": [{"type": "number"}, {"type": "null"}], "title": properties[name]["title"]}
    properties = {"type": {"const": REPORT_KEY, "title": "Type"}, **properties}
    for part in (schema, *schema["$defs"].values()):
        if part.get("type") == "object":
            part["required"] = list(properties if part is schema else part["properties"])
            part["additionalProperties"] = False
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": REPORT_KEY}
    return {**head, **{key: value for key, value in schema.items() if key != "title"}, "properties": properties}


def decode_report(message: Mapping[str, object]) -> DataQualityReport:
    """Return the report that `message` is; a rate that is null is NaN. Raises `SchemaMismatch` naming the keys."""
    if message.get("type") != REPORT_KEY:
        raise SchemaMismatch(f"type is {shown(message.get('type'))}; allowed: {REPORT_KEY!r}")
    numbers = {name: float("nan") for name in _RATES if name in message and message[name] is None}
    try:
        return _report().validate_python({**message, **numbers})
    except ValidationError as bad:
        raise SchemaMismatch(f"not a quality report: {faults_in(bad)}") from bad
