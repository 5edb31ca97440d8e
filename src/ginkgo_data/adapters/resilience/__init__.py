# Upstream:
# Downstream:
# Role: Ports wrapped in the same port: retried calls
"""Resilience."""
