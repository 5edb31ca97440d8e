"""Row ids of the ginkgo layout: UUIDs of version 7 that say when a row was fetched."""

from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa

from ginkgo_data.adapters.clickhouse.uuid7 import LARGEST_COUNTER, LATEST, are_ours, least_id, new_ids, read_ids

NOW = 1_705_000_000_123_456


def ids(versions: list[int], counters: list[int] | None = None) -> pa.ChunkedArray:
    made = new_ids(np.array(versions, np.int64), np.array(counters or [0] * len(versions), np.int64))
    return pa.chunked_array([made])


def test_an_id_is_a_uuid_of_version_7_with_the_milliseconds_of_its_fetch():
    parsed = uuid.UUID(ids([NOW])[0].as_py())
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == NOW // 1000


def test_every_microsecond_comes_back_and_so_does_the_counter():
    versions = [NOW - NOW % 1000 + within for within in range(1000)] + [0, 1, 7, LATEST]
    counters = [number % (LARGEST_COUNTER + 1) for number in range(0, 17 * len(versions), 17)]
    read = read_ids(ids(versions, counters))
    assert read[0].tolist() == versions
    assert read[1].tolist() == counters


def test_ids_sort_as_texts_by_fetch_and_of_one_fetch_by_counter():
    order = [(5, 0), (5, 1), (5, LARGEST_COUNTER), (6, 0), (NOW, 0), (NOW + 1, 0), (NOW + 1, 1), (LATEST, 0)]
    texts = ids([v for v, _ in order], [c for _, c in order]).to_pylist()
    assert texts == sorted(texts)


def test_ids_of_one_fetch_differ():
    assert len(set(ids([NOW] * 1000).to_pylist())) == 1000


def test_no_id_of_a_version_or_a_later_one_lies_below_its_least():
    for version in (1, NOW, NOW + 1):
        assert ids([version - 1], [LARGEST_COUNTER])[0].as_py() < least_id(version) <= ids([version])[0].as_py()


def test_other_programs_ids_are_not_ours_and_have_version_0():
    foreign = pa.chunked_array(
        [[uuid.uuid4().hex, "", "bar", "Z" * 32, str(uuid.uuid4())], ids([NOW])[0:1].to_pylist()]
    )
    assert are_ours(foreign).tolist() == [False] * 5 + [True]
    assert read_ids(foreign)[0].tolist() == [0] * 5 + [NOW]
    assert read_ids(foreign.slice(0, 5))[0].tolist() == [0] * 5
    assert read_ids(pa.chunked_array([], pa.string()))[0].tolist() == []


def test_no_ids_for_no_rows():
    assert ids([]).to_pylist() == []
