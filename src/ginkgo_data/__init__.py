# Upstream:
# Downstream:
# Role: The map of the package, and its public names, loaded when first used
"""Market-data collection worker of the Ginkgo quant platform."""
