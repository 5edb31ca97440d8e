# Upstream: entrypoints.data_sections
# Downstream: domain.services.rule_tuning, pydantic, pydantic_core
# Role: The keys below quality.rules, checked against the table of rules, each fault at its own place
"""A mapping of rule ids to what is said of them: which keys there are, the table of rules knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError
from pydantic_core import InitErrorDetails

from ginkgo_data.domain.services.rule_tuning import tuning


def _as_said(value: object) -> object:
    """Return texts of the environment as the numbers and switches that they are."""
    if isinstance(value, Mapping):
        return {str(name): _as_said(below) for name, below in value.items()}
    if isinstance(value, str):
        try:
            plain = json.loads(value)
        except ValueError:
            return value
        return plain if isinstance(plain, bool | int | float) else value
    return value


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    said = {rule_id: _as_said(keys) for rule_id, keys in given.items()}
    _, misfits = tuning(said)
    if misfits:
        faults = [
            InitErrorDetails(type="value_error", loc=m.path, input=m.found, ctx={"error": ValueError(m.text)})
            for m in misfits
        ]
        raise ValidationError.from_exception_data("rules", faults)
    return said


Rules = Annotated[dict[str, Any], AfterValidator(_checked)]
