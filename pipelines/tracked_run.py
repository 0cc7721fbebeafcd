"""A training as it is tracked: what it says goes to its journal, and the journal to MLflow in the background."""

import contextlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from pipelines.home import home
from pipelines.recorder import Recorder, metric_name
from pipelines.redaction import redacted
from pipelines.sender import Sender
from pipelines.spool import Spool, replace_text
from pipelines.tracking import first_line, machine_load, run_with_key
from pipelines.tracking_server import tracking_uri

log = logging.getLogger(__name__)

Status = Literal["FINISHED", "FAILED", "KILLED"]
SAMPLE_SECONDS = 10.0  # between two samples of the machine's load


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
        self.opening: dict[str, Any] = {}  # by which the MLflow run of a child finds this one
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
                    log.info("MLflow at %s answers again", redacted(self._destination))
                failures, self._failing = 0, False
                self._learn_id(sender.run_id)
            except Exception as error:  # whatever it is, the training goes on and the records are kept
                failures, self._failing = failures + 1, True
                if failures == 1:
                    log.warning(
                        "MLflow at %s doesn't take records; they are kept in %s and sent later: %s",
                        redacted(self._destination),
                        spool.folder,
                        first_line(error),
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
            load = machine_load()
            while not self._stop.wait(SAMPLE_SECONDS):
                self.metrics(load(), int(time.time() - self._began))
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
        asked = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.finish("KILLED" if asked else "FINISHED" if kind is None else "FAILED")


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
    parent: Run | None = None,
) -> Run:
    """A run that is being tracked; the same run again where `resume_file` knows of one.

    `params` is a nested mapping or dataclass. Under `mlflow run` it is the run that MLflow has made. With a `parent` it
    is in that run's experiment, below it. Never raises and waits for no server: where not even the disk takes the
    journal, the run drops what it is told, and the log says so.
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
        run_id = old.get("run_id") or (None if parent else os.environ.get("MLFLOW_RUN_ID"))
        opening = {"key": key, "name": name, "experiment": experiment, "run_id": run_id}
        if parent and parent.opening:
            opening |= {"parent": parent.opening, "experiment": parent.opening["experiment"]}
        if spool is None:
            raise OSError(f"somebody holds the new journal {key}")
        spool.write({"kind": "open", "time": int(time.time() * 1000), **opening, "destination": redacted(destination)})
        if resume_file:
            resume_file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(resume_file, json.dumps({"key": key, "began": began, "run_id": run_id}))
        run = Run(spool, destination, resume_file, began)
        run.opening = opening
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
    found = run_with_key(old.get("key", ""))
    if found is None:
        raise ValueError(f"MLflow has not the run of {resume_file}; has it been sent? `python -m pipelines track sync`")
    return found
