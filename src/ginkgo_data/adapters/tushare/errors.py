# Upstream: adapters.tushare.client
# Downstream: domain.model.fetch, httpx
# Role: What a failed call of Tushare means: exceptions, HTTP statuses and refusals
"""The exception map of the family. Every failure is some `UnknownReason`; no failure is ever "no data".

Tushare refuses with HTTP 200 and a code, but one code (40203) stands for both "too often" and "not
permitted", so a refusal is read by its message, in the order quota, token, permission, passing trouble,
anything else. The sentences on quota and permission share their beginning, and the one on quota names
permissions too: the order matters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from ginkgo_data.domain.model.fetch import UnknownReason

# Plain texts, which `re` compiles and keeps when they are first needed: a start does not wait for that.
_QUOTA = r"每(分钟|小时|天)最多访问|频率超限(?:[(（]\d+次/(分钟|小时|天))?"
_QUOTA_COUNT = r"最多访问\D{0,8}(\d+)次|频率超限[(（](\d+)次"
_TOKEN = r"token\s*(?:不对|无效|错误|过期|失效|不存在)|(?:invalid|bad|expired)\s+token"
_PERMISSION = r"没有.{0,20}权限|权限不足|积分不足|积分不够|无权"
_PASSING = r"稍后|系统.{0,4}(?:错误|异常|繁忙|维护)|服务.{0,4}(?:错误|异常|繁忙|不可用)|超时|timeout"

BAD_TOKEN_CODE = 40101
NO_PERMISSION_CODE = 2002

MINUTE = 60.0
CLOCK_SKEW = 1.0
"""Seconds by which the vendor's clock may be behind ours at the turn of a minute, an hour or a day."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call gave nothing; `retry_after` in seconds, `per_minute` is the quota that the vendor named."""

    reason: UnknownReason
    text: str
    retry_after: float | None = None
    per_minute: int | None = None


def refusal_of_message(code: object, message: str, now: datetime) -> Refusal:
    """Classify a reply whose `code` is not 0. `now`, in the vendor's zone, dates the end of a quota."""
    text = f"code {code}: {message}"
    if quota := re.search(_QUOTA, message):
        unit = quota.group(1) or quota.group(2) or "分钟"
        counted = re.search(_QUOTA_COUNT, message)
        count = int(counted.group(1) or counted.group(2)) if counted else 0
        per_minute = count if unit == "分钟" and count > 0 else None
        return Refusal(UnknownReason.RATE_LIMITED, text, seconds_to_next(unit, now), per_minute)
    if code == BAD_TOKEN_CODE or re.search(_TOKEN, message, re.IGNORECASE):
        return Refusal(UnknownReason.BAD_TOKEN, text)
    if code == NO_PERMISSION_CODE or re.search(_PERMISSION, message):
        return Refusal(UnknownReason.NO_PERMISSION, text)
    if re.search(_PASSING, message, re.IGNORECASE):
        return Refusal(UnknownReason.SERVER_ERROR, text)
    return Refusal(UnknownReason.REFUSED, text)


def refusal_of_status(status: int, retry_after: str | None, body: str, now: datetime) -> Refusal:
    """Classify an HTTP status other than 200; `retry_after` is the header of that name."""
    text = f"HTTP {status}: {body}" if body else f"HTTP {status}"
    wait = _seconds(retry_after, now)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Refusal(UnknownReason.RATE_LIMITED, text, wait if wait is not None else seconds_to_next("分钟", now))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Refusal(UnknownReason.SERVER_ERROR, text, wait)
    if status == httpx.codes.UNAUTHORIZED:
        return Refusal(UnknownReason.BAD_TOKEN, text)
    if status == httpx.codes.FORBIDDEN:
        return Refusal(UnknownReason.NO_PERMISSION, text)
    if status == httpx.codes.REQUEST_TIMEOUT:
        return Refusal(UnknownReason.TIMED_OUT, text, wait)
    return Refusal(UnknownReason.REFUSED, text)


def refusal_of_exception(error: httpx.HTTPError) -> Refusal:
    """Classify a call that got no whole reply."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, httpx.TimeoutException):
        return Refusal(UnknownReason.TIMED_OUT, text)
    if isinstance(error, httpx.DecodingError):
        return Refusal(UnknownReason.MALFORMED_REPLY, text)
    return Refusal(UnknownReason.UNREACHABLE, text)


def seconds_to_next(unit: str, now: datetime) -> float:
    """Return the seconds until the next 分钟 (minute), 小时 (hour) or 天 (day) begins; at most one of them."""
    into_minute = now.second + now.microsecond / 1e6
    if unit == "分钟":
        length, passed = MINUTE, into_minute
    elif unit == "小时":
        length, passed = 60 * MINUTE, now.minute * MINUTE + into_minute
    else:
        length, passed = 1440 * MINUTE, (now.hour * 60 + now.minute) * MINUTE + into_minute
    return min(length, length - passed + CLOCK_SKEW)


def _seconds(header: str | None, now: datetime) -> float | None:
    """Return what a Retry-After header says, in seconds: it holds seconds or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment - now).total_seconds()) if moment.tzinfo else None
