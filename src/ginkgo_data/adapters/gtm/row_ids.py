# Upstream: adapters.gtm.{bar_repository, host_rows}
# Downstream: none
# Role: Ids of rows that we write through a host: a UUIDv7 tells when its row was fetched
"""Row ids, one at a time, in the format of the ginkgo layout: each reads what the other has written.

32 hexadecimal digits: 48 bits of milliseconds, 12 bits of the microsecond within (RFC 9562, method 3), 14 bits of a
counter, 48 bits of chance. An id of any other make says nothing of time: version 0, and any of ours is greater.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

LATEST = (1 << 48) * 1000 - 1
"""The greatest version (microseconds since 1970) that fits."""
LARGEST_COUNTER = (1 << 14) - 1

_OURS = re.compile(r"[0-9a-f]{12}7[0-9a-f]{19}")


class Rank(NamedTuple):
    """Which of the rows of one key holds: the greatest rank."""

    ours: bool
    version: int
    """Microsecond at which the row was asked for; 0 where the id is not ours."""
    counter: int
    """Among rows of one version, the later write has the greater one."""
    uuid: str


def new_id(version: int, counter: int = 0) -> str:
    """Return an id for `version` (0 … `LATEST`) and `counter` (0 … `LARGEST_COUNTER`)."""
    milliseconds, within = divmod(version, 1000)
    fine = -(-within * 4096 // 1000)  # rounded up, so that rounding down gives the microsecond back
    return f"{milliseconds:012x}7{fine:03x}{2 << 14 | counter:04x}{secrets.token_hex(6)}"


def rank_of(uuid: str) -> Rank:
    """Return the rank of the row that has this id."""
    if not _OURS.fullmatch(uuid):
        return Rank(False, 0, 0, uuid)
    version = int(uuid[:12], 16) * 1000 + int(uuid[13:16], 16) * 1000 // 4096
    return Rank(True, version, int(uuid[16:20], 16) & LARGEST_COUNTER, uuid)
