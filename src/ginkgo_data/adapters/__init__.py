# Upstream: none
# Downstream: none
# Role: The outside world, one family per technology; families do not know each other
"""Adapters."""
