# Upstream: none
# Downstream: none
# Role: Ports wrapped in the same port: counted and measured
"""Observing."""
