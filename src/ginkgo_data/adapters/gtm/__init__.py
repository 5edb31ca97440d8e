# Upstream: none
# Downstream: none
# Role: Adapter family gtm: ports served by the objects of a host program such as Ginkgo
"""The host's own objects behind our ports: its BarCRUD, its data sources, its logger.

Nothing of the host is imported: it hands its objects over, and `host` says what they must have. Rows of the host are
Python objects, one each; that is the one place where bars are not columns. docs/gtm.md says what each object can
promise and what it cannot.
"""
