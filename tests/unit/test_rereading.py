"""A `reload` says what differs from the settings in force, and claims nothing more."""

from __future__ import annotations

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.loading import LoadedSettings, load_settings
from ginkgo_data.entrypoints.rereading import Rereading


def loaded(**overrides: object) -> LoadedSettings:
    return load_settings(None, {}, {key.replace("__", "."): value for key, value in overrides.items()}, search=False)


def test_the_same_settings_are_unchanged():
    assert Rereading(loaded(), loaded).outcome() == {"outcome": "unchanged", "changed": []}


def test_what_differs_is_named_by_key_and_not_by_value():
    reread = Rereading(loaded(), lambda: loaded(worker__batch_size=5000, sources__tushare__token="s3cret"))
    outcome = reread.outcome()
    assert outcome == {"outcome": "restart_needed", "changed": ["sources.tushare.token", "worker.batch_size"]}
    assert "s3cret" not in str(outcome)


def test_a_file_that_cannot_be_used_is_refused_with_its_fault():
    def bad() -> LoadedSettings:
        raise ConfigurationError("data_worker.yml:3:5: not YAML")

    outcome = Rereading(loaded(), bad).outcome()
    assert (outcome["outcome"], outcome["changed"]) == ("refused", [])
    assert "data_worker.yml:3:5" in outcome["error"]
