# Upstream: domain.services.validation
# Downstream: domain.model.{bars, quality, series}, domain.services.{bar_columns, rule_checks, rule_set, unit_checks}
# Role: The rules of validation as a table
"""Every rule with its meaning, its verdict and the fact it rests on."""

from __future__ import annotations

from functools import partial

from ginkgo_data.domain.model.bars import PRICES
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import Adjust
from ginkgo_data.domain.services import rule_checks as checks
from ginkgo_data.domain.services import unit_checks
from ginkgo_data.domain.services.bar_columns import FLOATS
from ginkgo_data.domain.services.rule_set import Rule, RuleSet

_RAW = frozenset({Adjust.NONE})

DEFAULT_RULES = RuleSet(
    (
        Rule(
            "missing_value",
            "A value that every bar must have is null, NaN or empty.",
            ("code", "session", "timestamp", *PRICES, "volume", "source", "version"),
            checks.missing,
            "the store refuses nulls; sina_qfq has rows without a volume, and 0 would be a lie",
        ),
        Rule(
            "not_finite",
            "A number is infinite.",
            FLOATS,
            checks.infinite,
            "no decimal can hold it",
        ),
        Rule(
            "negative_price",
            "A price is below zero.",
            (*PRICES, "pre_close"),
            checks.negative,
            "stocks trade above zero and factors are positive; additive adjustment (TDX exports) is not ours",
        ),
        Rule(
            "zero_price",
            "A price is zero.",
            PRICES,
            checks.zero,
            "Sina pads suspended 15-minute bars with zeros, Eastmoney gives open 0.0 on old minutes",
        ),
        Rule(
            "high_below_open_or_close",
            "The highest price is below the first or the last.",
            ("high",),
            checks.high_too_low,
            "definition of high; 1 row in 5.3 million real ones",
        ),
        Rule(
            "low_above_open_or_close",
            "The lowest price is above the first, the last or the highest.",
            ("low",),
            checks.low_too_high,
            "definition of low; 1 row in 5.3 million real ones",
        ),
        Rule(
            "negative_volume",
            "Fewer than no shares.",
            ("volume",),
            checks.negative,
            "definition of volume",
        ),
        Rule(
            "negative_amount",
            "Less than no money.",
            ("amount",),
            checks.negative,
            "definition of amount",
        ),
        Rule(
            "fractional_volume",
            "No whole number of shares, or more than 64 bits can count.",
            ("volume",),
            checks.not_whole,
            "shares are indivisible, and the store counts them in Int64: a fraction would be cut",
        ),
        Rule(
            "too_precise",
            "A price with more than 6 decimals, or above 1e11.",
            (*PRICES, "pre_close"),
            checks.finer_than_stored,
            "the store keeps Decimal(18, 6): what is finer would change on the way",
        ),
        Rule(
            "unit_mismatch",
            "What was paid per share lies outside the prices of the bar: volume or amount is in another unit.",
            ("amount",),
            partial(unit_checks.outside_range, slack=0.005, rounding=0.005),
            "amount / volume in [low, high] +-0.005: 0 of 554,262 Tushare rows outside (field-facts 7)",
            adjusts=_RAW,
            describe=partial(unit_checks.describe_units, slack=0.005, rounding=0.005),
        ),
        Rule(
            "volume_amount_disagree",
            "Shares without money or money without shares.",
            ("amount",),
            unit_checks.disagreeing_zeros,
            "both are sums over the same trades",
            severity=Severity.WARNING,
            verdict=Verdict.FLAG,
        ),
        Rule(
            "outside_call",
            "A code or a session that the call did not ask for.",
            ("code", "session"),
            checks.not_asked,
            "a vendor that answers another question cannot be trusted with this one",
        ),
        Rule(
            "not_a_session",
            "The trading calendar has no such session.",
            ("session",),
            checks.off_calendar,
            "0 of 5.3 million real rows lie off the exchange's sessions (field-facts 7)",
        ),
        Rule(
            "session_disagrees",
            "The timestamp is on another day than the session, or a daily bar's is not midnight.",
            ("timestamp",),
            checks.other_day,
            "timestamps of 1970 and of the wrong zone were stored upstream (GinkGO 5893)",
        ),
        Rule(
            "duplicate_key",
            "A second row of the same code and timestamp in one answer; the first is kept.",
            ("timestamp",),
            checks.key_repeated,
            "a key is stored once (0 of 5.3 million real rows are repeated, field-facts 7)",
        ),
        Rule(
            "future_bar",
            "A session after the newest one that is closed.",
            ("session",),
            checks.in_future,
            "a bar of an open session is not final",
        ),
    )
)
"""All rules, in order."""
