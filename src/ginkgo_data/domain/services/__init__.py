# Upstream: none
# Downstream: none
# Role: Verbs of the domain: decisions without ports, and use cases that hold ports
"""Decisions and use cases."""
