# Upstream:
# Downstream:
# Role: The Kafka family; importing it loads no client
"""Kafka."""
