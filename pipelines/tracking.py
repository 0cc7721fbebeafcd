"""What is asked of MLflow: that it takes runs, and keeps models. The one file that imports mlflow."""

import contextlib
import logging
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Before mlflow is imported: nothing is reported to its makers, and nothing is printed into a training's output.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import keras
import mlflow.artifacts
import mlflow.keras
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.types import Schema, TensorSpec

from cvapps.registry import nearest
from pipelines.home import home
from pipelines.model_library import add_library
from pipelines.model_versions import Fetched, Wanted, check_names, wanted_by
from pipelines.recorder import metric_name
from pipelines.redaction import redacted
from pipelines.spool import Refused
from pipelines.tracking_server import patience, tracking_uri

log = logging.getLogger(__name__)

KEY_TAG = "cvapps.run_key"
PARENT_TAG = "mlflow.parentRunId"  # by it MLflow's pages show a run below another
REQUEST_SECONDS = 5.0  # how long a request of a training may take
REGISTRY_SECONDS, REGISTRY_RETRIES = 120.0, 2  # of one that somebody waits for
BATCH = 1000  # metrics in one request, MLflow's limit
PARAMS_BATCH = 100  # and of parameters and tags
HOPELESS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST"}  # the same record would fail for ever


def first_line(error: Exception) -> str:
    """What an error says, for a log; MLflow's may have a page behind it."""
    return redacted(str(error).splitlines()[0])[:300] if str(error) else type(error).__name__


def _is(error: MlflowException, *codes: str) -> bool:
    return error.error_code in codes


def connected(uri: str) -> MlflowClient:
    """MLflow at that address. A new local database appears as a whole: a half made one would be refused for ever."""
    file = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and file.parent.is_dir() and not file.exists():
        draft = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            SqlAlchemyStore(f"sqlite:///{draft}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
    return MlflowClient(uri, uri)


# Runs.

_opening = threading.Lock()  # a parent and its first child are opened at the same moment, and both look for the parent


@contextlib.contextmanager
def _asking(seconds: float | None = None) -> Iterator[None]:
    """A training's requests: none takes longer than REQUEST_SECONDS. Raises Refused for what MLflow never takes."""
    with patience(REQUEST_SECONDS if seconds is None else seconds):
        try:
            yield
        except MlflowException as error:
            if _is(error, *HOPELESS):
                raise Refused(first_line(error)) from error
            raise


class Server:
    """A server, or a local store, that takes runs.

    Each call raises Refused where the same would fail for ever, and what MLflow raises where the server is dead, slow
    or refuses us.
    """

    def __init__(self, destination: str):
        self.destination = destination

    @cached_property
    def _client(self) -> MlflowClient:  # made when it is first used: to make one may fail
        return connected(self.destination)

    def open_run(self, run_id: str, opening: Mapping[str, Any]) -> str:
        """The id of the run that is opened: `run_id` or the one it had before, the one with its key, or a new one.

        It is below the run of its `parent`, an opening as well, where it has one: that is made where the server doesn't
        know it yet, and found by its key when it is opened itself.
        """
        with _asking(), _opening:
            ours, client = self._find([run_id, opening["run_id"]], opening), self._client
            client.set_tag(ours, KEY_TAG, opening["key"])
            client.update_run(ours, status="RUNNING")
            if parent := opening.get("parent"):
                client.set_tag(ours, PARENT_TAG, self._find([parent["run_id"]], {**parent, "time": opening["time"]}))
            return ours

    def _find(self, run_ids: Sequence[str | None], opening: Mapping[str, Any]) -> str:
        for known in filter(None, run_ids):
            try:
                if self._client.get_run(known).info.lifecycle_stage == "active":
                    return known
            except MlflowException as error:
                if not _is(error, "RESOURCE_DOES_NOT_EXIST", *HOPELESS):
                    raise
        experiment_id = self._experiment(opening["experiment"])
        # The server may have made the run and died before it told us.
        key = f"tags.`{KEY_TAG}` = '{opening['key']}'"
        if ours := self._client.search_runs([experiment_id], key, ViewType.ACTIVE_ONLY):
            return ours[0].info.run_id
        run = self._client.create_run(experiment_id, opening["time"], {KEY_TAG: opening["key"]}, opening["name"])
        return run.info.run_id

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            local = self.destination.startswith("sqlite:")  # else the server knows where its artifacts lie
            folder = home("artifacts", metric_name(name)).as_uri() if local else None
            try:
                return self._client.create_experiment(name, folder)
            except MlflowException as error:
                if not _is(error, "RESOURCE_ALREADY_EXISTS"):
                    raise
                return self._experiment(name)  # another training made it just now
        return found.experiment_id

    def log_metrics(self, run_id: str, points: Sequence[tuple[str, float, int, int]]) -> None:
        """Points (name, value, time in milliseconds, step)."""
        with _asking():
            for start in range(0, len(points), BATCH):
                metrics = [Metric(*point) for point in points[start : start + BATCH]]
                self._client.log_batch(run_id, metrics=metrics, synchronous=True)

    def log_tags(self, run_id: str, values: Mapping[str, str]) -> None:
        """Tags, which may have had other values."""
        with _asking():
            tags = [RunTag(name, value) for name, value in values.items()]
            for start in range(0, len(tags), PARAMS_BATCH):
                self._client.log_batch(run_id, tags=tags[start : start + PARAMS_BATCH], synchronous=True)

    def log_params(self, run_id: str, values: Mapping[str, str]) -> None:
        """New parameters; MLflow lets none change, so a resumed run's other value becomes a tag."""
        with _asking():
            known = self._client.get_run(run_id).data.params
            new = [Param(name, value) for name, value in values.items() if name not in known]
            for start in range(0, len(new), PARAMS_BATCH):
                self._client.log_batch(run_id, params=new[start : start + PARAMS_BATCH], synchronous=True)
        changed = {name: value for name, value in values.items() if known.get(name, value) != value}
        if changed:
            log.warning("the run goes on with other parameters: %s", changed)
            self.log_tags(run_id, {f"resumed.{name}"[:250]: value for name, value in changed.items()})

    def log_file(self, run_id: str, path: Path, folder: str) -> None:
        """A file as an artifact in that folder, "" for none."""
        with _asking(REQUEST_SECONDS + path.stat().st_size / 1e6):  # a line of a megabyte a second
            self._client.log_artifact(run_id, str(path), folder or None)

    def end_run(self, run_id: str, status: str, time: int | None) -> None:
        """The run's status, at a time in milliseconds or now."""
        with _asking():
            self._client.set_terminated(run_id, status, time)


def run_with_key(key: str) -> str | None:
    """The id of the run that was opened with that key. Raises ConnectionError where MLflow can't be reached."""
    with _registry() as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'") if key else []
        return found[0].info.run_id if found else None


def machine_load() -> Callable[[], dict[str, float]]:
    """Something to ask, now and then, for the machine's load since it was asked last, under MLflow's names."""
    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    with contextlib.suppress(Exception):  # raises a different thing for each way to have no GPU
        monitors.append(GPUMonitor())

    def load() -> dict[str, float]:
        values = {}
        for monitor in monitors:
            monitor.collect_metrics()
            values.update(monitor.aggregate_metrics())
            monitor.clear_metrics()
        return {f"system/{name}": value for name, value in values.items()}

    return load


# Model folders and the registry.


def write_mlflow_model(model: keras.Model, folder: Path, input_example: np.ndarray) -> None:
    """Writes an MLflow model folder: `MLmodel`, `data/model.keras`, signature, example, requirements and `code/`.

    `input_example` is uint8 [N, H, W, 3]. The folder holds cvapps itself, so `mlflow.pyfunc.load_model` needs no
    checkout. Raises ValueError for an example that isn't a batch of pictures, OSError for a folder in use.
    """
    example = np.asarray(input_example)
    if example.dtype != np.uint8 or example.ndim != 4 or example.shape[-1] != 3 or not len(example):
        raise ValueError(f"the example must be uint8 [N, H, W, 3], not {example.dtype} {list(example.shape)}")
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    outputs = model.predict_on_batch(example)
    named = outputs if isinstance(outputs, dict) else {None: outputs}
    free = [-1 if size is None else size for size in model.input_shape]
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("uint8"), tuple(free))]),
        outputs=Schema([TensorSpec(y.dtype, (-1, *y.shape[1:]), name) for name, y in named.items()]),
    )
    requirements = [f"{name}=={version(name)}" for name in ("mlflow", "keras", "tensorflow", "numpy", "typeguard")]
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():  # MLflow's pyfunc warns, when it is first imported, about its own type hints
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        mlflow.keras.save_model(
            model, str(folder), signature=signature, input_example=example, pip_requirements=requirements
        )
    card = Model.load(str(folder))
    card.flavors["python_function"].update(add_library(folder))
    card.save(str(folder / "MLmodel"))


@contextlib.contextmanager
def _registry() -> Iterator[MlflowClient]:
    """A client for work that somebody waits for. Raises ConnectionError where MLflow can't be reached."""
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)  # a registration looks its logged model up there, whatever client asks
    with patience(REGISTRY_SECONDS, REGISTRY_RETRIES):
        try:
            yield connected(uri)
        except MlflowException as error:
            if _is(error, "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"):
                raise ConnectionError(f"MLflow at {redacted(uri)}: {first_line(error)}") from error
            raise


def register_model(
    package_dir: Path,
    name: str,
    run_id: str,
    alias: str | None = "champion",
    tags: Mapping[str, Any] | None = None,
) -> int:
    """Stores a packaged model folder as the next version of `name`, and moves the alias to it when it is whole.

    The folder holds `MLmodel` and `serving/**/saved_model.pb`; it becomes a logged model of the run. The version gets
    `tags` (recipe, accuracy, ...) and the run's git commit. Raises ValueError for a folder without those files, a name
    or alias that MLflow has no place for and an unknown run, ConnectionError where MLflow can't be reached.
    """
    package_dir = Path(package_dir)
    check_names(name, alias)
    if not (package_dir / "MLmodel").is_file() or not any((package_dir / "serving").rglob("saved_model.pb")):
        raise ValueError(f"{package_dir} has no MLmodel and serving/saved_model.pb: it is not a packaged model")
    with _registry() as client:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if _is(error, "RESOURCE_DOES_NOT_EXIST", *HOPELESS):
                raise ValueError(f"MLflow at {redacted(client.tracking_uri)} has no run {run_id!r}") from error
            raise
        labels = {key: str(value) for key, value in (tags or {}).items()}
        if commit := run.data.tags.get("git.commit"):
            labels.setdefault("git.commit", commit)
        stored = client.create_logged_model(run.info.experiment_id, name, run_id, labels)
        try:
            client.log_model_artifacts(stored.model_id, str(package_dir))
        except Exception:
            client.finalize_logged_model(stored.model_id, LoggedModelStatus.FAILED)
            raise
        client.finalize_logged_model(stored.model_id, LoggedModelStatus.READY)
        client.log_outputs(run_id, [LoggedModelOutput(stored.model_id, step=0)])
        with contextlib.suppress(MlflowException):  # it is there from the second version on
            client.create_registered_model(name)
        new = client.create_model_version(name, f"models:/{stored.model_id}", run_id, labels, model_id=stored.model_id)
        if new.status != "READY":
            raise ConnectionError(f"version {new.version} of {name} is {new.status}: {new.status_message}")
        if alias:
            client.set_registered_model_alias(name, alias, new.version)
        return int(new.version)


def fetch_model(uri: str, folder: Path) -> Fetched:
    """Downloads `models:/name@alias` or `models:/name/3` into `folder`, whole or not at all.

    Raises ValueError, with what there is, for an unknown name, alias or version; FileExistsError for a folder in use;
    ConnectionError where MLflow can't be reached.
    """
    wanted = wanted_by(uri)
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not empty")
    with _registry() as client:
        found = _find_version(client, wanted)
        draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        draft.mkdir(parents=True)
        try:
            mlflow.artifacts.download_artifacts(
                f"models:/{wanted.name}/{found}",
                dst_path=str(draft),
                tracking_uri=client.tracking_uri,
                registry_uri=client.tracking_uri,
            )
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return Fetched(folder, wanted.name, found)


def _find_version(client: MlflowClient, wanted: Wanted) -> int:
    try:
        registered = client.get_registered_model(wanted.name)
    except MlflowException as error:
        if not _is(error, "RESOURCE_DOES_NOT_EXIST"):
            raise
        names = [model.name for model in client.search_registered_models()]
        there = nearest(wanted.name, names) if names else "the registry is empty"
        where = redacted(client.tracking_uri)
        raise ValueError(f"no model {wanted.name!r} is registered at {where}; {there}") from error
    versions = sorted(int(v.version) for v in client.search_model_versions(f"name = '{wanted.name}'"))
    return wanted.among(versions, {key: int(value) for key, value in registered.aliases.items()})
