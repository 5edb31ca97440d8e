"""Rules in a configuration: silenced, tuned, by frequency; what cannot be is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import Severity, Verdict
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.domain.services.rule_set import Parameter, RuleSet, Subject
from ginkgo_data.domain.services.rule_tuning import COMMON, configured, keys_of
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.validation import validate
from ginkgo_data.entrypoints.loading import load_settings
from support.bars import MINUTES_1, MINUTES_5, bars, business_days

DAYS = business_days("2024-01-01", 5)
ZERO = {"zero_price": {"1m": {"enabled": False}}}


def ids(rules: RuleSet, series: Series = DAILY, subject: Subject = Subject.BAR) -> set[str]:
    return {rule.id for rule in rules.of(series, subject)}


def test_nothing_said_changes_nothing() -> None:
    assert configured({}) == DEFAULT_RULES
    assert configured({"zero_price": {}}) == DEFAULT_RULES
    assert configured({"zero_price": {"enabled": True}}) == DEFAULT_RULES


def test_a_rule_is_silenced_everywhere_or_at_one_frequency() -> None:
    silent = configured({"zero_price": {"enabled": False}})
    assert "zero_price" not in silent
    assert ids(DEFAULT_RULES) - ids(silent) == {"zero_price"}
    some = configured(ZERO)
    assert "zero_price" in ids(some)
    assert "zero_price" in ids(some, MINUTES_5)
    assert "zero_price" not in ids(some, MINUTES_1)


def test_a_rule_is_kept_at_one_frequency_alone() -> None:
    only = configured({"zero_price": {"enabled": False, "5m": {"enabled": True, "severity": "INFO"}}})
    assert "zero_price" not in ids(only) | ids(only, MINUTES_1)
    (kept,) = (rule for rule in only.of(MINUTES_5) if rule.id == "zero_price")
    assert kept.severity is Severity.INFO


def test_numbers_severity_and_verdict_are_tuned() -> None:
    rules = configured({"unit_mismatch": {"slack": 0.5, "severity": "warning", "verdict": "flag"}})
    rule = rules["unit_mismatch"]
    assert (rule.values, rule.severity, rule.verdict) == (
        {"slack": 0.5, "rounding": 0.005},
        Severity.WARNING,
        Verdict.FLAG,
    )
    assert rule.check is DEFAULT_RULES["unit_mismatch"].check


def test_a_frequencys_own_words_lie_over_those_for_all() -> None:
    rules = configured({"unit_mismatch": {"slack": 0.1, "1m": {"rounding": 0.02}, "5m": {"slack": 0.3}}})
    assert rules.at("unit_mismatch", Frequency.DAY).values == {"slack": 0.1, "rounding": 0.005}
    assert rules.at("unit_mismatch", Frequency.MIN1).values == {"slack": 0.1, "rounding": 0.02}
    assert rules.at("unit_mismatch", Frequency.MIN5).values == {"slack": 0.3, "rounding": 0.005}


def test_what_is_tuned_is_what_validation_does() -> None:
    zeros = {name: [0.0] for name in ("opens", "highs", "lows")}
    batch = bars(sessions=DAYS[:1], closes=[0.0], volumes=[0.0], amounts=[0.0], **zeros)
    assert len(validate(batch, sessions=DAYS).rejects) == 1
    assert len(validate(batch, sessions=DAYS, rules=configured({"zero_price": {"verdict": "flag"}})).accepted) == 1
    minute = bars(sessions=DAYS[:1], closes=[0.0], volumes=[0.0], amounts=[0.0], keep=1, series=MINUTES_1, **zeros)
    assert len(validate(minute, sessions=DAYS, rules=configured(ZERO)).accepted) == 1
    assert len(validate(batch, sessions=DAYS, rules=configured(ZERO)).rejects) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zero_prise": {}}, r"quality\.rules\.zero_prise: there is no such rule; did you mean zero_price\?"),
        ({"qqq": {}}, r"quality\.rules\.qqq: there is no such rule; allowed: missing_value, "),
        ({"volume_spike": {"tims": 3}}, r"volume_spike\.tims: there is no such key; did you mean times\?"),
        ({"volume_spike": {"1m": {"times": 3}}}, r"volume_spike\.1m: there is no such key; .*allowed: enabled, .*, 1d"),
        ({"zero_price": {"1m": {"5m": {}}}}, r"zero_price\.1m\.5m: there is no such key; .*severity, verdict$"),
        ({"zero_price": {"enabled": "no"}}, r"zero_price\.enabled: found 'no'; allowed: true, false"),
        ({"zero_price": {"severity": "LOUD"}}, r"zero_price\.severity: found 'LOUD'; allowed: INFO, WARNING, ERROR"),
        ({"zero_price": {"verdict": "drop"}}, r"zero_price\.verdict: found 'drop'; allowed: reject, flag"),
        ({"zero_price": False}, r"zero_price: found False; allowed: a mapping, such as enabled: false"),
        ({"zero_price": {"1m": False}}, r"zero_price\.1m: found False; allowed: a mapping"),
        ({"volume_spike": {"times": 0}}, r"volume_spike\.times: found 0; allowed: a number from 1 to 1e\+06"),
        ({"volume_spike": {"times": "many"}}, r"volume_spike\.times: found 'many'; allowed: a number"),
        ({"volume_spike": {"times": True}}, r"volume_spike\.times: found True; allowed: a number"),
        ({"volume_spike": {"sessions": 2.5}}, r"sessions: found 2\.5; allowed: a whole number from 2 to 40"),
        ({"missing_value": {"enabled": False}}, r"missing_value\.enabled: .*cannot be silenced: the store refuses"),
        ({"too_precise": {"verdict": "flag"}}, r"too_precise\.verdict: it cannot be flag: the store would cut"),
        ({"duplicate_key": {"1m": {"enabled": False}}}, r"duplicate_key\.1m\.enabled: .*cannot be silenced"),
        (
            {"bars_per_session": {"verdict": "reject"}},
            r"it cannot be reject: what it finds is no fault of one",
        ),
        ({"factor_step": {"verdict": "reject"}}, r"factor_step\.verdict: it cannot be reject"),
        ({"repaired_open": {"verdict": "reject"}}, r"it cannot be reject: silence it, and zero_price rejects"),
        ({"unreadable_row": {"enabled": False}}, r"unreadable_row\.enabled: .*cannot be silenced: it is no row"),
    ],
)
def test_what_cannot_be_is_refused_by_name_with_what_is_allowed(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        configured(given)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"zero_prise: .*; quality\.rules\.zero_price\.severity: "):
        configured({"zero_prise": {}, "zero_price": {"severity": "LOUD"}})


def test_a_flag_about_one_row_may_become_a_reject() -> None:
    rules = configured({"price_limit_treated": {"verdict": "reject"}})
    assert rules["price_limit_treated"].verdict is Verdict.REJECT


def test_every_rule_takes_the_common_words_its_numbers_and_the_frequencies_it_speaks_of() -> None:
    assert keys_of(DEFAULT_RULES["volume_spike"]) == (*COMMON, "times", "above_highest", "sessions", "1d")
    assert keys_of(DEFAULT_RULES["factor_step"]) == (*COMMON, "tolerance", "rounding")
    assert keys_of(DEFAULT_RULES["zero_price"])[3:] == tuple(f.value for f in Frequency)
    for rule in DEFAULT_RULES.values():
        for parameter in rule.parameters:
            assert parameter.with_value(parameter.value) == parameter
            assert parameter.least <= parameter.value <= parameter.most


def test_a_rule_set_itself_refuses_what_a_configuration_may_not_do() -> None:
    lenient = replace(DEFAULT_RULES["missing_value"], verdict=Verdict.FLAG)
    with pytest.raises(ConfigurationError, match="missing_value cannot be silenced"):
        DEFAULT_RULES.silenced("missing_value")
    with pytest.raises(ConfigurationError, match="missing_value cannot be a flag"):
        DEFAULT_RULES.tuned(lenient)
    with pytest.raises(ConfigurationError, match="missing_value cannot be silenced"):
        DEFAULT_RULES.tuned_at("missing_value", Frequency.DAY, None)
    with pytest.raises(ConfigurationError, match="missing_value cannot be a flag"):
        DEFAULT_RULES.tuned_at("missing_value", Frequency.DAY, lenient)
    with pytest.raises(ConfigurationError, match="no parameter 'slak'; allowed: slack, rounding"):
        DEFAULT_RULES["unit_mismatch"].tuned(slak=1)
    with pytest.raises(ConfigurationError, match=r"slack: found 7; allowed: a number from 0 to 0\.5"):
        DEFAULT_RULES["unit_mismatch"].tuned(slack=7)
    with pytest.raises(ConfigurationError, match="no parameter 'x'; it has none"):
        DEFAULT_RULES["zero_price"].tuned(x=1)


def test_rule_sets_are_equal_when_they_say_the_same() -> None:
    assert configured(ZERO) == configured(ZERO) != DEFAULT_RULES
    assert hash(configured(ZERO)) == hash(DEFAULT_RULES)
    assert Parameter("a", 1, "", 0, 2).with_value(2).value == 2


def test_rules_are_read_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "data_worker.yml"
    file.write_text("quality:\n  rules:\n    volume_spike: {times: 20}\n    zero_price:\n      1m: {enabled: false}\n")
    env = {
        "GINKGO_DATA__QUALITY__RULES__VOLUME_SPIKE__SESSIONS": "10",
        "GINKGO_DATA__QUALITY__RULES__STALE_COPY__ENABLED": "false",
    }
    rules = load_settings(file, env).settings.quality.rule_set
    assert rules["volume_spike"].values == {"times": 20, "above_highest": 5, "sessions": 10}
    assert "stale_copy" not in rules
    assert rules.at("zero_price", Frequency.MIN1) is None
    assert Adjust.QFQ in rules["zero_price"].adjusts


def test_a_wrong_rule_in_a_file_is_refused_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "data_worker.yml"
    file.write_text("quality:\n  rules:\n    volume_spike: {times: 20, tims: 3}\n    zero_prise: {enabled: false}\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file, {})
    told = str(refused.value)
    assert f"{file}:3:37: quality.rules.volume_spike.tims: " in told
    assert f"{file}:4:27: quality.rules.zero_prise: " in told
    assert "did you mean zero_price?" in told
