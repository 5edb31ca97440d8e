# Upstream: none
# Downstream: none
# Role: Prometheus: a registry per worker, and its page
"""Metrics for Prometheus (prometheus-client)."""
