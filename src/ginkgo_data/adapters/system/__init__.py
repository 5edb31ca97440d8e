# Upstream:
# Downstream:
# Role: The host: its clock
"""The host."""
