"""Watches `<base>/<model>/<version>/` and keeps the chosen versions loaded, without a moment in which none is."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2

from pipelines.serving.batching import Batching
from pipelines.serving.policy import Policy
from pipelines.serving.refusal import Refusal, from_tensorflow, invalid, missing
from pipelines.serving.servable import Servable
from pipelines.serving.warmup import warm_up

log = logging.getLogger(__name__)
State = get_model_status_pb2.ModelVersionStatus.State


@dataclass(frozen=True)
class Spec:
    """Which servable a request asks for: a version, a labelled version, or the latest."""

    name: str
    version: int | None = None
    label: str | None = None


@dataclass
class _Version:
    """A version that was seen, from START to END; `users` are the requests that hold its servable."""

    files: tuple
    state: int = State.START
    error: Refusal | None = None
    servable: Servable | None = None
    users: int = 0


class Servables:
    """Every model below `base`, each by its policy: the latest version where `policies` is None."""

    def __init__(
        self,
        base: Path,
        poll_seconds: float = 1.0,
        policies: Mapping[str, Policy] | None = None,
        batching: Batching | None = None,
    ):
        self._base = Path(base)
        self._poll_seconds = poll_seconds
        self._policies = policies
        self._batching = batching
        self._models: dict[str, dict[int, _Version]] = {}
        self._lock = threading.Lock()
        self._scanning = threading.Lock()  # whoever has it may change which versions are loaded
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="servables", daemon=True)

    def start(self) -> None:
        """Loads what is there, then keeps watching.

        Raises NotADirectoryError where the base is no folder.
        """
        if not self._base.is_dir():
            raise NotADirectoryError(f"no folder of models at {self._base}; export a model to it first")
        self.scan()
        self._watcher.start()

    def stop(self) -> None:
        """Ends the watching and unloads everything; what a request still holds is unloaded when it lets go."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for name, versions in self._models.items():
            for version in list(versions):
                self._retire(name, version)

    def scan(self) -> None:
        """One look at the folders: loads what is wanted, newest first, then unloads what is wanted no more."""
        with self._scanning:
            self._scan()

    def reload(self, policies: Mapping[str, Policy]) -> None:
        """Serves by these policies from now on; returns when what they want is loaded, and the rest unloaded.

        Raises Refusal, and changes nothing, where a label is moved to a version that isn't available; UNKNOWN where a
        model has no version that can be served.
        """
        with self._scanning:
            for name, policy in policies.items():
                for label, version in policy.labels.items():
                    moved = self._policy(name).labels.get(label, version) != version
                    if moved and version not in self.available().get(name, []):
                        reason = f"label {label!r} to version {version} of model {name}, which is not available"
                        raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, f"a request to move {reason}")
            self._policies = policies
            self._scan()
        if absent := sorted(set(policies) - {name for name, versions in self.available().items() if versions}):
            raise Refusal(grpc.StatusCode.UNKNOWN, f"no version can be served of {absent}")

    def _scan(self) -> None:
        present = self._present()
        for name in sorted(set(present) | set(self._models)):
            folders = present.get(name, {})
            with self._lock:
                versions = self._models.setdefault(name, {})
            wanted = self._policy(name).choose(folders)
            for version in sorted(wanted, reverse=True):
                if self._stop.is_set():
                    return
                if self._is_due(versions.get(version), folders[version]):
                    self._load(name, version, folders[version])
            if not wanted or any(versions[version].state == State.AVAILABLE for version in wanted):
                for version in sorted(set(versions) - wanted):
                    self._retire(name, version)

    @contextmanager
    def use(self, spec: Spec) -> Iterator[Servable]:
        """The servable that `spec` asks for, kept loaded until the block ends.

        Raises Refusal, NOT_FOUND for an unknown model or version, INVALID_ARGUMENT for an unknown label.
        """
        number = self._number(spec)
        with self._lock:
            versions = self._models.get(spec.name, {})
            ready = [key for key, version in versions.items() if version.state == State.AVAILABLE]
            chosen = max(ready, default=None) if number is None else number if number in ready else None
            if chosen is None:
                asked = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
                raise missing(f"Servable not found for request: {asked}")
            version = versions[chosen]
            version.users += 1
            servable = version.servable
        assert servable is not None  # an AVAILABLE version has one
        try:
            yield servable
        finally:
            with self._lock:
                version.users -= 1
                last = version.state == State.UNLOADING and not version.users
            if last:
                self._unload(spec.name, chosen, version)

    def status(self, spec: Spec) -> get_model_status_pb2.GetModelStatusResponse:
        """State and error of each version of a model, or of the one that is asked for, newest first.

        Raises Refusal for a model or version that was never seen.
        """
        number = self._number(spec)
        response = get_model_status_pb2.GetModelStatusResponse()
        with self._lock:
            versions = self._models.get(spec.name, {})
            chosen = sorted(versions, reverse=True) if number is None else [number] if number in versions else []
            for key in chosen:
                version = versions[key]
                one = response.model_version_status.add(version=key, state=version.state)
                one.status.error_code = version.error.code.value[0] if version.error else 0
                one.status.error_message = version.error.reason if version.error else ""
        if not chosen:
            sought = "any versions" if number is None else f"version {number}"
            raise missing(f"Could not find {sought} of model {spec.name}")
        return response

    def available(self) -> dict[str, list[int]]:
        """The versions that answer requests, by model."""
        with self._lock:
            return {
                name: sorted(key for key, version in versions.items() if version.state == State.AVAILABLE)
                for name, versions in sorted(self._models.items())
            }

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.scan()
            except Exception:  # a watcher that died would serve old versions for ever, silently
                log.exception("looking at %s failed; trying again in %g s", self._base, self._poll_seconds)

    def _present(self) -> dict[str, dict[int, Path]]:
        """{model: {version: folder}}: only whole numbers are versions, so temporary names are passed over."""
        found = {}
        for model in self._base.iterdir():
            if model.is_dir() and (self._policies is None or model.name in self._policies):
                entries = [entry for entry in model.iterdir() if entry.name.isascii() and entry.name.isdigit()]
                folders = {int(entry.name): entry for entry in sorted(entries) if entry.is_dir()}
                if folders:
                    found[model.name] = folders
        return found

    def _policy(self, name: str) -> Policy:
        return (self._policies or {}).get(name, Policy())

    def _number(self, spec: Spec) -> int | None:
        if spec.label is None:
            return spec.version
        labels = self._policy(spec.name).labels
        if spec.label not in labels:
            raise invalid(f"Unrecognized servable version label: {spec.label}; known are {sorted(labels)}")
        return labels[spec.label]

    def _is_due(self, known: _Version | None, folder: Path) -> bool:
        if known is None or (known.state == State.END and known.error is None):
            return True
        # A version that failed is tried again when its files change: it may have been half copied.
        return known.error is not None and known.files != _fingerprint(folder)

    def _load(self, name: str, number: int, folder: Path) -> None:
        version = _Version(_fingerprint(folder), State.LOADING)
        with self._lock:
            self._models[name][number] = version
        servable = None
        try:
            servable = Servable(name, number, folder, self._batching)
            warm_up(servable)
        except Exception as error:  # whatever is wrong with one version, the others are served
            if servable:
                servable.close()
            version.error = _refusal_of(error, folder)
            log.error("%s version %d can't be loaded: %s", name, number, version.error.reason)
        with self._lock:
            version.servable = None if version.error else servable
            version.state = State.END if version.error else State.AVAILABLE
        if not version.error:
            log.info("%s version %d is available", name, number)

    def _retire(self, name: str, number: int) -> None:
        """Gives a version to no further request, and unloads it at once where no request holds it."""
        version = self._models[name][number]
        with self._lock:
            if version.state != State.AVAILABLE:
                return
            version.state = State.UNLOADING
            free = not version.users
        if free:
            self._unload(name, number, version)

    def _unload(self, name: str, number: int, version: _Version) -> None:
        with self._lock:
            servable, version.servable = version.servable, None
        if servable is not None:
            servable.close()
        with self._lock:
            version.state = State.END
        log.info("%s version %d is unloaded", name, number)


def _fingerprint(folder: Path) -> tuple:
    """Changes when any file of a version does."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def _refusal_of(error: Exception, folder: Path) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, tf.errors.OpError):
        return from_tensorflow(error)
    code = grpc.StatusCode.NOT_FOUND if isinstance(error, OSError) else grpc.StatusCode.INTERNAL
    return Refusal(code, f"{folder}: {type(error).__name__}: {error}")
