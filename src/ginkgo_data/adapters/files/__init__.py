# Upstream: none
# Downstream: none
# Role: The file family: CSV, Parquet and TDX archives as sources
"""Archives on disk."""
