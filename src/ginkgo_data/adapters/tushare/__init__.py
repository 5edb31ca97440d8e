# Upstream:
# Downstream:
# Role: The Tushare family: its HTTP API as sources
"""Tushare."""
