"""Runs, the model registry and model folders in MLflow. The one file that imports mlflow.

A run writes to a journal on the disk (`recorder.py`, `spool.py`), and a thread sends the journal to MLflow. So a dead
or slow server neither stops nor slows a training, and what it could not take is sent later: by the run itself, by
the next try of the same run, or by `sync`.

Each record is sent at least once, since a server may take a record and die before it says so. A second time does no
harm: MLflow holds a metric's (name, step, time, value) once, parameters and tags have one value, a file replaces
itself, and a run is found again by the tag that holds its key. A step that a resumed training takes again is a
point of its own, at its own time, beside the first.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

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
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.types import Schema, TensorSpec
from tqdm import tqdm

from cvapps.registry import nearest
from pipelines.home import CHECKOUT, home
from pipelines.recorder import Recorder, metric_name
from pipelines.spool import Spool, replace_text, spools

log = logging.getLogger(__name__)

Status = Literal["FINISHED", "FAILED", "KILLED"]
KEY_TAG = "cvapps.run_key"
SAMPLE_SECONDS = 10.0  # between two samples of the machine's load
REQUEST_SECONDS = 5.0  # how long a request of a training may take
REGISTRY_SECONDS, REGISTRY_RETRIES = 120.0, 2  # of one that somebody waits for
BATCH = 1000  # metrics in one request, MLflow's limit
PARAMS_BATCH = 100  # and of parameters and tags
HOPELESS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST"}  # the same record would fail for ever


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the local store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home('mlflow.db')}"


@contextlib.contextmanager
def _patience(seconds: float, retries: int = 0) -> Iterator[None]:
    """How long each of MLflow's requests may take; its own default is 120 seconds and seven retries.

    Its only door for this is the environment, so two threads may get each other's patience: no harm is done by that.
    """
    wanted = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(seconds)), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def _is(error: MlflowException, *codes: str) -> bool:
    return error.error_code in codes


class Sender:
    """Sends a spool's records to `destination`, in order. Whoever uses it holds the spool's `sender` lock."""

    def __init__(self, spool: Spool, destination: str):
        self._spool = spool
        self._destination = destination
        self.run_id: str = ""

    @cached_property
    def _client(self) -> MlflowClient:  # made when it is first used: to make one may fail
        return MlflowClient(self._destination)

    def send_some(self) -> int:
        """Sends the next records and says how many; 0 at the journal's end.

        Raises whatever MLflow raises where the server is dead, slow or refuses us; the same records are then the next.
        """
        sent = self._spool.sent
        if sent.destination != self._destination:  # another server has nothing of this run yet
            sent = self._spool.mark(destination=self._destination, run_id=None, offset=0)
        self.run_id = sent.run_id or ""
        records, end = self._next(sent.offset)
        if end == sent.offset:
            return 0
        with _patience(REQUEST_SECONDS):
            try:
                self._send(records)
            except MlflowException as error:
                if not _is(error, *HOPELESS) or records[0]["kind"] == "open":
                    raise
                for record in records:  # so that one bad record costs no other
                    self._send_or_refuse(record)
        self._spool.mark(run_id=self.run_id, offset=end)
        return len(records)

    def _next(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The records of the next request and the offset behind them: many of metrics, or one of another kind."""
        records: list[dict[str, Any]] = []
        metrics = 0
        for end, record in self._spool.read(offset):
            if record is None:
                log.warning("a record in %s was cut short and is left out", self._spool.folder)
            else:
                metrics += len(record["values"]) if record["kind"] == "metrics" else BATCH
                if records and metrics > BATCH:
                    break
                records.append(record)
            offset = end
        return records, offset

    def _send(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        record = records[0]
        match record["kind"]:
            case "open":
                self.run_id = self._open_run(record)
            case "metrics":
                points = [Metric(k, v, r["time"], r["step"]) for r in records for k, v in r["values"].items()]
                for start in range(0, len(points), BATCH):
                    self._client.log_batch(self.run_id, metrics=points[start : start + BATCH], synchronous=True)
            case "params":
                self._send_params(record["values"])
            case "tags":
                self._send_tags(record["values"])
            case "file":
                path = self._spool.folder / record["path"]
                if not path.is_file():
                    raise MlflowException.invalid_parameter_value(f"{path} is gone")
                with _patience(REQUEST_SECONDS + path.stat().st_size / 1e6):  # a line of a megabyte a second
                    self._client.log_artifact(self.run_id, str(path), record["folder"] or None)
            case "status":
                self._client.set_terminated(self.run_id, record["status"], record["time"])
            case kind:
                raise MlflowException.invalid_parameter_value(f"unknown kind of record {kind!r}")

    def _send_or_refuse(self, record: dict[str, Any]) -> None:
        try:
            self._send([record])
        except MlflowException as error:
            if not _is(error, *HOPELESS):
                raise
            log.warning("MLflow will never take a record of %s: %s", record["kind"], _short(error))
            self._spool.refuse(record, _short(error))

    def _send_tags(self, values: Mapping[str, str]) -> None:
        tags = [RunTag(name, value) for name, value in values.items()]
        for start in range(0, len(tags), PARAMS_BATCH):
            self._client.log_batch(self.run_id, tags=tags[start : start + PARAMS_BATCH], synchronous=True)

    def _send_params(self, values: Mapping[str, str]) -> None:
        """New parameters; MLflow lets none change, so a resumed run's other value becomes a tag."""
        known = self._client.get_run(self.run_id).data.params
        new = [Param(name, value) for name, value in values.items() if name not in known]
        for start in range(0, len(new), PARAMS_BATCH):
            self._client.log_batch(self.run_id, params=new[start : start + PARAMS_BATCH], synchronous=True)
        changed = {name: value for name, value in values.items() if known.get(name, value) != value}
        if changed:
            log.warning("the run goes on with other parameters: %s", changed)
            self._send_tags({f"resumed.{name}"[:250]: value for name, value in changed.items()})

    def _open_run(self, record: dict[str, Any]) -> str:
        """The id of the run that the record opens: the one it had before, the one with its key, or a new one."""
        client = self._client
        for run_id in filter(None, (self.run_id, record["run_id"])):
            try:
                active = client.get_run(run_id).info.lifecycle_stage == "active"
            except MlflowException as error:
                if not _is(error, "RESOURCE_DOES_NOT_EXIST", *HOPELESS):
                    raise
                active = False
            if active:
                client.set_tag(run_id, KEY_TAG, record["key"])
                client.update_run(run_id, status="RUNNING")
                return run_id
        experiment_id = self._experiment(record["experiment"])
        # The server may have made the run and died before it told us.
        ours = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{record['key']}'", ViewType.ACTIVE_ONLY)
        if ours:
            client.update_run(ours[0].info.run_id, status="RUNNING")
            return ours[0].info.run_id
        run = client.create_run(experiment_id, record["time"], {KEY_TAG: record["key"]}, record["name"])
        return run.info.run_id

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            local = self._destination.startswith("sqlite:")  # else the server knows where its artifacts lie
            folder = home("artifacts", metric_name(name)).as_uri() if local else None
            try:
                return self._client.create_experiment(name, folder)
            except MlflowException as error:
                if not _is(error, "RESOURCE_ALREADY_EXISTS"):
                    raise
                return self._experiment(name)  # another training made it just now
        return found.experiment_id


class Run(Recorder):
    """One run: what a Recorder takes goes to MLflow in the background. Use it in a `with`, or `finish` it."""

    def __init__(self, spool: Spool | None, destination: str, resume_file: Path | None, began: float):
        super().__init__(spool)
        self._destination = destination
        self._resume_file = resume_file
        self._began = began
        self._stop, self._give_up, self._sampled = threading.Event(), threading.Event(), threading.Event()
        self._progress = time.monotonic()
        self._failing = False
        self._finished = False
        self.run_id: str | None = None  # as soon as MLflow has the run
        self._sender = threading.Thread(target=self._send, args=[spool], daemon=True)
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        if spool is not None:
            self._sender.start()
            self._sampler.start()

    def _send(self, spool: Spool) -> None:
        """Sends until the run is finished and everything sent, or time is up."""
        sender = Sender(spool, self._destination)
        failures = 0
        while not self._give_up.is_set():
            sent = 0
            try:
                if not spool.sender.take():  # a `sync` is sending it right now
                    self._give_up.wait(0.2)
                    continue
                spool.flush()
                sent = sender.send_some()
                if failures:
                    log.info("MLflow at %s answers again", self._destination)
                failures, self._failing = 0, False
                self._learn_id(sender.run_id)
            except Exception as error:  # whatever it is, the training goes on and the records are kept
                failures, self._failing = failures + 1, True
                if failures == 1:
                    log.warning(
                        "MLflow at %s doesn't take records; they are kept in %s and sent later: %s",
                        self._destination,
                        spool.folder,
                        _short(error),
                    )
            if sent:
                self._progress = time.monotonic()
            elif not self._stop.is_set():
                self._stop.wait(min(2.0**failures, 30.0))
            elif failures:
                self._give_up.wait(0.5)
            else:
                return
        spool.sender.release()

    def _learn_id(self, run_id: str | None) -> None:
        if run_id and run_id != self.run_id:
            if self._resume_file:
                replace_text(self._resume_file, json.dumps({**_resumed(self._resume_file), "run_id": run_id}))
            self.run_id = run_id

    def _sample(self) -> None:
        """The machine's load, under MLflow's names; its own monitor ends for good when the server once fails."""
        try:
            monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
            with contextlib.suppress(Exception):  # raises a different thing for each way to have no GPU
                monitors.append(GPUMonitor())
            while not self._stop.wait(SAMPLE_SECONDS):
                load = {}
                for monitor in monitors:
                    monitor.collect_metrics()
                    load.update(monitor.aggregate_metrics())
                    monitor.clear_metrics()
                self.metrics({f"system/{name}": value for name, value in load.items()}, int(time.time() - self._began))
        except Exception as error:
            self._lost("system metrics", error)

    def _write(self, kind: str, **fields: Any) -> None:
        if self._finished and kind != "status":
            raise OSError("this run is finished")
        super()._write(kind, **fields)

    def finish(self, status: Status = "FINISHED", patience: float = 10.0, longest: float = 300.0) -> None:
        """Ends the run; waits while records are taken, at most `longest` seconds, and `patience` where MLflow fails.

        What was not sent by then stays on the disk, and the log says so. Never raises; a second call does nothing.
        """
        if self._finished:
            return
        self._finished = True
        if self._spool is None:
            return
        try:
            self._finish(self._spool, status, patience, longest)
        except Exception as error:
            log.warning("the run's end was not tracked: %s", error)

    def _finish(self, spool: Spool, status: Status, patience: float, longest: float) -> None:
        sender = self._sender
        with contextlib.suppress(OSError):
            self._write("status", status=status)
        self._stop.set()  # the status is written by now: a sender that finds nothing to send after this may leave
        self._sampler.join(1.0)
        began = self._progress = time.monotonic()
        while sender.is_alive() and time.monotonic() < began + longest:
            if self._failing and time.monotonic() > self._progress + patience:
                break  # a store that is only slow, as a database that is being made, is waited for
            sender.join(0.05)
        self._give_up.set()
        with contextlib.suppress(OSError):
            spool.flush()
        waiting = spool.waiting()
        if sender.is_alive() or waiting:
            log.warning("%d records wait in %s; send them with `python -m pipelines track sync`", waiting, spool.folder)
            spool.writer.release()
            if not sender.is_alive():  # else it is in its last request, and lets its lock go after that
                spool.close()
        elif spool.sender.take():
            spool.remove()
        if self.dropped:
            log.warning("%d records of this run were dropped", self.dropped)

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish("FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED")


def _resumed(resume_file: Path | None) -> dict[str, Any]:
    """What an earlier try left in its resume file; nothing where there is none or it can't be read."""
    if resume_file is None or not resume_file.exists():
        return {}
    try:
        old = json.loads(resume_file.read_text())
        return {"key": str(old["key"]), "began": float(old["began"]), "run_id": old["run_id"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s can't be read, so this is a new MLflow run: %s", resume_file, error)
        return {}


def open_run(
    name: str,
    params: Any = (),
    tags: Mapping[str, Any] | None = None,
    experiment: str = "cvapps",
    resume_file: Path | None = None,
) -> Run:
    """A run that is being tracked; the same run again where `resume_file` knows of one.

    `params` is a nested mapping or dataclass. Under `mlflow run` it is the run that MLflow has made. Never raises and
    waits for no server: where not even the disk takes the journal, the run drops what it is told, and the log says so.
    """
    destination = tracking_uri()
    run = Run(None, destination, None, time.time())
    try:
        old = _resumed(resume_file)
        began = old.get("began", time.time())
        spool = Spool.open(home("spool", key)) if (key := old.get("key")) else None
        if key and spool is None:
            log.warning("a living training has the run of %s, so this is a new MLflow run", resume_file)
            old, resume_file = {}, None
        if key is None or spool is None:
            key = f"{metric_name(name).replace('/', '_')[:80]}-{uuid.uuid4().hex[:12]}"
            spool = Spool.open(home("spool", key))
        run_id = old.get("run_id") or os.environ.get("MLFLOW_RUN_ID")
        opening = {"key": key, "name": name, "experiment": experiment, "run_id": run_id, "destination": destination}
        if spool is None:
            raise OSError(f"somebody holds the new journal {key}")
        spool.write({"kind": "open", "time": int(time.time() * 1000), **opening})
        if resume_file:
            resume_file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(resume_file, json.dumps({"key": key, "began": began, "run_id": run_id}))
        run = Run(spool, destination, resume_file, began)
    except Exception as error:
        log.warning("this run can't be tracked and goes on: %s", error)
    if tags:
        run.tags(tags)
    if params:
        run.params(params)
    return run


def run_of(resume_file: Path) -> str:
    """The MLflow id of the run that `resume_file` belongs to, also where the run was sent by a `sync`.

    Raises ValueError where MLflow hasn't the run, ConnectionError where it can't be reached.
    """
    old = _resumed(resume_file)
    if old.get("run_id"):
        return old["run_id"]
    with _registry() as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{old['key']}'") if old else []
        if not found:
            raise ValueError(
                f"MLflow has not the run of {resume_file}; has it been sent? `python -m pipelines track sync`"
            )
        return found[0].info.run_id


class Synced(NamedTuple):
    """What a `sync` did, in records, and in spools that it left to a living training."""

    sent: int
    waiting: int
    busy: int


def sync(destination: str | None = None) -> Synced:
    """Sends what finished or killed runs left on the disk, to `destination` or to where each of them was opened for.

    A killed run is KILLED in MLflow until it is resumed. May be called at any time and as often as one likes. Raises
    nothing for a server that is dead: its records are still waiting.
    """
    sent = waiting = busy = 0
    target = ""
    dead: set[str] = set()  # each is waited for once
    for spool in spools(home("spool")):
        if not spool.sender.take():
            busy += 1
            continue
        try:
            openings = [record for _, record in spool.read() if record is not None and record["kind"] == "open"]
            target = destination or openings[-1]["destination"]
            if target not in dead:
                sent += _send_all(spool, target)
                _tidy(spool, target)
        except Exception as error:
            dead.add(target)
            log.warning("%s can't be sent to %s: %s", spool.folder, target, _short(error))
        finally:
            waiting += spool.waiting() if spool.folder.is_dir() else 0
            spool.close()
    return Synced(sent, waiting, busy)


def _send_all(spool: Spool, destination: str) -> int:
    sender, total = Sender(spool, destination), 0
    with tqdm(total=spool.waiting(), desc=spool.folder.name, unit="record", disable=None) as bar:
        while some := sender.send_some():
            bar.update(some)
            total += some
    return total


def _tidy(spool: Spool, destination: str) -> None:
    """Removes a spool that is sent, unless its training lives; a run that was killed in its middle is said to be so."""
    if not spool.writer.take():
        return
    *_, (end, last) = spool.read()
    if end == spool.sent.offset:  # else its training was resumed and ended again just now
        if (run_id := spool.sent.run_id) and (last is None or last["kind"] != "status"):
            with _patience(REQUEST_SECONDS):
                MlflowClient(destination).set_terminated(run_id, "KILLED", last["time"] if last else None)
        spool.remove()


# Model folders and the registry.

LOADER = '''"""Loads the model of this folder with the cvapps that it was saved by."""

import cvapps.registry
from mlflow.keras.load import _load_pyfunc

cvapps.registry.list_models()  # imports every family, so that Keras knows the layers that it lacks itself
'''


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
    shutil.copytree(CHECKOUT / "cvapps", folder / "code" / "cvapps", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "code" / "cvapps_loader.py").write_text(LOADER)
    card = Model.load(str(folder))
    card.flavors["python_function"].update(loader_module="cvapps_loader", code="code")
    card.save(str(folder / "MLmodel"))


def _check_names(name: str, alias: str | None) -> None:
    if not name or set(name) & set("/:@") or name != name.strip():
        raise ValueError(f"a registered model's name has no '/', ':' or '@', not {name!r}")
    if alias is None:
        return
    if alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        raise ValueError(f"MLflow reserves the alias {alias!r}: 'latest' and 'v<number>' mean versions")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", alias):
        raise ValueError(f"an alias has letters, digits, '_' and '-', not {alias!r}")


@contextlib.contextmanager
def _registry() -> Iterator[MlflowClient]:
    """A client for work that somebody waits for. Raises ConnectionError where MLflow can't be reached."""
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)  # a registration looks its logged model up there, whatever client asks
    with _patience(REGISTRY_SECONDS, REGISTRY_RETRIES):
        try:
            yield MlflowClient(uri, uri)
        except MlflowException as error:
            if _is(error, "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"):
                raise ConnectionError(f"MLflow at {uri}: {_short(error)}") from error
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
    _check_names(name, alias)
    if not (package_dir / "MLmodel").is_file() or not any((package_dir / "serving").rglob("saved_model.pb")):
        raise ValueError(f"{package_dir} has no MLmodel and serving/saved_model.pb: it is not a packaged model")
    with _registry() as client:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if _is(error, "RESOURCE_DOES_NOT_EXIST", *HOPELESS):
                raise ValueError(f"MLflow at {client.tracking_uri} has no run {run_id!r}") from error
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


class Fetched(NamedTuple):
    """A registered version's files, and which one it is."""

    folder: Path
    name: str
    version: int


def fetch_model(uri: str, folder: Path) -> Fetched:
    """Downloads `models:/name@alias` or `models:/name/3` into `folder`, whole or not at all.

    Raises ValueError, with what there is, for an unknown name, alias or version; FileExistsError for a folder in use;
    ConnectionError where MLflow can't be reached.
    """
    match = re.fullmatch(r"models:/([^/:@]+)(?:@([\w-]+)|/(\d+))", uri)
    if match is None:
        raise ValueError(f"a model's URI is models:/NAME@ALIAS or models:/NAME/VERSION, not {uri!r}")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not empty")
    with _registry() as client:
        found = _find_version(client, *match.groups())
        draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        draft.mkdir(parents=True)
        try:
            mlflow.artifacts.download_artifacts(
                f"models:/{match[1]}/{found}",
                dst_path=str(draft),
                tracking_uri=client.tracking_uri,
                registry_uri=client.tracking_uri,
            )
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return Fetched(folder, match[1], found)


def _find_version(client: MlflowClient, name: str, alias: str | None, number: str | None) -> int:
    try:
        registered = client.get_registered_model(name)
    except MlflowException as error:
        if not _is(error, "RESOURCE_DOES_NOT_EXIST"):
            raise
        names = [model.name for model in client.search_registered_models()]
        there = nearest(name, names) if names else "the registry is empty"
        raise ValueError(f"no model {name!r} is registered at {client.tracking_uri}; {there}") from error
    versions = sorted(int(v.version) for v in client.search_model_versions(f"name = '{name}'"))
    aliases = {key: int(value) for key, value in registered.aliases.items()}
    if alias is not None and alias in aliases:
        return aliases[alias]
    if number is not None and int(number) in versions:
        return int(number)
    wanted = f"alias {alias!r}" if alias else f"version {number}"
    raise ValueError(f"{name} has no {wanted}; it has the versions {versions} and the aliases {aliases}")
