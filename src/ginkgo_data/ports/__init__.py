# Upstream: none
# Downstream: none
# Role: The interfaces of the core: small Protocols, one role a file, no logic
"""Ports. Adapters do not inherit from them; conformance is pinned by `tests/typing` and the contract suites."""
