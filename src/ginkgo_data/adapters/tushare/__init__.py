# Upstream: none
# Downstream: none
# Role: The Tushare family: its HTTP API as sources
"""Tushare."""
