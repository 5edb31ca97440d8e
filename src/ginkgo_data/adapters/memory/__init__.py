# Upstream: none
# Downstream: none
# Role: In-memory adapters of every port: for tests, dry runs and hosts without servers
"""Real behaviour in memory, no knobs; what happened can be read."""
