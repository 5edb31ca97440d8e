# Upstream: none
# Downstream: none
# Role: The Kafka family; importing it loads no client
"""Kafka."""
