"""The folder `mlflow/` holds configuration that its readers accept, and hides no library."""

import ast
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from mlflow import MlflowClient, environment_variables
from mlflow.projects.utils import load_project
from tensorflow_serving.config import model_server_config_pb2

from pipelines.__main__ import main
from tests.conftest import CHECKOUT

with warnings.catch_warnings():  # it has type hints that MLflow itself warns about
    warnings.simplefilter("ignore", UserWarning)
    from mlflow.cli import server

FOLDER = CHECKOUT / "mlflow"


@pytest.mark.parametrize("start", [["-c"], ["-m", "timeit", "-n1", "-r1"]])
def test_import_mlflow_from_the_checkout_is_the_installed_library(start):
    assert not list(FOLDER.rglob("*.py"))
    code = "import mlflow; assert 'site-packages' in mlflow.__file__, mlflow.__file__; mlflow.MlflowClient"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, *start, code], cwd=CHECKOUT, env=environment, check=True, timeout=120)


def test_one_file_imports_mlflow():
    files = [*(CHECKOUT / "pipelines").rglob("*.py"), *(CHECKOUT / "cvapps").rglob("*.py")]
    assert len(files) > 20
    importers = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.split(".")[0] == "mlflow" for name in names):
                importers.add(file.relative_to(CHECKOUT).as_posix())
    assert importers == {"pipelines/tracking.py"}


# The project.


def parsed(command: list[str]) -> tuple[str, dict]:
    """A command of `python -m pipelines` and its options' values; an unknown one raises."""
    name, *words = command
    return name, main.commands[name].make_context(name, words).params


@pytest.mark.parametrize(
    ("entry", "given", "expected"),
    [
        ("train", {"recipe": "mlp_digits"}, ("train", {"recipe": "mlp_digits", "quick": False, "changes": ()})),
        (
            "train",
            {"recipe": "mlp_digits", "quick": "true", "set": "data.source=folder:/a b/$HOME"},
            ("train", {"recipe": "mlp_digits", "quick": True, "changes": ("data.source=folder:/a b/$HOME",)}),
        ),
        ("evaluate", {"recipe": "x; touch bad"}, ("evaluate", {"recipe": "x; touch bad"})),
        ("export", {"uri": "models:/a@b"}, ("export", {"uri": "models:/a@b", "base": None, "form": "saved_model"})),
    ],
)
def test_project_runs_commands_that_exist(entry, given, expected, tmp_path):
    """The shell line as MLflow makes it, with a `python` that writes down what it is called with."""
    project = load_project(str(FOLDER))
    command = project.get_entry_point(entry).compute_command(given, str(tmp_path))
    recorder = tmp_path / "bin" / "python"
    recorder.parent.mkdir()
    recorder.write_text('#!/bin/sh\npwd > "$OUT.cwd"\nfor word in "$@"; do printf "%s\\0" "$word"; done > "$OUT"\n')
    recorder.chmod(0o755)
    environment = {"PATH": f"{recorder.parent}:{os.environ['PATH']}", "OUT": str(tmp_path / "called")}
    subprocess.run(["bash", "-c", command], cwd=FOLDER, env=environment, check=True)
    called = (tmp_path / "called").read_text().split("\0")[:-1]
    assert called[:2] == ["-m", "pipelines"]
    assert Path((tmp_path / "called.cwd").read_text().strip()) == CHECKOUT
    assert parsed(called[2:]) == expected


def test_project_has_the_three_entry_points():
    assert set(yaml.safe_load((FOLDER / "MLproject").read_text())["entry_points"]) == {"train", "evaluate", "export"}


def test_environment_installs_the_requirements():
    environment = yaml.safe_load((FOLDER / "python_env.yaml").read_text())
    assert environment["python"] == "3.11"
    (line,) = environment["dependencies"]
    assert (FOLDER / line.removeprefix("-r ")).resolve() == CHECKOUT / "requirements.txt"


# The servers.


def settings() -> dict[str, str]:
    lines = [line for line in (FOLDER / "server.env").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_server_settings_are_settings_of_the_server():
    options = {option.envvar for option in server.params if isinstance(option, click.Option)}
    known = {name for name in vars(environment_variables) if name.startswith("MLFLOW_")}
    assert set(settings()) <= options | known
    assert settings()["MLFLOW_HOST"] == "127.0.0.1"
    assert settings()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def message(kind: str, fields: dict[str, tuple[int, str]], parts: dict[str, dict] | None = None):
    """A message of the model server that the published Python package lacks, from its fields' numbers and types."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{kind}.proto", package="tensorflow.serving", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    scalar = {"bool": 8, "string": 9, "int64": 3}
    for name, own in {**(parts or {}), kind: fields}.items():
        described = file.message_type.add(name=name)
        for field, (number, what) in own.items():
            repeated, what = what.startswith("repeated "), what.removeprefix("repeated ")
            added = described.field.add(name=field, number=number, label=3 if repeated else 1)
            if what in scalar:
                added.type = scalar[what]
            else:
                added.type, added.type_name = 11, f".{what}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{kind}"))


def test_model_configuration_is_one():
    parse = text_format.Parse
    configuration = parse((FOLDER / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = configuration.model_config_list.config
    assert model.name == "resnet20_digits"
    assert (CHECKOUT / "pipelines" / "recipes" / f"{model.name}.py").is_file()
    assert model.base_path == f"/models/{model.name}"
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 2
    assert set(model.version_labels) == {"stable", "canary"}


def test_batching_configuration_is_one():
    """The fields of tensorflow_serving/servables/tensorflow/session_bundle_config.proto at 2.20."""
    whole = "google.protobuf.Int64Value"
    fields = {
        "max_batch_size": (1, whole),
        "batch_timeout_micros": (2, whole),
        "max_enqueued_batches": (3, whole),
        "num_batch_threads": (4, whole),
        "thread_pool_name": (5, "google.protobuf.StringValue"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "enable_large_batch_splitting": (8, "google.protobuf.BoolValue"),
        "max_execution_batch_size": (9, whole),
    }
    kind = message("BatchingParameters", fields)
    batching = text_format.Parse((FOLDER / "batching.config").read_text(), kind())
    assert batching.max_batch_size.value == 32
    assert batching.num_batch_threads.value >= 1
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batch_size: 32", kind())


def test_monitoring_configuration_is_one():
    """The fields of tensorflow_serving/config/monitoring_config.proto at 2.20."""
    prometheus = {"enable": (1, "bool"), "path": (2, "string")}
    kind = message(
        "MonitoringConfig",
        {"prometheus_config": (1, "tensorflow.serving.PrometheusConfig")},
        {"PrometheusConfig": prometheus},
    )
    monitoring = text_format.Parse((FOLDER / "monitoring.config").read_text(), kind())
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path.startswith("/monitoring/")


def test_compose_publishes_on_loopback_alone():
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    assert set(services) == {"serving", "mlflow"}
    ports = [port for service in services.values() for port in service["ports"]]
    assert len(ports) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    for service in services.values():
        image, tag = service["image"].split(":")
        assert tag[0].isdigit()
        assert "." not in image.split("/")[0]  # a name, no registry's address
    assert services["serving"]["image"].startswith("tensorflow/serving:")


def test_compose_names_files_that_are_there():
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    named = re.findall(r"/etc/serving/([\w.]+)", (FOLDER / "compose.yaml").read_text())
    assert set(named) == {"models.config", "monitoring.config", "batching.config"}
    assert all((FOLDER / name).is_file() for name in [*named, services["mlflow"]["env_file"]])
    (pinned,) = re.findall(r"mlflow==([\d.]+)", services["mlflow"]["command"][2])
    assert f"mlflow=={pinned}" in (CHECKOUT / "requirements.txt").read_text()
    words = shlex.split(services["mlflow"]["command"][2].split("exec ")[1])
    arguments = [word.replace("$$", "") for word in words[2:]]
    with server.make_context("server", arguments) as context:
        assert context.params["port"] == 5000


@pytest.mark.slow
def test_mlflow_runs_a_training_in_its_own_run(tmp_path):
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    command = [Path(sys.executable).with_name("mlflow"), "run", "mlflow", "-e", "train", "-P", "recipe=mlp_digits"]
    command += ["-P", "quick=true", "--env-manager=local", "--experiment-name", "projects"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CVAPPS_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": store}
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, timeout=500)
    client = MlflowClient(store)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    assert client.get_experiment(run.info.experiment_id).name == "projects"
    assert run.info.status == "FINISHED"
    assert run.data.params["recipe"] == "mlp_digits"
    assert run.data.metrics["val_accuracy"] > 0
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"curves.png", "architecture.png"}
