# Upstream: adapters.tushare, entrypoints.{opening, status, worker_wiring}
# Downstream: adapters.tushare, domain.model.{fetch, steps}, ports.{call_budget, clock}, httpx, pyarrow
# Role: One thread-safe client of the Tushare HTTP API: budget, call, classification, pages
"""Asking Tushare. A call ends as a `Frame` that is complete, or as an `Unknown` that says why it is not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pyarrow as pa

from ginkgo_data.adapters.tushare.apis import Api
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.adapters.tushare.errors import (
    Refusal,
    refusal_of_exception,
    refusal_of_message,
    refusal_of_status,
)
from ginkgo_data.adapters.tushare.questions import Params, in_words
from ginkgo_data.adapters.tushare.replies import Denied, Item, MalformedReply, Page, arrow_table, read_reply
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.steps import step
from ginkgo_data.ports.call_budget import CallBudget
from ginkgo_data.ports.clock import Clock

logger = logging.getLogger(__name__)

BUDGET_SHARE = 0.95
"""Share of the vendor's quota that is used: its window and ours do not begin at the same moment.

It is taken here, once, from the quota that is set and from the one that the vendor names: the call budget gets
and keeps numbers of calls that may be made.
"""

WAIT_STEP = 1.0
"""Seconds of one wait for the budget before it is asked again: what it said is an estimate among many callers."""

MAX_PAGES = 200
ROUND_NUMBER = 1000
"""A reply with a multiple of this many rows that does not say whether there is more may have been cut."""

BODY_EXCERPT = 120

_SILENCE = frozenset({UnknownReason.TIMED_OUT, UnknownReason.UNREACHABLE})
"""Ends of a call in which the vendor has not answered."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A complete answer in the api's own fields and units, and the HTTP calls that it took."""

    table: pa.Table
    calls: int


class TushareClient:
    """Posts to Tushare over kept-alive connections. Open it once and share it between threads.

    Raises `ConfigurationError` when address or token are empty. Nothing else is raised: vendor trouble is
    an `Unknown`, and no text of it contains the token.
    """

    def __init__(self, config: TushareConfig, budget: CallBudget, clock: Clock) -> None:
        config.require_account()
        self.config = config
        self._budget = budget
        self._clock = clock
        self._http = httpx.Client(timeout=config.timeout)

    def ask(self, api: Api, params: Params) -> Frame | Unknown:
        """Return all rows of `api` for `params`, over as many pages as it takes."""
        items: list[Item] = []
        seen: set[tuple[str, ...]] = set()
        calls = 0
        for _ in range(MAX_PAGES):
            page = self._call(api, params if not items else self._next_page(api, params, len(items)))
            if isinstance(page, Unknown):
                return Unknown(page.reason, page.detail, page.retry_after, calls + page.calls)
            calls += 1
            if page.has_more and not page.items:
                return self._truncated(api, params, f"the page at offset {len(items)} is empty but not the last", calls)
            full = self._is_full(api, page)
            if items or full:
                rows = {tuple(map(str, item)) for item in page.items}
                if not seen.isdisjoint(rows):
                    return self._truncated(api, params, f"the page at offset {len(items)} repeats rows", calls)
                seen |= rows
            items += page.items
            if not full:
                logger.debug("%s: %d rows in %d calls", in_words(api.name, params), len(items), calls)
                return Frame(arrow_table(api, items), calls)
        return self._truncated(api, params, f"there is no end after {MAX_PAGES} pages", calls)

    def close(self) -> None:
        """Close the connections; idempotent."""
        self._http.close()

    def _is_full(self, api: Api, page: Page) -> bool:
        """Whether a page may have been cut off: at the limit, by the vendor's word, or at a round number."""
        rows = len(page.items)
        unsaid = page.has_more is None and rows > 0 and rows % ROUND_NUMBER == 0
        return rows >= self.config.row_limit(api) or bool(page.has_more) or unsaid

    def _next_page(self, api: Api, params: Params, offset: int) -> Params:
        return {**params, "offset": str(offset), "limit": str(self.config.row_limit(api))}

    def _truncated(self, api: Api, params: Params, why: str, calls: int) -> Unknown:
        detail = f"{in_words(api.name, params)}: cut off at the row limit and {why}"
        return Unknown(UnknownReason.TRUNCATED, detail, calls=calls)

    def _call(self, api: Api, params: Params) -> Page | Unknown:
        """Make one HTTP call, once the budget allows it."""
        waiting = self._await_budget(api)
        if waiting is not None:
            return waiting
        try:
            with step("vendor_call", vendor="tushare", api=api.name):
                answer = self._post(api, params)
        finally:
            self._budget.returned(self.config.budget_key(api))
        if isinstance(answer, Page):
            self._budget.answered(self.config.budget_key(api))
            return answer
        if answer.reason is UnknownReason.RATE_LIMITED:
            self._obey(api, answer)
        elif answer.reason not in _SILENCE:
            self._budget.answered(self.config.budget_key(api))
        detail = f"{in_words(api.name, params)}: {self._masked(answer.text)}"
        return Unknown(answer.reason, detail, answer.retry_after)

    def _await_budget(self, api: Api) -> Unknown | None:
        """Take one call from the budget; return an `Unknown` if that takes too long or is interrupted."""
        delay = self._take(api)
        if not delay:
            return None
        with step("budget_wait", quota=f"tushare:{api.name}"):
            return self._wait_for_budget(api, delay)

    def _take(self, api: Api) -> float:
        return self._budget.take(self.config.budget_key(api), _usable(self.config.calls_per_minute))

    def _wait_for_budget(self, api: Api, delay: float) -> Unknown | None:
        started = self._clock.monotonic()
        while delay:
            waited = self._clock.monotonic() - started
            if waited + delay > self.config.budget_patience:
                why = f"the call budget is used up for {delay:.1f} s more"
            elif self._clock.wait(min(delay, WAIT_STEP)):
                why = "stopped while waiting for the call budget"
            else:
                delay = self._take(api)
                continue
            return Unknown(UnknownReason.RATE_LIMITED, f"{api.name}: {why}", retry_after=delay, calls=0)
        return None

    def _post(self, api: Api, params: Params) -> Page | Refusal:
        url = self.config.base_url.replace("{api_name}", api.name)
        token = self.config.token.get_secret_value()
        question = {"api_name": api.name, "token": token, "params": dict(params), "fields": ",".join(api.fields)}
        try:
            with self._http.stream("POST", url, json=question) as response:
                body = b"".join(self._chunks(response))
        except httpx.HTTPError as error:
            return refusal_of_exception(error)
        if response.status_code != httpx.codes.OK:
            header = response.headers.get("Retry-After")
            return refusal_of_status(response.status_code, header, self._excerpt(body), self._clock.now())
        try:
            reply = read_reply(api, body)
        except MalformedReply as error:
            return Refusal(UnknownReason.MALFORMED_REPLY, f"{error}: {self._excerpt(body)}")
        if isinstance(reply, Denied):
            return refusal_of_message(reply.code, reply.message, self._clock.now())
        return reply

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """Yield the body; the client library limits each read, this limits a reply that only drips."""
        deadline = self._clock.monotonic() + self.config.timeout
        for chunk in response.iter_bytes():
            yield chunk
            if self._clock.monotonic() > deadline:
                raise httpx.ReadTimeout(f"the reply was not whole after {self.config.timeout:g} s")

    def _obey(self, api: Api, refusal: Refusal) -> None:
        """Keep to the quota that the vendor named and ask nothing for as long as it wants, all who share the budget."""
        key = self.config.budget_key(api)
        if refusal.per_minute is not None:
            self._budget.learn(key, _usable(refusal.per_minute))
            logger.info("%s: the vendor allows %d calls a minute", api.name, refusal.per_minute)
        if refusal.retry_after:
            self._budget.close_until_open(key, refusal.retry_after)

    def _excerpt(self, body: bytes) -> str:
        """Return the beginning of a body, masked before it is cut: half a token must not show either."""
        return self._masked(body.decode(errors="replace"))[:BODY_EXCERPT]

    def _masked(self, text: str) -> str:
        return text.replace(self.config.token.get_secret_value(), "***")


def _usable(per_minute: int) -> int:
    """Return how many of the vendor's calls a minute are used."""
    return max(1, int(per_minute * BUDGET_SHARE))
