"""The Kubernetes manifests: what their schemas take, and names that fit each other and the rest of `mlflow/`."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import CHECKOUT
from tests.pipelines.test_mlflow_folder import parsed

FOLDER = CHECKOUT / "mlflow"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS = {
    (one["kind"], one["metadata"]["name"]): one
    for name in KUSTOMIZATION["resources"]
    for one in yaml.safe_load_all((FOLDER / name).read_text())
}
PODS = {
    key: one["spec"]["template"]["spec"] | {"labels": one["spec"]["template"]["metadata"]["labels"]}
    for key, one in MANIFESTS.items()
    if "template" in one.get("spec", {})
}
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def test_every_manifest_is_a_resource():
    assert {FOLDER / name for name in KUSTOMIZATION["resources"]} == set((FOLDER / "deploy").glob("*.yaml"))
    assert len(MANIFESTS) == 12
    assert set(PODS) == {("Deployment", "mlflow"), ("Job", "train"), ("Deployment", "serving")}


def test_the_schemas_of_kubernetes_take_them():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for manifest in MANIFESTS.values():
        kubernetes_validate.validate(manifest, "1.31", strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**MANIFESTS["Service", "train"], "specs": {}}, "1.31", strict=True)


def test_services_policies_and_budgets_select_pods_that_there_are():
    labels = [pod["labels"] for pod in PODS.values()]
    specs = [(kind, one.get("spec")) for (kind, _), one in MANIFESTS.items()]
    policies = [spec for kind, spec in specs if kind == "NetworkPolicy"]
    sources = [source for policy in policies for rule in policy["ingress"] for source in rule["from"]]
    selectors = [spec["selector"] for kind, spec in specs if kind == "Service"]
    selectors += [one["podSelector"]["matchLabels"] for one in policies + sources]
    selectors += [s["selector"]["matchLabels"] for kind, s in specs if kind in ("Deployment", "PodDisruptionBudget")]
    assert len(selectors) == 10
    assert all(selector in labels for selector in selectors)
    ports = {port["name"]: port["containerPort"] for pod in PODS.values() for port in pod["containers"][0]["ports"]}
    assert all(
        port["targetPort"] in ports
        for (kind, _), one in MANIFESTS.items()
        if kind == "Service"
        for port in one["spec"]["ports"]
    )


def test_volumes_and_settings_are_there():
    generated = {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}
    for generator in KUSTOMIZATION["configMapGenerator"]:
        assert all((FOLDER / name).is_file() for name in generator.get("files", generator.get("envs")))
    for pod in PODS.values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = pod["containers"][0]["volumeMounts"]
        assert {mount["name"] for mount in mounts} == set(volumes)
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in generated
            else:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in MANIFESTS
    assert {
        one["configMapRef"]["name"] for one in PODS["Deployment", "mlflow"]["containers"][0]["envFrom"]
    } <= generated


def test_images_and_options_are_those_of_compose():
    for name in ("serving", "mlflow"):
        container = PODS["Deployment", name]["containers"][0]
        assert container["image"] == COMPOSE[name]["image"]
    assert PODS["Deployment", "serving"]["containers"][0]["args"] == COMPOSE["serving"]["command"]
    assert "mlflow==3.17.2" in PODS["Deployment", "mlflow"]["containers"][0]["args"][0]
    assert "mlflow==3.17.2" in COMPOSE["mlflow"]["command"][-1]


def test_autoscaling_has_a_target_with_a_request():
    scaler = MANIFESTS["HorizontalPodAutoscaler", "serving"]["spec"]
    target = (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"])
    assert "replicas" not in MANIFESTS[target]["spec"]  # `apply` would set it back
    assert "cpu" in PODS[target]["containers"][0]["resources"]["requests"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_of_the_job_begins_as_the_cluster_says(monkeypatch, index):
    job, container = MANIFESTS["Job", "train"]["spec"], PODS["Job", "train"]["containers"][0]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert int(environment["WORKERS"]) == job["completions"] == job["parallelism"]
    started = []
    monkeypatch.setattr(os, "execvp", lambda file, words: started.append((file, words)))
    for name, value in {**environment, "JOB_COMPLETION_INDEX": str(index), "TF_CONFIG": ""}.items():
        monkeypatch.setenv(name, value)
    code, *words = container["args"]
    monkeypatch.setattr(sys, "argv", ["-c", *words])
    exec(code, {})
    [(file, command)] = started
    assert (container["command"], file, command[:3]) == (["python", "-c"], "python", ["python", "-m", "pipelines"])
    name, options = parsed(command[3:])
    assert (name, options["recipe"]) == ("train", "resnet50_imagenet")
    assert "strategy=multiworker" in options["changes"]
    service = MANIFESTS["Service", PODS["Job", "train"]["subdomain"]]
    cluster = json.loads(os.environ["TF_CONFIG"])
    assert cluster["task"] == {"type": "worker", "index": index}
    assert cluster["cluster"]["worker"] == [f"train-{i}.train:{service['spec']['ports'][0]['port']}" for i in range(2)]


def test_the_image_has_what_training_needs():
    copied = [
        line.split()[1] for line in Path(FOLDER / "deploy" / "Dockerfile").read_text().splitlines() if "COPY" in line
    ]
    assert set(copied) == {"requirements.txt", "cvapps", "pipelines", "mlflow"}
    assert all((CHECKOUT / name).exists() for name in copied)
