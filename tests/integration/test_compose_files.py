"""The shipped Compose files: read by Compose itself where it is, held to what both of its generations understand."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from support.containers import compose_command
from support.kafka_server import KafkaServer, kafka_missing
from support.processes import HOST, free_port
from support.redis_server import redis_missing
from support.servers import missing, running
from support.worker_image import ROOT, base_of_dockerfile

DEPLOY = ROOT / "deploy"
STACK, OVER_GINKGO = DEPLOY / "docker-compose.yml", DEPLOY / "docker-compose.ginkgo.yml"
NOT_IN_1_29 = {
    "name",
    "include",
    "models",
    "configs",
    "develop",
    "provider",
    "post_start",
    "pre_stop",
    "gpus",
    "attach",
}
NOT_OF_HEALTH_IN_1_29 = {"start_interval"}
GINKGO = {
    # The shape of Ginkgo's own file, as far as this service goes.
    "services": {
        "data-worker": {
            "image": "ginkgo/worker:latest",
            "build": {"context": ".", "dockerfile": ".conf/Dockerfile.ginkgo"},
            "command": ["python", "main.py", "serve", "worker-data"],
            "restart": "always",
            "depends_on": ["kafka1", "redis-master", "mongo-master", "clickhouse-test"],
            "environment": {"GINKGO_KAFKA_HOST": "kafka1", "WORKER_GROUP_ID": "data-worker-group"},
            "volumes": ["ginkgo-logs:/var/log/ginkgo", "${HOME}/.ginkgo:/home/ginkgo/.ginkgo:ro"],
            "healthcheck": {"test": ["CMD-SHELL", "cat /proc/1/cmdline | grep -q main.py"], "interval": "30s"},
        },
        **{name: {"image": "x"} for name in ("kafka1", "redis-master", "mongo-master", "clickhouse-test")},
    },
    "volumes": {"ginkgo-logs": {}},
}


def services(file: Path) -> dict:
    return yaml.safe_load(file.read_text("utf-8"))["services"]


def composed(*files: Path, directory: Path = DEPLOY, **environment: str) -> dict:
    """Return what Compose makes of the files."""
    command = compose_command()
    if command is None:
        pytest.skip("neither `docker compose` nor `docker-compose` works")
    words = [*command.split(), *(word for file in files for word in ("-f", str(file))), "config"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=60, check=False, cwd=directory, env={**kept, **environment}
    )
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.fixture
def secrets(tmp_path) -> str:
    folder = tmp_path / "secrets"
    script = ["sh", str(DEPLOY / "make_secrets.sh"), str(folder)]
    subprocess.run(script, check=True, capture_output=True, env={"PATH": os.environ["PATH"], "TUSHARE_TOKEN": "t0ken"})
    return str(folder)


def test_compose_reads_the_stack(secrets):
    found = composed(STACK, GINKGO_DATA_SECRETS_DIR=secrets)["services"]
    worker = found["data-worker"]
    assert worker["deploy"]["replicas"] == 4
    assert float(worker["deploy"]["resources"]["limits"]["cpus"]) == 1.0
    assert worker["restart"] == found["kafka"]["restart"] == "always"
    assert {name: of["condition"] for name, of in worker["depends_on"].items()} == {
        "redis": "service_healthy",
        "topics-apply": "service_completed_successfully",
        "schema-apply": "service_completed_successfully",
    }
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]


def test_compose_puts_our_worker_in_the_place_of_ginkgos(tmp_path):
    own = tmp_path / "docker-compose.yml"
    own.write_text(yaml.safe_dump(GINKGO), "utf-8")
    variables = {"CLICKHOUSE_PASSWORD": "pw", "GINKGO_DATA_SOURCE": str(ROOT)}
    worker = composed(own, OVER_GINKGO, directory=tmp_path, **variables)["services"]["data-worker"]
    assert worker["command"] == ["worker", "start"]
    assert worker["image"] == "ginkgo-data-worker:latest"
    assert worker["build"]["dockerfile"] == "deploy/Dockerfile", "else a build would make Ginkgo's image under our name"
    assert worker["healthcheck"]["test"] == ["CMD", "ginkgo-data", "health"]
    assert worker["environment"]["GINKGO_KAFKA_HOST"] == "kafka1"
    assert worker["environment"]["GINKGO_CLICKHOUSE_PASSWORD"] == "pw"
    assert len(worker["volumes"]) == 2, "mounted once each"
    assert {"kafka1", "redis-master", "clickhouse-test"} <= set(worker["depends_on"])


def test_the_image_has_the_bytecode_that_its_base_lacks_and_no_pip():
    # Python's own images have no .pyc, and a read-only root never gets any: every health check would compile.
    _, stage = (DEPLOY / "Dockerfile").read_text("utf-8").rsplit("\nFROM ", 1)
    assert "python3 -m compileall -q" in stage
    assert 'sysconfig.get_path("stdlib")' in stage
    assert "rm -rf /usr/local/bin/pip*" in stage
    assert stage.index("compileall") < stage.index("USER 10001:10001")


def test_an_image_can_be_built_with_more_extras_such_as_traces(secrets):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert 'ARG EXTRAS=""' in dockerfile, "none are asked for, none are there"
    assert "--extra worker --extra calendars ${EXTRAS}" in dockerfile
    for file in (STACK, OVER_GINKGO):
        assert services(file)["data-worker"]["build"]["args"] == {"EXTRAS": "${GINKGO_DATA_EXTRAS:-}"}
    found = composed(STACK, GINKGO_DATA_SECRETS_DIR=secrets, GINKGO_DATA_EXTRAS="--extra otel")["services"]
    assert found["data-worker"]["build"]["args"] == {"EXTRAS": "--extra otel"}
    assert "otel" in declared


@pytest.mark.parametrize("file", [STACK, OVER_GINKGO], ids=["stack", "over Ginkgo"])
def test_both_generations_of_compose_know_what_is_written(file):
    written = yaml.safe_load(file.read_text("utf-8"))
    assert not written.keys() & NOT_IN_1_29
    assert "!reset" not in file.read_text("utf-8")
    for name, service in written["services"].items():
        assert not service.keys() & NOT_IN_1_29, name
        assert not service.get("healthcheck", {}).keys() & NOT_OF_HEALTH_IN_1_29, name
        depends = service.get("depends_on", {})
        for condition in depends.values() if isinstance(depends, dict) else ():
            assert condition.keys() == {"condition"}, name


def test_every_service_has_bounded_logs_and_memory_and_an_end_to_its_restarts():
    for name, service in services(STACK).items():
        assert service["logging"]["options"]["max-size"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["restart"] in ("always", "no"), name


def test_ports_are_of_loopback_only_and_images_have_versions():
    for name, service in services(STACK).items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        if "build" not in service:
            assert re.search(r":\$\{\w+:-\d+(\.\d+)+\}$", service["image"]), name
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", base_of_dockerfile())


def test_what_the_worker_needs_to_stop_fits_into_its_grace(secrets):
    worker = services(STACK)["data-worker"]
    assert worker["stop_grace_period"] == "30s"
    assert worker["environment"]["GINKGO_DATA__WORKER__STOP_GRACE_PERIOD"] == "30"
    own = services(OVER_GINKGO)["data-worker"]
    assert (own["stop_grace_period"], own["environment"]["GINKGO_DATA__WORKER__STOP_GRACE_PERIOD"]) == ("30s", "30")


@pytest.mark.parametrize("name", ["kafka", "clickhouse"])
def test_a_server_is_healthy_when_others_can_reach_it(name):
    # While ClickHouse's image makes its database, a first server answers on loopback alone; then it ends.
    _, check = services(STACK)[name]["healthcheck"]["test"]
    assert re.search(rf"\b{name}[: ]\d+", check), check
    assert "127.0.0.1" not in check


def test_secrets_are_files_that_only_this_user_reaches_and_are_not_made_twice(secrets, tmp_path):
    folder = Path(secrets)
    made = {path.name: path.read_text("ascii") for path in folder.iterdir()}
    assert made.keys() == yaml.safe_load(STACK.read_text("utf-8"))["secrets"].keys()
    assert made["tushare_token"] == "t0ken"
    assert made["redis_password"] != made["clickhouse_password"]
    assert len(made["redis_password"]) == 48
    assert folder.stat().st_mode & 0o777 == 0o700
    again = ["sh", str(DEPLOY / "make_secrets.sh"), secrets]
    subprocess.run(again, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert made == {path.name: path.read_text("ascii") for path in folder.iterdir()}
    alone = ["sh", str(DEPLOY / "make_secrets.sh"), str(tmp_path / "other")]
    refused = subprocess.run(
        alone, capture_output=True, text=True, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}, check=False
    )
    assert refused.returncode == 1
    assert "TUSHARE_TOKEN" in refused.stderr


def test_redis_of_the_stack_starts_with_the_password_of_its_file_and_shows_it_to_nobody(secrets, tmp_path):
    if reason := redis_missing():
        missing("redis", reason)
    redis = services(STACK)["redis"]
    port = free_port()
    here = {"/run/secrets": secrets, "$$": "$", "save": f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsave"}
    text = redis["command"][0]
    for before, after in here.items():
        text = text.replace(before, after)
    password = (Path(secrets) / "redis_password").read_text("ascii")
    with subprocess.Popen([*redis["entrypoint"], text], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert any("Ready to accept" in line for line in server.stdout)
            arguments = Path(f"/proc/{server.pid}/cmdline").read_text("ascii")
            assert arguments.startswith("redis-server"), "it is the process that gets the signals"
            assert password not in arguments
            check = redis["healthcheck"]["test"][1].replace("$$", "$").replace("/run/secrets", secrets)
            asked = check.replace("redis-cli", f"redis-cli -p {port}")
            assert subprocess.run(["sh", "-c", asked], check=False).returncode == 0
            wrong = asked.replace("redis_password", "tushare_token")
            assert subprocess.run(["sh", "-c", wrong], check=False, capture_output=True).returncode == 1
        finally:
            server.terminate()


def test_kafkas_settings_start_a_broker_that_makes_the_topics(tmp_path):
    if reason := kafka_missing():
        missing("kafka", reason)
    told = services(STACK)["kafka"]["environment"]
    places = {"KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_LOG_DIRS"}
    settings = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in told.items()
        if name not in places | {"KAFKA_HEAP_OPTS"}
    }
    server = KafkaServer(tmp_path, settings)
    external, controller = free_port(), free_port()
    addresses = f"INTERNAL://{HOST}:{server.port},EXTERNAL://{HOST}:{external}"
    server._settings |= {
        "listeners": f"{addresses},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": addresses,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    # The image's tool is not among the jars: what it is told is written down, and done through the library.
    told_tool, tool = tmp_path / "told", tmp_path / "kafka-topics.sh"
    tool.write_text(f'#!/bin/sh\necho "$@" >>{told_tool}\n', "utf-8")
    tool.chmod(0o755)
    script = services(STACK)["topics"]["command"][0].replace("$$", "$")
    subprocess.run(["sh", "-ec", script.replace("/opt/kafka/bin/kafka-topics.sh", str(tool))], check=True, timeout=20)
    lines = [line.split() for line in told_tool.read_text("ascii").splitlines()]
    with running(server):
        for words in lines:
            assert words[:4] == ["--bootstrap-server", "kafka:9092", "--create", "--if-not-exists"]
            option = dict(zip(words[4::2], words[5::2], strict=True))
            assert option["--replication-factor"] == "1"
            setting = dict([option["--config"].split("=")])
            server.create_topic(option["--topic"], int(option["--partitions"]), setting)
        partitions = {words[5]: server.partitions(words[5]) for words in lines}
    assert partitions == {"ginkgo.data.commands": 12, "ginkgo.live.control.commands": 12, "ginkgo.notifications": 3}
