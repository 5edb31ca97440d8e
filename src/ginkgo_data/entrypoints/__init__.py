# Upstream:
# Downstream:
# Role: Ways in: library, worker, command line
"""Ways in."""
