# Upstream: none
# Downstream: none
# Role: The calendar family: a package, a stored calendar, and both together
"""Trading calendars."""
