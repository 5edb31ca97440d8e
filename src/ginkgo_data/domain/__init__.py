# Upstream:
# Downstream:
# Role: The pure core, with its glossary
"""The pure core."""
