"""The manifests of deploy/kubernetes: checked against Kubernetes' own schemas, and against what the worker needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from ginkgo_data.entrypoints.loading import load_settings

PLACE = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
BASE, KEDA = PLACE / "base", PLACE / "keda"
OLDEST, NEWEST = "1.25", kubernetes_validate.latest_version()
NATIVE = [*sorted(path for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")]
SCALED_OBJECT = {
    # KEDA's resource is no part of Kubernetes' schemas: its keys, as of keda.sh/v1alpha1.
    "": {"scaleTargetRef", "pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount"}
    | {"minReplicaCount", "maxReplicaCount", "fallback", "advanced", "triggers"},
    "kafka": {"bootstrapServers", "consumerGroup", "topic", "lagThreshold", "activationLagThreshold"}
    | {"offsetResetPolicy", "allowIdleConsumers", "scaleToZeroOnInvalidOffset", "version", "partitionLimitation"}
    | {"sasl", "tls", "excludePersistentLag", "limitToPartitionsWithLag", "ensureEvenDistributionOfPartitions"},
}


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture
def pod() -> dict:
    return read(BASE / "deployment.yaml")["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.name)
def test_kubernetes_knows_every_key(path, version):
    kubernetes_validate.validate(read(path), version, strict=True)


def test_the_checker_finds_a_key_that_is_misspelt():
    wrong = read(BASE / "deployment.yaml")
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_kustomize_is_told_of_every_manifest_and_of_no_secret():
    assert {BASE / name for name in read(BASE / "kustomization.yaml")["resources"]} == {
        path for path in NATIVE if path.name != "secret.template.yaml"
    }
    assert read(KEDA / "kustomization.yaml")["resources"] == ["../base", "scaledobject.yaml"]
    assert set(read(BASE / "secret.template.yaml")["stringData"].values()) == {""}


def test_what_refers_to_something_refers_to_what_is_there(pod):
    names = {read(path)["kind"]: read(path)["metadata"]["name"] for path in NATIVE}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["config"]["configMap"]["name"] == names["ConfigMap"]
    assert volumes["secrets"]["secret"]["secretName"] == names["Secret"]
    labels = read(BASE / "deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    for path in (BASE / "deployment.yaml", BASE / "poddisruptionbudget.yaml"):
        assert read(path)["spec"]["selector"]["matchLabels"].items() <= labels.items()
    secret = read(BASE / "secret.template.yaml")["stringData"].keys()
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    (place,) = (mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets")
    files = [variable["value"] for variable in container["env"] if variable["name"].endswith("_FILE")]
    assert {file.removeprefix(f"{place}/") for file in files} == secret


def test_the_container_is_confined_and_has_its_resources(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert not any("subPath" in mount for mount in container["volumeMounts"]), "that would never be updated"


def test_no_server_can_keep_a_worker_from_starting(pod):
    # A worker that runs while ClickHouse is away moves what waits to the work topic before it expires; one that waits
    # for an init container does not. It makes schema and topics by itself when the servers answer.
    assert "initContainers" not in pod


def test_the_probes_ask_the_pages_that_are_there(pod):
    (worker,) = pod["containers"]
    probes = {name: worker[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    ports = {port["name"]: port["containerPort"] for port in worker["ports"]}
    assert {probe["port"] for probe in probes.values()} == ports.keys()
    assert ports["health"] == load_settings(None, {}).settings.health.port


def test_the_configuration_is_one_that_the_worker_takes_and_fits_the_grace(pod, tmp_path):
    file = tmp_path / "data_worker.yml"
    file.write_text(read(BASE / "configmap.yaml")["data"]["data_worker.yml"], "utf-8")
    settings = load_settings(file, {}).settings
    assert settings.worker.stop_grace_period == pod["terminationGracePeriodSeconds"]
    assert settings.worker.fleet_size == read(BASE / "deployment.yaml")["spec"]["replicas"]
    assert settings.worker.shutdown_timeout < pod["terminationGracePeriodSeconds"]


def test_keda_scales_the_deployment_by_the_lag_of_its_group():
    scaled = read(KEDA / "scaledobject.yaml")
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = scaled["spec"]
    assert not spec.keys() - SCALED_OBJECT[""]
    assert spec["scaleTargetRef"]["name"] == read(BASE / "deployment.yaml")["metadata"]["name"]
    settings = load_settings(None, {}).settings
    assert spec["minReplicaCount"] <= spec["maxReplicaCount"] <= settings.kafka.work_partitions
    for trigger in spec["triggers"]:
        assert trigger["type"] == "kafka"
        assert not trigger["metadata"].keys() - SCALED_OBJECT["kafka"]
        assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA wants texts"
        assert trigger["metadata"]["consumerGroup"] == settings.worker.group_id
    topics = {trigger["metadata"]["topic"] for trigger in spec["triggers"]}
    assert topics == {"ginkgo.data.commands", settings.kafka.work_topic}
    (patch,) = read(KEDA / "kustomization.yaml")["patches"]
    removed, added = yaml.safe_load(patch["patch"])
    assert removed == {"op": "remove", "path": "/spec/replicas"}
    # Redis away: each worker takes its share of the quota, and together they must not take more than all of it.
    assert (added["op"], added["path"]) == ("add", "/spec/template/spec/containers/0/env/-")
    assert (
        load_settings(None, {added["value"]["name"]: added["value"]["value"]}).settings.worker.fleet_size
        == (spec["maxReplicaCount"])
    )


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl to ask")
@pytest.mark.parametrize("place", [BASE, KEDA], ids=["base", "keda"])
def test_kustomize_makes_manifests_that_kubernetes_knows(place):
    words = ["kubectl", "kustomize", str(place)]
    made = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    found = {one["kind"]: one for one in yaml.safe_load_all(made.stdout)}
    assert found.keys() >= {"ConfigMap", "Deployment", "PodDisruptionBudget"}
    assert {one["metadata"]["namespace"] for one in found.values()} == {"ginkgo"}
    scaled = found.pop("ScaledObject", None)
    for one in found.values():
        kubernetes_validate.validate(one, NEWEST, strict=True)
    deployment = found["Deployment"]["spec"]
    assert ("replicas" in deployment) == (scaled is None)
    (container,) = deployment["template"]["spec"]["containers"]
    assert ":" in container["image"], "a version, and not whatever is the latest"
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names))
