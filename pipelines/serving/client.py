"""A client of TensorFlow Serving, or of the development server: the same calls over REST or gRPC, by the address.

Nothing in it is specific to either server. Over REST it needs httpx and NumPy only.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from pipelines.serving.client_transport import (
    DTYPES,
    RefusedError,
    ServingError,
    Transport,
    UnreachableError,
    strings,
)

__all__ = ["Client", "Prediction", "RefusedError", "ServingError", "UnreachableError", "VersionStatus"]

TRIES = 3  # of a request that was not answered; a refusal and a timeout are never tried again
PAUSE_SECONDS = 0.2  # before the second try, and twice that before the third
IMAGES_PER_REQUEST = 32
BYTES_PER_REQUEST = 8 * 2**20  # an image above it goes alone


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image."""

    label: str
    probability: float
    top: list[tuple[str, float]]  # (label, probability), the most probable first


@dataclass(frozen=True)
class VersionStatus:
    """One version of the model on the server."""

    version: int
    state: str  # START, LOADING, AVAILABLE, UNLOADING or END
    error_code: str  # OK, or why it can't be served
    error_message: str


class Client:
    """One model, or one version of it, on the server at `http://host:port` or `grpc://host:port`.

    A request that no server answered is tried again, 3 times in all, since predicting changes nothing. Raises
    ValueError for another kind of address.
    """

    def __init__(self, address: str, model: str, version: int | None = None, timeout: float = 30.0):
        parts = urlsplit(address)
        if not parts.hostname or not parts.port:
            raise ValueError(f"the address must look like http://127.0.0.1:8501 or grpc://127.0.0.1:8500: {address!r}")
        self._signatures: dict[str, Any] | None = None
        self._transport: Transport
        if parts.scheme in ("http", "https"):
            from pipelines.serving.client_rest import Rest

            self._transport = Rest(address, model, version, timeout)
        elif parts.scheme == "grpc":
            from pipelines.serving.client_grpc import Grpc  # its stubs import TensorFlow

            self._transport = Grpc(parts.netloc, model, version, timeout)
        else:
            raise ValueError(f"the address must begin with http://, https:// or grpc://: {address!r}")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._transport.close()

    def classify_images(self, images: Sequence[bytes | Path]) -> list[Prediction]:
        """Encoded images, or files of them -> what the model says of each, in order.

        Sends at most 32 images or 8 MiB at a time. Raises OSError for a file that can't be read, RefusedError where
        the server can't decode one of the images, and what `predict` raises.
        """
        found = []
        for batch in _batches(images):
            answer = self.predict({"image_bytes": strings(batch)})
            if not {"top_labels", "top_probabilities"} <= answer.keys():
                raise ValueError(f"the model is no image classifier of this project: it gives {sorted(answer)}")
            for labels, scores in zip(answer["top_labels"], answer["top_probabilities"], strict=True):
                top = [(label.decode(), float(score)) for label, score in zip(labels, scores, strict=True)]
                found.append(Prediction(*top[0], top))
        return found

    def predict(self, inputs: Mapping[str, Any], signature: str = "serving_default") -> dict[str, np.ndarray]:
        """Named arrays -> named arrays; lists and wider numbers are cast to the type that the signature takes.

        Raises RefusedError with the server's reason, TypeError for values that can't be cast without losing their
        kind, UnreachableError where no server answers or it is too busy, TimeoutError where it takes too long.
        """
        try:
            known = self._signature(signature)
            arrays = {name: _cast(name, value, known["inputs"].get(name)) for name, value in inputs.items()}
            return _retried(lambda: self._transport.predict(arrays, signature, known["outputs"]))
        except RefusedError:
            self._signatures = None  # another version, with other signatures, may be serving by now
            raise

    def status(self) -> list[VersionStatus]:
        """Every version that the server knows, newest first, or the client's one. Raises RefusedError for none."""
        versions = _retried(self._transport.status).get("model_version_status", [])
        return [
            VersionStatus(int(v["version"]), v["state"], v["status"]["error_code"], v["status"]["error_message"])
            for v in versions
        ]

    def metadata(self) -> dict[str, Any]:
        """The name and version that answer, and the inputs and outputs of each signature, as the REST API has them."""
        return _retried(self._transport.metadata)

    def _signature(self, name: str) -> dict[str, Any]:
        if self._signatures is None:
            self._signatures = self.metadata()["metadata"]["signature_def"]["signature_def"]
        if name not in self._signatures:
            reason = f"no serving signature is called {name!r}; there are {sorted(self._signatures)}"
            raise RefusedError("INVALID_ARGUMENT", reason)
        return self._signatures[name]


def _retried(request):
    for attempt in range(TRIES - 1):
        try:
            return request()
        except UnreachableError:
            time.sleep(PAUSE_SECONDS * 2**attempt)
    return request()


def _batches(images: Sequence[bytes | Path]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for image in images:
        encoded = image if isinstance(image, bytes) else Path(image).read_bytes()
        if batch and (len(batch) == IMAGES_PER_REQUEST or size + len(encoded) > BYTES_PER_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(encoded)
        size += len(encoded)
    if batch:
        yield batch


def _cast(name: str, value: Any, info: Mapping[str, Any] | None) -> np.ndarray:
    dtype = DTYPES.get(info["dtype"]) if info else None
    if dtype is object:
        return strings(value)
    array = np.asarray(value)
    if dtype is None or array.dtype == dtype:
        return array
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(f"input {name!r} takes {np.dtype(dtype).name}, not {array.dtype.name}")
    return array.astype(dtype)
