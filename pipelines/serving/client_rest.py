"""The client's way over REST: httpx and JSON."""

import base64
import json
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np

from pipelines.serving.client_transport import DTYPES, RefusedError, UnreachableError, strings

_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}


class Rest:
    """One model on the server at `http://host:port`; see `client_transport.Transport`."""

    def __init__(self, address: str, model: str, version: int | None, timeout: float):
        path = f"/v1/models/{quote(model, safe='')}"
        self._path = path if version is None else f"{path}/versions/{version}"
        self._http = httpx.Client(base_url=address, timeout=timeout)

    def predict(self, inputs, signature, outputs):
        columns = ", ".join(f"{json.dumps(name)}: {_json(value)}" for name, value in inputs.items())
        body = f'{{"signature_name": {json.dumps(signature)}, "inputs": {{{columns}}}}}'
        answer = self._send("POST", f"{self._path}:predict", body)["outputs"]
        if len(outputs) == 1:  # then the server leaves the name out
            answer = {next(iter(outputs)): answer}
        return {name: _array(value, outputs[name]["dtype"]) for name, value in answer.items()}

    def status(self):
        return self._send("GET", self._path)

    def metadata(self):
        return self._send("GET", f"{self._path}/metadata")

    def close(self):
        self._http.close()

    def _send(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, content=body)
        except httpx.TimeoutException as error:
            raise TimeoutError(f"{self._http.base_url} did not answer in time ({type(error).__name__})") from error
        except httpx.TransportError as error:
            raise UnreachableError(f"no answer from {self._http.base_url}: {error or type(error).__name__}") from error
        if response.status_code == 200:
            return response.json()
        try:
            reason = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            reason = response.text[:200] or response.reason_phrase
        if response.status_code in (429, 503):  # too busy
            raise UnreachableError(reason)
        raise RefusedError(_CODES.get(response.status_code, f"HTTP {response.status_code}"), reason)


def _json(value: np.ndarray) -> str:
    if value.dtype == object:
        return json.dumps(_json_bytes(value.tolist()))
    if value.dtype == np.float32:
        # Nine digits are enough to read the same float32; those of its double are twice as long to send and parse.
        form = "%.9g"
        for size in reversed(value.shape):
            form = "[" + ",".join([form] * size) + "]"
        text = form % tuple(value.ravel().tolist())
        return text if np.isfinite(value).all() else text.replace("nan", "NaN").replace("inf", "Infinity")
    return json.dumps(value.tolist(), separators=(",", ":"))


def _json_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_bytes(item) for item in value]
    encoded = value.encode() if isinstance(value, str) else value
    return {"b64": base64.b64encode(encoded).decode()}


def _array(value: Any, dtype: str) -> np.ndarray:
    return strings(_from_json_bytes(value)) if dtype == "DT_STRING" else np.array(value, DTYPES[dtype])


def _from_json_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json_bytes(item) for item in value]
    return value.encode() if isinstance(value, str) else base64.b64decode(value["b64"])
