# Upstream: adapters.clickhouse
# Downstream: numpy, pyarrow
# Role: Row ids of the ginkgo layout: a UUIDv7 tells when its row was fetched, and which row of a key is the newest
"""UUIDs of version 7 as 32 hexadecimal digits, many at a time.

48 bits of milliseconds, 12 bits of the microsecond within (RFC 9562, method 3), 14 bits of a counter, 48 bits of
chance. Texts of one version compare as their fetch times do, and of one fetch time as their counters. Ids of any
other make (upstream's are random, version 4) say nothing of time: they count as version 0 and lose to ours.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LATEST = (1 << 48) * 1000 - 1
"""The greatest version (microseconds since 1970) that fits."""

LARGEST_COUNTER = (1 << 14) - 1
DIGITS = 32

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_OURS = "^[0-9a-f]{12}7[0-9a-f]{19}$"
OURS = f"match(uuid, '{_OURS}')"
"""The condition of `are_ours`, in SQL."""

_VALUES = np.zeros(256, np.uint64)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def new_ids(versions: Longs, counters: Longs) -> pa.Array:
    """Return an id for each version (0 … `LATEST`) and counter (0 … `LARGEST_COUNTER`)."""
    rows = len(versions)
    milliseconds, within = np.divmod(versions, 1000)
    fine = -(-within * 4096 // 1000)  # rounded up, so that rounding down gives the microsecond back
    words = np.empty((rows, 2), ">u8")
    words[:, 0] = (milliseconds << 16) | (7 << 12) | fine
    words[:, 1] = (np.int64(2) << 14 | counters).astype(np.uint64) << np.uint64(48)
    data = words.view(np.uint8).reshape(rows, 16)
    data[:, 10:] = np.frombuffer(os.urandom(6 * rows), np.uint8).reshape(rows, 6)
    return _texts(data)


def new_list_id(version: int, counter: int) -> str:
    """Return what the ids of one list of ticks begin with: its version, its counter, 16 bits of chance."""
    chance = int.from_bytes(os.urandom(2), "big")
    return f"{least_id(version)}{2 << 14 | counter:04x}{chance:04x}"


def place_ids(list_id: str, places: npt.NDArray[np.uint32]) -> pa.Array:
    """Return an id for each place in a list: unlike `new_ids`, its last 32 bits are the place."""
    data = np.empty((len(places), 16), np.uint8)
    data[:, :12] = np.frombuffer(bytes.fromhex(list_id), np.uint8)
    data[:, 12:] = places.astype(">u4").view(np.uint8).reshape(-1, 4)
    return _texts(data)


def read_list_id(list_id: str) -> tuple[int, int]:
    """Return version and counter of a list; of the empty text (rows of another program), 0 and 0."""
    if not list_id:
        return 0, 0
    return int(list_id[:12], 16) * 1000 + int(list_id[13:16], 16) * 1000 // 4096, int(list_id[16:20], 16) & 0x3FFF


def least_id(version: int) -> str:
    """Return the text below which no id of `version` or of a later one lies."""
    milliseconds, within = divmod(min(max(version, 0), LATEST), 1000)
    return f"{milliseconds:012x}7{-(-within * 4096 // 1000):03x}"


def are_ours(ids: pa.ChunkedArray) -> Flags:
    """Return which `ids` are of version 7."""
    flags: Flags = pc.match_substring_regex(ids, _OURS).to_numpy(zero_copy_only=False)
    return flags


def read_ids(ids: pa.ChunkedArray) -> tuple[Longs, Longs]:
    """Return version and counter of each id; of one that is not ours, 0 and 0."""
    words = id_words(ids)
    fine = (words[:, 0] & np.uint64(0xFFF)).astype(np.int64)
    versions = (words[:, 0] >> np.uint64(16)).astype(np.int64) * 1000 + fine * 1000 // 4096
    counters = (words[:, 1] >> np.uint64(48)).astype(np.int64) & LARGEST_COUNTER
    return versions, counters


def id_words(ids: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return each id as two 64-bit words (rows x 2), which order as the texts do; of one that is not ours, zeros."""
    ours = are_ours(ids)
    words = np.zeros((len(ids), 2), np.uint64)
    if ours.any():
        texts = b"".join(chunk.cast(pa.binary()).buffers()[2] or b"" for chunk in _compact(ids, ours).chunks)
        digits = _VALUES[np.frombuffer(texts, np.uint8)].reshape(-1, DIGITS)
        found = np.zeros((len(digits), 2), np.uint64)
        for place in range(DIGITS):
            found[:, place // 16] = found[:, place // 16] << np.uint64(4) | digits[:, place]
        words[ours] = found
    return words


def _texts(data: npt.NDArray[np.uint8]) -> pa.Array:
    """Return ids of 16 bytes as text."""
    offsets = np.arange(len(data) + 1, dtype=np.int32) * DIGITS
    text = data.tobytes().hex().encode()
    return pa.Array.from_buffers(pa.string(), len(data), [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _compact(ids: pa.ChunkedArray, mask: Flags) -> pa.ChunkedArray:
    """Return the ids under `mask` in chunks whose buffers hold nothing else."""
    return pa.chunked_array([ids.filter(pa.array(mask)).cast(pa.string()).combine_chunks()], pa.string())
