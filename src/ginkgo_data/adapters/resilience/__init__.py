# Upstream: none
# Downstream: none
# Role: Ports wrapped in the same port: retried calls
"""Resilience."""
