# Upstream: none
# Downstream: none
# Role: The host: its clock
"""The host."""
