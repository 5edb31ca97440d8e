"""Real market data kept beside the checkout; tests that need it skip where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def needs_shared(test):
    """Mark a test (or class) that reads `SHARED`."""
    reason = f"the shared real data is not at {SHARED.parent.name}/data"
    skipped = pytest.mark.skipif(not SHARED.is_dir(), reason=reason)
    return pytest.mark.shared_data(skipped(test))
