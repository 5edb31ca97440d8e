"""Where values come from: Ginkgo's own files and names, secrets in files, the search for a file, order of layers."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints import loading
from ginkgo_data.entrypoints.loading import LoadedSettings, load_settings
from ginkgo_data.entrypoints.upstream_names import looks_like_container

SECURE = {
    "database": {
        "clickhouse": {
            "database": "market",
            "username": "admin",
            "password": base64.b64encode(b"planted-pw").decode(),
            "host": "ch1",
            "port": 9000,
        },
        "mysql": {"host": "my1"},
        "redis": {"host": "redis1", "port": 6380},
        "kafka": {"host": "kafka1", "port": 9093},
    },
    "tushare": {"token": "cGxhbnRlZA=="},
}


@pytest.fixture(autouse=True)
def outside_a_container(monkeypatch):
    monkeypatch.setattr(loading, "looks_like_container", lambda env: "DOCKER_CONTAINER" in env)


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / "home" / ".ginkgo"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return folder


def gconf(home: Path, secure: object = SECURE, config: object = None) -> dict[str, str]:
    """Write Ginkgo's files and return an environment with that home."""
    (home / "secure.yml").write_text(secure if isinstance(secure, str) else yaml.safe_dump(secure))
    if config is not None:
        (home / "config.yml").write_text(yaml.safe_dump(config))
    return {"HOME": str(home.parent)}


def load(env: dict[str, str], file: Path | None = None, **more) -> LoadedSettings:
    return load_settings(file, env, **more)


# -- GCONF ------------------------------------------------------------------------------------------


def test_ginkgos_own_configuration_gives_addresses_password_and_token(home):
    loaded = load(gconf(home))
    settings = loaded.settings
    assert settings.kafka.bootstrap_servers == "kafka1:9093"
    assert settings.redis.url == "redis://redis1:6380/0"
    assert settings.clickhouse.url == "clickhouse://admin@ch1:9000/market"
    assert settings.clickhouse.password.get_secret_value() == "planted-pw"
    assert settings.sources.tushare.token.get_secret_value() == "cGxhbnRlZA=="  # a token is never decoded
    assert loaded.origins["clickhouse.password"].startswith(f"GCONF {home / 'secure.yml'}:")
    assert not loaded.names("clickhouse.url")
    assert "planted" not in repr(loaded)


def test_ginkgos_own_configuration_is_the_weakest_layer_and_is_never_written(home):
    env = gconf(home)
    before = {path: path.read_bytes() for path in home.iterdir()}
    (home / "data_worker.yml").write_text("kafka: {bootstrap_servers: 'file:1'}\n")
    assert load(env).settings.kafka.bootstrap_servers == "file:1"
    assert load(env | {"GINKGO_KAFKA_PORT": "2"}).settings.kafka.bootstrap_servers == "file:2"
    assert load(env | {"GINKGO_REDIS_HOST": "env"}).settings.redis.url == "redis://env:6380/0"
    assert {path: path.read_bytes() for path in home.iterdir() if path.name != "data_worker.yml"} == before
    (home / "secure.yml").unlink()
    assert load(env).settings.redis.url == "redis://localhost:6379/0"


def test_its_folder_may_be_named_and_nothing_of_it_need_be_there(home, tmp_path):
    gconf(home)
    other = tmp_path / "other"
    assert load({"GINKGO_DIR": str(other), "HOME": str(home.parent)}).settings.redis.url == "redis://localhost:6379/0"
    home.rename(other)
    assert load({"GINKGO_DIR": str(other)}).settings.redis.host == "redis1"


def test_its_password_is_not_used_for_an_address_of_ours(home):
    env = gconf(home)
    (home / "data_worker.yml").write_text("clickhouse: {url: 'clickhouse://default@mine/db'}\n")
    assert load(env).settings.clickhouse.password.get_secret_value() == ""
    (home / "data_worker.yml").unlink()
    moved = load(env | {"GINKGO_CLICKHOUSE_HOST": "ch2"}).settings.clickhouse
    assert (moved.url, moved.password.get_secret_value()) == ("clickhouse://admin@ch2:9000/market", "planted-pw")


def test_a_faulty_file_of_ginkgo_is_said_with_its_place(home):
    with pytest.raises(ConfigurationError, match=r"secure\.yml:1:12: not YAML"):
        load(gconf(home, "database: [}"))
    with pytest.raises(ConfigurationError, match=r"secure\.yml:\d+:\d+: kafka\.port: found 'many'; allowed: a port"):
        load(gconf(home, {"database": {"kafka": {"port": "many"}}}))


def test_the_templates_placeholder_is_no_token(home):
    loaded = load(gconf(home, "tushare:\n  token: {YourToken}\n"))
    assert loaded.settings.sources.tushare.token.get_secret_value() == ""
    assert any("placeholder" in warning for warning in loaded.warnings)


def of_password(home: Path, text: object, env: dict[str, str] | None = None) -> tuple[str, list[str]]:
    loaded = load(gconf(home, {"database": {"clickhouse": {"password": text}}}) | (env or {}))
    said = [warning for warning in loaded.warnings if "clickhouse.password" in warning or "cryptography" in warning]
    return loaded.settings.clickhouse.password.get_secret_value(), said


def test_a_password_is_decrypted_where_the_key_fits(home):
    key = Fernet.generate_key()
    token = Fernet(key).encrypt(b"planted").decode()
    assert of_password(home, token, {"GINKGO_SECRET_KEY": key.decode()}) == ("planted", [])
    (home / "key").write_bytes(key + b"\n")
    assert of_password(home, token, {"GINKGO_SECRET_KEY_FILE": str(home / "key")}) == ("planted", [])
    for env in ({}, {"GINKGO_SECRET_KEY": Fernet.generate_key().decode()}, {"GINKGO_SECRET_KEY": "no key"}):
        password, said = of_password(home, token, env)
        assert password == token  # as upstream does
        assert "looks encrypted" in said[0]


@pytest.mark.parametrize(
    ("text", "password", "warned"),
    [
        ("aGVsbG9jbGlja2hvdXNl", "helloclickhouse", False),
        ("aGVsbG9teXNxbAo=", "hellomysql", False),  # a line's end was encoded, too: upstream strips it
        ("plain_text_pwd", "plain_text_pwd", False),
        ("012345", "012345", False),
        ("p@ss-AAAA", "p@ss-AAAA", False),
        ("MTIz", "123", False),
        ("test0000", "test0000", False),
        ("AAAA", "\x00\x00\x00", True),
        ("a-G-k=", "hi", True),
        ("====", "", True),
    ],
)
def test_a_password_is_what_upstream_makes_of_it_and_a_doubt_is_said(home, text, password, warned):
    found, said = of_password(home, text)
    assert (found, bool(said)) == (password, warned)
    assert all(text not in words and (len(password) < 4 or password not in words) for words in said)


def test_without_the_package_an_encrypted_password_is_said(home, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.fernet", None)
    _, said = of_password(home, "x", {"GINKGO_SECRET_KEY": Fernet.generate_key().decode()})
    assert "cryptography is not installed" in said[0]


def test_debug_and_log_folder_of_ginkgo(home):
    loaded = load(gconf(home, {}, {"debug": True, "log_file_on": True, "log_path": "/var/log/ginkgo/"}))
    assert loaded.settings.logging.level == "DEBUG"
    assert str(loaded.settings.logging.file) == "/var/log/ginkgo/data_worker.{host}.log"
    env = gconf(home, {}, {"debug": "False", "log_file_on": False, "log_path": "/var/log/ginkgo"})
    loaded = load(env)
    assert (loaded.settings.logging.level, loaded.settings.logging.file) == ("INFO", None)
    named = load(env | {"GINKGO_LOG_PATH": "/logs", "GINKGO_LOG_LEVEL_CONSOLE": "ERROR", "GINKGO_DEBUG_MODE": "True"})
    assert str(named.settings.logging.file) == "/logs/data_worker.{host}.log"
    assert named.settings.logging.level == "ERROR"
    assert load(env | {"GINKGO_DEBUG_MODE": "True"}).settings.logging.level == "DEBUG"
    assert load(env | {"GINKGO_LOG_PATH": "/logs", "GINKGO_LOG_FILE_ON": "False"}).settings.logging.file is None


# -- upstream's names in the environment -----------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "GINKGO_"])
def test_every_part_of_an_address_has_its_name_with_and_without_the_prefix(prefix):
    parts = {
        "KAFKA_HOST": "k1",
        "KAFKA_PORT": "1",
        "REDIS_HOST": "r1",
        "REDIS_PORT": "2",
        "CLICKHOUSE_HOST": "c1",
        "CLICKHOUSE_PORT": "3",
        "CLICKHOUSE_USER": "me@home",
        "CLICKHOUSE_PASSWORD": "planted/pw",
        "CLICKHOUSE_DATABASE": "d1",
    }
    loaded = load({f"{prefix}{name}": value for name, value in parts.items()})
    settings = loaded.settings
    assert (settings.kafka.bootstrap_servers, settings.redis.url) == ("k1:1", "redis://r1:2/0")
    assert settings.clickhouse.url == "clickhouse://me%40home@c1:3/d1"
    assert (settings.clickhouse.user, settings.clickhouse.password.get_secret_value()) == ("me@home", "planted/pw")
    assert loaded.origins["kafka.bootstrap_servers"] == f"environment {prefix}KAFKA_HOST, {prefix}KAFKA_PORT"


def test_the_prefixed_name_wins_and_our_own_name_over_both():
    env = {"KAFKA_HOST": "plain", "GINKGO_KAFKA_HOST": "ginkgo"}
    assert load(env).settings.kafka.bootstrap_servers == "ginkgo:9092"
    env["GINKGO_DATA__KAFKA__BOOTSTRAP_SERVERS"] = "ours:1"
    assert load(env).settings.kafka.bootstrap_servers == "ours:1"


@pytest.mark.parametrize(
    ("base", "env", "found"),
    [
        ("kafka: {bootstrap_servers: 'a:1'}", {"KAFKA_PORT": "2"}, "a:2"),
        ("kafka: {bootstrap_servers: 'a:1'}", {"KAFKA_HOST": "b"}, "b:1"),
        ("kafka: {bootstrap_servers: 'a:1,c:2'}", {"KAFKA_HOST": "b"}, "b:9092"),
        ("kafka: {bootstrap_servers: 'a:1,c:2'}", {"KAFKA_PORT": "3"}, "a:1,c:2"),
        ("kafka: {bootstrap_servers: 'memory://'}", {"KAFKA_HOST": "b", "KAFKA_PORT": "3"}, "b:3"),
        ("{}", {"KAFKA_HOST": "b:7,c:8"}, "b:7,c:8"),
        ("{}", {"KAFKA_HOST": "b:7", "KAFKA_PORT": "9"}, "b:7"),
        ("{}", {"KAFKA_HOST": "::1"}, "[::1]:9092"),
        ("redis: {url: 'rediss://me@a:1/5'}", {"REDIS_HOST": "b"}, "rediss://me@b:1/5"),
        ("redis: {url: 'memory://'}", {"REDIS_PORT": "7"}, "memory://"),
        ("redis: {url: 'memory://'}", {"REDIS_HOST": "b"}, "redis://b:6379/0"),
        ("clickhouse: {url: 'clickhouses://me@a/d'}", {"CLICKHOUSE_HOST": "b"}, "clickhouses://me@b/d"),
        ("clickhouse: {url: 'chdb://dir'}", {"CLICKHOUSE_USER": "b"}, "chdb://dir"),
        ("clickhouse: {url: 'chdb://dir'}", {"CLICKHOUSE_HOST": "b"}, "clickhouse://default@b:8123/ginkgo"),
        ("{}", {"CLICKHOUSE_HOST": "::1"}, "clickhouse://default@[::1]:8123/ginkgo"),
    ],
)
def test_a_part_replaces_its_part_of_the_address_and_nothing_else(tmp_path, base, env, found):
    file = tmp_path / "data_worker.yml"
    file.write_text(base)
    loaded = load(env, file)
    settings = loaded.settings
    key = {"KAFKA": "kafka.bootstrap_servers", "REDIS": "redis.url", "CLICKHOUSE": "clickhouse.url"}[
        next(iter(env)).partition("_")[0]
    ]
    section, _, name = key.partition(".")
    assert getattr(getattr(settings, section), name) == found
    unused = any("is not used" in warning for warning in loaded.warnings)
    assert unused == (found in base and "HOST" not in "".join(env))


def test_a_service_link_of_kubernetes_is_no_port():
    loaded = load({"REDIS_PORT": "tcp://10.0.0.11:6379", "KAFKA_PORT": "tcp://10.0.0.12:9092", "REDIS_HOST": "r"})
    assert loaded.settings.redis.url == "redis://r:6379/0"
    assert loaded.settings.kafka.bootstrap_servers == "localhost:9092"
    assert sum("service link" in warning for warning in loaded.warnings) == 2


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"REDIS_PORT": "many"}, r"environment REDIS_PORT: redis\.port: found 'many'; allowed: a port from 1 to 65535"),
        ({"REDIS_PORT": "70000"}, "found '70000'"),
        ({"KAFKA_HOST": "a b"}, "environment KAFKA_HOST: kafka.host: found 'a b'; allowed: the name"),
        (
            {"REDIS_HOST": "redis://:planted@r"},
            r"found 'redis://:\*\*\*@r'; allowed: the name or the address of a host",
        ),
        ({"GINKGO_DATA__WORKER__CONCURRENCY": "many"}, "worker.concurrency: found 'many'; allowed: a whole number"),
        (
            {"GINKGO_DATA__WORKER__BATCHSIZE": "1"},
            r"environment GINKGO_DATA__WORKER__BATCHSIZE: worker\.batchsize: there is no such key; did you mean "
            r"GINKGO_DATA__WORKER__BATCH_SIZE\?",
        ),
        ({"GINKGO_DATA__KAFKA__OPTIONS": "{sasl.password: planted"}, "is neither a list nor a mapping"),
    ],
)
def test_a_bad_variable_is_named_with_what_is_allowed(env, said):
    with pytest.raises(ConfigurationError, match=said) as refused:
        load(env)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    ("env", "port"),
    [
        ({"GINKGO_ENV": "DEVELOPMENT"}, 18123),
        ({"GINKGO_ENV": "DEVELOPMENT", "GINKGO_CLICKHOUSE_PORT": "8124"}, 18124),
        ({"GINKGO_ENV": "DEVELOPMENT", "GINKGO_CLICKHOUSE_PORT": "18124"}, 18124),
        ({"GINKGO_ENV": "DEVELOPMENT", "DOCKER_CONTAINER": "true"}, 8123),
        ({"GINKGO_ENV": "PRODUCTION"}, 8123),
        ({}, 8123),
    ],
)
def test_outside_a_container_the_test_cluster_has_ginkgos_mapped_ports(env, port):
    loaded = load({"GINKGO_CLICKHOUSE_HOST": "localhost"} | env)
    assert loaded.settings.clickhouse.port == port
    shifted = port != 8123 and env.get("GINKGO_CLICKHOUSE_PORT") != "18124"
    assert any("is taken as" in warning for warning in loaded.warnings) == shifted


def test_an_address_of_ours_is_not_moved_to_a_mapped_port(tmp_path):
    file = tmp_path / "data_worker.yml"
    file.write_text("clickhouse: {url: 'clickhouse://default@a:8123/ginkgo'}\n")
    env = {"GINKGO_ENV": "DEVELOPMENT", "GINKGO_CLICKHOUSE_USER": "me"}
    assert load(env, file).settings.clickhouse.url == "clickhouse://me@a:8123/ginkgo"


def test_a_store_of_the_other_cluster_is_refused_unless_the_guard_is_off(home):
    env = {"GINKGO_ENV": "DEVELOPMENT", "GINKGO_CLICKHOUSE_HOST": "clickhouse-master"}
    with pytest.raises(
        ConfigurationError, match=r"clickhouse-master.*GINKGO_ENV is DEVELOPMENT; allowed: a host …-test"
    ):
        load(env)
    assert load(env | {"GINKGO_SKIP_CLUSTER_GUARD": "1"}).settings.clickhouse.host == "clickhouse-master"
    with pytest.raises(ConfigurationError, match="GINKGO_ENV is PRODUCTION"):
        load(gconf(home, {}, {"env": "PRODUCTION"}) | {"GINKGO_CLICKHOUSE_HOST": "clickhouse-test"})


# -- our own names, and secrets in files -----------------------------------------------------------


def test_an_empty_variable_says_nothing():
    settings = load({"GINKGO_DATA__WORKER__NODE_ID": "", "GINKGO_KAFKA_HOST": "", "TUSHARE_TOKEN": ""}).settings
    assert (settings.worker.node_id, settings.kafka.bootstrap_servers) == (None, "localhost:9092")


def test_lists_and_mappings_of_the_environment():
    settings = load(
        {
            "GINKGO_DATA__WORKER__TOPICS": "a, b",
            "GINKGO_DATA__SOURCES__TUSHARE__ROW_LIMITS__DAILY": "7",
            "GINKGO_DATA__SOURCES__TUSHARE__ROW_LIMITS": "{adj_factor: 8}",
            "GINKGO_DATA__KAFKA__OPTIONS__SASL_USERNAME": "{me}",
        }
    ).settings
    assert settings.worker.topics == ("a", "b")
    assert settings.sources.tushare.row_limits == {"daily": 7, "adj_factor": 8}
    assert settings.kafka.options["sasl.username"].get_secret_value() == "{me}"


SECRETS = {
    "TUSHARE_TOKEN": lambda s: s.sources.tushare.token,
    "GINKGO_DATA__SOURCES__TUSHARE__TOKEN": lambda s: s.sources.tushare.token,
    "GINKGO_CLICKHOUSE_PASSWORD": lambda s: s.clickhouse.password,
    "CLICKHOUSE_PASSWORD": lambda s: s.clickhouse.password,
    "GINKGO_DATA__CLICKHOUSE__PASSWORD": lambda s: s.clickhouse.password,
    "GINKGO_DATA__REDIS__PASSWORD": lambda s: s.redis.password,
    "GINKGO_DATA__KAFKA__OPTIONS__SASL_PASSWORD": lambda s: s.kafka.options["sasl.password"],
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_lie_in_a_file(tmp_path, name):
    file = tmp_path / "secret"
    file.write_text("planted-secret\n")
    loaded = load({f"{name}_FILE": str(file)})
    assert SECRETS[name](loaded.settings).get_secret_value() == "planted-secret"
    assert file in loaded.files
    assert "planted" not in repr(loaded)
    assert SECRETS[name](load({name: "direct"}).settings).get_secret_value() == "direct"
    assert load({name: "planted-secret", f"{name}_FILE": str(file)}).faults == ()
    with pytest.raises(ConfigurationError, match=r"both given|and differ") as refused:
        load({name: "planted-other", f"{name}_FILE": str(file)})
    assert "planted" not in str(refused.value)
    for there, said in ((str(tmp_path / "nowhere"), "No such file"), (str(tmp_path), "Is a directory")):
        with pytest.raises(ConfigurationError, match=said):
            load({f"{name}_FILE": there})
    file.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        load({f"{name}_FILE": str(file)})


def test_a_password_of_a_stronger_layer_replaces_one_that_was_given_another_way(tmp_path):
    file, secret = tmp_path / "data_worker.yml", tmp_path / "secret"
    secret.write_text("of-secret-file")

    def password(env: dict[str, str], overrides: dict[str, object] | None = None) -> str:
        return load(env, file, overrides=overrides).settings.clickhouse.password.get_secret_value()

    file.write_text("clickhouse: {password: of-file}\n")
    assert password({"GINKGO_DATA__CLICKHOUSE__PASSWORD_FILE": str(secret)}) == "of-secret-file"
    assert password({"GINKGO_DATA__CLICKHOUSE__URL": "clickhouse://me:of-url@h/d"}) == "of-url"
    assert password({}, {"clickhouse.url": "clickhouse://me:of-url@h/d"}) == "of-url"
    assert password({"GINKGO_DATA__CLICKHOUSE__URL": "clickhouse://me@h/d"}) == "of-file"
    file.write_text(f"clickhouse: {{password_file: {secret}}}\n")
    assert password({"GINKGO_CLICKHOUSE_PASSWORD": "of-env"}) == "of-env"


def test_a_password_inside_an_address_has_the_addresss_origin(tmp_path):
    file = tmp_path / "data_worker.yml"
    file.write_text("redis:\n  url: redis://:planted@h\n")
    origins = load({}, file).origins
    assert origins["redis.password"] == f"redis.url, {file}:2:8"


# -- the search for a file, upstream's file ---------------------------------------------------------


def test_the_file_is_the_named_one_else_the_one_here_else_the_one_at_home(home, tmp_path):
    env = {"HOME": str(home.parent)}
    found = load(env)
    assert (found.file, "no data_worker.yml found" in found.warnings[0]) == (None, True)
    assert {Path("data_worker.yml"), home / "data_worker.yml"} <= set(found.files)
    for number, path in enumerate((home / "data_worker.yml", Path("data_worker.yml"), tmp_path / "other.yml"), 1):
        path.write_text(f"worker: {{concurrency: {number}}}\n")
        named = {"GINKGO_DATA_CONFIG": "other.yml"} if number == 3 else {}
        found = load(env | named)
        assert found.settings.worker.concurrency == number
        assert (found.file, found.warnings) == (Path("other.yml") if number == 3 else path, ())
    assert load(env | {"GINKGO_DATA_CONFIG": "other.yml"}, home / "data_worker.yml").settings.worker.concurrency == 1
    assert load(env | {"GINKGO_DATA_CONFIG": "other.yml"}, search=False).settings.worker.concurrency == 8


UPSTREAMS_FILE = """
worker:
  group_id: data_worker_group
  topic: ginkgo.live.control.commands
  batch_size: 1000
  retry_attempts: 3
  retry_backoff_factor: 2.0
  poll_timeout: 1.0
heartbeat:
  interval: 10
  ttl: 30
  key_prefix: heartbeat:data_worker
logging:
  level: INFO
  file: /ginkgo/.logs/dataworker.log
  max_bytes: 10485760
  backup_count: 5
quality:
  missing_threshold_warning: 0.05
  missing_threshold_error: 0.20
  delay_threshold_warning: 5
  delay_threshold_error: 10
  notification_topic: some.notifications
"""


def test_the_keys_of_upstreams_file_are_understood(tmp_path):
    file = tmp_path / "data_worker.yml"
    file.write_text(UPSTREAMS_FILE)
    loaded = load({}, file)
    assert loaded.settings.worker.topics == ("ginkgo.live.control.commands",)
    assert loaded.settings.kafka.notification_topic == "some.notifications"
    assert loaded.origins["worker.topics"] == f"{file}:4:10"
    assert load({"GINKGO_DATA__WORKER__TOPICS": "mine"}, file).settings.worker.topics == ("mine",)
    file.write_text("worker: {topic: a, topics: [b]}\n")
    with pytest.raises(ConfigurationError, match=r":1:17: worker\.topic: .*both given; allowed: one of them"):
        load({}, file)


@pytest.mark.parametrize("name", ["DOCKER_CONTAINER", "KUBERNETES_SERVICE_HOST"])
def test_a_container_is_known_by_upstreams_signs(name):
    assert looks_like_container({name: "true"})
