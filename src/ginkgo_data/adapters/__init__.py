# Upstream:
# Downstream:
# Role: The outside world, one family per technology; families do not know each other
"""Adapters."""
