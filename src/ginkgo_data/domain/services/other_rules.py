# Upstream: domain.services.rules
# Downstream: domain.model.{quality, series}, domain.services.rule_set
# Role: The rules that are not about a bar alone: neighbours, sessions, coverage, opinions, factors, ticks, source rows
"""Rules without a check of their own: whoever collects what they are about looks, with the numbers that stand here."""

from __future__ import annotations

from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import Adjust, Frequency
from ginkgo_data.domain.services.rule_set import Parameter, Rule, Subject

_RAW = frozenset({Adjust.NONE})
_DAILY = frozenset({Frequency.DAY})
_MINUTES = frozenset(Frequency) - _DAILY

NEIGHBOUR_RULES = (
    Rule(
        "volume_spike",
        "A volume out of all proportion to the sessions before.",
        "above 50 times the median of 20 sessions lie 0.024 % of 554,262 real rows (field-facts 7); the second number, "
        "calibrated on the shared files (2 of 90,337 rows), spares shares that wake up slowly",
        ("volume",),
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.NEIGHBOURS,),
        frequencies=_DAILY,
        parameters=(
            Parameter("times", 50.0, "times the median of the sessions before", 1.0, 1e6),
            Parameter("above_highest", 5.0, "times their highest volume", 0.0, 1e6),
            Parameter("sessions", 20, "bars of the same code that must be known before", 2, 40, whole=True),
        ),
    ),
    Rule(
        "stale_price_run",
        "A close that stays the same session after session: the feed may stand still.",
        "runs of at least 5 unchanged closes: 5 in 554,262 real rows (field-facts 7)",
        ("close",),
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.NEIGHBOURS,),
        frequencies=_DAILY,
        parameters=(Parameter("sessions", 5, "unchanged closes in a row", 1, 1000, whole=True),),
    ),
    Rule(
        "stale_copy",
        "A bar that repeats every price, the volume and the amount of the bar before it.",
        "0 of the shared files' 90,337 daily rows with a volume",
        ("close",),
        verdict=Verdict.FLAG,
        subjects=(Subject.NEIGHBOURS,),
        frequencies=_DAILY,
    ),
    Rule(
        "reference_step",
        "A reference price that does not follow from the close before: this bar, or that one, is of something else.",
        "1,339 ex-dates lower it, by a factor of 1.947 at most, none raises it (field-facts 7)",
        ("pre_close",),
        verdict=Verdict.FLAG,
        subjects=(Subject.NEIGHBOURS,),
        adjusts=_RAW,
        frequencies=_DAILY,
        parameters=(
            Parameter("rounding", 0.0051, "currency units by which it may lie above", 0.0, 10.0),
            Parameter("most", 5.0, "times by which the close before may exceed it", 1.0, 1e6),
        ),
    ),
)

SESSION_RULES = (
    Rule(
        "bars_per_session",
        "A session with fewer minute bars than a full one, or more than the opening auction explains.",
        "vendors have 240 minutes' worth of bars, or one more (field-facts 3.2); a halt may leave fewer",
        ("timestamp",),
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.SESSION,),
        frequencies=_MINUTES,
        parameters=(Parameter("more", 1, "bars beyond a full session that are no surprise", 0, 100, whole=True),),
    ),
    Rule(
        "minute_sums",
        "Minute volumes that do not add up to the daily bar's.",
        "TDX and Eastmoney agree within a lot, Sina within 2 % on 97.2 % of sessions (field-facts 7)",
        ("volume",),
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.SESSION,),
        frequencies=_MINUTES,
        parameters=(
            Parameter("share", 0.02, "share of the daily volume by which they may differ", 0.0, 1.0),
            Parameter("lots", 1.0, "lots of 100 by which they may differ in any case", 0.0, 1e6),
        ),
    ),
)

COVERAGE_RULES = (
    Rule(
        "half_known_session",
        "A session of which many codes have no bar, and nobody says why: the answer was cut, or not all is published.",
        "since 2019 a code lacks 0.4 sessions a year (field-facts 7): many on one session are the collector's fault",
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.COVERAGE,),
        parameters=(
            Parameter("codes", 10, "codes that lack the session, at least", 1, 1e6, whole=True),
            Parameter("share", 0.05, "share of the codes expected that lack it, more than", 0.0, 1.0),
        ),
    ),
    Rule(
        "single_gap",
        "A session that a code lacks and nearly every other code has: probably suspended.",
        "before 2019 a single missing day is nearly always a suspension, since then it is rare (field-facts 7)",
        severity=Severity.INFO,
        verdict=Verdict.FLAG,
        subjects=(Subject.COVERAGE,),
        parameters=(
            Parameter("share", 0.01, "share of the codes expected that may lack it beside; one always may", 0.0, 1.0),
            Parameter("others", 20, "codes that must have the session", 1, 1e6, whole=True),
        ),
    ),
)

OPINION_RULES = (
    Rule(
        "second_opinion",
        "A session of which another source (`quality.second_opinion`) says something else: one of the two is wrong.",
        "TDX has Tushare's prices on 326 of 326 real rows, TDX and baostock its volumes and amounts on 63,196 "
        "(field-facts 4); Eastmoney and Sina its volumes within half a lot, Eastmoney its amounts within 5 CNY (64 and "
        "166 rows of the shared files)",
        ("open", "high", "low", "close", "volume", "amount"),
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.OPINION,),
        parameters=(
            Parameter("ticks", 1.0, "ticks by which a price may differ", 0.0, 1e4),
            Parameter("price_share", 1e-4, "share of the price by which it may differ, where that is more", 0.0, 1.0),
            Parameter("share", 0.005, "share by which volume and amount may differ", 0.0, 1.0),
            Parameter("lots", 1.0, "lots of 100 (of the amount: their price) that are allowed anyway", 0.0, 1e6),
        ),
    ),
)

FACTOR_RULES = (
    Rule(
        "factor_not_positive",
        "A factor that is no finite number above zero.",
        "adjusted prices are products and quotients of factors",
        ("factor",),
        subjects=(Subject.FACTOR,),
        fixed="no adjusted price can be computed from it",
    ),
    Rule(
        "factor_step",
        "A step of the factor that close and reference price of the bars do not explain.",
        "the step is close[t-1] / pre_close[t] within 2e-4; some move so far without a cause (field-facts 4)",
        ("factor",),
        severity=Severity.WARNING,
        verdict=Verdict.FLAG,
        subjects=(Subject.FACTOR,),
        parameters=(
            Parameter("tolerance", 5e-4, "relative difference that is allowed", 0.0, 1.0),
            Parameter("rounding", 0.005, "currency units by which the vendor may have rounded pre_close", 0.0, 1.0),
        ),
    ),
)

TICK_RULES = (
    Rule(
        "not_in_session",
        "A tick without a time, or on another day than its session.",
        "a tick of another day is no tick of this one",
        ("timestamp",),
        subjects=(Subject.TICK,),
        fixed="the list of a session holds its own ticks, each with its time",
    ),
    Rule(
        "price_not_positive",
        "A tick without a finite price above zero.",
        "nothing is traded for nothing",
        ("price",),
        subjects=(Subject.TICK,),
        fixed="the store refuses it",
    ),
    Rule(
        "volume_not_whole",
        "A tick whose volume is no whole number of shares.",
        "shares are indivisible",
        ("volume",),
        subjects=(Subject.TICK,),
        fixed="the store would cut the fraction",
    ),
    Rule(
        "unknown_side",
        "A tick that is neither buy, sell nor neutral.",
        "the store knows these three",
        ("side",),
        subjects=(Subject.TICK,),
        fixed="the store refuses it",
    ),
)

_UNREADABLE = {
    "unreadable_row": "A line that has not the columns of its file.",
    "unreadable_code": "A code that is none.",
    "unreadable_date": "A day or time that is none.",
    "unreadable_series": "A frequency or adjustment that nobody knows.",
    "unreadable_number": "A text where a number must be.",
    "unreadable_flag": "Neither 0 nor 1 where the calendar says open or closed.",
    "unreadable_side": "A word for the side of a tick that the format does not know.",
}
_NOT_HELD = {
    "finer_than_cents": "A price finer than cents, where Ginkgo's own tables are the store.",
    "too_many_lots": "More lots than 32 bits can count, where Ginkgo's own tables are the store.",
    "too_large_amount": "An amount that loses digits, where Ginkgo's own tables are the store.",
}

SOURCE_RULES = (
    *(
        Rule(rule_id, meaning, "nothing can be concluded from it", subjects=(Subject.SOURCE_ROW,), fixed="it is no row")
        for rule_id, meaning in _UNREADABLE.items()
    ),
    *(
        Rule(
            rule_id,
            meaning,
            "types of Ginkgo's tables",
            subjects=(Subject.SOURCE_ROW,),
            fixed="the store would change it without a word",
        )
        for rule_id, meaning in _NOT_HELD.items()
    ),
)

OTHER_RULES = (
    *NEIGHBOUR_RULES,
    *SESSION_RULES,
    *COVERAGE_RULES,
    *OPINION_RULES,
    *FACTOR_RULES,
    *TICK_RULES,
    *SOURCE_RULES,
)
