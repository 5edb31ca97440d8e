"""Settings come from overrides, environment, file and defaults, in that order, each with its origin."""

from __future__ import annotations

import pytest

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.library import database_url
from ginkgo_data.entrypoints.loading import load_settings


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "data_worker.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def load(path=None, environment=None, overrides=None):
    return load_settings(path, environment or {}, overrides, search=False)


def test_without_anything_the_defaults_stand_and_it_is_said():
    loaded = load()
    assert loaded.settings.worker.group_id == "data_worker_group"
    assert loaded.settings.worker.topics == ("ginkgo.live.control.commands", "ginkgo.data.commands")
    assert loaded.origins == {}
    assert "no data_worker.yml" in loaded.warnings[0]


def test_override_beats_environment_beats_file_beats_default(file):
    path = file("worker:\n  max_poll_records: 7\n  concurrency: 3\n  fleet_size: 2\n")
    environment = {"GINKGO_DATA__WORKER__CONCURRENCY": "5", "GINKGO_DATA__WORKER__FLEET_SIZE": "6"}
    loaded = load(path, environment, {"worker.fleet_size": 9})
    worker = loaded.settings.worker
    assert (worker.max_poll_records, worker.concurrency, worker.fleet_size) == (7, 5, 9)
    assert loaded.origins["worker.max_poll_records"] == f"{path}:2:21"
    assert loaded.origins["worker.concurrency"] == "environment GINKGO_DATA__WORKER__CONCURRENCY"
    assert loaded.origins["worker.fleet_size"] == "command line"


def test_the_configured_file_is_named_by_the_environment(file):
    path = file("logging: {level: DEBUG}\n")
    assert load_settings(None, {"GINKGO_DATA_CONFIG": str(path)}).settings.logging.level == "DEBUG"


def test_upstreams_environment_names_make_addresses():
    settings = load(
        environment={
            "GINKGO_KAFKA_HOST": "kafka1",
            "GINKGO_REDIS_HOST": "redis-master",
            "GINKGO_REDIS_PORT": "6380",
            "GINKGO_CLICKHOUSE_HOST": "clickhouse-test",
            "GINKGO_CLICKHOUSE_USER": "admin",
            "GINKGO_CLICKHOUSE_PASSWORD": "planted-secret",
            "GINKGO_NODE_ID": "node-7",
            "TUSHARE_TOKEN": "planted-token",
        }
    ).settings
    assert settings.kafka.bootstrap_servers == "kafka1:9092"
    assert settings.redis.url == "redis://redis-master:6380/0"
    assert (settings.clickhouse.host, settings.clickhouse.user) == ("clickhouse-test", "admin")
    assert settings.worker.node_id == "node-7"
    assert settings.sources.tushare.token.get_secret_value() == "planted-token"
    assert "planted" not in repr(settings)


def test_lists_in_the_environment_are_yaml():
    settings = load(environment={"GINKGO_DATA__WORKER__TOPICS": "[one, two]"}).settings
    assert settings.worker.topics == ("one", "two")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("worker:\n  poll_timeout: -1\n", [":2:17", "worker.poll_timeout", "found -1", "greater than 0"]),
        ("worker:\n  batch_size: 10\n", [":2:15", "worker.batch_size", "found 10", "1000"]),
        ("worker:\n  no_such_key: 1\n", [":2:16", "worker.no_such_key: there is no such key; allowed: node_id, "]),
        (
            "worker:\n  pol_timeout: 1\n",
            [":2:16", "worker.pol_timeout: there is no such key; did you mean poll_timeout?"],
        ),
        (
            "wroker:\n  concurrency: 1\n",
            [":2:16", "wroker: there is no such key; did you mean worker? allowed: worker, "],
        ),
        ("sources: {files: {pth: x}}\n", ["sources.files.pth: there is no such key; did you mean path?"]),
        ("worker: [1, 2]\n", [":1:9: worker: found a list; allowed: a mapping with the keys node_id, "]),
        ("kafka: {options: [a]}\n", [":1:18: kafka.options: found a list; allowed: a mapping"]),
        ("- worker\n", [":1:1: sections such as 'worker:' expected, found a list"]),
        ("worker: {? [a] : 1}\n", [":1:12: worker: a key is a list; allowed: a name"]),
        (
            "worker: {stall_timeout: 30}\n",
            [":1:25: worker.stall_timeout: clickhouse.timeout is 60 and worker.stall_timeout is 30: "],
        ),
        (
            "clickhouse: {timeout: 120}\n",
            [":1:23: clickhouse.timeout: clickhouse.timeout is 120 and worker.stall_timeout is 120: "],
        ),
        ("quality:\n  missing_threshold_warning: 0.5\n", ["quality", "must be below the error one"]),
        ("heartbeat: {interval: 20}\n", ["heartbeat", "at least twice interval"]),
        ("sources: {bars: [files]}\n", ["sources", "sources.files.path is not set"]),
        ("sources: {bars: [bloomberg]}\n", ["sources.bars", "'bloomberg'", "tushare"]),
        ("clickhouse: {url: 'ftp://x'}\n", ["clickhouse", "ftp", "clickhouse://"]),
        ("worker: {concurrency: 2}\nworker: {concurrency: 3}\n", [":2:1: worker: is given twice"]),
        ("worker: {concurrency: 2, concurrency: 3}\n", [":1:26: worker.concurrency: is given twice"]),
        ("worker: &again {poll_timeout: *again}\n", ["alias that contains itself"]),
        ("worker: {node_id: '\x01'}\n", ["not YAML"]),
        ("just text\n", [":1:1", "sections such as", "found a text"]),
        ("worker: [1\n", [":2:1", "not YAML"]),
    ],
)
def test_a_bad_file_is_refused_with_place_key_value_and_what_is_allowed(file, text, said):
    path = file(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    for words in said:
        assert words in str(caught.value)


def test_an_embedded_store_has_no_call_that_hangs(file):
    path = file("worker: {stall_timeout: 30}\nclickhouse: {url: 'chdb:///somewhere'}\n")
    assert load(path).settings.worker.stall_timeout == 30


def test_all_faults_are_listed_at_once(file):
    path = file("worker:\n  concurrency: 0\n  poll_timeout: soon\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert "worker.concurrency" in str(caught.value)
    assert "worker.poll_timeout" in str(caught.value)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yml: cannot be read"):
        load(tmp_path / "nowhere.yml")


@pytest.mark.parametrize(
    "text",
    [
        "clickhouse: {url: 'clickhouse://me:planted-secret@host:99999/db'}\nsources: {tushare: {token: [planted]}}\n",
        "clickhouse: {passwrd: planted}\n",
        "sources: {tushare: planted}\n",
        "kafka: {options: {sasl.jaas.config: [planted]}}\n",
        "planted\n",
    ],
)
def test_secrets_in_a_bad_file_are_not_repeated(file, text):
    path = file(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert "planted" not in str(caught.value)


def test_a_section_with_nothing_under_it_says_nothing(file):
    assert load(file("quality:\nworker:\n")).settings.worker.concurrency == 8


def test_a_list_in_the_environment_that_is_no_yaml_names_its_variable():
    with pytest.raises(ConfigurationError, match="GINKGO_DATA__WORKER__TOPICS"):
        load(environment={"GINKGO_DATA__WORKER__TOPICS": "[a"})


@pytest.mark.parametrize("folder", ["a b#c", "a%20b", "x?y=z", "plain"])
def test_a_database_folder_of_any_name_is_that_folder(tmp_path, folder):
    url = database_url(str(tmp_path / folder))
    assert load(overrides={"clickhouse.url": url}).settings.clickhouse.directory == tmp_path / folder
