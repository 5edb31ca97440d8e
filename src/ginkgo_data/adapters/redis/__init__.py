# Upstream: none
# Downstream: none
# Role: The Redis family; importing it loads no client
"""Redis: what the fleet shares for seconds. It may be away: work goes on without it."""
