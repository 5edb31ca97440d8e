# Upstream: adapters.files.{archive, tick_source}
# Downstream: domain.model.errors, pyarrow
# Role: What the operating system and the decoders say about a file, in our errors
"""Translation of foreign errors at the edge of the file family."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from ginkgo_data.domain.model.errors import SchemaMismatch, SourceUnavailable

_DECODERS = (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


@contextmanager
def reading(origin: str) -> Iterator[None]:
    """Translate what goes wrong while `origin` is read.

    Raises `SourceUnavailable` where the file is gone or cannot be opened (again may help), `SchemaMismatch` where its
    bytes are not what its name promises.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise SourceUnavailable(f"{origin} has disappeared") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, *_DECODERS) as error:
        raise SchemaMismatch(f"{origin} cannot be read: {error}") from error
    except OSError as error:
        raise SourceUnavailable(f"{origin} cannot be read: {error.strerror or error}") from error
