# Upstream: none
# Downstream: none
# Role: Ways in: library, worker, command line
"""Ways in."""
