# Upstream: adapters.files.tables
# Downstream: none
# Role: Opening a text table, packed or not, and telling its encoding
"""Tables are UTF-8, GBK (read as its superset GB18030) or, with a byte order mark, UTF-16."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

ENCODINGS: Final = "UTF-8, GBK (GB18030), UTF-16 with a byte order mark"
"""What a table may be written in, for messages."""

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK = 1 << 20
_SPOOLED_BYTES = 64 << 20


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a table to read its bytes, unpacked; those of a UTF-16 file as UTF-8 (what cannot be decoded replaced)."""
    with cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb") as file:
        wide = file.read(2) in _UTF_16
        file.seek(0)
        if not wide:
            yield file
            return
        # A piece of a file is found by its offset, so the UTF-8 must be somewhere: large files go to the disk.
        with SpooledTemporaryFile(_SPOOLED_BYTES) as narrow:
            decoder = codecs.getincrementaldecoder("utf-16")("replace")
            while chunk := file.read(_CHUNK):
                narrow.write(decoder.decode(chunk).encode())
            narrow.write(decoder.decode(b"", final=True).encode())
            narrow.seek(0)
            yield cast("BinaryIO", narrow)


def encoding_of(header: bytes, rest: BinaryIO) -> str | None:
    """Return None for clean UTF-8, else what to decode from."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(header, final=True)
    except UnicodeDecodeError:
        return "gb18030"
    try:
        while chunk := rest.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "utf-8" if not header.isascii() else "gb18030"
    return None
