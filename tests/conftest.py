"""What all tests share: assertions of contract suites explain themselves."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("contracts", "support")
