# Upstream: none
# Downstream: none
# Role: Values of the domain: standard library, pyarrow and numpy only
"""Values: frozen, without side effects, without ports."""
