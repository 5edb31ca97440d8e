# Upstream: adapters.gtm.{bar_source, reference_source}
# Downstream: domain.model.fetch
# Role: What an exception of a host's source means: an Unknown with its reason
"""The exception map of the family.

A host's source has tried several times before it raises, and what it raises is its vendor library's: the words of
Tushare tell quota, token and permission apart; a fault of the host's own code is refused rather than tried for a day.
"""

from __future__ import annotations

import re

from ginkgo_data.domain.model.fetch import Unknown, UnknownReason

_QUOTA = re.compile(r"每(?:分钟|小时|天)最多访问|频率超限")
_TOKEN = re.compile(r"token\s*(?:不对|无效|错误|过期|失效|不存在)|(?:invalid|bad|expired)\s+token", re.IGNORECASE)
_PERMISSION = re.compile(r"没有.{0,20}权限|权限不足|积分不足|积分不够|无权")
_SECRET = re.compile(r"[0-9A-Za-z_-]{32,}")
_LONGEST = 300
_FAULTS = (TypeError, AttributeError, LookupError, NameError, NotImplementedError, ArithmeticError)
MINUTE = 60.0


def unknown_of(what: str, error: BaseException) -> Unknown:
    """Return what `error` means; what may be a token does not show in it."""
    text = _SECRET.sub("***", str(error))[:_LONGEST]
    detail = f"{what}: {type(error).__name__}: {text}"
    if _QUOTA.search(text):
        return Unknown(UnknownReason.RATE_LIMITED, detail, retry_after=MINUTE)
    if _TOKEN.search(text):
        return Unknown(UnknownReason.BAD_TOKEN, detail)
    if _PERMISSION.search(text):
        return Unknown(UnknownReason.NO_PERMISSION, detail)
    if isinstance(error, _FAULTS):
        return Unknown(UnknownReason.REFUSED, detail)
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return Unknown(UnknownReason.TIMED_OUT, detail)
    return Unknown(UnknownReason.UNREACHABLE, detail)
