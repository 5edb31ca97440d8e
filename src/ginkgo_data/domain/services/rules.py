# Upstream: domain.services, entrypoints.{quality_page, quarantine_words, rule_words, show_rules}
# Downstream: domain.model.{bars, quality, series}, domain.services
# Role: The rules of quality as a table: those about a bar here, the others from `other_rules`
"""Every rule with its meaning, its verdict, its numbers and the fact it rests on."""

from __future__ import annotations

from ginkgo_data.domain.model.bars import PRICES
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import Adjust, Frequency
from ginkgo_data.domain.services import limit_checks, unit_checks
from ginkgo_data.domain.services import rule_checks as checks
from ginkgo_data.domain.services.bar_columns import FLOATS
from ginkgo_data.domain.services.other_rules import OTHER_RULES
from ginkgo_data.domain.services.rule_set import Parameter, Rule, RuleSet, Subject

_RAW = frozenset({Adjust.NONE})
_DAILY = frozenset({Frequency.DAY})
_MINUTES = frozenset(Frequency) - _DAILY
_EVERYWHERE = (Subject.BAR, Subject.FACTOR, Subject.TICK)

_TICKS = Parameter("ticks", 0.5, "ticks beyond the limit that are allowed", 0.0, 100.0)
_SLACK = (
    Parameter("slack", 0.005, "share of the prices by which the range is widened", 0.0, 0.5),
    Parameter("rounding", 0.005, "currency units by which it is widened besides", 0.0, 1.0),
)

BAR_RULES = (
    Rule(
        "missing_value",
        "A value that every bar must have is null, NaN or empty.",
        "the store refuses nulls; sina_qfq has rows without a volume, and 0 would be a lie",
        ("code", "session", "timestamp", *PRICES, "volume", "source", "version"),
        checks.missing,
        fixed="the store refuses nulls",
    ),
    Rule(
        "not_finite",
        "A number is infinite.",
        "no decimal can hold it",
        FLOATS,
        checks.infinite,
        fixed="no decimal can hold it",
    ),
    Rule(
        "negative_price",
        "A price is below zero.",
        "stocks trade above zero and factors are positive; additive adjustment (TDX exports) is not ours",
        (*PRICES, "pre_close"),
        checks.negative,
    ),
    Rule(
        "repaired_open",
        "A minute bar whose open alone is 0: it is stored with the close before it in its session, or its own close.",
        "Eastmoney's 1-minute bars: open 0.0 on 964 of 1,205 rows, every day but the newest (field-facts 4.1); the "
        "remedy is the usual one",
        ("open",),
        severity=Severity.INFO,
        verdict=Verdict.FLAG,
        frequencies=_MINUTES,
    ),
    Rule(
        "zero_price",
        "A price is zero.",
        "Sina pads suspended 15-minute bars with zeros, Eastmoney gives open 0.0 on old minutes",
        PRICES,
        checks.zero,
    ),
    Rule(
        "high_below_open_or_close",
        "The highest price is below the first or the last.",
        "definition of high; 1 row in 5.3 million real ones",
        ("high",),
        checks.high_too_low,
    ),
    Rule(
        "low_above_open_or_close",
        "The lowest price is above the first, the last or the highest.",
        "definition of low; 1 row in 5.3 million real ones",
        ("low",),
        checks.low_too_high,
    ),
    Rule(
        "negative_volume",
        "Fewer than no shares.",
        "definition of volume",
        ("volume",),
        checks.negative,
    ),
    Rule(
        "negative_amount",
        "Less than no money.",
        "definition of amount",
        ("amount",),
        checks.negative,
    ),
    Rule(
        "fractional_volume",
        "No whole number of shares, or more than 64 bits can count.",
        "shares are indivisible, and the store counts them in Int64: a fraction would be cut",
        ("volume",),
        checks.not_whole,
        fixed="the store would cut the fraction",
    ),
    Rule(
        "too_precise",
        "A price with more than 6 decimals, or above 1e11.",
        "the store keeps Decimal(18, 6): what is finer would change on the way",
        (*PRICES, "pre_close"),
        checks.finer_than_stored,
        fixed="the store would cut the price",
    ),
    Rule(
        "unit_mismatch",
        "What was paid per share lies outside the prices of the bar: volume or amount is in another unit.",
        "amount / volume in [low, high] +-0.005: 0 of 554,262 Tushare rows outside (field-facts 7)",
        ("amount",),
        unit_checks.outside_range,
        adjusts=_RAW,
        parameters=_SLACK,
        describe=unit_checks.describe_units,
    ),
    Rule(
        "price_limit",
        "A price beyond the limit of its session, of a share that traded the session before.",
        "dated limits of the exchanges (price_limits.py); 0 of 543,888 real rows lie beyond (field-facts 7)",
        ("high", "low"),
        limit_checks.beyond_limit,
        adjusts=_RAW,
        frequencies=_DAILY,
        parameters=(_TICKS,),
        confirm=limit_checks.traded_before,
        describe=limit_checks.describe_limit,
    ),
    Rule(
        "price_limit_unproven",
        "A price beyond the limit, where the answer does not show that the share traded the session before.",
        "after a relisting, a reform of the share structure or before a delisting there is no limit for one session",
        ("high", "low"),
        limit_checks.beyond_limit,
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        adjusts=_RAW,
        frequencies=_DAILY,
        parameters=(_TICKS,),
        confirm=limit_checks.not_traded_before,
        describe=limit_checks.describe_limit,
    ),
    Rule(
        "price_limit_treated",
        "A price beyond the limit of special treatment (ST), which the share's name tells of.",
        "the name is today's; 39 of 54,877 real rows under special treatment lie beyond 5.5 % (field-facts 7)",
        ("high", "low"),
        limit_checks.beyond_treated_limit,
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        adjusts=_RAW,
        frequencies=_DAILY,
        parameters=(_TICKS,),
        describe=limit_checks.describe_treated_limit,
    ),
    Rule(
        "volume_amount_disagree",
        "Shares without money or money without shares.",
        "both are sums over the same trades",
        ("amount",),
        unit_checks.disagreeing_zeros,
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
    ),
    Rule(
        "outside_call",
        "A code or a session that the call did not ask for.",
        "a vendor that answers another question cannot be trusted with this one",
        ("code", "session"),
        checks.not_asked,
        subjects=_EVERYWHERE,
    ),
    Rule(
        "not_a_session",
        "The trading calendar has no such session.",
        "0 of 5.3 million real rows lie off the exchange's sessions (field-facts 7)",
        ("session",),
        checks.off_calendar,
        subjects=(Subject.BAR, Subject.FACTOR),
    ),
    Rule(
        "session_disagrees",
        "The timestamp is on another day than the session, or a daily bar's is not midnight.",
        "timestamps of 1970 and of the wrong zone were stored upstream (GinkGO 5893)",
        ("timestamp",),
        checks.other_day,
    ),
    Rule(
        "off_hours",
        "A minute bar at a time at which no exchange trades: its clock is in another zone.",
        "sessions run from the call at 09:15 to the fixed-price trading that ends at 15:30 (field-facts 3.3); eight "
        "hours off, no minute of a session lies within",
        ("timestamp",),
        checks.off_hours,
        frequencies=_MINUTES,
        parameters=(
            Parameter("earliest", 555, "minutes after midnight of the earliest bar", 0, 1440, whole=True),
            Parameter("latest", 930, "minutes after midnight of the latest bar", 0, 1440, whole=True),
        ),
    ),
    Rule(
        "duplicate_key",
        "A second row of the same code and timestamp in one answer; the first is kept.",
        "a key is stored once (0 of 5.3 million real rows are repeated, field-facts 7)",
        ("timestamp",),
        checks.key_repeated,
        subjects=_EVERYWHERE,
        fixed="of one key the store keeps one row",
    ),
    Rule(
        "future_bar",
        "A session after the newest one that is closed.",
        "a bar of an open session is not final",
        ("session",),
        checks.in_future,
    ),
)

DEFAULT_RULES = RuleSet((*BAR_RULES, *OTHER_RULES))
"""All rules, in order."""
