"""A faulty configuration: all that is wrong is said at once, what is right is kept, nothing but an error is raised."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.catalogue import entries
from ginkgo_data.entrypoints.config_template import template
from ginkgo_data.entrypoints.given import dotted
from ginkgo_data.entrypoints.loading import LoadedSettings, load_settings
from ginkgo_data.entrypoints.settings import Settings


@pytest.fixture
def tolerated(tmp_path):
    def load(text: str, env: dict[str, str] | None = None, **more) -> LoadedSettings:
        (tmp_path / "data_worker.yml").write_text(text, encoding="utf-8")
        return load_settings(tmp_path / "data_worker.yml", env or {}, search=False, tolerant=True, **more)

    return load


def brief(loaded: LoadedSettings) -> list[str]:
    """Return place and key of every fault, the file without its folder."""
    return [f"{fault.place.rpartition('/')[2]} {fault.key}" for fault in loaded.faults]


def test_all_faults_are_said_with_place_value_and_allowed_and_the_good_keys_are_kept(tolerated):
    loaded = tolerated(
        "worker:\n"
        "  concurrency: 0\n"
        "  poll_timeout: soon\n"
        "  fleet_size: 2\n"
        "  batch_size: yes\n"
        "quality: {missing_threshold_warning: 0.5, missing_threshold_error: 0.4, alert_cooldown: 60}\n"
        "heartbeat: {interval: 20, key_prefix: mine}\n"
        "clickhouse: {timeout: 200, layout: ginkgo}\n"
        "loging: {level: DEBUG}\n"
    )
    assert brief(loaded) == [
        "data_worker.yml:2:16 worker.concurrency",
        "data_worker.yml:3:17 worker.poll_timeout",
        "data_worker.yml:5:15 worker.batch_size",
        "data_worker.yml:6:38 quality.missing_threshold_warning",
        "data_worker.yml:7:23 heartbeat.interval",
        "data_worker.yml:8:23 clickhouse.timeout",
        "data_worker.yml:9:17 loging",
    ]
    said = [fault.text for fault in loaded.faults]
    assert said[0] == "found 0; allowed: a whole number from 1 to 64"
    assert said[1] == "found 'soon'; allowed: a number greater than 0 and at most 86400"
    assert said[2] == "found true; allowed: a whole number from 1000 to 10000000"
    assert "must be below the error one (0.4)" in said[3]
    assert "at least twice interval (20)" in said[4]
    assert "allowed: a clickhouse.timeout below worker.stall_timeout" in said[5]
    assert "did you mean logging? allowed: worker, kafka" in said[6]
    assert [fault.instead for fault in loaded.faults] == [
        "worker.concurrency is 8",
        "worker.poll_timeout is 1.0",
        "worker.batch_size is 1000",
        "quality.missing_threshold_warning is 0.05",
        "heartbeat.interval is 10.0",
        "clickhouse.timeout is 60",
        "it is left out",
    ]
    found = loaded.settings
    assert (found.worker.fleet_size, found.quality.missing_threshold_error, found.quality.alert_cooldown) == (
        2,
        0.4,
        60,
    )
    assert (found.heartbeat.key_prefix, found.clickhouse.layout) == ("mine", "ginkgo")
    assert "worker.concurrency" not in loaded.origins


@pytest.mark.parametrize(
    ("sources", "source", "said"),
    [
        ("{}", "tushare", "is tushare, which is the first of sources.bars: it would agree with itself"),
        ("{}", "files", "is files, but sources.files.path is not set"),
        ("{bars: [files], files: {path: .}}", "files", "is files, which is the first of sources.bars"),
        ("{bars: [files], files: {path: .}}", "tushare", "is tushare, but sources.tushare.base_url is ''; set it to"),
        (
            "{bars: [files], files: {path: .}, tushare: {base_url: 'http://x.example'}}",
            "tushare",
            "is tushare, but sources.tushare.token is empty; set it in",
        ),
        ("{}", "akshare", "found 'akshare'; allowed: tushare, files or nothing"),
    ],
)
def test_a_second_opinion_must_be_of_another_source_that_is_configured(tolerated, sources, source, said):
    loaded = tolerated(f"sources: {sources}\nquality: {{second_opinion: {{source: {source}, cells: 7}}}}\n")
    (fault,) = loaded.faults
    assert (fault.key, fault.instead) == ("quality.second_opinion.source", "quality.second_opinion.source is null")
    assert said in fault.text
    assert loaded.settings.quality.second_opinion.cells == 7


def test_strict_loading_lists_the_same_faults(tolerated, tmp_path):
    text = "worker: {concurrency: 0}\nheartbeat: {interval: 20}\nclickhouse: {timeout: 200}\n"
    faults = tolerated(text).faults
    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path / "data_worker.yml", {}, search=False)
    assert str(refused.value) == "the configuration cannot be used:\n  " + "\n  ".join(map(str, faults))
    assert len(faults) == 3


def test_what_only_follows_from_another_fault_is_no_fault_of_its_own(tolerated, tmp_path):
    loaded = tolerated("heartbeat: {interval: soon, ttl: 15}\n")
    assert [(fault.key, fault.consequence) for fault in loaded.faults] == [
        ("heartbeat.interval", False),
        ("heartbeat.ttl", True),
    ]
    assert loaded.settings.heartbeat.ttl == 30
    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path / "data_worker.yml", {}, search=False)
    assert "heartbeat.ttl" not in str(refused.value)


def test_in_place_of_a_fault_the_next_layer_counts(tolerated):
    loaded = tolerated("worker: {concurrency: 3}\n", {"GINKGO_DATA__WORKER__CONCURRENCY": "many"})
    assert loaded.settings.worker.concurrency == 3
    assert loaded.faults[0].instead == "worker.concurrency is 3"
    assert loaded.faults[0].place == "environment GINKGO_DATA__WORKER__CONCURRENCY"


def test_two_keys_that_are_both_needed_for_a_fault_and_one_that_is_not(tolerated):
    loaded = tolerated("heartbeat: {interval: 8, ttl: 9}\nworker: {stop_grace_period: 30, shutdown_timeout: 29}\n")
    assert [fault.key for fault in loaded.faults] == ["heartbeat.ttl", "worker.shutdown_timeout"]
    assert "killed while it stops" in loaded.faults[1].text
    assert loaded.settings.worker.stop_grace_period == 30


def test_a_fault_of_the_command_line_is_never_left_out(tolerated):
    with pytest.raises(
        ConfigurationError, match=r"command line: worker\.auto_offset_reset: found 'middle'; allowed: earl"
    ):
        tolerated("worker: {concurrency: 0}\n", overrides={"worker.auto_offset_reset": "middle"})


def test_a_file_that_is_no_yaml_is_left_out_as_a_whole(tolerated):
    loaded = tolerated("worker: {concurrency: 3}\nkafka: [\n", {"GINKGO_DATA__WORKER__FLEET_SIZE": "2"})
    assert brief(loaded) == ["data_worker.yml:3:1 "]
    assert (loaded.settings.worker.concurrency, loaded.settings.worker.fleet_size) == (8, 2)


def test_a_named_file_that_is_not_there_is_tolerated_only_where_the_environment_names_it(tmp_path):
    nowhere = tmp_path / "nowhere.yml"
    loaded = load_settings(None, {"GINKGO_DATA_CONFIG": str(nowhere)}, tolerant=True)
    assert str(loaded.faults[0]) == f"{nowhere}: cannot be read: No such file or directory"
    with pytest.raises(ConfigurationError, match=r"nowhere\.yml: cannot be read"):
        load_settings(nowhere, {}, tolerant=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("worker: {poll_timeout: .inf}\n", "a number greater than 0"),
        ("worker: {poll_timeout: .nan}\n", "a number greater than 0"),
        ("worker: {poll_timeout: 1.0e+300}\n", "at most 86400"),
        ("worker: {concurrency: 1e400}\n", "a whole number from 1 to 64"),
        (f"worker: {{concurrency: {'9' * 5000}}}\n", "no value that YAML can read"),
        ("worker: {node_id: 2020-13-45}\n", "no value that YAML can read"),
        ("worker: {node_id: !!bool maybe}\n", "no value that YAML can read"),
        ("worker: {node_id: !!int x}\n", "no value that YAML can read"),
        ("worker: {node_id: !thing x}\n", "a tag (!name) that is not known"),
        ("worker: {node_id: *thing}\n", "an alias (*name) without its anchor"),
        ("sources: {files: {path: ~nobody-like-that/x}}\n", "cannot be looked at"),
        (f"sources: {{files: {{path: {'x' * 5000}}}}}\n", "cannot be looked at: File name too long"),
        ("clickhouse: {url: 'chdb://~nobody-like-that'}\n", "the home of nobody"),
        ("clickhouse: {password_file: ~nobody-like-that}\n", "no such home"),
        ("clickhouse: {url: 'clickhouses://h', ca_cert: ~nobody-like-that}\n", "where no file is"),
        ("worker: {batch_size: }\n", "found nothing; allowed: a whole number"),
        ("sources: {files: {format: csv}}\n", "is no file format; allowed: auto"),
        ("sources: {files: {format: auto}}\n", "sources.files.path: is not given; allowed: a path"),
        ("sources: {bars: bloomberg}\n", "found 'bloomberg'; allowed: a list of: tushare, files"),
        ("kafka: {options: {acks: all}}\n", "acks is set by this program"),
        ("redis: {url: 'redis://h/x'}\n", "no number of a database"),
        ("a: &a [x,x]\nb: &b [*a,*a]\n" + "c: [" + ",".join(["*b"] * 50) + "]\n", "there is no such key"),
        ("\n".join(f"s{n}: {{k: 1}}" for n in range(600)), "has more than 1000 values"),
        ("worker: {node_id: " + "x" * (1 << 20) + "}", "is larger than 1048576 bytes"),
        ("\x00", "not YAML"),
    ],
)
def test_odd_values_are_faults_with_words(tolerated, text, said):
    loaded = tolerated(text)
    assert any(said in str(fault) for fault in loaded.faults), [str(fault) for fault in loaded.faults]
    assert len(loaded.fault or "") < 20_000


def test_aliases_of_aliases_are_not_followed_for_ever(tolerated):
    levels = ["a0: &a0 {k: 1, l: 2}"] + [f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 40)]
    assert "has more than 1000 values" in str(tolerated("\n".join(levels)).faults[0])


def test_merge_keys_of_yaml_are_followed(tolerated):
    loaded = tolerated("worker: &w {concurrency: 3, fleet_size: 2}\nx: {<<: *w}\n")
    assert loaded.settings.worker.concurrency == 3
    again = tolerated("worker: {<<: {concurrency: 3, fleet_size: 2}, concurrency: 4}\n")
    assert (again.settings.worker.concurrency, again.settings.worker.fleet_size, again.faults) == (4, 2, ())


PLANTED = [
    "clickhouse: {url: 'clickhouse://me:planted-pw@host:99999/db'}\n",
    "clickhouse: {url: 'clickhouse://me:pla/nted-pw@host/db'}\n",
    "clickhouse: {url: 'clickhouse://me:planted-pw'}\n",
    "clickhouse: {url: 'ftp://me:planted-pw@host/db', password: planted-pw}\n",
    "clickhouse: {password: [planted-pw]}\n",
    "clickhouse: {password: *planted-pw}\n",
    "clickhouse: {password: !planted-pw x}\n",
    "clickhouse: {passwrd: planted-pw}\n",
    "clickhouse: planted-pw\n",
    "redis: {url: 'redis://:planted-pw'}\n",
    "redis: {url: 'redis://:planted-pw@h/x'}\n",
    "kafka: {options: {sasl.password: planted-pw, acks: all}}\n",
    "kafka: {options: planted-pw}\n",
    "sources: {tushare: {token: {planted-pw: 1}}}\n",
    "sources: {tushare: {token: planted-pw, timeout: 0, base_url: 'http://me:planted-pw@h'}}\n",
    "worker: {node_id: planted-pw\n",
    "'planted-pw'\n",
    "? planted-pw\n: [\n",
]


@pytest.mark.parametrize("text", PLANTED)
def test_no_fault_no_repr_and_no_traceback_has_a_secret(tolerated, tmp_path, text):
    loaded = tolerated(text)
    assert loaded.faults
    assert "planted" not in "\n".join([str(loaded.faults), repr(loaded), str(loaded.fault)]).replace(str(tmp_path), "")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path / "data_worker.yml", {}, search=False)
    error = refused.value
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    assert "planted" not in shown.replace(str(tmp_path), "")


# -- whatever is in the file -----------------------------------------------------------------------

QUIET = settings(
    max_examples=120, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KEYS = [entry.key for entry in entries()]
UNCOMMENTED = "\n".join(
    line.replace("#", "", 1) if line.lstrip().startswith("#") and not line.lstrip().startswith("# ") else line
    for line in template().splitlines()
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.sampled_from(["memory://", "chdb://x", "clickhouse://h/d", "redis://h", "tushare", "files", "native", "1d"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def is_whole(path: Path) -> None:
    """Loading ends with settings that hold, or with a `ConfigurationError`; good keys are kept as they are."""
    loaded = load_settings(path, {}, search=False, tolerant=True)
    assert Settings.model_validate(loaded.settings.model_dump()) == loaded.settings
    assert all(fault.place and fault.text for fault in loaded.faults)
    if loaded.faults:
        with pytest.raises(ConfigurationError):
            load_settings(path, {}, search=False)
    else:
        assert load_settings(path, {}, search=False).settings == loaded.settings


@QUIET
@given(content=st.binary(max_size=200))
def test_any_bytes(tmp_path, content):
    path = tmp_path / "fuzzed.yml"
    path.write_bytes(content)
    is_whole(path)


@QUIET
@given(data=st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=6), junk=VALUES)
def test_any_values_at_the_keys(tmp_path, data, junk):
    tree: dict = {}
    for key, value in data.items():
        branch = tree
        for name in key[:-1]:
            branch = branch.setdefault(name, {})
        branch[key[-1]] = value
    tree["junk"] = junk
    path = tmp_path / "fuzzed.yml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="replace")
    is_whole(path)


@QUIET
@given(edits=st.lists(st.tuples(st.integers(0, len(UNCOMMENTED)), st.integers(0, 40), st.text(max_size=8)), max_size=4))
def test_any_edits_of_the_template(tmp_path, edits):
    text = UNCOMMENTED
    for at, length, insert in edits:
        text = text[:at] + insert + text[at + length :]
    path = tmp_path / "fuzzed.yml"
    path.write_text(text, encoding="utf-8", errors="replace")
    is_whole(path)


@QUIET
@given(
    env=st.dictionaries(
        st.sampled_from(
            [
                *(entry.environment for entry in entries()),
                *(f"{e.environment}_FILE" for e in entries() if e.secret),
                "KAFKA_HOST",
                "KAFKA_PORT",
                "REDIS_HOST",
                "CLICKHOUSE_HOST",
                "CLICKHOUSE_PORT",
                "CLICKHOUSE_USER",
                "CLICKHOUSE_DATABASE",
                "GINKGO_LOG_PATH",
                "GINKGO_ENV",
                "GINKGO_DATA__",
                "GINKGO_DATA__X____Y",
            ]
        ),
        st.text(max_size=12),
        max_size=5,
    )
)
def test_any_environment(env):
    loaded = load_settings(None, env, search=False, tolerant=True)
    assert Settings.model_validate(loaded.settings.model_dump()) == loaded.settings


def test_the_template_says_nothing_and_uncommented_it_says_the_defaults(tmp_path):
    path = tmp_path / "data_worker.yml"
    path.write_text(template())
    assert load_settings(path, {}, search=False).origins == {}
    without_files = UNCOMMENTED.replace("    path: null\n", "")
    path.write_text(without_files)
    loaded = load_settings(path, {}, search=False, tolerant=True)
    assert [fault.key for fault in loaded.faults] == ["sources.files.path"]
    assert loaded.settings == Settings()
    mappings = {entry.key for entry in entries() if entry.default == "{}"}
    given = {dotted(key) for key in KEYS if key[:2] != ("sources", "files") and key not in mappings}
    assert given <= set(loaded.origins)
