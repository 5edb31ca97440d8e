# Upstream: adapters.tushare.client
# Downstream: adapters.tushare.apis, pyarrow
# Role: Reading a reply of Tushare: its envelope, its pages, and Arrow columns of its items
"""A reply is ``{code, msg, data: {fields: [...], items: [[...], ...], has_more}}``, also when it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ginkgo_data.adapters.tushare.apis import Api

Item = Sequence[object]


class MalformedReply(Exception):
    """A body that is no reply; the message says why. Never leaves the client."""


@dataclass(frozen=True, slots=True)
class Page:
    """The items of one reply, in the order of the api's fields; `has_more` is None where nothing is said."""

    items: list[Item]
    has_more: bool | None


@dataclass(frozen=True, slots=True)
class Denied:
    """A reply whose code is not 0."""

    code: object
    message: str


def read_reply(api: Api, body: bytes) -> Page | Denied:
    """Return what `body` says; raises `MalformedReply` when it is no reply to `api`."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedReply("not JSON") from error
    if not isinstance(reply, dict) or "code" not in reply:
        raise MalformedReply("no object with a code")
    if reply["code"] != 0:
        return Denied(reply["code"], str(reply.get("msg")))
    data = reply.get("data")
    if not isinstance(data, dict):
        raise MalformedReply(f"data is {type(data).__name__}, must be an object")
    more = data.get("has_more")
    return Page(_items(api, data.get("fields"), data.get("items")), None if more is None else bool(more))


def _items(api: Api, fields: object, items: object) -> list[Item]:
    if not isinstance(fields, list) or not isinstance(items, list):
        raise MalformedReply("fields and items must be lists")
    missing = [name for name in api.fields if name not in fields]
    if missing:
        raise MalformedReply(f"fields {', '.join(missing)} are missing")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, list) or len(item) != len(fields):
            raise MalformedReply(f"item {number} is not a list of {len(fields)} values")
    if not items or tuple(fields) == api.fields:
        return items
    columns = list(zip(*items, strict=True))
    return list(zip(*(columns[fields.index(name)] for name in api.fields), strict=True))


def arrow_table(api: Api, items: Sequence[Item]) -> pa.Table:
    """Return `items` as columns: texts as strings; numbers as float64, or as strings where one is no number.

    A column of numbers that comes as strings is for `columns.numbers` to read, value by value.
    """
    values: Iterable[Item] = zip(*items, strict=True) if items else [()] * len(api.fields)
    columns = [
        _text_array(column) if name in api.texts else _number_array(column)
        for name, column in zip(api.fields, values, strict=True)
    ]
    return pa.table(columns, names=list(api.fields))


def _text_array(values: Item) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([value if value is None else str(value) for value in values], pa.string())


def _number_array(values: Item) -> pa.Array:
    try:
        return pa.array(values, pa.float64())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return _text_array(values)
