# Upstream: none
# Downstream: none
# Role: The ClickHouse family: server or embedded engine through one client
"""ClickHouse."""
