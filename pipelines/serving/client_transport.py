"""What the client's two ways to a server share: how they fail, what they must do, and the types of tensors."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class ServingError(Exception):
    """The server did not answer with a prediction."""


class RefusedError(ServingError, ValueError):
    """The server refused the request; the message is its reason, `code` the canonical code's name."""

    def __init__(self, code: str, reason: str):
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class UnreachableError(ServingError, ConnectionError):
    """No server answered at the address, or it was too busy."""


class Transport(Protocol):
    """One way to reach a server; a method makes one try; it raises RefusedError, UnreachableError, TimeoutError."""

    def predict(
        self, inputs: Mapping[str, np.ndarray], signature: str, outputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Named tensors -> named tensors; `outputs` are the signature's, as the metadata has them."""

    def status(self) -> dict[str, Any]:
        """The JSON form of GetModelStatusResponse."""

    def metadata(self) -> dict[str, Any]:
        """The JSON form of GetModelMetadataResponse."""

    def close(self) -> None:
        """Ends its connections."""


DTYPES: dict[str, Any] = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_HALF": np.float16,
    "DT_INT8": np.int8,
    "DT_INT16": np.int16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_UINT16": np.uint16,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
    "DT_BOOL": np.bool_,
    "DT_STRING": object,
}


def strings(value: Any) -> np.ndarray:
    """bytes, str, or nested lists of them -> an array of objects; NumPy's own type for bytes drops trailing zeros."""
    if isinstance(value, np.ndarray):
        return value.astype(object)
    if isinstance(value, (bytes, str)):
        array = np.empty((), object)
        array[()] = value
        return array
    parts = [strings(item) for item in value]
    return np.stack(parts) if parts else np.empty(0, object)
