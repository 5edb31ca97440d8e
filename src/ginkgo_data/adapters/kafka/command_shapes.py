# Upstream: adapters.kafka.{command_params, heartbeat_wire, report_wire, wire}, entrypoints.contracts
# Downstream: adapters.kafka.{command_fields, field_schemas, wire_json}, domain.model, pydantic
# Role: Shapes of command parameters, with both of the wire's names for each
"""One pydantic shape per kind of command; keys that a shape does not know are ignored.

Upstream and its specification name the same thing differently (`code` or `codes`, `force` or `overwrite`,
`start_date` or `start`): both names are read.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, WithJsonSchema, model_validator

from ginkgo_data.adapters.kafka import field_schemas
from ginkgo_data.adapters.kafka.command_fields import (
    EVERYTHING,
    codes_of,
    day_of,
    flag_of,
    hours_of,
    sessions_of,
    text_of,
    word_of,
)
from ginkgo_data.adapters.kafka.wire_json import shown
from ginkgo_data.domain.model.commands import Codes, CollectAdjustmentFactors, CollectBars, CollectTicks, SyncSecurities
from ginkgo_data.domain.model.errors import MalformedCommand
from ginkgo_data.domain.model.series import Adjust, Frequency, Series

UPDATE_SESSIONS = 5
"""Sessions that a plain `update_data` looks back."""
SELECTOR_MAX_AGE_HOURS = 12.0
"""`update_selector` arrives hourly; the universe is asked for again only after this long."""

CodesField: TypeAlias = Annotated[tuple[str, ...] | None, PlainValidator(codes_of), WithJsonSchema(field_schemas.CODES)]
DayField: TypeAlias = Annotated[date | None, PlainValidator(day_of), WithJsonSchema(field_schemas.DAY)]
FlagField: TypeAlias = Annotated[bool, PlainValidator(flag_of), WithJsonSchema(field_schemas.FLAG)]
FrequencyField: TypeAlias = Annotated[
    Frequency | None,
    PlainValidator(partial(word_of, Frequency)),
    WithJsonSchema(field_schemas.word_of(Frequency, "Length of a bar; 1d where left out.")),
]
AdjustField: TypeAlias = Annotated[
    Adjust | None,
    PlainValidator(partial(word_of, Adjust)),
    WithJsonSchema(field_schemas.word_of(Adjust, "Price adjustment; none where left out.")),
]
_A_CODE = ConfigDict(json_schema_extra={"anyOf": [{"required": ["code"]}, {"required": ["codes"]}]})


class WireShape(BaseModel):
    """A shape of the wire: extra keys are ignored."""

    # Built with the first command: a start does not wait for it.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    def _either(self, first: str, second: str) -> str:
        """Return the name of the key that was given of two that mean the same; `first` where neither was."""
        one, other = getattr(self, first), getattr(self, second)
        if one is not None and other is not None and one != other:
            raise ValueError(f"{first} and {second} are both given and differ; allowed: one of them")
        return second if one is None and other is not None else first


class Selection(WireShape):
    """Which codes: one name or the other."""

    code: CodesField = None
    codes: CodesField = None

    @property
    def chosen(self) -> tuple[str, ...] | None:
        """Codes, `EVERYTHING`, or None where none were named."""
        return self.codes if self.code is None else self.code

    @model_validator(mode="after")
    def _one_selection(self) -> Selection:
        self._either("code", "codes")
        return self

    def required(self) -> Codes:
        """Return the codes; raise `MalformedCommand` where none were named."""
        if self.chosen is None:
            raise MalformedCommand('params.code: missing; allowed: a code, a list of codes, or "*" for every security')
        return None if self.chosen == EVERYTHING else self.chosen


class Range(WireShape):
    """From which day to which, both included."""

    start_date: DayField = None
    start: DayField = None
    end_date: DayField = None
    end: DayField = None

    @property
    def first(self) -> date | None:
        """The first day, where given."""
        return self.start if self.start_date is None else self.start_date

    @property
    def last(self) -> date | None:
        """The last day, where given."""
        return self.end if self.end_date is None else self.end_date

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        first, last = self._either("start_date", "start"), self._either("end_date", "end")
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"{first} {self.first} is after {last} {self.last}; allowed: a start not after the end")
        return self


class Flags(WireShape):
    """How thoroughly."""

    full: FlagField = False
    force: FlagField = False
    overwrite: FlagField = False

    @property
    def again(self) -> bool:
        """Whether what is held is fetched again: upstream says `force` for bars and `overwrite` for ticks."""
        return self.force or self.overwrite


class BarParams(Selection, Range, Flags):
    """Parameters of `bar_snapshot` and `update_data`."""

    frequency: FrequencyField = None
    adjust_type: AdjustField = None
    adjust: AdjustField = None
    days: Annotated[int | None, PlainValidator(sessions_of), WithJsonSchema(field_schemas.SESSIONS)] = None

    @model_validator(mode="after")
    def _whole_market_by_name(self) -> BarParams:
        self._either("adjust_type", "adjust")
        if self.chosen is None and (self.full or self.again):
            which = "full" if self.full else "force"
            raise ValueError(
                f'{which} without codes; allowed: {which} with codes, or with codes ["*"] for every security'
            )
        return self

    def command(self, word: str) -> CollectBars:
        """Return the command that `word` and these parameters ask for."""
        sessions = self.days
        if word == "update_data" and sessions is None and self.first is None and self.last is None:
            sessions = UPDATE_SESSIONS
        return CollectBars(
            codes=None if self.chosen in (None, EVERYTHING) else self.chosen,
            series=Series(self.frequency or Frequency.DAY, self.adjust_type or self.adjust or Adjust.NONE),
            start=self.first,
            end=self.last,
            sessions=sessions,
            full=self.full,
            force=self.again,
            bare=self.chosen is None,
            word=word,
        )


class AdjustmentParams(Selection, Flags):
    """Parameters of `adjustfactor`."""

    model_config = _A_CODE

    def command(self) -> CollectAdjustmentFactors:
        """Return the command; without a code it is malformed, as it is upstream."""
        return CollectAdjustmentFactors(codes=self.required(), full=self.full, force=self.again)


class TickParams(Selection, Range, Flags):
    """Parameters of `tick`."""

    model_config = _A_CODE

    def command(self) -> CollectTicks:
        """Return the command; without a code it is malformed, as it is upstream."""
        return CollectTicks(self.required(), full=self.full, overwrite=self.again, start=self.first, end=self.last)


class SecuritiesParams(WireShape):
    """Parameters of `stockinfo` and `update_selector`."""

    market: Annotated[str | None, PlainValidator(text_of), WithJsonSchema(field_schemas.TEXT)] = None
    """The vendor's word for a board; all where left out."""
    max_age_hours: Annotated[float | None, PlainValidator(hours_of), WithJsonSchema(field_schemas.HOURS)] = None
    """Only if the last refresh is older; `update_selector` has 12 where it is left out."""

    def command(self, word: str) -> SyncSecurities:
        """Return the command that `word` and these parameters ask for."""
        age = self.max_age_hours
        if word == "update_selector" and age is None:
            age = SELECTOR_MAX_AGE_HOURS
        return SyncSecurities(market=self.market, max_age_hours=age, word=word)


def faults_in(error: ValidationError, place: str = "") -> str:
    """Return every fault in one text: ``params.days: 0 is no count …``."""
    faults = []
    for fault in error.errors(include_url=False):
        where = ".".join([place] * bool(place) + [str(part) for part in fault["loc"]])
        cause = fault.get("ctx", {}).get("error")
        found = "missing" if fault["type"] == "missing" else f"{fault['msg']}, found {shown(fault['input'])}"
        text = found if cause is None else str(cause)
        faults.append(f"{where}: {text}" if where else text)
    return "; ".join(faults)
