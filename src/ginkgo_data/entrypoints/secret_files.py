# Upstream: entrypoints.{environment_layer, gconf, upstream_names}
# Downstream: entrypoints.given
# Role: A secret of the environment: as its value, or as the file that `NAME_FILE` names
"""Container runtimes hand secrets over as files; ``NAME_FILE`` names the file of the secret that ``NAME`` would be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ginkgo_data.entrypoints.given import Fault, Given, Reading

SUFFIX = "_FILE"
LARGEST = 64 * 1024


def secret_of(name: str, env: Mapping[str, str], key: str, reading: Reading) -> Given | None:
    """Return the secret that `name` or its file gives, None without either; what is wrong goes to `reading`.

    The end of the file's last line does not count.
    """
    value, file = env.get(name), env.get(name + SUFFIX)
    origin = f"environment {name}"
    if not file:
        return Given(value, origin) if value else None
    found = _content(Path(file), f"{origin}{SUFFIX}", key, reading)
    if found is None:
        return Given(value, origin) if value else None
    if value and value != found:
        text = f"{name} and {name}{SUFFIX} are both given and differ; allowed: one of them"
        reading.faults.append(Fault(origin, key, text, f"{name} counts"))
        return Given(value, origin)
    return Given(found, f"{origin}{SUFFIX} ({file})")


def _content(path: Path, origin: str, key: str, reading: Reading) -> str | None:
    reading.files.append(path)
    try:
        with path.expanduser().open("rb") as file:
            text = file.read(LARGEST + 1).decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        reading.faults.append(Fault(origin, key, f"the file {str(path)!r} cannot be read: {reason}"))
        return None
    if not text or len(text) > LARGEST:
        size = "is empty" if not text else f"is larger than {LARGEST} bytes"
        reading.faults.append(Fault(origin, key, f"the file {str(path)!r} {size}; allowed: a file with the secret"))
        return None
    return text
